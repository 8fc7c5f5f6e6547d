import { sql } from 'kysely'
import { breakglassList } from '../breakglass/view.ts'
import { requestList } from '../checkout/request.ts'
import type { RecordingFound } from '../contract.ts'
import { recordingFind } from '../recordings/find.ts'
import { riskList } from '../risk/verbs.ts'
import { companyList } from '../vendors/company.ts'
import { type Asking, answered, at, type Contents, lasted, mostRows, share, table, within } from './cells.ts'

/** Reports of who was where, by whose leave, and what is recorded of it. */

type Sessions = { readonly rows: readonly RecordingFound[]; readonly more: number }

/** Sessions of the time, the newest first; `more`: how many beyond those that a table has. */
async function sessionsOf(asking: Asking, which: 'all' | 'vendors' = 'all'): Promise<Sessions> {
  const { call, from, to, target } = asking
  const rows: RecordingFound[] = []
  const asked = {
    since: from.toISOString(),
    until: to.toISOString(),
    ...(target === undefined ? {} : { target }),
  }
  for (let after: string | null = null; ; ) {
    const page: { readonly recordings: readonly RecordingFound[]; readonly next: string | null } = answered(
      await recordingFind(call, { ...asked, limit: 1_000, ...(after === null ? {} : { after }) }),
    )
    for (const one of page.recordings) if (which === 'all' || one.company !== null) rows.push(one)
    if (page.next === null) return { rows, more: 0 }
    if (rows.length >= mostRows) break
    after = page.next
  }
  const { count } = await call.world.vault.database
    .selectFrom('session')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('started_at', '<', to)
    .where(sql<boolean>`coalesce(ended_at, 'infinity') >= ${from}`)
    .$if(target !== undefined, (query) =>
      query.where(sql<boolean>`lower(target_name) = lower(${target ?? ''})`),
    )
    .$if(which === 'vendors', (query) => query.where('company_name', 'is not', null))
    .executeTakeFirstOrThrow()
  return { rows: rows.slice(0, mostRows), more: Math.max(0, Number(count) - Math.min(rows.length, mostRows)) }
}

const sessionColumns = [
  ...['Began', 'Ended', 'Who', 'Of', 'Account', 'From', 'Let in by', 'Orders', 'Ended because'],
  ...['Recording', 'Reviewed by', 'Marks', 'Session'],
]

function sessionRow(one: RecordingFound): readonly string[] {
  return [
    at(one.startedAt),
    at(one.endedAt),
    one.user,
    one.company ?? '',
    one.account,
    one.source,
    one.letInBy.join(', '),
    one.workOrders.join(', '),
    one.endReason ?? 'it goes on',
    one.state,
    one.reviews.map(({ by }) => by).join(', '),
    one.marks.map(({ rule }) => rule).join(', '),
    one.session,
  ]
}

export async function assetAccess(asking: Asking): Promise<Contents> {
  const { rows, more } = await sessionsOf(asking)
  const byMachine = Map.groupBy(rows, ({ target }) => target)
  return {
    facts: [
      { name: 'sessions', value: String(rows.length + more) },
      { name: 'machines', value: String(byMachine.size) },
      { name: 'people', value: String(new Set(rows.map(({ user }) => user)).size) },
    ],
    tables: [
      table(
        'By machine',
        'Who was on each machine, of the sessions listed below.',
        ['Machine', 'Zone', 'Sessions', 'People', 'Last'],
        [...byMachine].map(([machine, ones]) => [
          machine,
          ones[0]?.zone ?? '',
          String(ones.length),
          [...new Set(ones.map(({ user }) => user))].sort().join(', '),
          at(ones[0]?.startedAt),
        ]),
      ),
      table(
        'Sessions',
        'Every session that reached into the time.',
        sessionColumns,
        rows.map(sessionRow),
        more,
      ),
    ],
  }
}

export async function vendorSessions(asking: Asking): Promise<Contents> {
  const { rows, more } = await sessionsOf(asking, 'vendors')
  const companies = answered(await companyList(asking.call, {}))
  const vendors = new Set(rows.map(({ user }) => user))
  const requests = answered(await requestList(asking.call, { state: 'all' })).filter(
    (one) => within(asking, one.createdAt) && vendors.has(one.user),
  )
  return {
    facts: [
      { name: 'sessions of vendors', value: String(rows.length + more) },
      {
        name: 'let in by somebody by name',
        value: share(rows.filter((one) => one.letInBy.length > 0).length, rows.length),
      },
      {
        name: 'with a work order',
        value: share(rows.filter((one) => one.workOrders.length > 0).length, rows.length),
      },
    ],
    tables: [
      table(
        'Sessions',
        'Every session of a representative of a company.',
        sessionColumns,
        rows.map(sessionRow),
        more,
      ),
      table(
        'Requests and approvals',
        'What these people asked for in the time, and who said what to it.',
        ['Asked', 'Who', 'Account', 'Why', 'Order', 'State', 'Approvals', 'Request'],
        requests.map((one) => [
          at(one.createdAt),
          one.user,
          one.account,
          one.reason,
          one.workOrder ?? '',
          one.state,
          one.approvals
            .map(({ user, verdict, note }) => `${user}: ${verdict}${note === '' ? '' : ` (${note})`}`)
            .join('; '),
          one.id,
        ]),
      ),
      table(
        'Companies',
        'Vendor companies as they stand now, with who answers for each.',
        ['Company', 'State', 'Contract ends', 'Sponsor', 'People', 'Terms', 'Taken off'],
        companies.map((one) => [
          one.name,
          one.state,
          at(one.contractEndsAt),
          one.sponsor,
          String(one.representatives),
          one.hasTerms ? 'set' : 'none',
          at(one.offAt),
        ]),
      ),
    ],
  }
}

