import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call } from '../world.ts'
import { advance, findRun, isStepOut, openRunOf } from './run.ts'

/** A person has given another credential by hand: what was under way is over. Refused while a target is being changed. */
export async function supersedeRun(
  tx: Tx,
  call: Pick<Call, 'world' | 'actor' | 'source'>,
  account: { readonly id: Row<'account'>['id']; readonly name: string },
): Promise<Outcome<null>> {
  const open = await openRunOf(tx, account.id)
  if (open === undefined) return done(null)
  if (isStepOut(tx, open))
    return refuse('held', `the account ${account.name} is being rotated`, 'try again in a minute')
  const run = await findRun(tx, open.id, 'update')
  if (run !== undefined) await advance(tx, call.world, run, { kind: 'superseded' }, by(call))
  return done(null)
}
