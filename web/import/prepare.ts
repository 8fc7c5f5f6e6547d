import type { ImportAnswer, ImportedRow, ImportKind, VerbInput } from '../../vault/contract.ts'
import { sealedColumns } from '../../vault/import/columns.ts'
import type { CsvRow } from '../../vault/kernel/csv.ts'
import type { Cells } from './kinds.ts'

/** What the vault is asked to import: no cell of it is a secret. */
export type AskedRow = VerbInput<'import'>['rows'][number]

/** A row as it goes to the vault, and what the browser found wrong with it before. */
export type PreparedRow = { readonly asked: AskedRow; readonly fault?: string }

export type SealPassword = (account: string, password: string) => NonNullable<AskedRow['credential']>

/**
 * Makes the rows that the vault is asked about.
 *
 * SECURITY: the passwords of accounts leave their rows here, sealed; nothing that comes out holds one in clear.
 */
export async function prepareRows(
  kind: ImportKind,
  rows: readonly CsvRow[],
  seal: SealPassword,
): Promise<readonly PreparedRow[]> {
  const prepared: PreparedRow[] = []
  for (const [at, row] of rows.entries()) {
    prepared.push(prepareRow(kind, row, seal))
    // Sealing a thousand passwords takes a moment: the page goes on meanwhile.
    if (at % 50 === 49) await new Promise((next) => setTimeout(next))
  }
  return prepared
}

function prepareRow(kind: ImportKind, row: CsvRow, seal: SealPassword): PreparedRow {
  const { line } = row
  const cells: Cells = Object.fromEntries(
    Object.entries(row.cells).filter(([name, cell]) => !sealedColumns.includes(name) && cell.trim() !== ''),
  )
  if (kind !== 'accounts') return { asked: { line, cells } }
  const password = row.cells['password'] ?? ''
  const hasKey = (row.cells['key_file'] ?? '').trim() !== ''
  if (hasKey) return { asked: { line, cells }, fault: keyFault(password !== '') }
  const name = `${(cells['target'] ?? '').trim()}/${(cells['login'] ?? '').trim()}`
  return password === ''
    ? { asked: { line, cells } }
    : { asked: { line, cells, credential: seal(name, password) } }
}

function keyFault(hasPassword: boolean): string {
  return hasPassword
    ? 'there is a password and a key_file: leave one of them empty'
    : 'a browser cannot read key files: import accounts with keys by the command: tagout import'
}

/** A row of the look: what the vault would do with it, and how a person knows it again. */
export type LookedRow = ImportedRow & { readonly cells: Cells }

/** Puts what the browser found wrong before what the vault says; what is there already needs no secret. */
export function mergeAnswer(prepared: readonly PreparedRow[], answer: ImportAnswer): readonly LookedRow[] {
  const byLine = new Map(answer.rows.map((row) => [row.line, row]))
  return prepared.map(({ asked: { line, cells }, fault }) => {
    const row = byLine.get(line) ?? { line, does: 'invalid' as const, sentence: 'the vault did not answer' }
    if (fault === undefined || row.does === 'unchanged') return { ...row, cells }
    return { line, does: 'invalid' as const, sentence: fault, cells }
  })
}

export type Counts = Readonly<Record<ImportedRow['does'] | 'problems' | 'all', number>>

export function countRows(rows: readonly Pick<ImportedRow, 'does'>[]): Counts {
  const of = (does: ImportedRow['does']) => rows.filter((row) => row.does === does).length
  const [create, unchanged, conflict, invalid] = [
    of('create'),
    of('unchanged'),
    of('conflict'),
    of('invalid'),
  ]
  return { create, unchanged, conflict, invalid, problems: conflict + invalid, all: rows.length }
}

/** Does a row let in whoever imports? The vault asks for a code then. */
export function grantsTo(rows: readonly LookedRow[], me: { readonly id: string; readonly name: string }) {
  return rows.some(({ cells }) => {
    const user = (cells['user'] ?? '').trim()
    return user === me.id || user.toLowerCase() === me.name.toLowerCase()
  })
}
