import { auditVerify } from '../audit-verbs.ts'
import { readLinks } from '../identity/auditor.ts'
import { count } from '../kernel/count.ts'
import { siemList } from '../siem/verbs.ts'
import type { AuditFound } from '../contract.ts'
import { type Asking, answered, at, type Contents, mostRows, table } from './cells.ts'

/** Reports of the log itself: that it is whole, that its times hold, and who watched whom. */

type Found = { readonly rows: readonly AuditFound[]; readonly more: number }

/** Entries of some kinds in the time of the report, the newest first, as the log proves them. */
async function entriesOf(asking: Asking, kinds: readonly string[]): Promise<Found> {
  const { vault } = asking.call.world
  const rows: AuditFound[] = []
  const asked = {
    kinds,
    since: asking.from,
    until: asking.to,
    ...(asking.target === undefined ? {} : { target: asking.target }),
  }
  for (let after: { readonly at: Date; readonly seq: number } | undefined; ; ) {
    const page = await vault.findAudit({ ...asked, after, limit: 500 })
    for (const one of page.entries) rows.push(one)
    if (page.next === undefined) return { rows, more: 0 }
    // How many more there are would take reading them all: that there are is said.
    if (rows.length > mostRows) return { rows: rows.slice(0, mostRows), more: rows.length - mostRows }
    after = page.next
  }
}

const entryColumns = ['At', 'Entry', 'Who', 'What']

function entryRow(one: AuditFound): readonly string[] {
  return [at(one.at), String(one.seq), one.who ?? one.actor, one.text.slice(0, 500)]
}

export async function integrity(asking: Asking): Promise<Contents> {
  const { call } = asking
  const { vault } = call.world
  const verdict = answered(await auditVerify(call, {}))
  const receivers = answered(await siemList(call, {}))
  const links = await readLinks(vault.database, vault.guard)
  const states = await vault.database
    .selectFrom('recording')
    .select((eb) => ['state', eb.fn.countAll<string>().as('count')] as const)
    .groupBy('state')
    .orderBy('state')
    .execute()
  const looked = await entriesOf(asking, ['audit.verified', 'recording.verified'])
  const faults = await entriesOf(asking, ['vault.fault', 'vault.rollback-accepted'])
  return {
    facts: [
      { name: 'the log, verified just now', value: verdict.sentence },
      { name: 'it is', value: verdict.ok ? 'whole' : 'NOT what was written' },
      { name: 'entries', value: String(verdict.leaves) },
      { name: 'signed checkpoints', value: String(verdict.checkpoints) },
      { name: 'lists of auditors, one signed by the other', value: String(links.length) },
      { name: 'faults that the vault found in the time', value: String(faults.rows.length) },
    ],
    tables: [
      table(
        'Recordings by state',
        'All that there are, whenever they were made.',
        ['State', 'Recordings'],
        states.map((one) => [one.state, String(one.count)]),
      ),
      table(
        'Where the log is sent',
        'Receivers that keep entries out of reach of this installation.',
        ['Receiver', 'Address', 'Told up to', 'Waiting', 'Trouble'],
        receivers.map((one) => [
          one.name,
          one.address,
          one.toldSeq === null ? '' : String(one.toldSeq),
          String(one.waiting),
          one.error ?? '',
        ]),
      ),
      table(
        'Faults',
        'What was not as the vault had written it.',
        entryColumns,
        faults.rows.map(entryRow),
        faults.more,
      ),
      table(
        'Verifications',
        'Who verified what, and what came of it.',
        entryColumns,
        looked.rows.map(entryRow),
        looked.more,
      ),
    ],
  }
}

export async function timeSync(asking: Asking): Promise<Contents> {
  const { vault } = asking.call.world
  const jumps = await entriesOf(asking, ['clock.jumped'])
  const now = vault.clock().getTime()
  const ahead = now - Date.now()
  return {
    facts: [
      { name: 'the vault’s time, which never goes back', value: at(new Date(now)) },
      {
        name: 'ahead of the machine’s clock by',
        value: ahead < 1000 ? 'less than a second' : count(Math.round(ahead / 1000), 'second'),
      },
      { name: 'times that the machine’s clock was set', value: String(jumps.rows.length + jumps.more) },
    ],
    tables: [
      table(
        'The machine’s clock was set',
        'By how much, and how far the vault’s time was ahead of it then.',
        entryColumns,
        jumps.rows.map(entryRow),
        jumps.more,
      ),
    ],
  }
}

export async function whoWatched(asking: Asking): Promise<Contents> {
  const live = await entriesOf(asking, [
    'session.watched',
    'session.watch-ended',
    'session.taken',
    'session.given-back',
  ])
  const later = await entriesOf(asking, [
    ...[
      'recording.replayed',
      'recording.exported',
      'recording.packaged',
      'recording.searched',
      'recording.reviewed',
    ],
  ])
  const watchers = Map.groupBy(
    [...live.rows, ...later.rows].filter(
      ({ kind }) => kind === 'session.watched' || kind === 'recording.replayed',
    ),
    (one) => one.who ?? one.actor,
  )
  return {
    facts: [
      { name: 'people who watched or replayed', value: String(watchers.size) },
      {
        name: 'live sessions watched',
        value: String(live.rows.filter(({ kind }) => kind === 'session.watched').length),
      },
      {
        name: 'recordings replayed',
        value: String(later.rows.filter(({ kind }) => kind === 'recording.replayed').length),
      },
    ],
    tables: [
      table(
        'By who watched',
        'How often each watched somebody live, and replayed a recording.',
        ['Who', 'Watched live', 'Replayed', 'Whom'],
        [...watchers].map(([who, ones]) => [
          who,
          String(ones.filter(({ kind }) => kind === 'session.watched').length),
          String(ones.filter(({ kind }) => kind === 'recording.replayed').length),
          [...new Set(ones.map(({ entry }) => nameIn(entry)))].sort().join(', '),
        ]),
      ),
      table(
        'Live',
        'Who watched, or typed in somebody’s place, while a session went on.',
        entryColumns,
        live.rows.map(entryRow),
        live.more,
      ),
      table(
        'Recordings',
        'Who replayed, searched, exported, packaged or reviewed which.',
        entryColumns,
        later.rows.map(entryRow),
        later.more,
      ),
    ],
  }
}

function nameIn(entry: unknown): string {
  const name: unknown =
    typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'userName') : undefined
  return typeof name === 'string' ? name : ''
}
