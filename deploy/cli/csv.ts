import { type CsvRow, parseCsv as parse } from '../../vault/kernel/csv.ts'
import { refused } from './complaint.ts'

export type { CsvRow } from '../../vault/kernel/csv.ts'

/** Parses CSV; what cannot be read is a complaint. */
export function parseCsv(
  text: string,
  known: readonly string[],
  required: readonly string[],
): readonly CsvRow[] {
  const rows = parse(text, { known, required })
  if (!rows.ok) throw refused(rows.refusal)
  return rows.value
}
