import { enabledBy } from '../accounts/elevation.ts'
import type { RotationAccount } from '../contract.ts'
import { done } from '../kernel/outcome.ts'
import { checked, type Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import type { Handler } from '../world.ts'
import { strengthOf } from './profile.ts'
import { dueOf } from './schedule.ts'
import { makerOf, unsetReason } from './settings.ts'
import { showRuns } from './view.ts'

/** How each account that somebody sees is rotated, or not; how old its secret is; and what its last rotation came to. */
export const rotationAccounts: Handler<'rotation.accounts'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const now = clock()
  const sight = await sightOf(call)
  const safes = sight.all ? undefined : sight.safesWith('manage', 'approve')
  if (safes?.length === 0) return done([])
  const query = database
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .innerJoin('safe', 'safe.id', 'account.safe_id')
    .selectAll('account')
    .select(['target.name as target_name', 'safe.name as safe_name'])
    .where('account.removed_at', 'is', null)
    .where('target.removed_at', 'is', null)
    .orderBy('target.name')
    .orderBy('account.login')
  const accounts = await (safes === undefined ? query : query.where('account.safe_id', 'in', safes)).execute()
  checked(guard, 'account', accounts)
  if (accounts.length === 0) return done([])
  const ids = accounts.map(({ id }) => id)
  const settings = byAccount(
    checked(
      guard,
      'account_rotation',
      await database.selectFrom('account_rotation').selectAll().where('account_id', 'in', ids).execute(),
    ),
  )
  // SECURITY: settings that somebody took out of the table would show an essential account as nobody's.
  for (const id of ids) if (!settings.has(id)) guard.checkAbsent('account_rotation', { account_id: id })
  const enabling = await enabledBy(database, guard, ids)
  const credentials = byAccount(
    checked(
      guard,
      'credential',
      await database
        .selectFrom('credential')
        .selectAll()
        .where('account_id', 'in', ids)
        .where('state', '=', 'current')
        .execute(),
    ),
  )
  const runs = checked(
    guard,
    'rotation_run',
    await database
      .selectFrom('rotation_run')
      .selectAll()
      .distinctOn('account_id')
      .where('account_id', 'in', ids)
      .orderBy('account_id')
      .orderBy('created_at', 'desc')
      .execute(),
  )
  const shown = await showRuns(database, guard, runs, now)
  const latest = new Map(runs.map((run, at) => [run.account_id, shown[at] ?? null]))
  return done(
    accounts.map((account): RotationAccount => {
      const row = settings.get(account.id)
      const since = credentials.get(account.id)?.created_at ?? null
      const due = dueOf(row, since)
      const profile = makerOf(row)
      const grade = row?.grade ?? 'G4'
      return {
        id: account.id,
        account: `${account.target_name}/${account.login}`,
        safe: account.safe_name,
        grade,
        gradeReason: row?.grade_reason ?? unsetReason(enabling.has(account.id)),
        connector: row?.connector ?? null,
        calendar: row?.calendar ?? null,
        how: howOf(row, grade),
        strength: profile === undefined || profile === null ? null : strengthOf(profile),
        since: since?.toISOString() ?? null,
        dueAt: due?.toISOString() ?? null,
        isOverdue: due !== null && due <= now,
        exemption:
          row === undefined || row.exempt_owner === null || row.exempt_until === null
            ? null
            : {
                owner: row.exempt_owner,
                until: row.exempt_until.toISOString(),
                isOver: row.exempt_until <= now,
              },
        last: latest.get(account.id) ?? null,
      }
    }),
  )
}

/** Whether it is changed by itself, when somebody says so, by people with their tools, or not at all. */
function howOf(
  row: Row<'account_rotation'> | undefined,
  grade: RotationAccount['grade'],
): RotationAccount['how'] {
  if (row === undefined || grade === 'G0' || grade === 'G4') return 'not'
  if (grade === 'G3') return 'by people'
  if (row.connector === null) return 'not'
  return !row.essential &&
    (row.max_age_days !== null || row.schedule !== null || row.after_check_in || row.after_reveal)
    ? 'by itself'
    : 'by hand'
}

function byAccount<One extends { readonly account_id: string }>(rows: readonly One[]): Map<string, One> {
  return new Map(rows.map((row) => [row.account_id, row]))
}