export async function breakGlass(asking: Asking): Promise<Contents> {
  const rows = answered(await breakglassList(asking.call, { state: 'all' })).filter(({ openedAt }) =>
    within(asking, openedAt),
  )
  return {
    facts: [
      { name: 'break-glass opened', value: String(rows.length) },
      { name: 'reviewed', value: share(rows.filter((one) => one.reviewedAt !== null).length, rows.length) },
      {
        name: 'secret changed since',
        value: share(rows.filter((one) => one.secretChanged).length, rows.length),
      },
    ],
    tables: [
      table(
        'Break-glass',
        'Who let themselves in without approval, who was alarmed, and what others found.',
        [
          ...['Opened', 'Ends', 'Who', 'Account', 'Why', 'Sessions', 'Alarmed', 'State', 'Reviewed by'],
          ...['Reviewed after', 'Finding', 'Secret'],
        ],
        rows.map((one) => [
          at(one.openedAt),
          at(one.endsAt),
          one.user,
          one.account,
          one.reason,
          String(one.sessions),
          one.alarmed.join(', '),
          one.state,
          one.reviewedBy ?? '',
          one.reviewedAt === null ? '' : lasted(Date.parse(one.reviewedAt) - Date.parse(one.openedAt)),
          one.note ?? '',
          one.secretChanged ? 'changed' : `due ${at(one.secretDueAt)}`,
        ]),
      ),
    ],
  }
}

export async function recordingCoverage(asking: Asking): Promise<Contents> {
  const { rows, more } = await sessionsOf(asking)
  const ended = rows.filter(({ endedAt }) => endedAt !== null)
  const whole = ended.filter(({ state }) => state === 'complete')
  const reviewed = ended.filter(({ reviews }) => reviews.length > 0)
  const broken = rows.filter(({ state }) => state === 'incomplete' || state === 'tampered')
  const marks = answered(await riskList(asking.call, { state: 'all', limit: 1_000 })).marks.filter((one) =>
    within(asking, one.at),
  )
  const delays = reviewed
    .flatMap(({ endedAt, reviews }) =>
      endedAt === null || reviews[0] === undefined ? [] : [Date.parse(reviews[0].at) - Date.parse(endedAt)],
    )
    .sort((a, b) => a - b)
  return {
    facts: [
      { name: 'sessions, every one of them recorded', value: String(rows.length + more) },
      { name: 'recordings that are whole', value: share(whole.length, ended.length) },
      { name: 'reviewed by an auditor', value: share(reviewed.length, ended.length) },
      {
        name: 'from a session’s end to its first review, half of them within',
        value: delays.length === 0 ? 'there were none' : lasted(delays[Math.floor(delays.length / 2)] ?? 0),
      },
      {
        name: 'marks signed for',
        value: share(marks.filter(({ review }) => review !== null).length, marks.length),
      },
    ],
    tables: [
      table(
        'By machine',
        'Sessions that have ended, and what became of their recordings.',
        ['Machine', 'Ended', 'Whole', 'Reviewed'],
        [...Map.groupBy(ended, ({ target }) => target)].map(([machine, ones]) => [
          machine,
          String(ones.length),
          share(ones.filter(({ state }) => state === 'complete').length, ones.length),
          share(ones.filter(({ reviews }) => reviews.length > 0).length, ones.length),
        ]),
      ),
      table(
        'Recordings that are not whole',
        'What a crash or somebody left of them; the audit log has why.',
        ['Began', 'Ended', 'Who', 'Account', 'State', 'Because', 'Reviewed by', 'Recording'],
        broken.map((one) => [
          at(one.startedAt),
          at(one.endedAt),
          one.user,
          one.account,
          one.state,
          one.endReason ?? '',
          one.reviews.map(({ by }) => by).join(', '),
          one.id,
        ]),
      ),
      table(
        'Reviews',
        'Who looked at which recording, and what they say of it.',
        ['Reviewed', 'By', 'Of', 'Account', 'After', 'Note', 'Recording'],
        reviewed.flatMap((one) =>
          one.reviews.map((review) => [
            at(review.at),
            review.by,
            one.user,
            one.account,
            lasted(Date.parse(review.at) - Date.parse(one.endedAt ?? review.at)),
            review.note,
            one.id,
          ]),
        ),
      ),
      table(
        'Marks',
        'What was out of the ordinary in the time, why, and what somebody found.',
        ['At', 'Rule', 'Who', 'Account', 'Why', 'Finding', 'By', 'Note'],
        marks.map((one) => [
          at(one.at),
          one.rule,
          one.user,
          one.account,
          one.why,
          one.review?.finding ?? 'open',
          one.review?.by ?? '',
          one.review?.note ?? '',
        ]),
      ),
    ],
  }
}
