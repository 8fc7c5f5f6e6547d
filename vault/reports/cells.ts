import type { ReportTable } from '../contract.ts'
import type { Call } from '../world.ts'

/** What a report is made of: who asks, and of which time and machine. */
export type Asking = {
  readonly call: Call
  readonly from: Date
  readonly to: Date
  readonly target: string | undefined
}

export type Contents = {
  readonly facts: readonly { readonly name: string; readonly value: string }[]
  readonly tables: readonly ReportTable[]
}

/** Rows of a table at most: a report is read by people. */
export const mostRows = 2_000

/** A table with the newest rows first; what is too much is counted. `more`: rows that were not even read. */
export function table(
  title: string,
  about: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  more = 0,
): ReportTable {
  return {
    title,
    about,
    columns,
    rows: rows.slice(0, mostRows),
    left: Math.max(0, rows.length - mostRows) + more,
  }
}

/** A moment to the second, in UTC (RFC 3339, with a space); nothing where there is none. */
export function at(moment: string | Date | null | undefined): string {
  if (moment === null || moment === undefined) return ''
  return `${new Date(moment).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** How long something took: `3 d 4 h`, `12 min 5 s`. */
export function lasted(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ]
  if (days > 0) return `${days} d ${hours} h`
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`
}

/** Is this moment in the time of the report? */
export function within({ from, to }: Asking, moment: string | null): boolean {
  if (moment === null) return false
  const ms = Date.parse(moment)
  return from.getTime() <= ms && ms < to.getTime()
}

export function share(part: number, whole: number): string {
  return whole === 0 ? 'there were none' : `${part} of ${whole} (${((100 * part) / whole).toFixed(1)} %)`
}

export const yesNo = (is: boolean) => (is ? 'yes' : 'no')

/** The value of an outcome that a reader of everything is not refused. */
export function answered<T>(
  outcome:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly refusal: { readonly message: string } },
): T {
  if (outcome.ok) return outcome.value
  throw new TypeError(`a report was refused what it is made of: ${outcome.refusal.message}`)
}
