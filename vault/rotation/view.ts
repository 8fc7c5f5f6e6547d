import type { Kysely } from 'kysely'
import type { RotationRunView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { type Checker, checked } from '../rows.ts'
import { stepOf } from './phases.ts'
import type { Run } from './run.ts'

/** Runs as people see them. */
export async function showRuns(
  db: Kysely<Database>,
  checker: Checker,
  runs: readonly Run[],
  now: Date,
): Promise<readonly RotationRunView[]> {
  if (runs.length === 0) return []
  const accounts = checked(
    checker,
    'account',
    await db
      .selectFrom('account')
      .selectAll()
      .where('id', 'in', [...new Set(runs.map(({ account_id }) => account_id))])
      .execute(),
  )
  const targets = checked(
    checker,
    'target',
    await db
      .selectFrom('target')
      .selectAll()
      .where('id', 'in', [...new Set(accounts.map(({ target_id }) => target_id))])
      .execute(),
  )
  const places = checked(
    checker,
    'rotation_task',
    await db
      .selectFrom('rotation_task')
      .selectAll()
      .where(
        'run_id',
        'in',
        runs.map(({ id }) => id),
      )
      .where('kind', '=', 'place')
      .execute(),
  ).toSorted((one, other) => (one.place < other.place ? -1 : 1))
  const target = new Map(targets.map(({ id, name }) => [id, name]))
  const names = new Map(accounts.map((one) => [one.id, `${target.get(one.target_id) ?? ''}/${one.login}`]))
  return runs.map((run): RotationRunView => {
    const isOut = run.step_until !== null && run.step_until > now
    const account = names.get(run.account_id) ?? ''
    return {
      id: run.id,
      account,
      kind: run.kind,
      cause: run.cause,
      askedBy: run.asked_by,
      reason: run.reason,
      batch: run.batch,
      place: run.place,
      connector: run.connector,
      phase: run.phase,
      step: isOut ? (stepOf(run.phase) ?? null) : null,
      stepUntil: isOut ? (run.step_until?.toISOString() ?? null) : null,
      believes: run.believes,
      attempts: run.attempts,
      version: run.version,
      persisted: run.persisted,
      why: run.why,
      next: wayOut(run, account),
      createdAt: run.created_at.toISOString(),
      dueAt: run.due_at.toISOString(),
      begunAt: run.begun_at?.toISOString() ?? null,
      endedAt: run.ended_at?.toISOString() ?? null,
      dependants: places
        .filter(({ run_id }) => run_id === run.id)
        .map(({ id, place, state, due_at, closed_at }) => ({
          ...{ place, task: id },
          state: state === 'done' || state === 'dropped' ? state : 'open',
          isOverdue: closed_at === null && due_at <= now,
        })),
    }
  })
}

/** What a person can do about a run that does not go by itself. */
function wayOut(run: Run, account: string): string | null {
  if (run.phase === 'assisting' || run.phase === 'signing')
    return `people change it: see tagout rotation tasks --account ${account}`
  if (run.phase === 'unknown')
    return `both credentials are kept: try them again with tagout rotation retry ${run.id}, or set one on the machine and give it with tagout account secret ${account}`
  if (run.kind === 'verify' && run.phase === 'failed' && run.believes === 'nothing')
    return `find out who changed it there; set one on the machine and give it with tagout account secret ${account}`
  if (run.phase === 'failed')
    return `the present credential is in use: look at why, then tagout rotate ${account}`
  if (run.persisted === false)
    return 'save the configuration of the machine by hand, or it forgets it at a restart'
  return run.phase === 'done' && run.why !== '' ? 'look at the machine' : null
}
