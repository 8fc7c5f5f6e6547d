import { expect, test } from 'vitest'
import { encodeInstruction, InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { Fault } from '../../vault/kernel/fault.ts'

/** Hostile bytes to the reader of the Guacamole protocol: from a target through guacd, or from a browser. */

test.each([
  ['no length', '.abc;'],
  ['a length that is no number', 'x.abc;'],
  ['a negative length', '-1.a;'],
  ['a length with a sign', '+1.a;'],
  ['a length with a space', ' 1.a;'],
  ['a length with a leading zero', '03.abc;'],
  ['a length of more digits than there can be', '9999999.a;'],
  ['a length that is only waited for', '999999.a'],
  ['a length that is too short', '2.abc;'],
  ['a length that ends in the middle of an element', '3.key,1.65,1.1;'],
  ['a separator of something else', '3.abc:'],
  ['an empty length before a separator', '3.abc,;'],
  ['a line end between instructions', '3.nop;\n3.nop;'],
])('%s is refused', (_, text) => {
  expect(() => new InstructionParser().push(Buffer.from(text))).toThrow(Fault)
})

test.each([
  ['a lone continuation byte', [0x80]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['an overlong slash of three bytes', [0xe0, 0x80, 0xaf]],
  ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
  ['beyond the last character', [0xf4, 0x90, 0x80, 0x80]],
  ['a byte that is none of UTF-8', [0xff]],
])('text of %s is refused, also byte by byte', (_, bytes) => {
  const whole = Buffer.concat([Buffer.from('1.'), Buffer.from(bytes), Buffer.from(';')])
  expect(() => new InstructionParser().push(whole)).toThrow(Fault)
  const parser = new InstructionParser()
  expect(() => {
    for (const byte of whole) parser.push(Uint8Array.of(byte))
  }).toThrow(Fault)
})

test('a character that is cut by a separator takes nothing of what follows with it', () => {
  // The first byte of a character of two, then what would end the element.
  const bytes = Buffer.concat([Buffer.from('1.'), Buffer.from([0xc3]), Buffer.from(';3.nop;')])
  expect(() => new InstructionParser().push(bytes)).toThrow('UTF-8')
})

test('after a refusal nothing is read any more, however good it looks', () => {
  const parser = new InstructionParser()
  expect(() => parser.push(Buffer.from('x'))).toThrow(Fault)
  expect(() => parser.push(encodeInstruction('nop'))).toThrow('comes after what was refused')
})

test('what is refused is not quoted: it could be a password', () => {
  const parser = new InstructionParser()
  try {
    parser.push(Buffer.from('7.connect,8.hunter22hunter22;'))
    expect.unreachable()
  } catch (error) {
    expect(String(error)).not.toContain('hunter')
  }
})

test('elements without end are refused, and so is text without end', () => {
  const many = new InstructionParser()
  expect(() => {
    for (let turn = 0; turn < 1_000; turn += 1) many.push(Buffer.from('1.a,'))
  }).toThrow('more than 512 elements')
  const long = new InstructionParser({ bytes: 100, elements: 512 })
  expect(() => {
    for (let turn = 0; turn < 1_000; turn += 1) long.push(Buffer.from('1.a,'))
  }).toThrow('longer than 100 bytes')
})

test('half of a surrogate pair cannot be encoded', () => {
  expect(() => encodeInstruction('clipboard', '\ud800')).toThrow(Fault)
})

test('a long instruction that comes byte by byte costs no more than its length', () => {
  const parser = new InstructionParser()
  const bytes = encodeInstruction('blob', 'x'.repeat(60_000))
  const begun = performance.now()
  for (const byte of bytes) parser.push(Uint8Array.of(byte))
  // Each byte is looked at once: a reader that copied what it has at each piece would move 1.8 GB here.
  expect(performance.now() - begun).toBeLessThan(1_000)
})

/** A generator of numbers that gives the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('20,000 damaged streams are read or refused; what is read is canonical, and nothing else is thrown', () => {
  const seed = Number(process.env['TAGOUT_FUZZ_SEED'] ?? 20261130)
  const random = seeded(seed)
  const below = (most: number) => Math.floor(random() * most)
  const good = Buffer.concat([
    encodeInstruction('size', '0', '800', '600'),
    encodeInstruction('img', '1', '14', '0', 'image/png', '0', '0'),
    encodeInstruction('blob', '1', 'aGFsbG8='),
    encodeInstruction('clipboard', '0', 'text/plain', 'ž€😀'),
    encodeInstruction('sync', '1234567'),
  ])
  let refused = 0
  for (let run = 0; run < 20_000; run += 1) {
    const bytes = Buffer.from(good)
    for (let changes = 1 + below(4); changes > 0; changes -= 1) {
      const at = below(bytes.length)
      if (random() < 0.5) bytes[at] = below(256)
      else bytes.copyWithin(at, below(bytes.length))
    }
    const parser = new InstructionParser()
    try {
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + below(20)
        for (const one of parser.push(bytes.subarray(at, at + size)))
          if (!encodeInstruction(one.opcode, ...one.args).equals(one.bytes))
            throw new Error(`not canonical: seed ${seed}, run ${run}`)
        at += size
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      refused += 1
    }
  }
  expect(refused).toBeGreaterThan(10_000)
})
