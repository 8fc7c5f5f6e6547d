import type { Readable } from 'node:stream'

/** What a command reads and writes; the process's own, or a test's. */
export type Io = {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(on: boolean): unknown }
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** The size of the terminal that `out` writes to; undefined where it is none. */
  readonly window?: () => { readonly columns: number; readonly rows: number } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** The process's own input, output and environment. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    window: () => {
      const { isTTY, columns, rows } = process.stdout
      return isTTY ? { columns, rows } : undefined
    },
    env: process.env,
    cwd: process.cwd(),
  }
}

/**
 * Makes control and direction-changing characters visible.
 *
 * SECURITY: names, reasons and sources come from elsewhere; none may drive the reader's terminal.
 */
export function visible(text: string): string {
  return text.replace(
    // biome-ignore lint: the control characters are the point
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Makes them visible in text of several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}

/**
 * A value as JSON.
 *
 * SECURITY: JSON escapes C0 controls alone. A C1 control, which terminals obey too, is escaped as well: to who parses it,
 * it is the same.
 */
export function jsonText(value: unknown, indent?: number): string {
  return visibleLines(JSON.stringify(value, null, indent))
}

/** Lays rows out in columns, a heading above them. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings, ...rows.map((row) => row.map(visible))]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** A moment for people: in UTC, to the second. */
export function when(moment: string | null | undefined): string {
  return moment === null || moment === undefined ? '-' : moment.replace('T', ' ').replace(/(\.\d+)?Z$/, 'Z')
}

/** A size for people. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 'B'
  for (const next of units) {
    if (value < 1024) break
    value /= 1024
    unit = next
  }
  return `${value.toFixed(1)} ${unit}`
}
