import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DesktopKeyframes } from '../../recorder/broker/desktop/keyframes.ts'
import type { Instruction } from '../../recorder/broker/desktop/instruction.ts'
import { copy, draw, made, seen, sync } from '../support/toy-desktop.ts'

/**
 * guacd, as it is: who joins sees the picture of a moment of its own choice, and what is drawn from a later moment on.
 * Whatever it chooses, and however the two connections come: a keyframe is what was drawn before it.
 */

const width = 12
/** So much that a keyframe is due: what the toy does not draw. */
const much = Array.from({ length: 6 }, () => made('mouse', 'z'.repeat(60_000)))
const letters = [...'abcdefgh']
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(width - 1), fc.constantFrom(...letters)).map(([x, l]) => draw(x, l)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(6), fc.integer({ min: 1, max: 5 }), fc.nat(6))
      .map(([a, n, b]) => copy(a, n, b)),
  },
  { weight: 3, arbitrary: fc.constant('frame' as const) },
)

test('a keyframe shows what the instructions before it have drawn, whenever who joined was let in', async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.nat(20),
      fc.nat(20),
      fc.nat(40),
      async (steps, wait, gap, lag) => {
        let time = 100
        const before = [[made('size', 0, width, 1)], much, draw(0, 'mnopqrstuvwx'), [sync(time)]]
        const after = [...steps, 'frame' as const].map((one) => {
          if (one !== 'frame') return one
          time += 1
          return [sync(time)]
        })
        const pictureAt = Math.min(wait, after.length)
        const from = Math.min(pictureAt + gap, after.length)
        const now = [...before, ...after.slice(0, pictureAt)].flat()
        const picture = [made('size', 0, width, 1), ...draw(0, seen(now).slice(0, width), 2)]
        const joined = [...picture, ...after.slice(from).flat()]
        if (from === after.length) joined.push(sync(time + 1))
        const recorded: Instruction[] = []
        const kept: { readonly bytes: Uint8Array; readonly is: string }[] = []
        let letIn: (value: unknown) => void = () => undefined
        const opened = new Promise((resolve) => {
          letIn = resolve
        })
        const keyframes = new DesktopKeyframes({
          join: async () => ({
            async *instructions() {
              await opened
              for (const one of joined) yield [one]
            },
            close: () => undefined,
          }),
          keep: (bytes) => {
            kept.push({ bytes, is: seen(recorded).slice(0, width) })
            return true
          },
          failed: () => undefined,
          now: () => 0,
        })
        const pass = (list: readonly Instruction[]) => {
          recorded.push(...list)
          keyframes.passed(list, true)
        }
        pass(before.flat())
        for (const [at, list] of after.entries()) {
          if (at === lag) {
            letIn(undefined)
            await new Promise((resolve) => setImmediate(resolve))
          }
          pass(list)
        }
        letIn(undefined)
        await new Promise((resolve) => setImmediate(resolve))
        pass([sync(time + 1)])
        count += kept.length
        for (const { bytes, is } of kept) expect(seen(bytes).slice(0, width)).toBe(is)
        keyframes[Symbol.dispose]()
      },
    ),
    { numRuns: 1_000 },
  )
  // The control: there were some.
  expect(count).toBeGreaterThan(300)
})
