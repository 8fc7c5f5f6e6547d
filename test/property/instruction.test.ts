import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  defaultInstructionLimits,
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'

/** Text with every width of UTF-8, the separators of the protocol, digits, NUL and the byte order mark. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(',', ';', '.', '0', '9', '\0', '\ufeff', 'é', '€', '😀', '𝄞', 'ž', '\u{10ffff}'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
})
const instruction = fc.array(text, { minLength: 1, maxLength: 8 })
const stream = fc.array(instruction, { maxLength: 6 })
const bytesOf = (list: readonly (readonly string[])[]) =>
  Buffer.concat(list.map(([opcode = '', ...args]) => encodeInstruction(opcode, ...args)))
const elements = (list: readonly Instruction[]) => list.map(({ opcode, args }) => [opcode, ...args])

function parse(bytes: Uint8Array, sizes: readonly number[]): readonly Instruction[] {
  const parser = new InstructionParser()
  const found: Instruction[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes.length === 0 ? bytes.length : (sizes[turn % sizes.length] ?? 1)
    found.push(...parser.push(bytes.subarray(at, at + size)))
    at += size
  }
  expect(parser.isBetween).toBe(true)
  return found
}

test('what was encoded is read back, whole, byte by byte and in any pieces', () => {
  fc.assert(
    fc.property(
      stream,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      (list, sizes) => {
        const bytes = bytesOf(list)
        for (const pieces of [[], [1], sizes]) expect(elements(parse(bytes, pieces))).toEqual(list)
      },
    ),
    { numRuns: 1_000 },
  )
})

test('an instruction carries its very bytes, also after the next has been read', () => {
  fc.assert(
    fc.property(stream, (list) => {
      const bytes = bytesOf(list)
      const found = parse(bytes, [3])
      expect(Buffer.concat(found.map((one) => one.bytes)).equals(bytes)).toBe(true)
      for (const { opcode, args, bytes: own } of found)
        expect(Buffer.from(own).equals(encodeInstruction(opcode, ...args))).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('each cut of a stream leaves the instructions before it, and none that is half', () => {
  const list = [
    ['key', '65307', '1'],
    ['clipboard', '€😀'],
    ['', '😀'],
    ['sync', '123'],
  ]
  const bytes = bytesOf(list)
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const parser = new InstructionParser()
    const before = elements(parser.push(bytes.subarray(0, cut)))
    expect(before).toEqual(list.slice(0, before.length))
    expect([...before, ...elements(parser.push(bytes.subarray(cut)))]).toEqual(list)
  }
})

test('a character beyond the basic plane counts as one', () => {
  expect(encodeInstruction('name', '😀a').toString()).toBe('4.name,2.😀a;')
  expect(elements(parse(Buffer.from('4.name,2.😀a;'), [1]))).toEqual([['name', '😀a']])
})

test('text can bring in no instruction, whatever it holds', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      const evil = `${before};4.exit;3.key,5.65307,1.1;${after}`
      expect(elements(parse(encodeInstruction('clipboard', evil), [2]))).toEqual([['clipboard', evil]])
    }),
  )
})

test('an instruction of just the longest length is read, one byte more is refused', () => {
  const { bytes: most } = defaultInstructionLimits
  const fill = most - '4.blob,65500.;'.length
  expect(`${fill}`).toHaveLength(5)
  expect(parse(encodeInstruction('blob', 'x'.repeat(fill)), [])[0]?.bytes).toHaveLength(most)
  expect(() => parse(encodeInstruction('blob', 'x'.repeat(fill + 1)), [])).toThrow('longer than')
})
