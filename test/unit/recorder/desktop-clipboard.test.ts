import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DesktopClipboard } from '../../../recorder/broker/desktop/desktop-clipboard.ts'
import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../../recorder/broker/desktop/instruction.ts'
import type { Mark } from '../../../recorder/recording/index.ts'
import type { ClipboardWay } from '../../../vault/contract.ts'

/** What the tap makes of clipboards: in which order it records, passes on and answers, and how often. */

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function tap(given: { readonly keepsText?: boolean; readonly marking?: () => Promise<void> } = {}) {
  const done: string[] = []
  const marks: Mark[] = []
  const told: object[] = []
  const may: Record<ClipboardWay, boolean> = { in: true, out: true }
  const reading = { user: true, machine: true }
  let ready: Promise<void> = Promise.resolve()
  const note = (whom: string) => (bytes: Buffer) =>
    done.push(
      ...new InstructionParser()
        .push(bytes)
        .filter(({ opcode }) => opcode !== 'blob' && opcode !== 'end')
        .map(({ opcode, args }) => `${whom} ${[opcode, ...args].join(' ')}`),
    )
  let longest = 0
  const texts = { machine: '', user: '' }
  const keep = (whom: 'machine' | 'user') => (bytes: Buffer) => {
    note(whom)(bytes)
    for (const { opcode, args, bytes: whole } of new InstructionParser().push(bytes)) {
      longest = Math.max(longest, whole.length)
      if (opcode === 'clipboard') texts[whom] = ''
      else if (opcode === 'blob') texts[whom] += Buffer.from(args[1] ?? '', 'base64').toString('latin1')
    }
  }
  const clipboard = new DesktopClipboard({
    may: (way) => may[way],
    mark: async (mark) => {
      await given.marking?.()
      marks.push(mark)
      done.push('mark')
    },
    tell: (text) => void told.push(text),
    refused: (detail) => void done.push(`refused ${detail}`),
    toMachine: keep('machine'),
    toUser: keep('user'),
    reads: (whom) => reading[whom],
    ready: () => ready,
    failed: (error) => void done.push(`failed ${String(error)}`),
    keepsText: given.keepsText ?? false,
    now: () => Date.now(),
  })
  const copy = (text: string, stream = '5') => {
    for (const one of textOf(stream, text)) clipboard.fromMachine(one, () => false)
  }
  const paste = async (text: string, stream = '0') => {
    for (const one of textOf(stream, text)) await clipboard.fromUser(one)
  }
  const settle = () => vi.advanceTimersByTimeAsync(0)
  return {
    ...{ reading, clipboard, done, marks, told, may, texts, copy, paste, settle },
    longest: () => longest,
    wait: (promise: Promise<void>) => {
      ready = promise
    },
  }
}

test('a text is recorded, then passed on, then answered', async () => {
  const { done, marks, told, paste, texts } = tap()
  await paste('x'.repeat(64))
  expect(done).toEqual(['mark', 'machine clipboard 0 text/plain', 'user ack 0 OK 0'])
  expect(texts.machine).toBe('x'.repeat(64))
  const sha256 = createHash('sha256').update('x'.repeat(64)).digest('hex')
  const what = { way: 'in', mimetype: 'text/plain', size: 64, sha256 }
  expect(marks).toEqual([{ kind: 'clipboard', ...what }])
  expect(told).toEqual([what])
})

test('a long text goes on in pieces that guacd takes, all of it', async () => {
  const { clipboard, paste, texts, longest } = tap()
  const text = `${'a'.repeat(4_095)}😀${'ž'.repeat(3_000)}`
  await paste(text)
  expect(Buffer.from(texts.machine, 'latin1').toString('utf8')).toBe(text)
  expect(longest()).toBeLessThan(8 * 1024)
  clipboard[Symbol.dispose]()
})

test.each([
  ['no digest of a short text anywhere', false, 'x'.repeat(63), false, false],
  ['a digest of a longer one', false, 'x'.repeat(64), true, true],
  ['the text where all input is kept, its digest there alone', true, 'short', true, false],
])('%s', async (_, keepsText, text, inMark, inLog) => {
  const { marks, told, paste } = tap({ keepsText })
  await paste(text)
  expect([marks[0], told[0]].map((one) => 'sha256' in (one ?? {}))).toEqual([inMark, inLog])
  expect('text' in (marks[0] ?? {})).toBe(keepsText)
  expect(JSON.stringify(told)).not.toContain('text":"')
})

