import type { MaskRegion } from '../contract.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { maskOf } from './masked.ts'
import { findTarget, showTarget } from './target.ts'

/**
 * Says what of a target's screen is not recorded, and why. Sessions that run go on as they are: their recordings have said
 * already what is in them. A person gives a fresh code.
 */
export const targetMask: Handler<'target.mask'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findTarget(tx.db, tx.guard, input.target, 'update')
    if (row === undefined) return notFound('target', input.target)
    if (row.protocol !== 'vnc' && row.protocol !== 'rdp')
      return refuse(
        'conflict',
        `the target ${row.name} is spoken with over ${row.protocol}, whose screen is no picture`,
        'only a region of VNC or RDP is masked',
      )
    const { regions } = input
    const reason = input.reason?.trim() ?? ''
    if (regions.length === 0 && row.mask === null)
      return refuse('conflict', `all of the target ${row.name} is recorded`, 'there is nothing to take back')
    if (regions.length > 0) {
      const fault = faultOf(regions, reason)
      if (!fault.ok) return fault
    }
    const mask = regions.length === 0 ? null : canonicalJson({ reason, regions, setBy: nameOf(call) })
    const after = await updateGuarded(tx, 'target', row, { mask })
    const before = maskOf(row)?.regions ?? []
    await tx.audit({
      kind: 'target.mask-set',
      ...{ regions, before, reason },
      target: row.id,
      targetName: row.name,
      ...by(call),
    })
    return done(await showTarget(tx.db, tx.guard, after, tx.now))
  })

function faultOf(regions: readonly MaskRegion[], reason: string): Outcome<null> {
  if (reason === '')
    return refuse('invalid', 'reason: this is missing', 'write why it must not be recorded: auditors read it')
  for (const { unit, x, y, width, height } of regions)
    if (unit === 'percent' && (x + width > 100 || y + height > 100))
      return refuse('invalid', 'regions: one reaches beyond 100 per cent', 'give x, y, width and height')
  // SECURITY: what is not recorded is the exception: nobody is left to watch a machine all of which is masked.
  const percent = regions
    .filter(({ unit }) => unit === 'percent')
    .reduce((sum, { width, height }) => sum + (width * height) / 100, 0)
  return percent > 50
    ? refuse('invalid', 'regions: they are more than half of the screen', 'mask only what must not be seen')
    : done(null)
}
