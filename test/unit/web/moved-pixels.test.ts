import fc from 'fast-check'
import { expect, test } from 'vitest'
import { moveWithin } from '../../../web/player/moved-pixels.ts'

const [line, lines] = [13, 9]

/** The same by way of a copy, as a canvas draws onto itself. */
function byCopy(
  pixels: Uint32Array,
  from: { readonly x: number; readonly y: number },
  to: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Uint32Array {
  const moved = pixels.slice()
  for (let row = 0; row < to.height; row += 1)
    for (let column = 0; column < to.width; column += 1)
      moved[(to.y + row) * line + to.x + column] = pixels[(from.y + row) * line + from.x + column] ?? 0
  return moved
}

test('a part of a picture moves as if it had been copied first, whichever way and however far', () => {
  const box = fc
    .record({ width: fc.integer({ min: 1, max: line }), height: fc.integer({ min: 1, max: lines }) })
    .chain(({ width, height }) => {
      const place = fc.record({
        x: fc.integer({ min: 0, max: line - width }),
        y: fc.integer({ min: 0, max: lines - height }),
      })
      return fc.record({ from: place, to: place, width: fc.constant(width), height: fc.constant(height) })
    })
  fc.assert(
    fc.property(box, ({ from, to, width, height }) => {
      const pixels = Uint32Array.from({ length: line * lines }, (_, at) => at + 1)
      const expected = byCopy(pixels, from, { ...to, width, height })
      moveWithin(pixels, line, from, { ...to, width, height })
      expect(pixels).toEqual(expected)
    }),
    { numRuns: 2_000 },
  )
})
