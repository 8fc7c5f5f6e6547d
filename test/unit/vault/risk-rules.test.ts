import { describe, expect, test } from 'vitest'
import type { RiskSettings } from '../../../vault/contract.ts'
import {
  type BegunFacts,
  type EndedFacts,
  judgeBegun,
  judgeEnded,
  judgeSeen,
  type SeenFacts,
} from '../../../vault/risk/rules.ts'

const settings: RiskSettings = {
  off: [],
  zone: 'Europe/Berlin',
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '06:00',
  until: '20:00',
  hoursOf: 'vendors',
  dormantDays: 60,
  spikeTimes: 10,
  spikeBytes: 1_000,
}
const day = 24 * 3600_000
/** Monday, 09:00 in Berlin. */
const monday = Date.parse('2026-03-02T08:00:00Z')
const begun: BegunFacts = {
  user: 'vera',
  account: 'press-3/engineer',
  target: 'press-3',
  company: 'acme',
  startedAt: monday,
  reached: true,
  earlierThere: 3,
  lastAnywhere: monday - 3 * day,
}
const ended: EndedFacts = {
  ...begun,
  endReason: 'closed by the user',
  recording: 'complete',
  bytes: 500,
  earlierBytes: [100, 100, 100, 100, 100],
  refused: [],
}
const begins = (facts: Partial<BegunFacts>, by: Partial<RiskSettings> = {}) =>
  judgeBegun({ ...settings, ...by }, { ...begun, ...facts })
const ends = (facts: Partial<EndedFacts>, by: Partial<RiskSettings> = {}) =>
  judgeEnded({ ...settings, ...by }, { ...ended, ...facts })
const rules = (found: readonly { readonly rule: string }[]) => found.map(({ rule }) => rule)

describe('what has begun', () => {
  test('an ordinary session is not marked', () => {
    expect(begins({})).toEqual([])
  })

  test('the first time on a machine is marked, and what never reached it is not', () => {
    expect(begins({ earlierThere: 0 })).toEqual([
      {
        rule: 'first-time',
        why: 'vera was never on press-3 before',
        facts: [
          { name: 'earlier sessions of this user on this machine', value: '0' },
          { name: 'machine', value: 'press-3' },
        ],
      },
    ])
    expect(begins({ earlierThere: 0, reached: false })).toEqual([])
  })

  test.each([
    ['at 06:00 of the plant’s clock', '2026-03-02T05:00:00Z', []],
    ['a minute before', '2026-03-02T04:59:00Z', ['off-hours']],
    ['at 20:00', '2026-03-02T19:00:00Z', ['off-hours']],
    ['on a Saturday', '2026-03-07T10:00:00Z', ['off-hours']],
    ['at 06:00 in summer', '2026-07-06T04:00:00Z', []],
  ])('ordinary hours are those of the plant: %s', (_when, at, marked) => {
    const startedAt = Date.parse(at)
    expect(rules(begins({ startedAt, lastAnywhere: startedAt - day }))).toEqual(marked)
  })

  test('the plant’s own people are marked outside of hours where that is wanted', () => {
    const night = { company: null, startedAt: Date.parse('2026-03-02T23:00:00Z') }
    expect(begins(night)).toEqual([])
    expect(begins(night, { hoursOf: 'everybody' })).toMatchObject([
      {
        rule: 'off-hours',
        facts: [
          { name: 'began', value: 'Tue 2026-03-03 00:00 (Europe/Berlin)' },
          { name: 'ordinary hours', value: 'mon, tue, wed, thu, fri 06:00 to 20:00 (Europe/Berlin)' },
        ],
      },
    ])
  })

  test('a night shift is ordinary where hours end on the next day', () => {
    const night = Date.parse('2026-03-02T23:00:00Z')
    expect(begins({ startedAt: night, lastAnywhere: night }, { from: '22:00', until: '06:00' })).toEqual([])
  })

  test('a vendor who was long away is marked on the day that the settings say; nobody else, and nobody new', () => {
    expect(begins({ lastAnywhere: monday - 60 * day + 1 })).toEqual([])
    expect(begins({ lastAnywhere: monday - 60 * day })).toMatchObject([
      { rule: 'dormant-vendor', why: 'vera of acme had not been here for 60 days' },
    ])
    expect(begins({ lastAnywhere: monday - 400 * day, company: null })).toEqual([])
    expect(begins({ lastAnywhere: null })).toEqual([])
  })
})

describe('what has ended', () => {
  test('more than so many times the middle of earlier recordings is marked, from so many bytes on', () => {
    expect(ends({})).toEqual([])
    expect(ends({ bytes: 999 })).toEqual([])
    expect(ends({ bytes: 1_000 })).toMatchObject([
      {
        rule: 'volume-spike',
        facts: [
          { name: 'bytes of its recording', value: '1000' },
          { name: 'middle of 5 earlier recordings of this account', value: '100' },
          { name: 'a spike is', value: '10 times that, and 1000 bytes at least' },
        ],
      },
    ])
  })

  test('nobody guesses what is usual from four recordings, and one large one moves no middle', () => {
    expect(ends({ bytes: 1e9, earlierBytes: [1, 1, 1, 1] })).toEqual([])
    expect(rules(ends({ bytes: 1_500, earlierBytes: [100, 100, 100, 100, 1e9] }))).toEqual(['volume-spike'])
  })

  test('what was refused is marked, with what it was', () => {
    expect(ends({ refused: ['forwarding refused: 10.0.0.9:22'] })).toEqual([
      {
        rule: 'refused-act',
        why: 'vera tried on press-3/engineer what they may not do, once',
        facts: [{ name: 'refused', value: 'forwarding refused: 10.0.0.9:22' }],
      },
    ])
    const many = ends({ refused: Array.from({ length: 30 }, (_, place) => `refused channel: ${place}`) })
    expect(many[0]?.why).toContain('30 times')
    expect(many[0]?.facts).toHaveLength(10)
  })

  test.each([
    ['complete', 'time is up', []],
    ['complete', 'recorder crashed', ['recording-gap']],
    ['complete', 'vault away too long', ['recording-gap']],
    ['incomplete', 'closed by the user', ['recording-gap']],
    ['tampered', 'closed by the user', ['recording-gap']],
  ] as const)('a recording that is %s, of a session that ended with “%s”', (recording, endReason, marked) => {
    expect(rules(ends({ recording, endReason }))).toEqual(marked)
  })
})

describe('what was seen', () => {
  const seen: SeenFacts = {
    user: 'bob',
    account: 'press-3/engineer',
    seenAt: '2026-02-01T08:00:00Z',
    why: 'the HMI asks for it',
    dueAt: '2026-03-03T08:00:00Z',
    version: 4,
    now: Date.parse('2026-03-03T08:00:00Z'),
  }

  test('a secret is marked on the day on which it was to be another', () => {
    expect(judgeSeen(settings, { ...seen, now: seen.now - 1 })).toEqual([])
    expect(judgeSeen(settings, seen)).toMatchObject([
      {
        rule: 'reveal-unrotated',
        facts: expect.arrayContaining([{ name: 'version that is current', value: '4' }]),
      },
    ])
  })
})

test('a rule that is off marks nothing', () => {
  expect(rules(begins({ earlierThere: 0, lastAnywhere: 0 }, { off: ['first-time'] }))).toEqual([
    'dormant-vendor',
  ])
  expect(ends({ recording: 'tampered' }, { off: ['recording-gap'] })).toEqual([])
})
