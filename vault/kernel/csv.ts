import { done, type Outcome, refuse } from './outcome.ts'

/** A row of a CSV file by its column names, and the line it began on. */
export type CsvRow = { readonly line: number; readonly cells: Readonly<Record<string, string>> }

/** The columns that a file may have, and those that it must have. */
export type CsvColumns = { readonly known: readonly string[]; readonly required: readonly string[] }

/** Bytes of a file and of the text it holds, at most. */
export const maxCsvBytes = 1024 * 1024
/** Rows below the first line, at most. */
export const maxCsvRows = 1000
/** Characters of a cell, at most. */
export const maxCsvCell = 2000

/**
 * Parses CSV (RFC 4180) whose first line names the columns. Where the first line has no comma, `;` and the tabulator
 * are taken too, as spreadsheets write them in many countries and put them on the clipboard. Runs in browsers too.
 *
 * SECURITY: refusals name lines and columns, never the text of a cell: cells hold secrets.
 */
export function parseCsv(text: string, { known, required }: CsvColumns): Outcome<readonly CsvRow[]> {
  const found = readRecords(text)
  if (!found.ok) return found
  const [head, ...rows] = found.value
  const columns = `the columns are ${known.join(',')}`
  if (head === undefined)
    return refuse('invalid', 'the file is empty', `its first line names the columns: ${known.join(',')}`)
  const names = head.cells.map(columnName)
  const strange = names.findIndex((name) => !known.includes(name))
  if (strange !== -1) return refuse('invalid', `column ${strange + 1} has no name that is known`, columns)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    return refuse('invalid', `the column ${twice} is there twice`, 'remove one of them')
  const missing = required.find((name) => !names.includes(name))
  if (missing !== undefined) return refuse('invalid', `there is no column ${missing}`, columns)
  if (rows.length === 0)
    return refuse(
      'invalid',
      'the file has no rows',
      'below the line that names the columns comes one per line',
    )
  const read: CsvRow[] = []
  for (const { line, cells } of rows) {
    if (cells.length !== names.length)
      return refuse(
        'invalid',
        `line ${line} has ${cells.length} columns, the first line has ${names.length}`,
        'a cell that holds the separator stands in double quotes',
      )
    const long = cells.findIndex((cell) => cell.length > maxCsvCell)
    if (long !== -1)
      return refuse('invalid', `line ${line}: ${names[long]} is longer than ${maxCsvCell} characters`)
    read.push({ line, cells: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ''])) })
  }
  return done(read)
}

/** The columns that the first line names, as they are compared: without regard to capitals. */
export function csvHead(text: string): Outcome<readonly string[]> {
  const found = readRecords(text)
  return found.ok ? done((found.value[0]?.cells ?? []).map(columnName)) : found
}

const columnName = (cell: string) => cell.trim().toLowerCase()

type FoundRecord = { readonly line: number; readonly cells: readonly string[] }

function readRecords(given: string): Outcome<readonly FoundRecord[]> {
  if (given.length > maxCsvBytes || new TextEncoder().encode(given).length > maxCsvBytes)
    return refuse('invalid', 'the file is larger than 1 MiB', 'divide it into several')
  const text = given.replace(/^\ufeff/, '')
  const zero = text.indexOf('\u0000')
  if (zero !== -1)
    return refuse(
      'invalid',
      `line ${text.slice(0, zero).split('\n').length} holds a zero byte: this is no CSV file`,
      'save it as CSV in UTF-8',
    )
  const separator = separatorOf(text)
  const found: FoundRecord[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const cells: string[] = []
    const began = line
    for (;;) {
      const cell = text[at] === '"' ? readQuoted(text, at) : readPlain(text, at, separator)
      if (cell === undefined)
        return refuse('invalid', `line ${line} opens a quote that nothing closes`, 'close it, or double it')
      line += cell.lines
      at = cell.end
      cells.push(cell.text)
      if (text[at] !== separator) break
      at += 1
    }
    if (at < text.length && text[at] !== '\n' && text[at] !== '\r')
      return refuse(
        'invalid',
        `line ${line} goes on after a closing quote`,
        'a quote within quotes is doubled',
      )
    if (text[at] === '\r') at += 1
    if (text[at] === '\n') at += 1
    line += 1
    if (cells.length === 1 && cells[0] === '') continue
    found.push({ line: began, cells })
    if (found.length > maxCsvRows + 1)
      return refuse('invalid', 'the file has more than 1,000 rows', 'divide it into several')
  }
  return done(found)
}

function separatorOf(text: string): string {
  const [head = ''] = text.split(/[\r\n]/, 1)
  return [',', ';', '\t'].find((each) => head.includes(each)) ?? ','
}

type Cell = { readonly text: string; readonly end: number; readonly lines: number }

function readPlain(text: string, from: number, separator: string): Cell {
  let end = from
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end += 1
  return { text: text.slice(from, end), end, lines: 0 }
}

/** A cell in quotes; undefined where nothing closes them. */
function readQuoted(text: string, from: number): Cell | undefined {
  const parts: string[] = []
  for (let began = from + 1; ; ) {
    const end = text.indexOf('"', began)
    if (end === -1) return undefined
    parts.push(text.slice(began, end))
    if (text[end + 1] !== '"') {
      const cell = parts.join('"')
      return { text: cell, end: end + 1, lines: cell.split('\n').length - 1 }
    }
    began = end + 2
  }
}

/**
 * Writes rows as CSV (RFC 4180), every cell in quotes, with the mark by which spreadsheets know UTF-8. Runs in browsers too.
 *
 * SECURITY: cells hold what people and machines said. One that a spreadsheet would take for a formula gets an
 * apostrophe before it, and nothing in one moves a cursor or turns a line of text round.
 */
export function csvText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return `\ufeff${[head, ...rows].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('')}`
}

function csvCell(text: string): string {
  const shown = text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  )
  const plain = /^[\s]*[=+\-@|%\uff0b\uff0d\uff1d\uff20]/.test(shown) ? `'${shown}` : shown
  return `"${plain.replaceAll('"', '""')}"`
}
