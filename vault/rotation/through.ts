import { type Account, currentCredential, findAccount, readAccount } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import type { Row } from '../rows.ts'
import { pinsOf } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { connectorOf } from './connectors.ts'
import type { Step } from './phases.ts'

type Db = Pick<Tx, 'db' | 'guard'>

/** Is a step of this connector done as another account? */
export function goesThrough(connector: string | null, step: Step): boolean {
  return connectorOf(connector)?.through?.steps.includes(step) === true
}

/** The account as which another one is changed, with its present credential; undefined: none is named, or it is gone. */
export async function throughOf(
  db: Db,
  account: Account,
  settings: Row<'account_rotation'> | undefined,
): Promise<{ readonly account: Account; readonly credential: Row<'credential'> } | undefined> {
  const id = settings?.through_account_id ?? null
  if (id === null) return undefined
  const through = await readAccount(db.db, db.guard, id)
  // SECURITY: on the same host still, and in the same safe: else another's secret would be used, or be sent elsewhere.
  if (through === undefined || through.removed_at !== null || !isBeside(account, through)) return undefined
  if (!(await isBoundTo(db as Tx, through, through.target)) || pinsOf(through.target).length === 0)
    return undefined
  const credential = await currentCredential(db.db, db.guard, through.id)
  return credential === undefined ? undefined : { account: through, credential }
}

/** Are both accounts of one host, and looked after by the same people? */
function isBeside(account: Account, other: Account): boolean {
  return (
    other.safe_id === account.safe_id &&
    other.target.removed_at === null &&
    other.target.host.toLowerCase() === account.target.host.toLowerCase() &&
    other.target.zone === account.target.zone
  )
}

/** The account of a name as which another may be changed. */
export async function throughNamed(
  tx: Tx,
  account: Account,
  before: Row<'account_rotation'> | undefined,
  wanted: string | null | undefined,
): Promise<Outcome<Row<'account'>['id'] | null>> {
  if (wanted === undefined) return done(before?.through_account_id ?? null)
  if (wanted === null) return done(null)
  const found = await findAccount(tx.db, tx.guard, wanted)
  if (found === undefined) return notFound('account', wanted)
  if (found.id === account.id)
    return refuse('invalid', 'throughAccount: an account is not changed through itself', 'name another')
  // SECURITY: whoever manages this safe would have another safe's account used for theirs.
  if (!isBeside(account, found))
    return refuse(
      'invalid',
      'throughAccount: it is of another host or in another safe',
      `name an account of the host ${account.target.host} in the same safe`,
    )
  return done(found.id)
}
