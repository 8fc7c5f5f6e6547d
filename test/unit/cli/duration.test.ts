import { expect, test } from 'vitest'
import { parseDuration, parseMoment } from '../../../deploy/cli/duration.ts'

test('durations are whole seconds', () => {
  expect(parseDuration('4h')).toBe(14_400)
  expect(parseDuration('30m')).toBe(1_800)
  expect(parseDuration('2d')).toBe(172_800)
  expect(parseDuration('1h30m')).toBe(5_400)
})

test.each(['', '4', 'h', '4 h', '-4h', '4y', '0s', '1.5h', '4h;', '99999999h'])(
  '%j is no duration',
  (text) => {
    expect(() => parseDuration(text)).toThrow()
  },
)

test('moments carry their zone, and +4h counts from now', () => {
  expect(parseMoment('2026-12-01T06:00Z')).toBe('2026-12-01T06:00:00.000Z')
  expect(parseMoment('2026-12-01T06:00+01:00')).toBe('2026-12-01T05:00:00.000Z')
  expect(parseMoment('+4h', 0)).toBe('1970-01-01T04:00:00.000Z')
})

test('a moment without a zone is of this machine', () => {
  expect(parseMoment('2026-12-01 06:00')).toBe(new Date(2026, 11, 1, 6).toISOString())
  expect(parseMoment('2026-12-01')).toBe(new Date(2026, 11, 1).toISOString())
})

test.each(['', 'tomorrow', '1', '2026-13-01', '2026-12-01T25:00', '01.12.2026'])(
  '%j is no moment',
  (text) => {
    expect(() => parseMoment(text)).toThrow(/is not a/)
  },
)
