import { zonedTime } from '../../vault/kernel/plant-time.ts'

/**
 * The moment at which the clocks of a zone show a time (`2026-12-06T23:00`), as ISO 8601 in UTC; null: it is no time.
 * Of an hour that clocks show twice the earlier, of one that they leave out what they show instead.
 */
export function momentIn(local: string, zone: string): string | null {
  const shown = Date.parse(`${local}Z`)
  if (Number.isNaN(shown)) return null
  // What clocks are ahead by changes with the moment: a day before and a day after, both are tried.
  const found = [-1, 1].map((days) => shown - aheadOf(shown + days * 86_400_000, zone))
  const exact = found.filter((at) => at + aheadOf(at, zone) === shown)
  return new Date(exact.length === 0 ? Math.max(...found) : Math.min(...exact)).toISOString()
}

/** What the clocks of a zone are ahead of UTC at a moment, in milliseconds. */
function aheadOf(at: number, zone: string): number {
  const [, sign, hours, minutes] =
    / ([+-])(\d\d):(\d\d)/.exec(zonedTime(new Date(at).toISOString(), zone)) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}
