import { expect, test } from 'vitest'
import { InstructionParser } from '../../../recorder/broker/desktop/instruction.ts'
import { MachineClipboard } from '../../../web/desktop/clipboard.ts'

/** The browser's end of a desktop's clipboard, without a browser. */

function end() {
  const parser = new InstructionParser()
  const sent: string[][] = []
  const clipboard = new MachineClipboard((bytes) => {
    for (const { opcode, args } of parser.push(bytes)) sent.push([opcode, ...args])
  })
  let told = 0
  clipboard.listen(() => void (told += 1))
  return { clipboard, sent, told: () => told }
}
const b64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64')

test('a text goes in one stream, whole, and is there when that is said', async () => {
  const { clipboard, sent } = end()
  const text = 'ž😀'.repeat(2_000)
  const answer = clipboard.put(text)
  expect(sent[0]).toEqual(['clipboard', '0', 'text/plain'])
  expect(sent.at(-1)).toEqual(['end', '0'])
  const pieces = sent.slice(1, -1).map(([, , piece]) => Buffer.from(piece ?? '', 'base64'))
  expect(Buffer.concat(pieces).toString('utf8')).toBe(text)
  expect(await clipboard.put('another meanwhile')).toBe('too often')
  expect(clipboard.heard('ack', ['0', 'OK', '0'])).toBe(true)
  expect(await answer).toBe(null)
})

test.each([
  ['771', 'held'],
  ['781', 'too long'],
  ['797', 'too often'],
  ['768', 'refused'],
  ['not a number', 'refused'],
])('an answer of %s is said as: %s', async (status, refusal) => {
  const { clipboard } = end()
  const answer = clipboard.put('text')
  clipboard.heard('ack', ['0', 'words', status])
  expect(await answer).toBe(refusal)
})

test('what is too long is not sent, and nobody waits after the end', async () => {
  const { clipboard, sent } = end()
  expect(await clipboard.put('ž'.repeat(128 * 1024 + 1))).toBe('too long')
  expect(sent).toEqual([])
  const answer = clipboard.put('x')
  clipboard[Symbol.dispose]()
  expect(await answer).toBe('over')
  expect(await clipboard.put('x')).toBe('over')
})

test('what the machine copied is offered when it is whole, and forgotten when somebody says so, or at the end', () => {
  const { clipboard, told } = end()
  const bytes = Buffer.from('č€😀')
  clipboard.heard('clipboard', ['1024', 'text/plain'])
  for (const byte of bytes) clipboard.heard('blob', ['1024', b64(Uint8Array.of(byte))])
  expect(clipboard.copied()).toBe(null)
  expect(clipboard.heard('end', ['1024'])).toBe(true)
  expect(clipboard.copied()).toBe('č€😀')
  expect(told()).toBe(1)
  clipboard.forget()
  expect(clipboard.copied()).toBe(null)
  clipboard.heard('clipboard', ['1024', 'text/plain'])
  clipboard.heard('end', ['1024'])
  expect(clipboard.copied()).toBe('')
  clipboard[Symbol.dispose]()
  expect(clipboard.copied()).toBe(null)
})

test('more than a clipboard may hold is none, and what is a picture’s is left to it', () => {
  const { clipboard, told } = end()
  clipboard.heard('clipboard', ['1024', 'text/plain'])
  for (let count = 0; count < 100; count += 1) clipboard.heard('blob', ['1024', b64('x'.repeat(6_000))])
  clipboard.heard('end', ['1024'])
  expect(clipboard.copied()).toBe(null)
  expect(told()).toBe(0)
  for (const [opcode, ...args] of [
    ['img', '5', '14', '0', 'image/png', '0', '0'],
    ['blob', '5', 'AAAA'],
    ['end', '5'],
    ['clipboard', '5', 'text/plain'],
    ['ack', '0', 'OK', '0'],
    ['sync', '1024'],
  ] as const)
    expect(clipboard.heard(opcode, args)).toBe(false)
})
