import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { EntryInput } from '../../vault/audit/entry.ts'
import { newId } from '../../vault/kernel/id.ts'
import { openVault, type Vault } from '../../vault/open.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { somebody } from '../support/vault-keys.ts'
import type { Row } from './row.ts'

const sessions = Number(process.env['TAGOUT_BENCH_SESSIONS'] ?? 100_000)
const machines = 40
const people = 200
const companies = 10

/**
 * Who, when and what for one machine among many, through the vault's own answer, each entry compared with the log; beside
 * it the same question asked of the log itself, as it is without an index. The log is written as the product writes it.
 */
export async function run(): Promise<Row[]> {
  await using postgres = await startTestPostgres()
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-bench-'))
  const vault = await openVault({ databaseUrl: postgres.urls.vault, dataDir, connections: 8 })
  const client = new pg.Client({ connectionString: postgres.ownerUrl })
  try {
    const made = await vault.initialise({ kind: 'key-file', path: join(dataDir, 'seal.key') }, somebody)
    if (!made.ok) throw new Error(made.refusal.message)
    await client.connect()
    const entries = await fill(vault)
    await client.query('analyze')
    const target = 'machine-7'
    const found = async (options: Parameters<Vault['findAudit']>[0]) =>
      (await vault.findAudit(options)).entries.length
    const day = 24 * 3600_000
    const until = new Date()
    const since = new Date(until.getTime() - day)
    const page = await timed(() => found({ target, limit: 200 }))
    const thousand = await timed(() => found({ target, limit: 1_000 }))
    const ranged = await timed(() => found({ target, since, until, limit: 200 }))
    const person = await timed(() => found({ target, person: 'user-59', limit: 200 }))
    const company = await timed(() => found({ company: 'company-4', limit: 200 }))
    const text = `"targetName":"${target}"`
    const scan = await timed(async () => {
      // Kinds without the machine's name are found by the account's, which begins with it.
      const { rows } = await client.query(
        `select leaf.seq, entry.body from audit_leaf leaf join audit_entry entry on entry.id = leaf.entry
         where position($1::bytea in entry.body) > 0 or position($2::bytea in entry.body) > 0
         order by leaf.seq desc limit 200`,
        [Buffer.from(text), Buffer.from(`"accountName":"${target}/`)],
      )
      return rows.length
    })
    const all = await timed(async () => {
      const { rows } = await client.query(
        `select leaf.seq from audit_leaf leaf join audit_entry entry on entry.id = leaf.entry
         where (position($1::bytea in entry.body) > 0 or position($2::bytea in entry.body) > 0)
           and position($3::bytea in entry.body) > 0 order by leaf.seq desc limit 200`,
        [Buffer.from(text), Buffer.from(`"accountName":"${target}/`), Buffer.from('"userName":"user-59"')],
      )
      return rows.length
    })
    const of = `${sessions.toLocaleString('en')} sessions, ${entries.toLocaleString('en')} entries`
    const row = (what: string, ms: number, peer?: string): Row => ({
      what: `${what} (${of})`,
      figure: ms,
      unit: 'ms',
      reach: '≤ 2,000 ms',
      ...(peer === undefined ? {} : { peer }),
    })
    return [
      row(
        'one machine, its newest 200 entries',
        page,
        `${Math.round(scan)} ms by a scan of the log in SQL, unchecked`,
      ),
      row('one machine, its newest 1,000 entries', thousand),
      row('one machine, one day of it', ranged),
      row(
        'one person at one machine',
        person,
        `${Math.round(all)} ms by a scan of the log in SQL, unchecked`,
      ),
      row('one company, all of its people, the newest 200', company),
    ]
  } finally {
    await client.end()
    await vault.close()
    await rm(dataDir, { recursive: true, force: true })
  }
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

/** Companies, grants and sessions as the vault writes them down, in transactions of many. Answers how many entries. */
async function fill(vault: Vault): Promise<number> {
  const user = (at: number) => ({ id: newId('usr'), name: `user-${at}` })
  const users = Array.from({ length: people }, (_, at) => user(at))
  const all: EntryInput[] = []
  let written = 0
  const flush = async (least: number) => {
    if (all.length < least) return
    const batch = all.splice(0)
    written += batch.length
    await vault.inTransaction((tx) => tx.audit(...batch))
  }
  for (let at = 0; at < machines; at += 1)
    all.push({
      kind: 'target.added',
      target: newId('tgt'),
      targetName: `machine-${at}`,
      safe: newId('saf'),
      safeName: `line-${at % 8}`,
      address: `ssh://10.0.0.${at}:22`,
      actor: somebody,
    })
  for (const [at, { id, name }] of users.entries())
    if (at % 4 === 0)
      all.push({
        kind: 'company.invited',
        company: newId('cmp'),
        companyName: `company-${at % companies}`,
        user: id,
        name,
        mail: `${name}@example.com`,
        actor: somebody,
      })
  const engineers = Array.from({ length: machines }, () => newId('acc'))
  for (let at = 0; at < sessions; at += 1) {
    const { id, name } = users[(at * 7) % people] ?? user(0)
    const machine = (at * 11) % machines
    const accountName = `machine-${machine}/engineer`
    const actor = { kind: 'user', id, name } as const
    const grant = newId('grt')
    const lease = newId('lse')
    const account = engineers[machine] ?? newId('acc')
    const of = { session: newId('ses'), recording: newId('rec'), userName: name, accountName }
    const recorder = { kind: 'plane', plane: 'recorder' } as const
    if (at % 20 === 0)
      all.push({
        kind: 'grant.added',
        grant,
        user: id,
        userName: name,
        account,
        accountName,
        actions: ['shell'],
        notBefore: '2026-11-30T06:00:00.000Z',
        notAfter: '2026-11-30T18:00:00.000Z',
        maxSessionSeconds: 3600,
        mode: 'shared',
        reason: 'order 4711',
        actor: somebody,
      })
    all.push(
      {
        kind: 'lease.taken',
        lease,
        exclusive: false,
        explicit: false,
        userName: name,
        account,
        accountName,
        actor,
      },
      {
        kind: 'session.opened',
        ...of,
        grant,
        lease,
        targetName: `machine-${machine}`,
        policyDigest: 'a'.repeat(64),
        endsAt: '2026-11-30T18:00:00.000Z',
        actor,
        source: '192.0.2.20',
      },
      {
        kind: 'session.started',
        ...of,
        headerHash: 'b'.repeat(44),
        publicKey: 'c'.repeat(44),
        actor: recorder,
      },
      { kind: 'session.connected', ...of, actor: recorder },
      {
        kind: 'session.ended',
        ...of,
        reason: 'closed by the user',
        state: 'complete',
        sizeBytes: 4_096,
        actor: recorder,
      },
    )
    await flush(5_000)
  }
  await flush(1)
  await vault.sequenceNow()
  return written
}
