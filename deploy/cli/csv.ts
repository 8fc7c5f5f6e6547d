import { misuse } from './complaint.ts'

/** A row of a CSV file by its column names, and the line it began on. */
export type CsvRow = { readonly line: number; readonly cells: Readonly<Record<string, string>> }

/**
 * Parses CSV (RFC 4180) whose first line names the columns; `;` is taken where the first line has it, as
 * spreadsheets in many countries write it.
 *
 * SECURITY: complaints name lines and columns, never the text of a cell: cells hold secrets.
 */
export function parseCsv(
  text: string,
  known: readonly string[],
  required: readonly string[],
): readonly CsvRow[] {
  const [head, ...rows] = records(text.replace(/^\ufeff/, ''))
  if (head === undefined)
    throw misuse('the file is empty', `its first line names the columns: ${known.join(',')}`)
  const names = head.cells.map((name) => name.trim().toLowerCase())
  const strange = names.findIndex((name) => !known.includes(name))
  if (strange !== -1)
    throw misuse(`column ${strange + 1} has no name that is known`, `the columns are ${known.join(',')}`)
  if (new Set(names).size !== names.length) throw misuse('a column is there twice')
  const missing = required.find((name) => !names.includes(name))
  if (missing !== undefined)
    throw misuse(`there is no column ${missing}`, `the columns are ${known.join(',')}`)
  return rows.map(({ line, cells }) => {
    if (cells.length !== names.length)
      throw misuse(`line ${line} has ${cells.length} columns, the first line has ${names.length}`)
    return { line, cells: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ''])) }
  })
}

function records(text: string): readonly { readonly line: number; readonly cells: readonly string[] }[] {
  const firstLine = text.slice(0, text.indexOf('\n') === -1 ? undefined : text.indexOf('\n'))
  const separator = firstLine.includes(';') && !firstLine.includes(',') ? ';' : ','
  const found: { line: number; cells: string[] }[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const record = { line, cells: [] as string[] }
    for (;;) {
      let cell = ''
      if (text[at] === '"') {
        const began = line
        for (at += 1; ; at += 1) {
          if (at >= text.length) throw misuse(`line ${began} opens a quote that nothing closes`)
          if (text[at] === '"' && text[at + 1] === '"') at += 1
          else if (text[at] === '"') break
          if (text[at] === '\n') line += 1
          cell += text[at]
        }
        at += 1
        if (at < text.length && ![separator, '\n', '\r'].includes(text[at] ?? ''))
          throw misuse(`line ${line} goes on after a closing quote`)
      } else {
        while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') {
          cell += text[at]
          at += 1
        }
      }
      record.cells.push(cell)
      if (text[at] !== separator) break
      at += 1
    }
    if (text[at] === '\r') at += 1
    if (text[at] === '\n') at += 1
    line += 1
    if (record.cells.length > 1 || record.cells[0] !== '') found.push(record)
  }
  return found
}
