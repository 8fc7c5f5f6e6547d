import { expect, test } from 'vitest'
import { ShownFilter, understand } from '../../recorder/broker/desktop/desktop-policy.ts'
import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'

/** What passes between guacd and a browser, and what does not. */

const made = (opcode: string, ...args: readonly string[]): Instruction => {
  const [one] = new InstructionParser().push(encodeInstruction(opcode, ...args))
  if (one === undefined) throw new Error('no instruction')
  return one
}

test.each([
  ['clipboard', '0', 'text/plain'],
  ['file', '0', 'application/octet-stream', 'evil.exe'],
  ['filesystem', '0', 'Shared Drive'],
  ['body', '0', '0', 'text/plain', '/'],
  ['pipe', '0', 'text/plain', 'x'],
  ['audio', '0', 'audio/L16'],
  ['video', '0', '0', 'video/mp4'],
  ['argv', '0', 'text/plain', 'password'],
  ['required', 'password'],
  ['name', 'a name that the target chose'],
  ['msg', '1', 'bob'],
  ['log', 'x'],
  ['error', 'x', '519'],
  ['ready', '$id'],
  ['args', 'password'],
  ['nest', '0', 'x'],
  ['', 'ping'],
  ['something-new', 'x'],
])('%s of guacd does not reach the browser', (opcode, ...args) => {
  expect(new ShownFilter().passes(made(opcode, ...args))).toBe(false)
})

test('pieces of a stream pass where a picture opened it, and only until it ends', () => {
  const filter = new ShownFilter()
  filter.passes(made('clipboard', '5', 'text/plain'))
  expect(filter.passes(made('blob', '5', 'c2VjcmV0'))).toBe(false)
  expect(filter.passes(made('end', '5'))).toBe(false)
  expect(filter.passes(made('img', '6', '14', '0', 'image/png', '0', '0'))).toBe(true)
  expect(filter.passes(made('blob', '6', 'AAAA'))).toBe(true)
  expect(filter.passes(made('end', '6'))).toBe(true)
  expect(filter.passes(made('blob', '6', 'AAAA'))).toBe(false)
})

test.each([
  ['clipboard', '0', 'text/plain'],
  ['file', '0', 'text/plain', 'x'],
  ['put', '0', '0', 'text/plain', '/x'],
  ['get', '0', '/'],
  ['pipe', '0', 'text/plain', 'x'],
  ['argv', '0', 'text/plain', 'x'],
  ['audio', '0', 'audio/L16'],
  ['blob', '0', 'AAAA'],
  ['end', '0'],
  ['size', '99999', '99999'],
  ['size', '199', '600'],
  ['size', '800', '-600'],
  ['size', '800', '600', '1e9'],
  ['select', 'ssh'],
  ['connect', 'x'],
  ['touch', '1', '1', '1', '1', '1', '0', '1'],
  ['', 'ping', '1'],
  ['key', '97'],
  ['key', '0', '1'],
  ['key', '97', '2'],
  ['key', '-1', '1'],
  ['key', '1e3', '1'],
  ['key', '99999999999', '1'],
  ['key', '97', '1', '7'],
  ['mouse', '1', '2'],
  ['mouse', '-1', '2', '0'],
  ['mouse', '70000', '2', '0'],
  ['mouse', '1', '2', '32'],
  ['sync'],
  ['sync', 'x'],
  ['ack', '1', 'OK'],
])('%s %s of a browser does not reach guacd', (opcode, ...args) => {
  expect(understand(made(opcode, ...args))).toBeUndefined()
})

test('what reaches guacd is spelled anew: words of the browser do not', () => {
  expect(understand(made('ack', '3', 'words of mine', '769'))?.bytes.toString()).toBe('3.ack,1.3,2.OK,1.0;')
  expect(understand(made('size', '0800', '600'))?.bytes.toString()).toBe('4.size,3.800,3.600;')
  expect(understand(made('nop', 'words'))?.bytes.toString()).toBe('3.nop;')
  expect(understand(made('sync', '12', 'words'))?.bytes.toString()).toBe('4.sync,2.12;')
  expect(understand(made('key', '00097', '1'))?.bytes.toString()).toBe('3.key,2.97,1.1;')
})