test('what the recording does not take goes nowhere', async () => {
  const { done, copy, paste, settle } = tap({ marking: () => Promise.reject(new Error('full')) })
  await expect(paste('text')).rejects.toThrow('full')
  copy('text')
  await settle()
  expect(done).toEqual(['machine ack 5 OK 0', 'failed Error: full'])
})

test('held while it is recorded, it goes nowhere and its sender is told so', async () => {
  const recording = Promise.withResolvers<void>()
  const { done, may, paste, copy, settle, texts } = tap({ marking: () => recording.promise })
  const pasting = paste('pasted')
  copy('copied')
  await settle()
  may.in = false
  may.out = false
  recording.resolve()
  await pasting
  await settle()
  expect(done).toContain('user ack 0 REFUSED 771')
  expect(texts).toEqual({ machine: '', user: '' })
})

test('of a machine that copies without end the last one comes, and few are recorded', async () => {
  const { marks, copy, settle, texts } = tap()
  for (let count = 0; count < 1_000; count += 1) {
    copy(`copied ${count}`)
    await settle()
  }
  expect(marks.length).toBe(10)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(texts.user).toBe('copied 999')
  expect(marks.length).toBe(11)
  await vi.advanceTimersByTimeAsync(60_000)
  copy('later')
  await settle()
  expect(texts.user).toBe('later')
})

test('a user who pastes without end is refused, and may again later', async () => {
  const { done, paste } = tap()
  for (let count = 0; count < 11; count += 1) await paste(`${count}`)
  expect(done.slice(-2)).toEqual(['refused to the machine: too many of them', 'user ack 0 REFUSED 797'])
  await vi.advanceTimersByTimeAsync(2_000)
  await paste('again')
  expect(done.at(-1)).toBe('user ack 0 OK 0')
})

test('while the browser takes nothing the last text waits, and is dropped by a freeze', async () => {
  const { clipboard, copy, settle, texts, marks, wait } = tap()
  const ready = Promise.withResolvers<void>()
  wait(ready.promise)
  copy('first')
  copy('second')
  await settle()
  expect(marks).toEqual([])
  ready.resolve()
  await settle()
  expect(texts.user).toBe('second')
  const again = Promise.withResolvers<void>()
  wait(again.promise)
  copy('third')
  await settle()
  clipboard.hold()
  again.resolve()
  await settle()
  expect(texts.user).toBe('second')
  expect(marks.length).toBe(1)
})

test('a clipboard that was emptied is offered to nobody, and can be emptied', async () => {
  const { copy, paste, settle, done, marks } = tap()
  copy('')
  await settle()
  expect(done).toEqual(['machine ack 5 OK 0'])
  await paste('')
  expect(marks).toMatchObject([{ way: 'in', size: 0 }])
})

test('an end that does not read is sent neither texts nor answers', async () => {
  const { reading, done, clipboard, paste, copy } = tap()
  reading.machine = false
  await paste('text')
  for (let count = 0; count < 100; count += 1) copy('x', `${count}`)
  expect(done.filter((one) => one.startsWith('machine'))).toEqual([])
  expect(done).toContain('user ack 0 REFUSED 797')
  reading.user = false
  done.length = 0
  const [opener] = textOf('9', '')
  if (opener !== undefined) clipboard.whileHeld(opener)
  expect(done).toEqual([])
})

test('over, it passes nothing on', async () => {
  const { clipboard, copy, settle, texts, done } = tap()
  for (let count = 0; count < 12; count += 1) {
    copy(`${count}`)
    await settle()
  }
  clipboard[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(texts.user).toBe('9')
  expect(done.filter((one) => one === 'mark').length).toBe(10)
})

/** The instructions of a text, in pieces that split its characters. */
function textOf(stream: string, text: string): readonly Instruction[] {
  const bytes = Buffer.from(text)
  const pieces: Buffer[] = [encodeInstruction('clipboard', stream, 'text/plain')]
  for (let at = 0; at < bytes.length; at += 3)
    pieces.push(encodeInstruction('blob', stream, bytes.subarray(at, at + 3).toString('base64')))
  return new InstructionParser().push(Buffer.concat([...pieces, encodeInstruction('end', stream)]))
}
