import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import {
  endReasons,
  type RecordingFound,
  shownStates,
  reviewStates,
  type RiskAsked,
  riskAsked,
  type VerbInput,
} from '../../vault/contract.ts'
import { recordingsCsv } from '../../vault/kernel/recordings-csv.ts'
import { pastMoment } from './audit-find.ts'
import { misuse } from './complaint.ts'
import { accountCell } from './forward-words.ts'
import { when } from './io.ts'
import { parseLimit } from './limit.ts'
import { writeNewFile } from './new-file.ts'
import type { SearchOptions } from './recording-search.ts'
import { examples, type Tools, type Vault } from './tools.ts'

/** What is looked for, as options give it. */
export type FindOptions = {
  readonly person?: string
  readonly company?: string
  readonly target?: string
  readonly zone?: string
  readonly safe?: string
  readonly account?: string
  readonly approver?: string
  readonly workOrder?: string
  readonly end?: (typeof endReasons)[number]
  readonly state?: (typeof shownStates)[number]
  readonly reviewed?: (typeof reviewStates)[number]
  readonly reviewer?: string
  readonly risk?: RiskAsked
  readonly session?: string
  readonly since?: string
  readonly until?: string
}

const pageRows = 1_000

/** The options by which recordings are told apart: of `find` and of `search`. */
export function withFindOptions(command: Command): Command {
  return command
    .option('--person <user>', 'whose session it was')
    .option('--company <company>', 'of a representative of this company')
    .option('--target <target>', 'at this machine')
    .option('--zone <zone>', 'at a machine of this zone')
    .option('--safe <safe>', 'under an account of this safe')
    .option('--account <account>', 'under this account, like press-3/engineer')
    .option('--approver <user>', 'let in by this person')
    .option('--work-order <order>', 'for this work order: of the request, or of the close-out')
    .addOption(new Option('--end <reason>', 'that ended so').choices(endReasons))
    .addOption(new Option('--state <state>', 'in this state').choices(shownStates))
    .addOption(new Option('--reviewed <which>', 'whether an auditor has reviewed it').choices(['yes', 'no']))
    .option('--reviewer <auditor>', 'that this auditor has reviewed')
    .addOption(
      new Option(
        '--risk <which>',
        'marked as out of the ordinary: any, open (not reviewed), or by this rule',
      ).choices(riskAsked),
    )
    .option('--session <session>', 'of this session')
    .option('--since <moment>', 'went on then or later: 2026-03-01T06:00, or 24h for a day ago')
    .option('--until <moment>', 'began before this moment')
}

/** `tagout recording find`: recordings by who, where, when, by whose leave and what became of them. */
export function addRecordingFindCommand(recording: Command, tools: Tools): void {
  withFindOptions(
    recording
      .command('find')
      .description('find recordings by person, company, machine, zone, time, approver, order, end, review'),
  )
    .option('--limit <count>', 'the newest so many (default: 200)')
    .option('--all', 'all of them, however many')
    .option('--csv', 'as a table for spreadsheets, in UTC')
    .option('--out <file>', 'where to write it (default: standard output)')
    .addHelpText(
      'after',
      examples(
        'tagout recording find --target plc-7 --since 2026-03-01 --until 2026-04-01',
        'tagout recording find --company acme --reviewed no --json',
        'tagout recording find --work-order WO-4711 --all --csv --out wo-4711.csv',
      ),
    )
    .action(async (options: FindOptions & { limit?: string; all?: true; csv?: true; out?: string }) => {
      if (options.all === true && options.limit !== undefined)
        throw misuse('--all and --limit exclude one another')
      if (options.csv === true && tools.json()) throw misuse('--csv and --json exclude one another')
      if (options.out !== undefined && options.csv !== true) throw misuse('--out goes with --csv')
      const limit = options.all === true ? Number.POSITIVE_INFINITY : parseLimit(options.limit, 200)
      const { rows, more } = await tools.withVault((vault) => findAll(vault, askedBy(options), limit))
      if (options.csv !== true) show(tools, rows)
      else if (options.out === undefined) tools.io.out(recordingsCsv(rows))
      else {
        await writeNewFile(resolve(tools.io.cwd, options.out), recordingsCsv(rows))
        tools.say(`wrote ${options.out}`)
      }
      if (more) tools.note(`these are the newest ${limit}; older ones with a larger --limit, or --all`)
    })
}

