import { open, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { type ImportKind, importKinds, maxImportedSecret, type VerbInput } from '../../vault/contract.ts'
import { importColumns, kindsThatFit, nearestKind, sealedColumns } from '../../vault/import/columns.ts'
import type { Sealing } from '../../vault/intake.ts'
import { type CsvRow, csvHead, maxCsvBytes, parseCsv } from '../../vault/kernel/csv.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import { type GivenSecret, readGivenSecret, sealGiven } from './account-secret.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import type { Io } from './io.ts'

type ImportRow = VerbInput<'import'>['rows'][number]

/** A row as the vault is asked for it, and what is wrong with it already here. */
export type ReadRow = { readonly row: ImportRow; readonly wrong?: string }

/** What seals the secrets of accounts, and the accounts that are there and need none. */
export type Sealer = {
  readonly sodium: Sealing
  readonly intakeKey: string
  readonly known: ReadonlySet<string>
}

/** Reads a CSV file of at most 1 MiB in UTF-8; what is none is refused with what to do about it. */
export async function readCsvFile(io: Io, path: string): Promise<string> {
  const full = resolve(io.cwd, path)
  if (!(await stat(full)).isFile()) throw misuse(`${path} is not a file`)
  await using file = await open(full, 'r')
  // One more than allowed, whatever the file said about its size: it may grow meanwhile.
  const bytes = Buffer.alloc(maxCsvBytes + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < bytes.length; length += read)
    read = (await file.read(bytes, length, bytes.length - length, null)).bytesRead
  if (length > maxCsvBytes) throw misuse(`${path} is larger than 1 MiB`, 'divide it into several')
  const held = bytes.subarray(0, length)
  if (held.subarray(0, 4).equals(Buffer.from('PK\u0003\u0004')))
    throw misuse(`${path} is a workbook of a spreadsheet`, 'save it as CSV in UTF-8')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(held)
  } catch {
    throw misuse(`${path} is not text in UTF-8`, 'save it as CSV in UTF-8')
  } finally {
    bytes.fill(0)
  }
}

/** The kind of a file: as said, else the only one that its columns fit. */
export function kindOf(text: string, said: string | undefined): ImportKind {
  const kinds = importKinds.join('|')
  if (said !== undefined) {
    const kind = importKinds.find((each) => each === said)
    if (kind === undefined) throw misuse('this kind cannot be imported', `choose one: --as ${kinds}`)
    return kind
  }
  const head = csvHead(text)
  if (!head.ok) throw refused(head.refusal)
  if (head.value.length === 0)
    throw misuse('the file is empty', 'its first line names the columns: tagout import --help')
  const [kind, ...others] = kindsThatFit(head.value)
  if (kind === undefined) {
    const nearest = nearestKind(head.value)
    if (nearest !== undefined) throw misuse(strangeColumns(head.value, nearest), nearestColumns(nearest))
    throw misuse(
      'the columns are those of nothing that can be imported',
      `say what it is: --as ${kinds}; their columns: tagout import --help`,
    )
  }
  if (others.length > 0)
    throw misuse(`this could be ${[kind, ...others].join(' or ')}`, `say which: --as ${kinds}`)
  return kind
}

/** SECURITY: by its number: what stands there may be the password of a file whose first line is missing. */
function strangeColumns(columns: readonly string[], kind: ImportKind): string {
  const { known, required } = importColumns[kind]
  const strange = columns.findIndex((name) => !known.includes(name))
  if (strange !== -1) return `column ${strange + 1} has no name that is known`
  return `there is no column ${required.find((name) => !columns.includes(name)) ?? ''}`
}

const nearestColumns = (kind: ImportKind) =>
  `the columns of ${kind} are ${importColumns[kind].known.join(',')}; another kind is said with --as ${importKinds.join('|')}`

/** Parses a file of this kind. */
export function rowsOf(text: string, kind: ImportKind): readonly CsvRow[] {
  const rows = parseCsv(text, importColumns[kind])
  if (!rows.ok) throw refused(rows.refusal)
  return rows.value
}

/** The rows of accounts as the vault takes them: each secret sealed for its account, none as a cell. */
export async function sealRows(
  io: Io,
  file: string,
  rows: readonly CsvRow[],
  sealer: Sealer,
): Promise<readonly ReadRow[]> {
  const read: ReadRow[] = []
  for (const { line, cells } of rows) {
    const sent = Object.fromEntries(Object.entries(cells).filter(([name]) => !sealedColumns.includes(name)))
    const row = { line, cells: sent }
    const account = `${(cells['target'] ?? '').trim()}/${(cells['login'] ?? '').trim()}`
    const given = sealer.known.has(canonical(account)) ? undefined : await secretOf(io, file, account, cells)
    if (given === undefined) read.push({ row })
    else if (typeof given === 'string') read.push({ row, wrong: given })
    else {
      const { kind, sealed } = sealGiven(sealer.sodium, sealer.intakeKey, account, given)
      if (sealed.length > maxImportedSecret)
        read.push({ row, wrong: 'this secret is too long to be imported: add the account by itself' })
      else read.push({ row: { ...row, credential: { kind, sealed } } })
    }
  }
  return read
}

/** A full name of an account as it is compared: targets without regard to capitals. */
export function canonical(account: string): string {
  const slash = account.lastIndexOf('/')
  return `${account.slice(0, slash).toLowerCase()}${account.slice(slash)}`
}

/**
 * The secret that a row gives, undefined where it gives none, or what is wrong with it.
 *
 * SECURITY: what is wrong is said without a cell's text: a password may stand in the wrong column.
 */
async function secretOf(
  io: Io,
  file: string,
  account: string,
  cells: CsvRow['cells'],
): Promise<GivenSecret | string | undefined> {
  const password = cells['password'] ?? ''
  const keyFile = (cells['key_file'] ?? '').trim()
  if (password !== '' && keyFile !== '') return 'give either a password or a key_file, not both'
  if (password !== '') return { kind: 'password', secret: Secret.fromText(password) }
  if (keyFile === '') return undefined
  try {
    const folder = await realpath(dirname(resolve(io.cwd, file)))
    const path = await realpath(join(folder, keyFile))
    // SECURITY: who wrote the file does not get keys that lie elsewhere on this machine into the vault.
    if (!path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`))
      return 'key_file: it does not lie beside the CSV file'
    return await readGivenSecret(io, account, { keyFile: path })
  } catch (error) {
    if (error instanceof Complaint) return 'key_file: this is not a private key'
    if (error instanceof Error && 'code' in error)
      return error.code === 'ENOENT' ? 'key_file: there is no such file' : 'key_file: it cannot be read'
    throw error
  }
}

/** What a row is about, as its file names it. */
export function nameOf(kind: ImportKind, { cells }: CsvRow): string {
  const cell = (name: string) => (cells[name] ?? '').trim()
  switch (kind) {
    case 'targets':
    case 'users':
      return cell('name')
    case 'accounts':
      return `${cell('target')}/${cell('login')}`
    case 'grants':
      return `${cell('user')} to ${cell('account')}`
  }
}
