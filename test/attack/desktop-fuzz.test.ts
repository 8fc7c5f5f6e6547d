import { expect, test } from 'vitest'
import { ShownFilter, understand } from '../../recorder/broker/desktop/desktop-policy.ts'
import type { Instruction } from '../../recorder/broker/desktop/instruction.ts'
import { encodeInstruction, InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { DesktopKeyframes } from '../../recorder/broker/desktop/keyframes.ts'
import { Fault } from '../../vault/kernel/fault.ts'

/**
 * Made-up instructions by the hundred thousand, whole and broken, in pieces of any size, against everything that reads what guacd or
 * a browser sends: nothing but a refusal comes of it, nothing passes that is not on the list, and nothing that is kept
 * grows. `TAGOUT_FUZZ_INSTRUCTIONS=10000000` is the long run; `TAGOUT_FUZZ_SEED` makes other ones.
 */

const seed = Number(process.env['TAGOUT_FUZZ_SEED'] ?? 20261130)
const count = Number(process.env['TAGOUT_FUZZ_INSTRUCTIONS'] ?? 60_000)

/** Whole numbers below `below`, the same for the same seed (mulberry32). */
function dice(from: number) {
  let state = from | 0
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const opcodes = [
  ...[
    'img',
    'blob',
    'end',
    'sync',
    'size',
    'copy',
    'rect',
    'cfill',
    'cursor',
    'mouse',
    'key',
    'ack',
    'nop',
    '',
  ],
  ...[
    'clipboard',
    'file',
    'filesystem',
    'body',
    'pipe',
    'audio',
    'video',
    'argv',
    'required',
    'put',
    'get',
    'error',
  ],
  ...[
    'select',
    'connect',
    'disconnect',
    'ready',
    'args',
    'name',
    'nest',
    'dispose',
    'move',
    'shade',
    'transfer',
  ],
  ...['img ', 'IMG', 'constructor', '__proto__', 'toString', 'im\u0000g', 'ïmg', '😀'],
]
const values = [
  ...[
    '0',
    '1',
    '5',
    '-1',
    '00',
    '65535',
    '65536',
    '1e3',
    '0x10',
    ' 1',
    '1 ',
    '4294967296',
    '9007199254740993',
  ],
  ...[
    '',
    'image/png',
    'text/plain',
    'c2VjcmV0',
    'a;b',
    'a,b',
    '1.0',
    '\u0000',
    'é',
    '😀',
    '\ufeff',
    '__proto__',
    'NaN',
  ],
]
const shown =
  /^(?:arc|blob|cfill|clip|close|copy|cstroke|cursor|curve|dispose|distort|end|identity|img|lfill|line|lstroke|mouse|move|nop|pop|push|rect|reset|set|shade|size|start|sync|transfer|transform)$/
const used =
  /^(?:3\.key,\d+\.\d{1,9},1\.[01]|5\.mouse,\d\.\d{1,5},\d\.\d{1,5},[12]\.\d{1,2}|4\.sync,\d+\.\d{1,16}|3\.ack,\d\.\d{1,5},2\.OK,1\.0|3\.nop);$/

test(`${count} made-up instructions end in a refusal or pass by the list`, { timeout: 3_600_000 }, () => {
  const roll = dice(seed)
  const pick = (list: readonly string[]) => list[roll(list.length)] ?? ''
  let [parser, filter] = [new InstructionParser(), new ShownFilter()]
  let now = 0
  let keyframes = 0
  const kept = new DesktopKeyframes({
    join: async () => {
      throw new Error('guacd is away')
    },
    keep: () => true,
    failed: () => void (keyframes += 1),
    now: () => (now += 1),
  })
  const seen = { instructions: 0, refused: 0, shown: 0, used: 0 }
  const before = process.memoryUsage().heapUsed
  const take = (one: Instruction) => {
    expectBounded(one)
    const passes = filter.passes(one)
    if (passes) {
      seen.shown += 1
      if (!shown.test(one.opcode)) throw new Error(`${JSON.stringify(one.opcode)} reached the browser`)
      kept.passed([one], filter.isWhole)
    }
    const understood = understand(one)
    if (understood === undefined || understood.is.kind === 'leave') return
    seen.used += 1
    // What goes on to guacd is nothing but numbers, in the form that the protocol has.
    if (!used.test(understood.bytes.toString('utf8')))
      throw new Error(`${understood.bytes.toString('utf8')} reached guacd`)
  }
  for (let made = 0; made < count; made += 1) {
    const args = Array.from({ length: roll(9) }, () => (roll(3) === 0 ? String(roll(70_000)) : pick(values)))
    let bytes: Uint8Array = encodeInstruction(pick(opcodes), ...args)
    if (roll(400) === 0) bytes = encodeInstruction('blob', '1', 'x'.repeat(roll(70_000)))
    // One in fifty is broken: a byte is another, or is missing.
    if (roll(50) === 0) {
      const at = roll(bytes.length)
      bytes =
        roll(2) === 0
          ? bytes.map((byte, place) => (place === at ? roll(256) : byte))
          : bytes.filter((_, place) => place !== at)
    }
    try {
      for (let at = 0; at < bytes.length; ) {
        const size = roll(4) === 0 ? 1 + roll(7) : bytes.length
        for (const one of parser.push(bytes.subarray(at, at + size))) {
          seen.instructions += 1
          take(one)
        }
        at += size
      }
    } catch (error) {
      // Whatever else is thrown would end a session's process.
      if (!(error instanceof Fault) || error.code !== 'protocol') throw error
      seen.refused += 1
      parser = new InstructionParser()
      filter = new ShownFilter()
    }
  }
  kept[Symbol.dispose]()
  // The control: all of it happened.
  expect(seen.instructions).toBeGreaterThan(count * 0.8)
  expect(seen.refused).toBeGreaterThan(count / 500)
  expect(seen.shown).toBeGreaterThan(count / 10)
  expect(seen.used).toBeGreaterThan(count / 500)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024)
})

function expectBounded({ opcode, args, bytes }: Instruction): void {
  if (bytes.length > 64 * 1024 || args.length > 511) throw new Error('beyond the limits')
  if (!Buffer.from(bytes).equals(encodeInstruction(opcode, ...args)))
    throw new Error('not the canonical form')
}
