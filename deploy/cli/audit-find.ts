import { resolve } from 'node:path'
import type { Command } from 'commander'
import { foundCsv, foundFile } from '../../vault/audit/found-file.ts'
import type { AuditFound, VerbInput } from '../../vault/contract.ts'
import { durationSeconds } from '../../vault/kernel/duration.ts'
import { zonedTime } from '../../vault/kernel/plant-time.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseLimit } from './limit.ts'
import { writeNewFile } from './new-file.ts'
import { collect, examples, type Tools, type Vault } from './tools.ts'

type Options = {
  readonly target?: string
  readonly account?: string
  readonly session?: string
  readonly person?: string
  readonly company?: string
  readonly kind?: readonly string[]
  readonly since?: string
  readonly until?: string
  readonly text?: string
  readonly limit?: string
  readonly all?: boolean
  readonly csv?: boolean
  readonly out?: string
  readonly proofs?: string
}

const pageRows = 1_000

/** `tagout audit find` and `audit reindex`: who was where, when, and what they did. */
export function addAuditFindCommands(audit: Command, tools: Tools): void {
  audit
    .command('find')
    .description('find entries by machine, person, company, kind, time: who, when and what; newest last')
    .option(
      '--target <target>',
      'all that concerned this machine: what was done at it, to its safe, to the policy',
    )
    .option('--account <account>', 'of this account, like press-3/engineer')
    .option('--session <session>', 'of this session')
    .option('--person <user>', 'what this person did, and what was done to them')
    .option('--company <company>', 'of this company and all of its people')
    .option(
      '--kind <kinds>',
      'of these kinds: session.started,account.revealed, or session for all of these',
      collect,
    )
    .option('--since <moment>', 'from this moment on: 2026-12-01T06:00, or 24h for a day ago')
    .option('--until <moment>', 'before this moment')
    .option('--text <words>', 'whose sentence holds these words')
    .option('--limit <count>', 'the newest so many (default: 200)')
    .option('--all', 'all of them, however many')
    .option('--csv', 'as a table for spreadsheets, in UTC and in the plant’s time')
    .option('--out <file>', 'where to write it (default: standard output)')
    .option('--proofs <file>', 'write the signed entries there, with proofs that the log holds them')
    .addHelpText(
      'after',
      examples(
        'tagout audit find --target press-3 --since 2026-11-01',
        'tagout audit find --company acme --kind session,request --since 30d --all --csv --out acme.csv',
        'tagout audit find --account press-3/engineer --kind account.revealed --json',
        'tagout audit find --target press-3 --since 7d --proofs press-3.json',
        'tagout audit verify --file press-3.json',
      ),
    )
    .action(async (options: Options) => {
      const limit = options.all === true ? undefined : parseLimit(options.limit, 200)
      if (options.all === true && options.limit !== undefined)
        throw misuse('--all and --limit exclude one another')
      if (options.csv === true && tools.json()) throw misuse('--csv and --json exclude one another')
      if (options.out !== undefined && options.csv !== true)
        throw misuse('--out goes with --csv', 'with --json, send the output to a file; or see --proofs')
      const asked = askedBy(options)
      await tools.withVault(async (vault) => {
        const { entries, more, zone } = await findAll(vault, asked, limit)
        if (options.proofs !== undefined) await writeProofs(tools, vault, options.proofs, asked, entries)
        if (options.csv === true) await writeCsv(tools, options.out, foundCsv(entries, zone))
        else if (options.proofs === undefined || tools.json()) show(tools, entries, zone)
        if (more)
          tools.note(`these are the newest ${entries.length}; earlier ones with a larger --limit, or --all`)
      })
    })

  audit
    .command('reindex')
    .description('make the index by which the log is searched anew; the log stays as it is')
    .addHelpText('after', examples('tagout audit reindex'))
    .action(async () => {
      await tools.withVault((vault) => vault.ask('audit.reindex', {}, undefined, 600_000))
      tools.show(
        { reindexing: true },
        () => 'the index is being made anew; tagout audit find says when it is whole',
      )
    })
}

type Asked = Omit<VerbInput<'audit.find'>, 'limit' | 'after'>

function askedBy(options: Options): Asked {
  const { target, account, person, company, text } = options
  const { session } = options as { readonly session?: Asked['session'] }
  return {
    ...(target === undefined ? {} : { target }),
    ...(account === undefined ? {} : { account }),
    ...(session === undefined ? {} : { session }),
    ...(person === undefined ? {} : { person }),
    ...(company === undefined ? {} : { company }),
    ...(text === undefined ? {} : { text }),
    ...(options.kind === undefined || options.kind.length === 0 ? {} : { kinds: options.kind.join(',') }),
    ...(options.since === undefined ? {} : { since: pastMoment(options.since) }),
    ...(options.until === undefined ? {} : { until: pastMoment(options.until) }),
  }
}

/** A moment, or how long ago it was: `24h`. */
export function pastMoment(text: string): string {
  const ago = durationSeconds(text)
  return ago === undefined ? parseMoment(text) : new Date(Date.now() - ago * 1000).toISOString()
}

/** All pages up to `limit` entries, the oldest entry first. */
async function findAll(
  vault: Vault,
  asked: Asked,
  limit = Number.POSITIVE_INFINITY,
): Promise<{ readonly entries: readonly AuditFound[]; readonly more: boolean; readonly zone: string }> {
  const found: AuditFound[] = []
  for (let after: string | undefined; ; ) {
    const page = await vault.ask(
      'audit.find',
      {
        ...asked,
        limit: Math.min(pageRows, limit - found.length),
        ...(after === undefined ? {} : { after }),
      },
      undefined,
      120_000,
    )
    for (const entry of page.entries) found.push(entry)
    if (page.next === null || found.length >= limit)
      return { entries: found.reverse(), more: page.next !== null, zone: page.zone }
    after = page.next
  }
}

function show(tools: Tools, entries: readonly AuditFound[], zone: string): void {
  tools.list(
    entries,
    [
      ['SEQ', (row) => String(row.seq)],
      [`AT (${zone})`, (row) => (row.at === '' ? '-' : zonedTime(row.at, zone))],
      ['WHO', (row) => whoText(row.who ?? row.actor)],
      ['OF', (row) => row.company ?? '-'],
      ['APPROVED BY', (row) => row.approvedBy.map(whoText).join(', ') || '-'],
      ['FROM', (row) => row.source ?? '-'],
      ['WHAT', (row) => row.text],
    ],
    'nothing of this kind is in the log; names are looked for as they were written then',
  )
}

async function writeCsv(tools: Tools, out: string | undefined, text: string): Promise<void> {
  if (out === undefined) tools.io.out(text)
  else {
    await writeNewFile(resolve(tools.io.cwd, out), text)
    tools.say(`wrote ${out}`)
  }
}

async function writeProofs(
  tools: Tools,
  vault: Vault,
  file: string,
  asked: Asked,
  entries: readonly AuditFound[],
): Promise<void> {
  const seqs = entries.map(({ seq }) => seq)
  const text = await foundFile(asked, seqs, (some) =>
    vault.ask('audit.prove', { seqs: some }, undefined, 120_000),
  )
  await writeNewFile(resolve(tools.io.cwd, file), text)
  tools.note(
    `wrote ${file}: ${entries.length} signed entries; verify it with: tagout audit verify --file ${file}`,
  )
}