type Asked = Omit<VerbInput<'recording.find'>, 'limit' | 'after'>

/** What the verb is asked. */
export function askedBy(options: FindOptions): Asked {
  const {
    person,
    company,
    target,
    zone,
    safe,
    account,
    approver,
    workOrder,
    state,
    reviewed,
    reviewer,
    risk,
  } = options
  const given = {
    person,
    company,
    target,
    zone,
    safe,
    account,
    approver,
    workOrder,
    state,
    reviewed,
    reviewer,
    risk,
  }
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(options.end === undefined ? {} : { endReason: options.end }),
    ...(options.session === undefined ? {} : { session: options.session as Asked['session'] }),
    ...(options.since === undefined ? {} : { since: pastMoment(options.since) }),
    ...(options.until === undefined ? {} : { until: pastMoment(options.until) }),
  }
}

/** All pages up to `limit` recordings, the newest first. */
export async function findAll(
  vault: Vault,
  asked: Asked,
  limit: number,
): Promise<{ readonly rows: readonly RecordingFound[]; readonly more: boolean }> {
  const rows: RecordingFound[] = []
  for (let after: string | undefined; ; ) {
    const page = await vault.ask('recording.find', {
      ...asked,
      limit: Math.min(pageRows, limit - rows.length),
      ...(after === undefined ? {} : { after }),
    })
    for (const one of page.recordings) rows.push(one)
    if (page.next === null || rows.length >= limit) return { rows, more: page.next !== null }
    after = page.next
  }
}

function show(tools: Tools, rows: readonly RecordingFound[]): void {
  tools.list(
    rows,
    [
      ['ID', (row) => row.id],
      ['USER', (row) => row.user],
      ['OF', (row) => row.company ?? '-'],
      ['ACCOUNT', accountCell],
      ['ZONE', (row) => row.zone ?? '-'],
      ['STARTED', (row) => when(row.startedAt)],
      ['ENDED', (row) => when(row.endedAt)],
      ['BECAUSE', (row) => row.endReason ?? '-'],
      ['LET IN BY', (row) => row.letInBy.join(', ') || '-'],
      ['ORDERS', (row) => row.workOrders.join(', ') || '-'],
      ['STATE', (row) => row.state],
      ['MARKED', (row) => marked(row)],
      ['HELD', (row) => row.keeping?.holds.map(({ matter }) => matter).join(', ') || '-'],
      ['REVIEWED', (row) => row.reviews.map(({ by }) => by).join(', ') || '-'],
    ],
    'no recording is like this; names are whole ones (press-3, not press), as they were then',
  )
}

/** `tagout recording search`: words inside recordings, with an auditor's key. */
export function addRecordingSearchCommand(recording: Command, tools: Tools): void {
  withFindOptions(
    recording
      .command('search <words>')
      .description('search inside recordings as an auditor, here: the server learns no word')
      .requiredOption('--identity <file>', 'your auditor key')
      .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
      .option('--open', 'also open the recordings that have no index, one after the other'),
  )
    .addHelpText(
      'after',
      examples(
        'tagout recording search "reset limit" --target plc-7 --since 2026-03-01 --identity auditor.key',
        'tagout recording search recipe.db --person vera --identity auditor.key --json',
      ),
    )
    .action(async (words: string, options: SearchOptions) => {
      const { searchAsAuditor } = await import('./recording-search.ts')
      await searchAsAuditor(tools, words, options)
    })
}

/** What was out of the ordinary; what waits for its review has a star. */
function marked({ marks }: RecordingFound): string {
  return marks.map(({ rule, review }) => `${rule}${review === null ? '*' : ''}`).join(', ') || '-'
}
