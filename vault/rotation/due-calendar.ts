import { readPolicy } from '../access/policy.ts'
import type { LineCalendar } from '../contract.ts'
import { done } from '../kernel/outcome.ts'
import { calendarAt } from '../policy/calendar.ts'
import type { CalendarDocument } from '../policy/document.ts'
import type { Handler } from '../world.ts'
import { connectorOf } from './connectors.ts'
import { mostSteps } from './obstacles.ts'
import { rotationAccounts } from './overview.ts'
import { rotationHolds } from './verbs.ts'

const day = 86_400_000
/** Windows of one calendar that are listed. */
const mostWindows = 100

/** What comes, line by line: windows, holds, what is due, and what of it fits no window. */
export const rotationCalendar: Handler<'rotation.calendar'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const now = clock().getTime()
  const end = now + input.days * day
  const [accounts, holds] = [await rotationAccounts(call, {}), await rotationHolds(call, {})]
  if (!accounts.ok) return accounts
  if (!holds.ok) return holds
  const { document } = await readPolicy(database, guard)
  const calendars = document.calendars ?? {}
  const lines = new Map<string, LineCalendar>()
  for (const safe of [...new Set(accounts.value.map((one) => one.safe))].sort()) {
    const own = accounts.value.filter((one) => one.safe === safe)
    const names = [...new Set(own.flatMap(({ calendar }) => calendar ?? []))].sort()
    const hold = holds.value.find((one) => one.safe === safe)
    const due = own
      .filter(({ dueAt, how }) => dueAt !== null && how !== 'not' && Date.parse(dueAt) <= end)
      .map(({ account, dueAt, isOverdue, calendar, connector, how }) => {
        const from = Math.max(now, Date.parse(dueAt ?? ''))
        // People keep to windows by themselves.
        const begins =
          calendar === null || how === 'by people'
            ? from
            : opening(calendars[calendar], from, mostSteps * (connectorOf(connector)?.seconds ?? 60) * 1000)
        return {
          ...{ account, dueAt: dueAt ?? '', isOverdue, how, calendar },
          beginsAt: begins === null ? null : new Date(begins).toISOString(),
          fits: begins !== null && begins <= end,
        }
      })
      .toSorted((a, b) => a.dueAt.localeCompare(b.dueAt))
    lines.set(safe, {
      safe,
      windows: names.flatMap((name) => windowsOf(name, calendars[name], now, end)),
      hold: hold === undefined ? null : { reason: hold.reason, until: hold.until },
      due,
    })
  }
  return done(
    [...lines.values()].filter(({ windows, hold, due }) => windows.length + due.length > 0 || hold !== null),
  )
}

function windowsOf(calendar: string, of: CalendarDocument | undefined, from: number, end: number) {
  const found: LineCalendar['windows'][number][] = []
  let at = from
  while (of !== undefined && at < end && found.length < mostWindows) {
    const { open, until } = calendarAt(of, at)
    if (open)
      found.push({
        calendar,
        from: new Date(at).toISOString(),
        until: until === null ? null : new Date(until).toISOString(),
      })
    if (until === null) break
    at = until
  }
  return found
}

/** The first moment in a window that has room enough; null: none within a year. */
function opening(of: CalendarDocument | undefined, from: number, needs: number): number | null {
  let at = from
  while (of !== undefined && at < from + 366 * day) {
    const { open, until } = calendarAt(of, at)
    if (open && (until === null || until - at >= needs)) return at
    if (until === null) return null
    at = until
  }
  return null
}
