import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFrames, FrameBuffer, FrameError } from '../../../../recorder/replay/frame-codec.ts'
import { inflate } from '../../../../recorder/replay/inflate.ts'
import type { Frame } from '../../../../recorder/replay/index.ts'
import { markLine } from '../../../../recorder/replay/text.ts'
import { Plainer } from '../../../../recorder/replay/plain.ts'
import { deflateRawSync } from 'node:zlib'

const plain = (text: string) => {
  const plainer = new Plainer()
  return [...plainer.add(new TextEncoder().encode(text)), plainer.rest()].join('\n')
}

test('escape sequences are taken out of text, other controls are shown', () => {
  for (const [raw, shown] of [
    ['\x1b[31mred\x1b[0m', 'red'],
    ['\x1b]0;evil title\x07after', 'after'],
    ['\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x1bP1$r0m\x1b\\after', 'after'],
    ['\x1b(0x\x1b7', 'x'],
    ['a\x00b\x07c\x7f', 'a^@b^Gc^?'],
    ['one\r\ntwo\roverwritten', 'one\ntwo^Moverwritten'],
    ['\u009b31mred', 'red'],
    ['\u009d0;t\u009cafter', 'after'],
    ['abc\u202Edcba', 'abc�dcba'],
    ['\x1b[31\x1b[32mx', 'x'],
    ['\x1b[3\x07x', '^Gx'],
  ] as const)
    expect(plain(raw)).toBe(shown)
})

test('no byte that a terminal would obey is in plain text, whatever was printed and however it was split', () =>
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 20 }),
          fc
            .constantFrom(
              '\x1b',
              '\x1b[',
              '\x1b]',
              '\x1bP',
              '\x9b',
              '\x1b\\',
              '\x07',
              '\x18',
              '\u009b1m',
              '\u2028',
              '31m',
            )
            .map((text) => new TextEncoder().encode(text)),
        ),
      ),
      (parts) => {
        const plainer = new Plainer()
        const lines = parts.flatMap((part) => plainer.add(part))
        // biome-ignore lint: control characters are what this looks for
        for (const line of [...lines, plainer.rest()])
          expect(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(line)).toBe(false)
      },
    ),
  ))

test('who wrote and who watched are named as everywhere else', () => {
  expect(markLine({ kind: 'message', by: 'local:0', text: 'stop' })).toBe(
    'message from the gateway’s administrator (local:0): stop',
  )
  expect(markLine({ kind: 'watch', by: 'local:0', watching: true })).toBe(
    'the gateway’s administrator (local:0) watches',
  )
  expect(markLine({ kind: 'message', by: 'sue', text: 'stop' })).toBe('message from sue: stop')
})

const channel = fc.integer({ min: -1, max: 2000 })
const whole = fc.integer({ min: 0, max: 2 ** 40 })
const frame = fc.oneof(
  fc.record({
    kind: fc.constantFrom('output', 'stderr', 'input'),
    channel,
    bytes: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({ kind: fc.constant('resize'), channel, columns: whole, rows: whole }),
  fc.record({ kind: fc.constant('timing'), channel, length: whole, submit: fc.boolean() }),
  fc.record({ kind: fc.constant('hidden'), channel, length: whole, duration: whole }),
  fc.record({ kind: fc.constant('keyframe'), channel, columns: whole, rows: whole, bytes: fc.uint8Array() }),
  fc.record({
    kind: fc.constant('mark'),
    channel,
    mark: fc.record({ kind: fc.constant('command'), line: fc.string({ unit: 'grapheme' }) }),
  }),
)

test('frames come back as they were written', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(frame, whole), { minLength: 1 }), (list) => {
      let at = 0
      const frames = list.map(([one, more]) => {
        at = Math.min(at + more, Number.MAX_SAFE_INTEGER)
        return { ...one, at } as Frame
      })
      const buffer = new FrameBuffer()
      for (const one of frames) buffer.add(one)
      expect([...decodeFrames(buffer.take())]).toEqual(frames)
    }),
  ))

test('whatever a chunk holds, it gives frames or a frame error', () =>
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      try {
        for (const one of decodeFrames(bytes)) expect(one.kind).toBeTypeOf('string')
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError)
      }
    }),
    { numRuns: 2000 },
  ))

test('a chunk that inflates to more than it may is refused', async () => {
  const bomb = deflateRawSync(Buffer.alloc(50_000_000))
  expect(await inflate(bomb, 1024 * 1024)).toBeUndefined()
  expect(await inflate(new Uint8Array([1, 2, 3]), 1024)).toBeUndefined()
  expect((await inflate(deflateRawSync(Buffer.from('hello')), 1024))?.length).toBe(5)
})
