import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type CustodianParameters, custodiansOf, isShareOf } from '../keys/custodians.ts'
import { parseShare, type Share } from '../keys/share.ts'
import { by, type Call, type Handler } from '../world.ts'
import type { VerbAnswer } from '../contract.ts'
import { setText, sharesView } from './view.ts'

/**
 * Takes a custodian's share. With the last one needed the vault opens, or, in a rehearsal, is shown to open.
 *
 * SECURITY: no oracle. A share is only told right from wrong, by its own hash, which helps nobody to find it; what
 * the shares together give is tried once there are enough right ones. Wrong shares are slowed down like passphrases.
 */
export const custodyShare: Handler<'custody.share'> = async (call, input) => {
  const { backOff, vault, custody } = call.world
  const rehearsal = input.rehearse === true
  if (!rehearsal && !vault.isSealed)
    return refuse('conflict', 'the vault is not sealed', 'to try a share without sealing: --dry-run')
  const wait = backOff.wait('admin door', 'share')
  if (wait > 0) return refuse('rate_limited', 'too many wrong shares', `wait ${wait} s, then try again`)
  const parsed = parseShare(input.share)
  if (!parsed.ok) return parsed
  const share = parsed.value
  const found = await findSet(call, share)
  if (!found.ok) {
    share.value[Symbol.dispose]()
    backOff.failed('admin door', 'share')
    await vault.inTransaction((tx) =>
      tx.audit({ kind: 'custody.share-refused', why: found.refusal.message, rehearsal, ...by(call) }),
    )
    return found
  }
  const { wrap, parameters, name } = found.value
  const entered = rehearsal ? custody.rehearsed : custody.entered
  const how = entered.enter(wrap, parameters, share)
  const waiting = entered.waiting
  if (waiting === undefined)
    return refuse('expired', 'the shares were forgotten meanwhile', 'enter them again')
  if (how === 'entered')
    await vault.inTransaction((tx) =>
      tx.audit({
        kind: 'custody.share-entered',
        set: share.set,
        index: share.index,
        name,
        given: waiting.given.length,
        threshold: waiting.threshold,
        rehearsal,
        ...by(call),
      }),
    )
  const answer = (opened: boolean): Outcome<VerbAnswer<'custody.share'>> =>
    done({ name, already: how === 'already', opened, shares: sharesView(waiting) })
  const combined = await entered.combine()
  if (combined === undefined) return answer(false)
  using secret = combined.secret
  const unsealing = { kind: 'custodians', wrap: combined.wrap, secret } as const
  try {
    const opened = rehearsal
      ? await vault.seals.rehearse(unsealing, call.actor)
      : await vault.unseal(unsealing, call.actor, { acceptRollback: input.acceptRollback === true })
    // Where the database is older than the vault remembers, the shares wait for somebody to accept that.
    if (!opened.ok && opened.refusal.code === 'conflict') return opened
    entered.forget()
    if (!opened.ok) return opened
    backOff.succeeded('admin door', 'share')
    return answer(true)
  } catch (error) {
    entered.forget()
    throw error
  }
}

type Found = { readonly wrap: string; readonly parameters: CustodianParameters; readonly name: string }

/** The set that a share belongs to, if it is a right share of it. */
async function findSet(call: Call, share: Share): Promise<Outcome<Found>> {
  const wraps = await call.world.vault.database
    .selectFrom('seal_wrap')
    .select(['id', 'kind', 'parameters'])
    .where('kind', '=', 'custodians')
    .execute()
  const sets = wraps.map((wrap) => ({ wrap: wrap.id, parameters: custodiansOf(wrap) }))
  if (sets.length === 0)
    return refuse('invalid', 'this vault has no custodians', 'make them with: tagout custody init')
  for (const { wrap, parameters } of sets) {
    if (parameters?.set !== share.set) continue
    const known = parameters.custodians.find(({ index }) => index === share.index)
    if (known !== undefined && isShareOf(parameters, share))
      return done({ wrap, parameters, name: known.name })
    return refuse(
      'unauthenticated',
      `share ${share.index}${known === undefined ? '' : ` (${known.name})`} of set ${setText(share.set)} is not the one that was handed out`,
      'the shares entered before it are kept; find out who changed this one',
    )
  }
  const present = sets.map(({ parameters }) => setText(parameters?.set ?? '')).join(', ')
  return refuse(
    'unauthenticated',
    `that share is of set ${setText(share.set)}; this vault's custodians hold set ${present}`,
    'a share of a set that was exchanged opens nothing: enter one of the present set',
  )
}

/** Wipes the shares that wait for others. */
export const custodyForget: Handler<'custody.forget'> = async (call) => {
  const { custody, vault } = call.world
  const given = custody.entered.forget() + custody.rehearsed.forget()
  if (given > 0)
    await vault.inTransaction((tx) =>
      tx.audit({ kind: 'custody.forgotten', given, why: 'asked for', ...by(call) }),
    )
  return done({ given })
}
