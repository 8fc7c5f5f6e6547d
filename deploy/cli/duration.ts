import { durationSeconds } from '../../vault/kernel/duration.ts'
import { misuse } from './complaint.ts'

/** Parses `4h`, `30m`, `2d`, `1h30m` to whole seconds. */
export function parseDuration(text: string): number {
  const seconds = durationSeconds(text)
  if (seconds !== undefined) return seconds
  const isZero = /^(\d{1,6}[smhdw])+$/.test(text)
  throw misuse(
    isZero ? 'a duration is at least 1s' : `${JSON.stringify(text)} is not a duration`,
    'write it like 4h, 30m, 2d or 1h30m',
  )
}

/**
 * Parses a moment: ISO 8601 with or without a zone (without: this machine's), or `+4h` from now.
 * Answers ISO 8601 in UTC.
 */
export function parseMoment(text: string, now: number = Date.now()): string {
  if (text.startsWith('+')) return new Date(now + parseDuration(text.slice(1)) * 1000).toISOString()
  const shaped = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)
  // A date without a time would be midnight in UTC by the standard; people mean their own midnight.
  const parsed = shaped
    ? Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'))
    : Number.NaN
  if (Number.isNaN(parsed))
    throw misuse(
      `${JSON.stringify(text)} is not a date and time`,
      'write it like 2026-12-01T06:00, 2026-12-01T06:00Z or +2h',
    )
  return new Date(parsed).toISOString()
}
