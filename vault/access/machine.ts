import type { Kysely } from 'kysely'
import type { Account } from '../accounts/account.ts'
import type { Database } from '../db/tables.ts'
import type { AccountId, TargetId } from '../kernel/id.ts'
import type { Machine, Policy, Resource } from '../policy/access-rule.ts'
import { type Checker, checked, type Row } from '../rows.ts'
import { recordsOf } from '../targets/machine.ts'

type Db = Kysely<Database>

/** What says of an account, at its own target or at `target`, which machine it is used on. */
export type MachineOf = (
  account: Pick<Account, 'id' | 'safe_id' | 'name' | 'target'>,
  target?: Row<'target'>,
) => Machine

/** An account as a way to a target: its own, or another that it is bound to. */
export function resourceOf(
  account: Pick<Account, 'id' | 'safe_id' | 'target'>,
  target = account.target,
): Resource {
  return { safe: account.safe_id, target: target.id, account: account.id, protocol: target.protocol }
}

/** Reads what limits of the policy name, so that machines can be held against them. */
export async function machineFinder(db: Db, checker: Checker, policy: Policy): Promise<MachineOf> {
  const named = policy.rules.flatMap(({ document, targets }) =>
    document.effect === 'limit' ? [...targets] : [],
  )
  const recordsAt = await recordsOf(db, checker, named)
  return (account, target = account.target) => ({
    ...resourceOf(account, target),
    targetName: target.name,
    accountName: account.name,
    otherTargets: [...new Set([account.target.id, ...recordsAt(target)])],
    otherSafes: [...new Set([account.target.safe_id, target.safe_id])],
  })
}

/** The machines that each of these accounts can be used on: its own target, and those that it is bound to. */
export async function machinesOf(
  db: Db,
  checker: Checker,
  policy: Policy,
  ids: readonly AccountId[],
): Promise<ReadonlyMap<AccountId, readonly Machine[]>> {
  if (ids.length === 0 || policy.rules.length === 0) return new Map()
  const among = [...new Set(ids)]
  const accounts = checked(
    checker,
    'account',
    await db.selectFrom('account').selectAll().where('id', 'in', among).execute(),
  )
  const bindings = checked(
    checker,
    'binding',
    await db.selectFrom('binding').selectAll().where('account_id', 'in', among).execute(),
  )
  const places = new Map<AccountId, ReadonlySet<TargetId>>(
    accounts.map((account) => [
      account.id,
      new Set([
        account.target_id,
        ...bindings.filter((one) => one.account_id === account.id).map((one) => one.target_id),
      ]),
    ]),
  )
  const wanted = [...new Set([...places.values()].flatMap((one) => [...one]))]
  const targets = new Map(
    checked(
      checker,
      'target',
      wanted.length === 0
        ? []
        : await db.selectFrom('target').selectAll().where('id', 'in', wanted).execute(),
    ).map((row) => [row.id, row]),
  )
  const machineAt = await machineFinder(db, checker, policy)
  return new Map(
    accounts.map((account) => {
      const own = targets.get(account.target_id)
      const at = [...(places.get(account.id) ?? [])].flatMap((id) => targets.get(id) ?? [])
      const full =
        own === undefined ? undefined : { ...account, target: own, name: `${own.name}/${account.login}` }
      return [account.id, full === undefined ? [] : at.map((target) => machineAt(full, target))]
    }),
  )
}
