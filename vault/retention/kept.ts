import { type Kysely, type SqlBool, sql } from 'kysely'
import { standardRetention } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { type Checker, checkedWhole, type Row } from '../rows.ts'

type Db = Kysely<Database>
export type Condition = ReturnType<typeof sql<SqlBool>>
/** A class as it holds for a safe: at least as long as the floor. */
export type Kept = { readonly name: string; readonly days: number | null }

/** What recordings are kept by: the classes, which of them each safe has, and the least. */
export type Retention = {
  readonly classes: readonly Row<'retention_class'>[]
  readonly safes: readonly Row<'safe'>[]
  readonly floor: Row<'retention_floor'> | undefined
  readonly of: (safe: string) => Kept
}

/**
 * SECURITY: a class, the floor or a safe that is gone although the vault wrote it is a fault: without it recordings would be due
 * that are not.
 */
export async function readRetention(db: Db, checker: Checker): Promise<Retention> {
  const classes = checkedWhole(
    checker,
    'retention_class',
    await db.selectFrom('retention_class').selectAll().orderBy('name').execute(),
  )
  const [floor] = checkedWhole(
    checker,
    'retention_floor',
    await db.selectFrom('retention_floor').selectAll().execute(),
  )
  const safes = checkedWhole(
    checker,
    'safe',
    await db.selectFrom('safe').selectAll().orderBy('name').execute(),
  )
  const ofSafe = new Map<string, string>(safes.map((safe) => [safe.id, classNameOf(safe)]))
  return {
    classes,
    safes,
    floor,
    of: (safe) => {
      const name = ofSafe.get(safe) ?? standardRetention
      const row = classes.find((one) => one.name === name)
      return { name, days: atLeast(row?.days ?? null, floor?.days ?? 0) }
    },
  }
}

export function classNameOf(safe: Pick<Row<'safe'>, 'retention_class'>): string {
  return safe.retention_class ?? standardRetention
}

/** A floor that was raised after a class was set holds for it as well. */
export function atLeast(days: number | null, floor: number): number | null {
  return days === null ? null : Math.max(days, floor)
}

/** When the time of a recording is over that ended then; null: never. */
export function keptUntil({ days }: Kept, endedAt: Date): Date | null {
  return days === null ? null : new Date(endedAt.getTime() + days * 24 * 3600_000)
}

export type Counted = {
  readonly recordings: number
  /** Of them, past their time. */
  readonly past: number
  /** Of these, which nothing holds. */
  readonly due: number
}

/** How many recordings each safe has, and how many of them are past the time that `of` says. */
export async function countKept(
  db: Db,
  safes: readonly Row<'safe'>[],
  of: Retention['of'],
  held: Condition,
  now: Date,
): Promise<ReadonlyMap<string, Counted>> {
  const before = safes.map(({ id }) => {
    const { days } = of(id)
    return days === null ? null : new Date(now.getTime() - days * 24 * 3600_000)
  })
  const { rows } = await sql<{ safe_id: string; recordings: string; past: string; due: string }>`
    with kept as (
      select * from unnest(${safes.map(({ id }) => id)}::text[], ${before}::timestamptz[]) as kept (safe_id, before))
    select session.safe_id, count(*) as recordings,
      count(*) filter (where session.ended_at < kept.before) as past,
      count(*) filter (where session.ended_at < kept.before and not (${held})) as due
    from session join recording on recording.session_id = session.id join kept on kept.safe_id = session.safe_id
    where not exists (select from tombstone where tombstone.recording_id = recording.id)
    group by session.safe_id`.execute(db)
  return new Map(
    rows.map((row) => [
      row.safe_id,
      { recordings: Number(row.recordings), past: Number(row.past), due: Number(row.due) },
    ]),
  )
}

/** One at a time says how long recordings are kept, holds them or destroys them: nobody decides by what another is changing. */
export async function lockRetention(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('retention'))`.execute(db)
}
