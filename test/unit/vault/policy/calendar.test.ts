import { expect, test } from 'vitest'
import { calendarAt, momentIn } from '../../../../vault/policy/calendar.ts'
import type { CalendarDocument } from '../../../../vault/policy/document.ts'

const berlin = 'Europe/Berlin'
const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'] as const
const shifts: CalendarDocument = {
  zone: berlin,
  weekly: [{ days: [...weekdays], from: '06:00', to: '22:00' }],
}
const at = (text: string) => Date.parse(text)
const look = (calendar: CalendarDocument, moment: string) => {
  const { open, until } = calendarAt(calendar, at(moment))
  return `${open ? 'open' : 'closed'} until ${until === null ? 'ever' : new Date(until).toISOString()}`
}

test.each([
  // Monday 30 November 2026, UTC+1.
  ['2026-11-30T04:59:59Z', 'closed until 2026-11-30T05:00:00.000Z'],
  ['2026-11-30T05:00:00Z', 'open until 2026-11-30T21:00:00.000Z'],
  ['2026-11-30T21:00:00Z', 'closed until 2026-12-01T05:00:00.000Z'],
  ['2026-12-05T12:00:00Z', 'closed until 2026-12-07T05:00:00.000Z'],
  // Summer time ends on Sunday 25 October: 06:00 is an hour later in UTC from Monday on.
  ['2026-10-23T12:00:00Z', 'open until 2026-10-23T20:00:00.000Z'],
  ['2026-10-24T12:00:00Z', 'closed until 2026-10-26T05:00:00.000Z'],
])('shifts at %s: %s', (moment, state) => {
  expect(look(shifts, moment)).toBe(state)
})

test('a span over midnight belongs to the day on which it begins, also on the night of a clock change', () => {
  const nights: CalendarDocument = { zone: berlin, weekly: [{ days: ['sat'], from: '22:00', to: '06:00' }] }
  expect(look(nights, '2026-11-28T22:00:00Z')).toBe('open until 2026-11-29T05:00:00.000Z')
  expect(look(nights, '2026-11-27T22:00:00Z')).toBe('closed until 2026-11-28T21:00:00.000Z')
  // 24 to 25 October has 25 hours.
  expect(look(nights, '2026-10-24T20:00:00Z')).toBe('open until 2026-10-25T05:00:00.000Z')
})

test('days that touch are open without a gap, up to 24:00', () => {
  const always: CalendarDocument = { zone: 'UTC', weekly: [{ from: '00:00', to: '24:00' }] }
  expect(look(always, '2026-11-30T12:00:00Z')).toBe('open until ever')
  const week: CalendarDocument = {
    zone: 'UTC',
    weekly: [{ days: ['mon', 'tue'], from: '00:00', to: '24:00' }],
  }
  expect(look(week, '2026-11-30T12:00:00Z')).toBe('open until 2026-12-02T00:00:00.000Z')
})

test('an exception closes it, and what follows a long one is found', () => {
  const frozen: CalendarDocument = { ...shifts, except: [{ from: '2026-12-21', to: '2027-01-04T00:00' }] }
  expect(look(frozen, '2026-12-18T12:00:00Z')).toBe('open until 2026-12-18T21:00:00.000Z')
  expect(look(frozen, '2026-12-22T12:00:00Z')).toBe('closed until 2027-01-04T05:00:00.000Z')
})

test('dates open it besides, and a calendar of dates alone ends for good', () => {
  const stop: CalendarDocument = {
    zone: berlin,
    dates: [{ from: '2026-12-24T06:00', to: '2026-12-24T14:00' }],
  }
  expect(look(stop, '2026-12-01T00:00:00Z')).toBe('closed until 2026-12-24T05:00:00.000Z')
  expect(look(stop, '2026-12-24T05:00:00Z')).toBe('open until 2026-12-24T13:00:00.000Z')
  expect(look(stop, '2026-12-24T13:00:00Z')).toBe('closed until ever')
  expect(look({ ...shifts, ...stop, zone: berlin }, '2026-12-24T12:00:00Z')).toBe(
    'open until 2026-12-24T21:00:00.000Z',
  )
})

test('a moment is said by the clock of its zone', () => {
  expect(momentIn(berlin, at('2026-11-30T05:00:00Z'))).toBe('Mon 2026-11-30 06:00 (Europe/Berlin)')
})

test('hundreds of dates and exceptions are looked up for each of thousands of sessions in no time, and rightly', () => {
  const spans = (month: string) =>
    Array.from({ length: 200 }, (_, at) => {
      const day = String(1 + (at % 28)).padStart(2, '0')
      const hour = String(at % 23).padStart(2, '0')
      return { from: `2026-${month}-${day}T${hour}:00`, to: `2026-${month}-${day}T${hour}:30` }
    })
  const make = (): CalendarDocument => ({
    zone: berlin,
    weekly: [{ from: '00:00', to: '24:00' }],
    dates: spans('11'),
    except: spans('12'),
  })
  const calendar = make()
  const start = at('2026-11-28T00:00:00Z')
  const began = performance.now()
  for (let second = 0; second < 200_000; second += 1) calendarAt(calendar, start + second * 1000)
  expect(performance.now() - began).toBeLessThan(5_000)
  // What was looked up before changes no answer, in whatever order moments are asked for.
  const moments = [40, 3, 20, 3.3, 3.31, 90, 0, 33].map((days) => start + days * 24 * 3600_000)
  for (const moment of moments) expect(calendarAt(calendar, moment)).toEqual(calendarAt(make(), moment))
})
