import { expect, test } from 'vitest'
import { DesktopKeyframes } from '../../../recorder/broker/desktop/keyframes.ts'
import type { Instruction } from '../../../recorder/broker/desktop/instruction.ts'
import { copy, draw, made, seen, sync } from '../../support/toy-desktop.ts'

/** When a desktop is joined for a keyframe, and what becomes of it. */

const turn = () => new Promise((resolve) => setImmediate(resolve))

function desk() {
  let now = 0
  const kept: { readonly bytes: Uint8Array; readonly width: number; readonly height: number }[] = []
  const failures: unknown[] = []
  const state = {
    joins: 0,
    room: true,
    stream: [] as readonly (readonly Instruction[])[],
    error: undefined as Error | undefined,
  }
  const keyframes = new DesktopKeyframes({
    join: async () => {
      state.joins += 1
      if (state.error !== undefined) throw state.error
      const { stream } = state
      return {
        async *instructions() {
          yield* stream
        },
        close: () => undefined,
      }
    },
    keep: (bytes, width, height) => {
      if (state.room) kept.push({ bytes, width, height })
      return state.room
    },
    failed: (error) => void failures.push(error),
    now: () => now,
  })
  return {
    kept,
    failures,
    state,
    keyframes,
    pass: (list: readonly Instruction[], isWhole = true) => keyframes.passed(list, isWhole),
    /** Draws so much that a keyframe is due. */
    much: (time: number) =>
      keyframes.passed(
        [...Array.from({ length: 6 }, () => draw(0, 'a'.repeat(60_000))).flat(), sync(time)],
        true,
      ),
    later: (ms: number) => {
      now += ms
    },
  }
}

const whole = (text: string) => [made('size', 0, 10, 1), ...draw(0, text, 2)]

test('it is the picture of who joined, and what was drawn meanwhile, at its place', async () => {
  const { pass, much, kept, state } = desk()
  state.stream = [[...whole('abcdefghij'), ...draw(1, 'X'), sync(2)]]
  much(1)
  pass(draw(0, 'Y'), true)
  await turn()
  expect(kept).toEqual([])
  pass([...draw(1, 'X'), sync(2)])
  expect(kept).toHaveLength(1)
  expect(kept[0]).toMatchObject({ width: 10, height: 1 })
  expect(seen(kept[0]?.bytes ?? new Uint8Array())).toBe('YXcdefghij')
})

test('it waits for the session to come to the same frame, and takes along what came after it', async () => {
  const { pass, much, kept, state } = desk()
  state.stream = [[...whole('abcdefghij'), sync(1)]]
  much(1)
  pass(draw(5, 'Z'), true)
  await turn()
  // In the middle of a frame there is none.
  expect(kept).toEqual([])
  pass([sync(2)])
  expect(seen(kept[0]?.bytes ?? new Uint8Array())).toBe('abcdeZghij')
})

test('what scrolled before who joined was shown it makes none; what scrolled after it does no harm', async () => {
  const { pass, much, kept, state, later } = desk()
  state.stream = [[...whole('abcdefghij'), ...draw(1, 'X'), sync(2)]]
  much(1)
  pass([...copy(1, 9, 0), ...draw(1, 'X'), sync(2)])
  await turn()
  expect(kept).toEqual([])
  later(5_000)
  state.stream = [[...whole('abcdefghij'), ...copy(1, 9, 0), ...draw(9, 'k'), sync(4)]]
  pass([sync(3)])
  pass([...draw(2, 'c'), ...copy(1, 9, 0), ...draw(9, 'k'), sync(4)])
  await turn()
  expect(seen(kept[0]?.bytes ?? new Uint8Array())).toBe('bcdefghijk')
})

test('none is due before enough was drawn, nor while a picture is begun', async () => {
  const { pass, much, state } = desk()
  pass([...draw(0, 'a'), sync(1)])
  much(2)
  expect(state.joins).toBe(1)
  const other = desk()
  other.pass([...Array.from({ length: 6 }, () => draw(0, 'a'.repeat(60_000))).flat(), sync(1)], false)
  expect(other.state.joins).toBe(0)
  other.pass([sync(2)])
  expect(other.state.joins).toBe(1)
})

test('the next is due after twice what one cost; many small images make one due where it costs little', async () => {
  const { much, state, kept, later } = desk()
  const big = draw(0, 'b'.repeat(60_000))
  state.stream = [[made('size', 0, 10, 1), ...Array.from({ length: 10 }, () => big).flat(), sync(1)]]
  much(1)
  await turn()
  expect(kept).toHaveLength(1)
  later(15_000)
  much(2)
  much(3)
  much(4)
  expect(state.joins).toBe(1)
  much(5)
  expect(state.joins).toBe(2)

  const small = desk()
  small.state.stream = [[...whole('abcdefghij'), sync(1)]]
  const images = [...Array.from({ length: 600 }, () => draw(0, 'c')).flat(), sync(1)]
  small.pass(images)
  await turn()
  expect(small.kept).toHaveLength(1)
  // What it costs by the minute is bounded: so soon it would be too much of it.
  small.pass(images)
  expect(small.state.joins).toBe(1)
  small.later(60_000)
  small.pass(images)
  expect(small.state.joins).toBe(2)
})

test('a join that fails is told once, and tried again later, each time later', async () => {
  const { much, state, failures, later, kept } = desk()
  state.error = new Error('guacd is away')
  much(1)
  await turn()
  expect(failures).toEqual([state.error])
  later(29_000)
  much(2)
  expect(state.joins).toBe(1)
  later(1_000)
  much(3)
  await turn()
  expect(state.joins).toBe(2)
  later(59_000)
  much(4)
  expect(state.joins).toBe(2)
  later(1_000)
  state.error = undefined
  state.stream = [[...whole('abcdefghij'), sync(5)]]
  much(5)
  await turn()
  expect(state.joins).toBe(3)
  expect(kept).toHaveLength(1)
})

test('where the recording has no room there is none, and the session goes on', async () => {
  const { much, state, kept, failures } = desk()
  state.room = false
  state.stream = [[...whole('abcdefghij'), sync(1)]]
  much(1)
  await turn()
  much(2)
  expect([kept, failures, state.joins]).toEqual([[], [], 1])
})
