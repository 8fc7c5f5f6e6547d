import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reallyAgo, steadyClock } from '../../../vault/steady-clock.ts'

/** A machine whose clock is set, and whose time goes on. */
function machine() {
  const state = { wall: 1_700_000_000_000, elapsed: 5_000 }
  return {
    wall: () => state.wall,
    elapsed: () => state.elapsed,
    pass: (ms: number) => {
      state.wall += ms
      state.elapsed += ms
    },
    set: (ms: number) => {
      state.wall += ms
    },
  }
}

test('it is the machine’s time as long as nobody sets that', () => {
  const one = machine()
  const clock = steadyClock(one)
  for (const ms of [0, 1, 30_000, 86_400_000]) {
    one.pass(ms)
    expect(clock.now().getTime()).toBe(one.wall())
  }
  expect(clock.takeJumps()).toEqual([])
})

test('set back it goes on from where it was, and says by how much; set forward it follows', () => {
  const one = machine()
  const clock = steadyClock(one)
  const before = clock.now().getTime()
  one.set(-3_600_000)
  one.pass(1_000)
  expect(clock.now().getTime()).toBe(before + 1_000)
  expect(clock.takeJumps()).toEqual([{ byMs: -3_600_000, aheadMs: 3_600_000 }])
  expect(clock.takeJumps()).toEqual([])
  // Put right again it is no jump of the vault's time.
  one.set(3_600_000)
  expect(clock.now().getTime()).toBe(before + 1_000)
  expect(clock.takeJumps()).toEqual([{ byMs: 3_600_000, aheadMs: 0 }])
  one.set(7_200_000)
  expect(clock.now().getTime()).toBe(one.wall())
  expect(clock.takeJumps()).toEqual([{ byMs: 7_200_000, aheadMs: 0 }])
})

test('it says how much was skipped since a moment, and when something really was, over jumps that follow each other', () => {
  const one = machine()
  const clock = steadyClock(one)
  const ago = (ms: number) => {
    const now = clock.now()
    return now.getTime() - reallyAgo(ms, { now, skippedSince: clock.skippedSince }).getTime()
  }
  one.pass(60_000)
  const first = clock.now()
  expect([clock.skippedSince(first), ago(3_600_000)]).toEqual([0, 3_600_000])
  one.set(86_400_000)
  clock.now()
  one.pass(1_000)
  const second = clock.now()
  expect(ago(3_600_000)).toBe(90_000_000)
  one.set(7_200_000)
  clock.now()
  expect([first, second, clock.now()].map(clock.skippedSince)).toEqual([93_600_000, 7_200_000, 0])
  // The hour before is from before both: what has passed since is a second, whatever the clock says.
  expect([ago(500), ago(3_600_000)]).toEqual([7_200_500, 97_200_000])
  // Set back and put right again, nothing is skipped.
  one.pass(3_601_000)
  one.set(-3_600_000)
  clock.now()
  one.set(3_600_000)
  expect([clock.skippedSince(clock.now()), ago(3_600_000)]).toEqual([0, 3_600_000])
})

test('many small steps back are one jump, once they are more than two seconds', () => {
  const one = machine()
  const clock = steadyClock(one)
  const before = clock.now().getTime()
  for (let at = 0; at < 30; at += 1) {
    one.set(-100)
    clock.now()
  }
  expect(clock.now().getTime()).toBe(before)
  expect(clock.takeJumps()).toEqual([{ byMs: -2_100, aheadMs: 2_100 }])
})

test('whatever is done to the machine’s clock, it never goes back and never slower than time', () => {
  const steps = fc.array(
    fc.record({
      pass: fc.integer({ min: 0, max: 100_000 }),
      set: fc.integer({ min: -10_000_000, max: 10_000_000 }),
    }),
    { maxLength: 50 },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const one = machine()
      const clock = steadyClock(one)
      let last = clock.now().getTime()
      for (const { pass, set } of all) {
        one.pass(pass)
        one.set(set)
        const now = clock.now().getTime()
        expect(now).toBeGreaterThanOrEqual(last + pass)
        expect(now).toBeGreaterThanOrEqual(one.wall())
        last = now
      }
      expect(clock.takeJumps().length).toBeLessThanOrEqual(10)
    }),
  )
})
