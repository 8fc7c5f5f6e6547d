import { DateTime } from 'luxon'
import { type CalendarDocument, weekdays } from './document.ts'

/** Whether a calendar is open at a moment (ms), and when that changes next; null: not within the next year. */
export type CalendarState = { readonly open: boolean; readonly until: number | null }

const day = 24 * 3600_000
type Spans = readonly (readonly [number, number])[]

// Each of hundreds of rules asks for each session and each second: what was found holds until it changes.
const found = new WeakMap<CalendarDocument, { from: number; upto: number; state: CalendarState }>()
const spans = new WeakMap<CalendarDocument, { readonly dates: Spans; readonly except: Spans }>()

/** Looks a moment up in a calendar, as `lookUp` does. */
export function calendarAt(calendar: CalendarDocument, now: number): CalendarState {
  const known = found.get(calendar)
  if (known !== undefined && known.from <= now && now < known.upto) return known.state
  const state = lookUp(calendar, now)
  found.set(calendar, { from: now, upto: state.until ?? now + day, state })
  return state
}

/**
 * Looks a moment up in a calendar. Pure. Times are of the wall clock of the calendar's zone: 06:00 is 06:00 on a day
 * with a change of the clock too. A time that such a day leaves out is the one that the clock shows instead.
 */
function lookUp(calendar: CalendarDocument, now: number): CalendarState {
  const open = isOpen(calendar, now)
  // What changes next is an edge of the coming week, of a date, or of the week after an exception.
  const fixed = [...spansOf(calendar).dates, ...spansOf(calendar).except]
    .flat()
    .filter((at) => at > now && at <= now + 366 * day)
    .sort((a, b) => a - b)
  for (const start of [now, ...fixed]) {
    const next = [...fixed, ...weeklyEdges(calendar, start)]
      .filter((at) => at > now && at >= start)
      .sort((a, b) => a - b)
      .find((at) => isOpen(calendar, at) !== open)
    if (next !== undefined) return { open, until: next }
  }
  return { open, until: null }
}

function isOpen(calendar: CalendarDocument, at: number): boolean {
  const isWithin = ([from, to]: readonly [number, number]) => from <= at && at < to
  if (spansOf(calendar).except.some(isWithin)) return false
  return spansOf(calendar).dates.some(isWithin) || weeklySpans(calendar, at, 2).some(isWithin)
}

/** The spans of a calendar's dates and exceptions, read once: there may be hundreds. */
function spansOf(calendar: CalendarDocument): { readonly dates: Spans; readonly except: Spans } {
  const known = spans.get(calendar)
  if (known !== undefined) return known
  const { zone, dates = [], except = [] } = calendar
  const read = (given: typeof dates): Spans => given.map(({ from, to }) => [wall(from, zone), wall(to, zone)])
  const both = { dates: read(dates), except: read(except) }
  spans.set(calendar, both)
  return both
}

function wall(text: string, zone: string): number {
  return DateTime.fromISO(text, { zone }).toMillis()
}

function weeklyEdges(calendar: CalendarDocument, from: number): readonly number[] {
  return weeklySpans(calendar, from, 9).flat()
}

/** The weekly spans that begin on the day before `at`, on its day, or on those after it: `days` in all. */
function weeklySpans(
  { zone, weekly = [] }: CalendarDocument,
  at: number,
  days: number,
): readonly (readonly [number, number])[] {
  if (weekly.length === 0) return []
  const first = DateTime.fromMillis(at, { zone }).startOf('day').minus({ days: 1 })
  return Array.from({ length: days }, (_, after) => first.plus({ days: after })).flatMap((date) => {
    const weekday = weekdays[date.weekday - 1]
    return weekly
      .filter((span) => span.days === undefined || span.days.some((one) => one === weekday))
      .map((span): readonly [number, number] => {
        const isNext = span.to <= span.from
        return [timeOn(date, span.from), timeOn(isNext ? date.plus({ days: 1 }) : date, span.to)]
      })
  })
}

function timeOn(date: DateTime, clock: string): number {
  const [hour = 0, minute = 0] = clock.split(':').map(Number)
  return hour === 24
    ? date.plus({ days: 1 }).startOf('day').toMillis()
    : date.set({ hour, minute, second: 0, millisecond: 0 }).toMillis()
}

/** A moment as people of the calendar's zone say it: `Mon 2026-11-30 06:00 (Europe/Berlin)`. */
export function momentIn(zone: string, at: number): string {
  return `${DateTime.fromMillis(at, { zone, locale: 'en' }).toFormat('ccc yyyy-MM-dd HH:mm')} (${zone})`
}
