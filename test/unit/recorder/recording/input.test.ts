import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { EchoWatch } from '../../../../recorder/recording/echo-watch.ts'
import { InputRule, keptInputBytes } from '../../../../recorder/recording/input-policy.ts'
import { inputPolicies } from '../../../../vault/contract.ts'

const bytes = (text: string) => Buffer.from(text)

test('what the target echoes is not hidden, key by key or as one paste', () => {
  const watch = new EchoWatch()
  for (const key of 'ls -l') {
    expect(watch.typed(bytes(key), 1)).toBeUndefined()
    expect(watch.printed(bytes(key))).toBeUndefined()
  }
  watch.typed(bytes('\r'), 2)
  expect(watch.printed(bytes('\r\ntotal 0\r\n$ '))).toBeUndefined()
  watch.typed(bytes('whoami\r'), 3)
  expect(watch.printed(bytes('whoami\r\nbob\r\n'))).toBeUndefined()
})

test('a line typed without echo is told by its length and time', () => {
  const watch = new EchoWatch()
  for (const [at, key] of [...'hunter2'].entries()) watch.typed(bytes(key), at * 100)
  expect(watch.printed(bytes(''))).toBeUndefined()
  watch.typed(bytes('\r'), 700)
  expect(watch.printed(bytes('\r\nhunter went home\r\n'))).toEqual({ length: 7, from: 0, to: 700 })
  expect(watch.settle()).toBeUndefined()
})

test('asterisks are no echo, and keys taken back were not typed', () => {
  const watch = new EchoWatch()
  for (const key of 'abc') {
    watch.typed(bytes(key), 1)
    watch.printed(bytes('*'))
  }
  watch.typed(bytes('\x7f'), 2)
  watch.typed(bytes('\r'), 3)
  expect(watch.printed(bytes('\r\n'))?.length).toBe(2)
})

test('cursor keys are not taken for a hidden line', () => {
  const watch = new EchoWatch()
  for (const key of ['\x1b[A', '\x1b[A', '\x1bOD', '\t', '\r']) watch.typed(bytes(key), 1)
  expect(watch.printed(bytes('\r\nx\r\n'))).toBeUndefined()
})

test('a hidden line that no output answers is told when typing goes on much later, or at the end', () => {
  const watch = new EchoWatch()
  watch.typed(bytes('secret\r'), 1)
  expect(watch.typed(bytes('n'), 6e9)?.length).toBe(6)
  expect(watch.settle()?.length).toBe(1)
})

test('keys that an editor takes without echo hide nothing of what it shows', () => {
  const watch = new EchoWatch()
  watch.typed(bytes('q'), 1)
  watch.typed(bytes('exit\r'), 17 * 60e9)
  expect(watch.printed(bytes('exit\r\nlogout\r\n'))).toBeUndefined()
  watch.typed(bytes('ihello world'), 18 * 60e9)
  expect(watch.printed(bytes('\x1b[?25lhello\x1b[1;7Hworld'))).toBeUndefined()
  watch.typed(bytes('dd:wq\r'), 19 * 60e9)
  expect(watch.printed(bytes(':wq\r\n'))).toBeUndefined()
  expect(watch.settle()).toBeUndefined()
})

test('a hidden line that a prompt answers is told whole, and hides nothing of the next one', () => {
  const watch = new EchoWatch()
  watch.typed(bytes('read -s x\r'), 0)
  expect(watch.printed(bytes('read -s x\r\n'))).toBeUndefined()
  watch.typed(bytes('hidden-typed\r'), 1e9)
  // No line end of its own, and letters of the password in it.
  expect(watch.printed(bytes('\x1b[?2004hengineer@press-3:~$ '))).toBeUndefined()
  expect(watch.typed(bytes('exit\r'), 2e9)).toEqual({ length: 12, from: 1e9, to: 1e9 })
  expect(watch.printed(bytes('exit\r\nlogout\r\n'))).toBeUndefined()
  expect(watch.settle()).toBeUndefined()
})

test('lines pasted together are each looked for in their own line of output', () => {
  const watch = new EchoWatch()
  watch.typed(bytes('ls\rpwd\r'), 1)
  expect(watch.printed(bytes('ls\r\nfile\r\n$ pwd\r\n/home\r\n'))).toBeUndefined()
  watch.typed(bytes('su\rhunter2\r'), 2)
  expect(watch.printed(bytes('su\r\nPassword: '))).toBeUndefined()
  expect(watch.printed(bytes('\r\n# '))).toBeUndefined()
  watch.typed(bytes('whoami\r'), 3)
  expect(watch.printed(bytes('whoami\r\nroot\r\n'))?.length).toBe(7)
  expect(watch.settle()).toBeUndefined()
})

test('under echoed and timing_only no typed byte comes out, on a terminal', () => {
  for (const policy of inputPolicies) {
    const rule = new InputRule(policy)
    rule.open(0, true)
    const frames = [
      ...rule.input(0, bytes('hunter2'), 1),
      ...rule.input(0, bytes('\r'), 2),
      ...rule.output(0, bytes('\r\n$ '), 3),
      ...rule.closeAll(4),
    ]
    expect(JSON.stringify(frames).includes(JSON.stringify(bytes('hunter2')))).toBe(policy === 'full')
    if (policy !== 'full')
      expect(frames.every((frame) => frame.kind === 'timing' || frame.kind === 'hidden')).toBe(true)
    expect(frames.some((frame) => frame.kind === 'hidden')).toBe(policy === 'echoed')
  }
})

test('input of a channel that nobody opened is treated like typing', () => {
  expect(new InputRule('echoed').input(7, bytes('hunter2'), 1)).toEqual([
    { kind: 'timing', channel: 7, length: 7, submit: false, at: 1 },
  ])
})

test('input without a terminal is kept up to 16 MiB, and then told by size and digest of all of it', () => {
  const rule = new InputRule('echoed')
  rule.open(0, false)
  const block = randomBytes(1024 * 1024)
  const hash = createHash('sha256')
  let kept = 0
  for (let count = 0; count < 18; count += 1) {
    hash.update(block)
    for (const frame of rule.input(0, block, count)) if (frame.kind === 'input') kept += frame.bytes.length
  }
  expect(kept).toBe(keptInputBytes)
  expect(rule.close(0, 99)).toEqual([
    {
      kind: 'mark',
      channel: 0,
      mark: { kind: 'input-digest', size: 18 * 1024 * 1024, sha256: hash.digest('hex') },
      at: 99,
    },
  ])
  const small = new InputRule('echoed')
  small.open(0, false)
  small.input(0, bytes('x'), 1)
  expect(small.close(0, 2)).toEqual([])
})
