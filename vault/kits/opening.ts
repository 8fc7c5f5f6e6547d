import { newId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { insertGuarded, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { lockKit } from './kit.ts'
import { custodiansOfKit, showKit } from './view.ts'

/** Milliseconds by which the clock of whatever a kit was opened on may be wrong. */
const clockDoubtMs = 24 * 3600_000

/**
 * Notes that a kit was opened where no server saw it. What was in it is a task from then on, until each of its secrets
 * is another one. A drill, in which nothing was shown, is noted as such.
 */
export const kitReport: Handler<'kit.report'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const kit = await lockKit(tx, input.kit)
    if (kit === undefined) return notFound('kit', input.kit)
    const madeAt = new Date(input.madeAt)
    const said = new Date(input.openedAt)
    if (kit.confirmed_at === null || madeAt < kit.confirmed_at)
      return refuse(
        'invalid',
        'madeAt: this kit was not in force then',
        'look at the first lines of the file',
      )
    const wrongClock = 'give the moment yourself: tagout kit opened KIT --opened …'
    if (said.getTime() < madeAt.getTime() - clockDoubtMs)
      return refuse('invalid', 'openedAt: it was made after that', wrongClock)
    if (said.getTime() > tx.now.getTime() + clockDoubtMs)
      return refuse('invalid', 'openedAt: that is not yet', wrongClock)
    const openedAt = new Date(Math.min(Math.max(said.getTime(), madeAt.getTime()), tx.now.getTime()))
    const known = custodiansOfKit(kit)
    const names = new Map(known.custodians.map(({ name }) => [name.toLowerCase(), name]))
    const stranger = input.custodians.find((name) => !names.has(name.toLowerCase()))
    if (stranger !== undefined)
      return refuse(
        'invalid',
        `custodians: ${stranger} holds no share of this kit`,
        `it has ${[...names.values()].join(', ')}`,
      )
    const custodians = [...new Set(input.custodians.map((name) => names.get(name.toLowerCase()) ?? name))]
    if (custodians.length < known.threshold)
      return refuse(
        'invalid',
        `custodians: it takes ${known.threshold} of them to open this kit`,
        'name all who gave their share',
      )
    if (!input.drill)
      await insertGuarded(tx, 'kit_opening', {
        id: newId('kop', tx.now.getTime()),
        kit_id: kit.id,
        made_at: madeAt,
        opened_at: openedAt,
        custodians,
        reason: input.reason,
        reported_by: nameOf(call),
        reported_at: tx.now,
      })
    const drilled =
      input.drill && (kit.drilled_at === null || kit.drilled_at < openedAt)
        ? await updateGuarded(tx, 'emergency_kit', kit, { drilled_at: openedAt })
        : kit
    const view = await showKit(tx, call.world, drilled)
    await tx.audit({
      kind: 'kit.opened',
      kit: kit.id,
      set: view.set,
      drill: input.drill,
      custodians,
      openedAt: openedAt.toISOString(),
      reason: input.reason,
      secrets: input.drill
        ? 0
        : (view.openings.find((one) => one.reportedAt === tx.now.toISOString())?.left.length ?? 0),
      safe: kit.safe_id,
      safeName: view.safe,
      ...by(call),
    })
    return done(view)
  })
