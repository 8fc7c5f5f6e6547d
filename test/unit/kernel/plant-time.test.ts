import { expect, test } from 'vitest'
import { zonedTime } from '../../../vault/kernel/plant-time.ts'

test.each([
  ['2026-12-01T05:00:00.250Z', 'Europe/Berlin', '2026-12-01 06:00:00 +01:00'],
  ['2026-06-30T22:30:09Z', 'Europe/Berlin', '2026-07-01 00:30:09 +02:00'],
  ['2026-12-01T00:00:00Z', 'UTC', '2026-12-01 00:00:00 +00:00'],
  ['2026-12-01T00:00:00Z', 'America/St_Johns', '2026-11-30 20:30:00 -03:30'],
])('%s in %s is %s', (iso, zone, said) => {
  expect(zonedTime(iso, zone)).toBe(said)
})
