import { approverIds } from '../checkout/approval.ts'
import type { PolicyPlan } from '../contract.ts'
import { Fault } from '../kernel/fault.ts'
import { groupsOf, type Policy, wantedOf } from '../policy/access-rule.ts'
import { missingOf } from '../policy/approvals.ts'
import { fitsPattern } from '../policy/document.ts'
import { checked, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { machinesOf } from './machine.ts'
import { verdictFinder, type Verdict } from './revisit.ts'
import { readSubjects } from './subject.ts'

type TouchedSession = PolicyPlan['sessions'][number]
type TouchedRequest = PolicyPlan['requests'][number]

/** What another policy would make of the sessions that run: which end, end sooner, or wait for a supervisor. */
export async function touchedSessions(
  tx: Tx,
  { live }: World,
  wanted: Policy,
): Promise<readonly TouchedSession[]> {
  const sessions = live.where((session) => session.cut === null)
  if (sessions.length === 0) return []
  const verdictOf = await verdictFinder(tx.db, tx.guard, wanted, sessions, tx.now.getTime())
  return sessions.flatMap((session): TouchedSession[] => {
    const of = { session: session.id, user: session.userName, account: session.accountName }
    const verdict = orFault(() => verdictOf(session))
    // What rests on a forged row ends whatever is applied.
    if (verdict === undefined) return []
    if ('why' in verdict) return [{ ...of, change: 'ends', why: verdict.why, endsAt: null }]
    const waits = verdict.supervisors.groups.filter((group) => !session.supervisors.includes(group))
    if (waits.length > 0) {
      const why = `its input waits until somebody of ${waits.join(' and one of ')} watches`
      return [{ ...of, change: 'waits', why, endsAt: null }]
    }
    if (verdict.endsAt >= session.endsAt) return []
    const endsAt = new Date(verdict.endsAt).toISOString()
    return [{ ...of, change: 'ends sooner', why: `it ends ${endsAt}`, endsAt }]
  })
}

function orFault(act: () => Verdict): Verdict | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof Fault) return undefined
    throw error
  }
}

/** The open requests that another policy would ask more of: more approvals than now, or another work order. */
export async function touchedRequests(
  tx: Tx,
  present: Policy,
  wanted: Policy,
): Promise<readonly TouchedRequest[]> {
  const requests = checked(
    tx.guard,
    'access_request',
    await tx.db
      .selectFrom('access_request')
      .selectAll()
      .where('state', '=', 'open')
      .where('expires_at', '>', tx.now)
      .orderBy('id')
      .limit(1_000)
      .execute(),
  )
  if (requests.length === 0) return []
  const users = new Map((await usersOf(tx, requests)).map((user) => [user.id, user]))
  const subjectOf = await readSubjects(tx.db, tx.guard, [...users.values()])
  const accounts = requests.map((request) => request.account_id)
  const machines = {
    present: await machinesOf(tx.db, tx.guard, present, accounts),
    wanted: await machinesOf(tx.db, tx.guard, wanted, accounts),
  }
  const names = await accountNames(tx, accounts)
  const said = await approverIds(tx, requests)
  return requests.flatMap((request): TouchedRequest[] => {
    const user = users.get(request.user_id)
    if (user === undefined) return []
    const look = (policy: Policy, at: typeof machines.present) => {
      const asked = wantedOf(policy, subjectOf(user), at.get(request.account_id) ?? [], request.actions)
      const given = (said.get(request.id) ?? []).map((id) => ({ groups: groupsOf(policy, id) }))
      const unfit = asked.workOrders.find(({ pattern }) => !fitsPattern(pattern, request.work_order ?? ''))
      return { missing: missingOf(given, asked.approvals), unfit }
    }
    const before = look(present, machines.present)
    const after = look(wanted, machines.wanted)
    const of = { request: request.id, user: user.name, account: names.get(request.account_id) ?? '' }
    if (after.unfit !== undefined && before.unfit?.pattern !== after.unfit.pattern)
      return [{ ...of, why: `its work order is not of the form ${after.unfit.pattern}` }]
    const more = beyond(after.missing, before.missing)
    return more.length === 0
      ? []
      : [{ ...of, why: `it wants an approval of ${more.join(' and one of ')} too` }]
  })
}

/** What is in the one list more often than in the other, each time. */
function beyond(these: readonly string[], those: readonly string[]): readonly string[] {
  const left = [...those]
  return these.filter((one) => {
    const at = left.indexOf(one)
    if (at === -1) return true
    left.splice(at, 1)
    return false
  })
}

async function usersOf(tx: Tx, requests: readonly Row<'access_request'>[]) {
  const ids = [...new Set(requests.map((request) => request.user_id))]
  return checked(
    tx.guard,
    'app_user',
    await tx.db.selectFrom('app_user').selectAll().where('id', 'in', ids).execute(),
  )
}

async function accountNames(tx: Tx, ids: readonly Row<'account'>['id'][]) {
  const rows = await tx.db
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select(['account.id', 'account.login', 'target.name'])
    .where('account.id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map((row) => [row.id, `${row.name}/${row.login}`]))
}
