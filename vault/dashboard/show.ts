import { type Kysely, sql } from 'kysely'
import { readExposures } from '../accounts/exposures.ts'
import type { Dashboard, DashboardDay } from '../contract.ts'
import { riskRules } from '../contract/words.ts'
import type { Database } from '../db/tables.ts'
import { done } from '../kernel/outcome.ts'
import { rotationAccounts } from '../rotation/overview.ts'
import type { Call, Handler } from '../world.ts'

const day = 24 * 3600_000
const usualDays = 30
/** Machines and people that are named. */
const mostNamed = 10
const mostInside = 200

/**
 * Figures of the last days, and what is going on now. They are counted in the database: what proves who was where is the log,
 * and a report.
 */
export const dashboardShow: Handler<'dashboard.show'> = async (call, { days = usualDays }) => {
  const { database, clock } = call.world.vault
  const to = clock()
  const from = new Date(Math.floor(to.getTime() / day) * day - (days - 1) * day)
  const [byDay, marks, machines, people, inside, secrets] = await Promise.all([
    daysOf(database, from, days),
    marksOf(database, from),
    machinesOf(database, from),
    peopleOf(database, from),
    insideNow(database),
    secretsNow(call, to),
  ])
  return done({
    from: from.toISOString(),
    to: to.toISOString(),
    ...{ days: byDay, marks, machines, people, inside, secrets },
  })
}

type Counted = { readonly day: string } & { readonly [column: string]: string }

async function daysOf(db: Kysely<Database>, from: Date, days: number): Promise<readonly DashboardDay[]> {
  const ofDay = sql`to_char(started_at at time zone 'UTC', 'YYYY-MM-DD')`
  const { rows: sessions } = await sql<Counted>`
    select ${ofDay} as day,
        count(*) filter (where company_name is null) as own,
        count(*) filter (where company_name is not null) as vendors,
        count(*) filter (where recording.state = 'complete') as whole,
        count(*) filter (where recording.state in ('incomplete', 'tampered')) as broken,
        count(*) filter (where reviewed.recording_id is not null and recording.state <> 'recording') as reviewed
      from session join recording on recording.session_id = session.id
        left join (select distinct recording_id from recording_review) as reviewed
          on reviewed.recording_id = recording.id
      where started_at >= ${from} group by 1`.execute(db)
  const { rows: seen } = await sql<Counted>`
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, count(*) as seen
      from exposure where at >= ${from} group by 1`.execute(db)
  const { rows: rotated } = await sql<Counted>`
    select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD') as day, count(*) as rotated
      from credential where created_at >= ${from} and version > 1 and state in ('current', 'retired')
      group by 1`.execute(db)
  const all = [sessions, seen, rotated].map((rows) => new Map(rows.map((row) => [row.day, row])))
  return Array.from({ length: days }, (_, after) => {
    const name = new Date(from.getTime() + after * day).toISOString().slice(0, 10)
    const of = (column: Exclude<keyof DashboardDay, 'day'>) =>
      Number(all.map((rows) => rows.get(name)?.[column]).find((found) => found !== undefined) ?? 0)
    return {
      day: name,
      own: of('own'),
      vendors: of('vendors'),
      whole: of('whole'),
      broken: of('broken'),
      reviewed: of('reviewed'),
      seen: of('seen'),
      rotated: of('rotated'),
    }
  })
}

async function marksOf(db: Kysely<Database>, from: Date): Promise<Dashboard['marks']> {
  const { rows } = await sql<{ readonly rule: string; readonly open: string; readonly signed: string }>`
    select rule, count(*) filter (where reviewed_at is null) as open,
        count(*) filter (where reviewed_at is not null and found_at >= ${from}) as signed
      from risk_mark where reviewed_at is null or found_at >= ${from} group by rule`.execute(db)
  const known = new Map(rows.map((row) => [row.rule, row]))
  return riskRules.map((rule) => ({
    rule,
    open: Number(known.get(rule)?.open ?? 0),
    signed: Number(known.get(rule)?.signed ?? 0),
  }))
}

async function machinesOf(db: Kysely<Database>, from: Date): Promise<Dashboard['machines']> {
  const { rows } = await sql<{
    readonly machine: string
    readonly sessions: string
    readonly people: string
    readonly last: Date
  }>`
    select max(target_name) as machine, count(*) as sessions, count(distinct user_id) as people,
        max(started_at) as last
      from session where started_at >= ${from} group by target_id
      order by count(*) desc, max(target_name) limit ${mostNamed}`.execute(db)
  return rows.map(({ machine, sessions, people, last }) => ({
    machine,
    sessions: Number(sessions),
    people: Number(people),
    last: last.toISOString(),
  }))
}

async function peopleOf(db: Kysely<Database>, from: Date): Promise<Dashboard['people']> {
  const { rows } = await sql<{
    readonly user: string
    readonly company: string | null
    readonly sessions: string
    readonly machines: string
    readonly last: Date
  }>`
    select max(user_name) as user, max(company_name) as company, count(*) as sessions,
        count(distinct target_id) as machines, max(started_at) as last
      from session where started_at >= ${from} group by user_id
      order by count(*) desc, max(user_name) limit ${mostNamed}`.execute(db)
  return rows.map(({ user, company, sessions, machines, last }) => ({
    user,
    company,
    sessions: Number(sessions),
    machines: Number(machines),
    last: last.toISOString(),
  }))
}

async function insideNow(db: Kysely<Database>): Promise<Dashboard['inside']> {
  const rows = await db
    .selectFrom('session')
    .select(['id', 'user_name', 'company_name', 'account_name', 'started_at', 'ends_at'])
    .where('state', '<>', 'ended')
    .where('company_name', 'is not', null)
    .orderBy('started_at')
    .limit(mostInside)
    .execute()
  return rows.map((row) => ({
    session: row.id,
    user: row.user_name,
    company: row.company_name ?? '',
    account: row.account_name,
    startedAt: row.started_at.toISOString(),
    endsAt: row.ends_at.toISOString(),
  }))
}

async function secretsNow(call: Call, now: Date): Promise<Dashboard['secrets']> {
  const { database, guard } = call.world.vault
  const rotation = await rotationAccounts(call, {})
  const accounts = rotation.ok ? rotation.value : []
  const seen = (await readExposures(database, guard, {}, now)).filter((one) => one.rotationDueAt !== null)
  return {
    accounts: accounts.length,
    overdue: accounts.filter((one) => one.isOverdue).length,
    exempt: accounts.filter((one) => one.exemption !== null && !one.exemption.isOver).length,
    unchanged: accounts.filter((one) => one.how === 'not' && (one.exemption?.isOver ?? true)).length,
    exposed: new Set(seen.map(({ account }) => account)).size,
    exposedOverdue: new Set(seen.filter((one) => one.isOverdue).map(({ account }) => account)).size,
  }
}
