import { misuse } from './complaint.ts'

/** The rows that the vault lists at once at most. */
export const mostRows = 10_000

/** Parses `--limit`. */
export function parseLimit(text: string | undefined, usual: number): number {
  const limit = text === undefined ? usual : Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > mostRows)
    throw misuse(
      `${JSON.stringify(text)} is not a number of rows`,
      `give --limit a number from 1 to ${mostRows}`,
    )
  return limit
}

/**
 * The rows of a list, newest first, of which one more was asked for than are shown; `note` says that there are more.
 */
export function newest<Row>(
  rows: readonly Row[],
  limit: number,
): { readonly rows: readonly Row[]; readonly note: string | undefined } {
  return rows.length > limit
    ? { rows: rows.slice(0, limit), note: `these are the newest ${limit}; older ones with a larger --limit` }
    : { rows, note: undefined }
}
