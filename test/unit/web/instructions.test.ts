import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode, instructionReader } from '../../../web/desktop/instructions.ts'

const read = (...pieces: readonly string[]) => {
  const found: string[][] = []
  const reader = instructionReader((opcode, args) => found.push([opcode, ...args]))
  for (const piece of pieces) reader(piece)
  return found
}
const said = (elements: readonly (string | number)[]) => new TextDecoder().decode(encode(elements))

describe('instructions of a desktop', () => {
  test('are read back as they were said, wherever the text is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), { maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (instructions, cuts) => {
          const text = instructions.map((one) => said(one)).join('')
          const at = [
            0,
            ...cuts.map((cut) => Math.min(cut, text.length)).toSorted((a, b) => a - b),
            text.length,
          ]
          const pieces = at.slice(1).map((end, index) => text.slice(at[index], end))
          expect(read(...pieces)).toEqual(instructions)
        },
      ),
    )
  })

  test('count characters, not units of text', () => {
    expect(read('4.name,2.a😀;')).toEqual([['name', 'a😀']])
  })

  test.each(['x.copy;', '.copy;', '4.copy:', '4,copy;', '12345678.copy;', '-1.c;'])(
    'what is none is refused: %s',
    (text) => {
      expect(() => read(text)).toThrow('cannot be read from here on')
    },
  )

  test('one without an end is not waited for without a bound', () => {
    const reader = instructionReader(() => expect.unreachable())
    reader('9999999.')
    expect(() => {
      for (let turn = 0; turn < 20; turn += 1) reader('x'.repeat(100_000))
    }).toThrow('cannot be read from here on')
  })

  test('what is taken amiss is not handed on twice', () => {
    const found: string[] = []
    const reader = instructionReader((opcode) => {
      found.push(opcode)
      if (opcode === 'bad') throw new Error('not taken')
    })
    expect(() => reader('3.bad;4.copy;')).toThrow('not taken')
    reader('4.sync;')
    expect(found).toEqual(['bad', 'copy', 'sync'])
  })
})
