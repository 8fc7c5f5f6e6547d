import { unlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import {
  type ImportAnswer,
  type ImportedRow,
  type ImportKind,
  importKinds,
  type VerbInput,
} from '../../vault/contract.ts'
import { importColumns, importExamples } from '../../vault/import/columns.ts'
import type { CsvRow } from '../../vault/kernel/csv.ts'
import { Complaint, misuse } from './complaint.ts'
import { canonical, kindOf, nameOf, type ReadRow, readCsvFile, rowsOf, sealRows } from './import-rows.ts'
import { visible, when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { confirmed } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools, type Vault } from './tools.ts'
import { enrolmentLink } from './user.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

/** A line of the file, and what is done with it. */
type ShownRow = {
  readonly line: number
  readonly name: string
  readonly does: ImportedRow['does']
  readonly addsTarget?: ImportedRow['addsTarget']
  readonly sentence?: string
  readonly link?: string
  readonly expiresAt?: string
}

type Options = { readonly as?: string; readonly yes?: boolean; readonly linksOut?: string }

/** A thousand accounts take some seconds, on a slow machine a minute. */
const patience = 180_000

/** JSON of a call to the vault, at most; its door takes 16 MiB. */
const maxCallBytes = 15 * 1024 * 1024

/** `tagout import`: says what each line of a CSV file would do; does all of it, or nothing, when told to. */
export function addImportCommand(root: Command, tools: Tools): void {
  root
    .command('import <file>')
    .description('add targets, accounts, users or grants from a CSV file; shows what each line will do first')
    .addOption(
      new Option('--as <kind>', 'what the file holds; else told by its columns').choices(importKinds),
    )
    .option('--yes', 'do it without being asked')
    .option('--links-out <file>', 'of users: write their one-time links to a new file, mode 0600')
    .addHelpText('after', help())
    .action(async (file: string, options: Options) => {
      const text = await readCsvFile(tools.io, file)
      const kind = kindOf(text, options.as)
      if (options.linksOut !== undefined && kind !== 'users')
        throw misuse('--links-out is for users: nothing else has links')
      const rows = rowsOf(text, kind)
      await tools.withVault(async (vault) => {
        const asked = await readRows(tools, vault, file, kind, rows)
        const look = await ask(tools, vault, kind, asked, false)
        const shown = await showRows(tools, kind, rows, asked, look)
        requireWhole(tools, kind, shown)
        const work = shown.filter((row) => row.does === 'create').length
        if (work === 0) return finish(tools, kind, shown, false, 'there is nothing to do')
        if (!tools.json()) tools.io.out(listOf(shown))
        if (!(await confirmed(tools.io, options.yes === true, `${countsOf(shown)}. Do it?`)))
          return finish(
            tools,
            kind,
            shown,
            false,
            `${countsOf(shown)}; nothing is done: do it with --yes`,
            true,
          )
        await carryOut(tools, vault, kind, rows, asked, options)
      })
    })
}

function help(): string {
  const files = importKinds.map((kind) => {
    const { known, required } = importColumns[kind]
    const others = known.filter((name) => !required.includes(name))
    return `
${kind}.csv   required: ${required.join(', ')}; may have: ${others.join(', ') || 'nothing else'}
${importExamples[kind].replace(/^/gm, '  ').trimEnd()}
`
  })
  return `
The first line names the columns. A line that cannot be done keeps all of the file from being done. What is there
already as the line says is left unchanged, so an import can be repeated.
${files.join('')}
Of accounts each needs a password or a key_file (a path beside the CSV file or below); secrets are sealed here to the
vault. A target that is not there is added with its safe and address; without a pin nobody can connect to it until one
is approved. That file holds secrets: delete it afterwards. Links of users are shown once.
${examples('tagout import targets.csv', 'tagout import accounts.csv --yes', 'tagout import users.csv --links-out links.csv')}`
}

async function readRows(
  tools: Tools,
  vault: Vault,
  file: string,
  kind: ImportKind,
  rows: readonly CsvRow[],
): Promise<readonly ReadRow[]> {
  if (kind !== 'accounts') return rows.map((row) => ({ row: { line: row.line, cells: row.cells } }))
  const intakeKey = await pinnedIntakeKey(tools, vault)
  const accounts = await vault.ask('account.list', {})
  const known = new Set(accounts.map((account) => canonical(account.name)))
  return sealRows(tools.io, file, rows, { sodium: await loadSodium(), intakeKey, known })
}

async function ask(
  tools: Tools,
  vault: Vault,
  kind: ImportKind,
  asked: readonly ReadRow[],
  apply: boolean,
): Promise<ImportAnswer> {
  const input: VerbInput<'import'> = { kind, rows: asked.map(({ row }) => row), apply }
  if (Buffer.byteLength(JSON.stringify(input)) > maxCallBytes)
    throw misuse('the private keys of this file are too many for one import', 'divide it into several')
  if (apply) tools.note('importing …')
  return vault.ask('import', input, undefined, patience)
}

/** What the vault answers, with the names of the file and what was wrong here already. */
async function showRows(
  tools: Tools,
  kind: ImportKind,
  rows: readonly CsvRow[],
  asked: readonly ReadRow[],
  answer: ImportAnswer,
): Promise<readonly ShownRow[]> {
  return Promise.all(
    answer.rows.map(async ({ enrolment, ...row }, at) => {
      const source = rows[at]
      const wrong = asked[at]?.wrong
      const named = { ...row, name: source === undefined ? '' : nameOf(kind, source) }
      if (wrong !== undefined)
        return { line: row.line, name: named.name, does: 'invalid' as const, sentence: wrong }
      if (enrolment === undefined) return named
      return { ...named, link: await enrolmentLink(tools, enrolment), expiresAt: enrolment.expiresAt }
    }),
  )
}

/** Shows the lines and stops where one of them cannot be done. */
function requireWhole(tools: Tools, kind: ImportKind, shown: readonly ShownRow[]): void {
  const bad = shown.filter((row) => row.does === 'conflict' || row.does === 'invalid').length
  if (bad === 0) return
  tools.show(answerOf(kind, shown, false), () => listOf(shown))
  throw new Complaint(
    `${bad} of ${shown.length} lines cannot be imported, so nothing is done`,
    'mend them and import the file again',
  )
}

async function carryOut(
  tools: Tools,
  vault: Vault,
  kind: ImportKind,
  rows: readonly CsvRow[],
  asked: readonly ReadRow[],
  { linksOut }: Options,
): Promise<void> {
  const path = linksOut === undefined ? undefined : resolve(tools.io.cwd, linksOut)
  // Made beforehand: links that have no place to go would be lost, since they are shown once.
  if (path !== undefined) await writeNewFile(path, '')
  let done: ImportAnswer
  try {
    done = await ask(tools, vault, kind, asked, true)
  } catch (error) {
    if (path !== undefined) await unlink(path)
    throw error
  }
  const shown = await showRows(tools, kind, rows, asked, done)
  if (!done.applied) {
    if (path !== undefined) await unlink(path)
    requireWhole(tools, kind, shown)
    throw new Complaint('nothing is done', 'import the file again')
  }
  const isKept = path !== undefined && (await keepLinks(tools, path, shown))
  const open = isKept ? shown.map(({ link: _, ...row }) => row) : shown
  tools.show(answerOf(kind, open, true), () => linksOf(open))
  tools.note(`imported: ${countsOf(shown)}`)
  if (isKept) tools.note(`the links are in ${linksOut}, and are shown nowhere else`)
  if (kind === 'accounts') tools.note('the CSV file holds secrets: delete it')
}

/** Writes the links; where that fails they are shown instead. */
async function keepLinks(tools: Tools, path: string, shown: readonly ShownRow[]): Promise<boolean> {
  const lines = shown.flatMap(({ name, link, expiresAt }) =>
    link === undefined ? [] : [`${name},${link},${expiresAt}\n`],
  )
  try {
    await writeNewFile(path, `name,link,until\n${lines.join('')}`, { replace: true })
    return true
  } catch {
    tools.note(`the links cannot be written to ${path}, so they are shown here`)
    return false
  }
}

function finish(
  tools: Tools,
  kind: ImportKind,
  shown: readonly ShownRow[],
  applied: boolean,
  word: string,
  isListed = false,
): void {
  tools.show(answerOf(kind, shown, applied), () => (isListed ? '' : listOf(shown)))
  tools.note(word)
}

function answerOf(kind: ImportKind, shown: readonly ShownRow[], applied: boolean) {
  return { kind, applied, counts: tally(shown), rows: shown }
}

const words = ['create', 'unchanged', 'conflict', 'invalid'] as const

function tally(shown: readonly ShownRow[]): Readonly<Record<ImportedRow['does'], number>> {
  const of = (does: ImportedRow['does']) => shown.filter((row) => row.does === does).length
  return {
    create: of('create'),
    unchanged: of('unchanged'),
    conflict: of('conflict'),
    invalid: of('invalid'),
  }
}

function countsOf(shown: readonly ShownRow[]): string {
  const counts = tally(shown)
  return words.flatMap((does) => (counts[does] === 0 ? [] : [`${counts[does]} ${does}`])).join(', ')
}

/** SECURITY: names come from the file, whoever wrote it: none of them drives the terminal. */
function listOf(shown: readonly ShownRow[]): string {
  return shown
    .map(({ line, does, name, addsTarget, sentence }) => {
      const target = addsTarget === undefined ? '' : `, and its target, ${addsTarget}`
      const why = sentence === undefined ? '' : `: ${sentence}`
      return `${visible(`line ${line}: ${does} ${short(name)}${target}${why}`)}\n`
    })
    .join('')
}

const short = (text: string) => (text.length > 140 ? `${text.slice(0, 139)}…` : text)

function linksOf(shown: readonly ShownRow[]): string {
  const links = shown.flatMap(({ name, link, expiresAt }) =>
    link === undefined ? [] : [`  ${visible(name)}, until ${when(expiresAt)}: ${link}\n`],
  )
  if (links.length === 0) return ''
  return `to set password and second factor, shown this once:\n${links.join('')}`
}
