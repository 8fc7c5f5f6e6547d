import pg from 'pg'
import type { VerbInput } from '../../vault/contract.ts'
import { must, startTestVault } from '../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../support/vault-ssh.ts'
import type { Row } from './row.ts'

const sessions = Number(process.env['TAGOUT_BENCH_SESSIONS'] ?? 100_000)

/**
 * Recordings found among many, through the vault's own verb and door; beside it the list of all of them, from which a page would
 * have to choose by itself. The rows are copies of one session that was really opened, each with names and a time of its own.
 */
export async function run(): Promise<Row[]> {
  await using vault = await startTestVault()
  const recorder = await vault.worker()
  const api = await vault.connect('api')
  const key = makeSshKey()
  await vault.account()
  await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await endSession(recorder, permit.session)
  const ingrid = await vault.enrol((await vault.ask('user.enrol', { user: 'ingrid' })).token)
  const client = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await client.connect()
  try {
    await copy(client, permit.session)
    const ask = async (asked: VerbInput<'recording.find'>) =>
      must(await api.call('recording.find', asked, ingrid.token)).recordings.length
    const since = new Date(Date.now() - 40 * 24 * 3600_000).toISOString()
    const until = new Date(Date.now() - 10 * 24 * 3600_000).toISOString()
    const list = await timed(
      async () => must(await api.call('recording.list', { limit: 10_000 }, ingrid.token)).length,
    )
    const peer = `${Math.round(list)} ms for recording.list of the newest 10,000`
    const cases: readonly (readonly [string, VerbInput<'recording.find'>])[] = [
      ['one machine in one month', { target: 'machine-7', since, until }],
      ['one person at one machine', { target: 'machine-7', person: 'user-49' }],
      ['one company, not reviewed', { company: 'company-4', reviewed: 'no' }],
      ['one zone', { zone: 'zone-3' }],
      ['one approver', { approver: 'boss-5' }],
      ['one work order', { workOrder: 'wo-99' }],
      ['one end that few have', { endReason: 'quota reached' }],
      ['all, the newest 200', {}],
    ]
    const rows: Row[] = []
    for (const [what, asked] of cases)
      rows.push({
        what: `find: ${what} (${sessions.toLocaleString('en')} sessions)`,
        figure: await timed(() => ask(asked)),
        unit: 'ms',
        reach: '≤ 1,000 ms',
        peer,
      })
    return rows
  } finally {
    await client.end()
  }
}

async function copy(client: pg.Client, session: string): Promise<void> {
  const { rows: columns } = await client.query<{ readonly name: string }>(
    `select column_name as name from information_schema.columns where table_name = 'session'`,
  )
  const own: Readonly<Record<string, string>> = {
    id: `'ses_' || lpad(at::text, 26, '0')`,
    recording_id: `'rec_' || lpad(at::text, 26, '0')`,
    user_name: `'user-' || at * 7 % 200`,
    target_name: `'machine-' || at % 40`,
    account_name: `'machine-' || at % 40 || '/engineer'`,
    company_name: `case when at % 4 = 0 then 'company-' || at % 40 / 4 end`,
    zone: `'zone-' || at % 8`,
    let_in_by: `array['boss-' || at % 9]`,
    work_orders: `array['WO-' || at % 5000]`,
    end_reason: `case when at % 1000 = 0 then 'quota reached' else 'closed by the user' end`,
    started_at: `now() - at * interval '5 minutes'`,
    ended_at: `now() - at * interval '5 minutes' + interval '4 minutes'`,
  }
  const chosen = columns.map(({ name }) => own[name] ?? name).join(', ')
  await client.query(
    `insert into session (${columns.map(({ name }) => name).join(', ')})
     select ${chosen} from session, generate_series(1, ${sessions}) as at where session.id = $1`,
    [session],
  )
  await client.query(
    `insert into recording (id, session_id, state, size_bytes)
     select recording_id, id, 'complete', 4096 from session where id <> $1`,
    [session],
  )
  await client.query('analyze')
}

/** The worst of five, in milliseconds; each must find something. */
async function timed(act: () => Promise<number>): Promise<number> {
  let worst = 0
  for (let turn = 0; turn < 5; turn += 1) {
    const begun = performance.now()
    if ((await act()) === 0) throw new Error('nothing was found')
    worst = Math.max(worst, performance.now() - begun)
  }
  return worst
}
