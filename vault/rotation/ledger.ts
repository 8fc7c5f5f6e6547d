import { findAccount } from '../accounts/account.ts'
import { readExposures } from '../accounts/exposures.ts'
import type { AccountLedger } from '../contract.ts'
import { isId, type RotationId } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked } from '../rows.ts'
import type { Handler } from '../world.ts'
import { showSettings } from './settings.ts'
import { showTasks } from './tasks.ts'

/** Versions that are shown: those before them are in the audit log. */
const mostVersions = 500

/**
 * All that is known of the secret of an account: each version, who or what made it and why, when a login last showed that it is
 * taken, who has seen it, and where something else was found.
 */
export const rotationLedger: Handler<'rotation.ledger'> = async ({ world }, input) => {
  const { database, guard, clock } = world.vault
  const now = clock()
  const account = await findAccount(database, guard, input.account)
  if (account === undefined) return notFound('account', input.account)
  const credentials = checked(
    guard,
    'credential',
    await database
      .selectFrom('credential')
      .selectAll()
      .where('account_id', '=', account.id)
      .orderBy('version', 'desc')
      .limit(mostVersions)
      .execute(),
  )
  const runs = checked(
    guard,
    'rotation_run',
    await database
      .selectFrom('rotation_run')
      .selectAll()
      .where('account_id', '=', account.id)
      .orderBy('created_at', 'desc')
      .limit(2 * mostVersions)
      .execute(),
  )
  const rows = checked(
    guard,
    'rotation_task',
    await database
      .selectFrom('rotation_task')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('kind', '=', 'change')
      .execute(),
  )
  const tasks = await showTasks(database, guard, rows, now)
  const exposures = await readExposures(database, guard, { account: account.id }, now)
  const made = new Map(runs.map((run) => [run.id as string, run]))
  const verified = (version: number) =>
    runs
      .filter(({ phase }) => phase === 'done')
      .filter((run) => (run.kind === 'verify' ? run.from_version : run.version) === version)
      .map(({ ended_at }) => ended_at?.toISOString() ?? '')
      .sort()
      .at(-1) ?? null
  const { exemption } = await showSettings(database, guard, account, now)
  return done({
    account: account.name,
    exemption,
    versions: credentials.map((row): AccountLedger['versions'][number] => {
      const run = isId('rot', row.created_by) ? made.get(row.created_by as RotationId) : undefined
      const task = run === undefined ? undefined : tasks.find((one) => one.run === run.id)
      const isSigned = task !== undefined && task.signer !== null
      return {
        ...{
          version: row.version,
          state: row.state,
          kind: row.kind,
          createdAt: row.created_at.toISOString(),
        },
        by: run === undefined ? row.created_by : run.asked_by,
        ...{ cause: run?.cause ?? 'by hand', reason: run?.reason ?? '', run: run?.id ?? null },
        // What somebody signed no machine has seen.
        verifiedAt: isSigned ? null : verified(row.version),
        people:
          task === undefined || task.changer === null
            ? null
            : { changer: task.changer, approver: task.approver, signer: task.signer },
        exposures: exposures
          .filter(({ version }) => version === row.version)
          .map(({ user, at, cause }) => ({ user, at, cause })),
      }
    }),
    checks: runs
      .filter(({ kind, ended_at }) => kind === 'verify' && ended_at !== null)
      .map((run) => ({
        run: run.id,
        at: run.ended_at?.toISOString() ?? '',
        result:
          run.phase === 'done'
            ? 'fine'
            : run.phase === 'failed' && run.believes === 'nothing'
              ? 'drift'
              : 'unknown',
        why: run.why,
      })),
  })
}
