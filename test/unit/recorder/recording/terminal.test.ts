import headless from '@xterm/headless'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Command, CommandMarks, withoutPrompt } from '../../../../recorder/recording/command-marks.ts'
import { TerminalModel } from '../../../../recorder/recording/terminal-model.ts'
import { shorten } from '../../../../recorder/recording/terminal-shorten.ts'

const bytes = (text: string) => Buffer.from(text)

/** What a plain xterm shows that was fed `parts`: every cell, the cursor, the buffer. */
async function stateOf(columns: number, rows: number, parts: readonly Uint8Array[]): Promise<string> {
  const terminal = new headless.Terminal({ cols: columns, rows, scrollback: 0, allowProposedApi: true })
  for (const part of parts) await new Promise<void>((resolve) => terminal.write(part, resolve))
  const { active } = terminal.buffer
  const lines = [`${active.type} ${active.cursorX},${active.cursorY}`]
  for (let row = 0; row < rows; row += 1) {
    let line = ''
    for (let column = 0; column < columns; column += 1) {
      const cell = active.getLine(active.baseY + row)?.getCell(column)
      const text = cell?.getChars() ?? ''
      const look = [
        cell?.getFgColor(),
        cell?.getBgColor(),
        cell?.isBold(),
        cell?.isInverse(),
        cell?.isUnderline(),
      ]
      line += text.trim() === '' ? ' ' : `${text}<${look.join()}>`
    }
    lines.push(line.trimEnd())
  }
  terminal.dispose()
  return lines.join('\n')
}

const piece = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 90 }).map((text) => text.replace(/[^ -~]/g, '.')) },
  { weight: 8, arbitrary: fc.constant('\r\n') },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 107 }).map((colour) => `\x1b[${colour}m`) },
  { weight: 1, arbitrary: fc.constantFrom('\x1b[1;38;5;200m', '\t', '\b', '\r', 'ü€漢', '\x1b[m') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('\x1b[2J', '\x1b[5;9H', '\x1b(0', '\x0e', '\x1b[A', '\x07', '\x1b]0;t\x07'),
  },
)

const shortenable = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 90 }).map((text) => text.replace(/[^ -~]/g, '.')) },
  { weight: 9, arbitrary: fc.constant('\r\n') },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 107 }).map((colour) => `\x1b[${colour}m`) },
  { weight: 1, arbitrary: fc.constantFrom('\x1b[1;38;5;200m', '\t', '\b', '\r', 'ü€漢', '\x1b[m', '\n') },
)

test('shortened output leaves a terminal in exactly the state of the whole output', async () => {
  let shortened = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 40 }),
      fc.oneof(
        { weight: 4, arbitrary: fc.array(shortenable, { minLength: 60, maxLength: 400 }) },
        { weight: 1, arbitrary: fc.array(piece, { minLength: 60, maxLength: 400 }) },
      ),
      fc.integer({ min: 2, max: 30 }),
      async (before, output, rows) => {
        const long = bytes(output.join('').repeat(40))
        const first = bytes(before.join(''))
        const short = shorten(long, rows)
        if (short.length < long.length) shortened += 1
        expect(await stateOf(80, rows, [first, short])).toBe(await stateOf(80, rows, [first, long]))
      },
    ),
    { numRuns: 80 },
  )
  expect(shortened).toBeGreaterThan(20)
}, 30_000)

test('a flood of plain or coloured lines is shortened to about a screen', () => {
  const plain = bytes('a line of a log that nobody reads\r\n'.repeat(10_000))
  expect(shorten(plain, 24).length).toBeLessThan(2000)
  const coloured = bytes('\x1b[32mok\x1b[0m a line of a log\r\n'.repeat(1000))
  expect(shorten(coloured, 24).length).toBeLessThan(coloured.length / 2)
  const cursor = bytes('\x1b[5;5Hx\r\n'.repeat(1000))
  expect(shorten(cursor, 24)).toBe(cursor)
})

test(
  'a keyframe puts a fresh terminal in the state of the model, however the output was split',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 200 }),
        fc.integer({ min: 1, max: 50 }),
        async (output, size) => {
          const all = bytes(output.join(''))
          const model = new TerminalModel(80, 24)
          for (let at = 0; at < all.length; at += size) model.feed(all.subarray(at, at + size))
          const keyframe = model.keyframe() ?? bytes('')
          expect(await stateOf(80, 24, [keyframe])).toBe(await stateOf(80, 24, [all]))
        },
      ),
      { numRuns: 60 },
    ),
  20_000,
)

test('a keyframe keeps the scroll region, the hidden cursor and the alternate screen', async () => {
  const output = 'one\r\ntwo\x1b[?1049h\x1b[2J\x1b[3;10rmenu\x1b[?25l\x1b[4;4H'
  const model = new TerminalModel(80, 24)
  model.feed(bytes(output))
  const keyframe = Buffer.from(model.keyframe() ?? []).toString()
  expect(keyframe).toContain('\x1b[?1049h')
  expect(keyframe).toContain('\x1b[3;10r')
  expect(keyframe).toContain('\x1b[?25l')
  // What scrolls afterwards scrolls within the region, in both.
  const after = bytes('\n\n\n\n\n\n\n\nx\x1b[?1049l')
  expect(await stateOf(80, 24, [bytes(keyframe), after])).toBe(await stateOf(80, 24, [bytes(output), after]))
})

test('a terminal that rested goes on as before', () => {
  const model = new TerminalModel(80, 24)
  model.feed(bytes('hello \x1b[31mred'))
  model.rest()
  model.feed(bytes(' more\r\n$ '))
  const rested = Buffer.from(model.keyframe() ?? []).toString()
  const awake = new TerminalModel(80, 24)
  awake.feed(bytes('hello \x1b[31mred more\r\n$ '))
  expect(rested).toBe(Buffer.from(awake.keyframe() ?? []).toString())
})

test('hostile output costs the model at most, never an exception', () => {
  const model = new TerminalModel(Number.NaN, 1e9)
  for (const hostile of [
    '\x1b[999999999;999999999H',
    '\x1b[999999999@',
    '\x1b]0;'.repeat(1000),
    '\x1bP'.repeat(999),
    '\x9b;;;;',
    '\x1b[?1049h\x1b[?47h\x1b[!p',
  ])
    model.feed(bytes(hostile))
  model.resize(0, -5)
  model.resize(1e9, 1e9)
  model.feed(bytes('x'.repeat(300_000)))
  model.keyframe()
  model.cursorLine()
  model.dispose()
})

function commandsOf(steps: readonly (readonly ['out' | 'key', string])[]): string[] {
  const model = new TerminalModel(40, 10)
  const marks = new CommandMarks(model)
  const found: Command[] = []
  for (const [at, [kind, text]] of steps.entries())
    if (kind === 'out') found.push(...marks.printed(bytes(text)))
    else found.push(...marks.typed(text.includes('\r'), at, text.length > 1))
  found.push(...marks.settle())
  model.dispose()
  return found.map(({ line }) => line)
}

test('a line that was pasted whole is a command, though its echo came after Enter', () => {
  expect(
    commandsOf([
      ['out', 'bob@press-3:~$ '],
      ['key', 'cat /etc/hostname\r'],
      ['out', 'cat /etc/host'],
      ['out', 'name\r\npress-3\r\nbob@press-3:~$ '],
      ['key', 'exit\r'],
      ['out', 'exit\r\nlogout\r\n'],
    ]),
  ).toEqual(['cat /etc/hostname', 'exit'])
})

test('lines pasted together and lines typed ahead are commands, and output between them is not', () => {
  expect(
    commandsOf([
      ['out', 'bob@press-3:~$ '],
      ['key', 'ls\rpwd\rid\r'],
      ['out', 'ls\r\nfile one\r\nfile two\r\nbob@press-3:~$ pwd\r\n/home/bob\r\nbob@press-3:~$ '],
      ['out', 'id\r\nuid=1000\r\nbob@press-3:~$ '],
    ]),
  ).toEqual(['ls', 'pwd', 'id'])
  expect(
    commandsOf([
      ['out', '~$ '],
      ['key', 'sleep 1\r'],
      ['key', 'w'],
      ['key', 'ho\r'],
      ['out', 'sleep 1\r\nwho\r\n~$ who\r\nbob pts/0\r\n~$ '],
    ]),
  ).toEqual(['sleep 1', 'who'])
})

test('an empty line, also one whose prompt came late, is no command', () => {
  expect(
    commandsOf([
      ['key', '\r'],
      ['out', 'bob@press-3:~$ \r\nbob@press-3:~$ '],
      ['key', '\r'],
      ['out', '\r\nbob@press-3:~$ '],
    ]),
  ).toEqual([])
})

test('what is pasted without echo is no command', () => {
  expect(
    commandsOf([
      ['out', 'Password: '],
      ['key', 'hunter2\r'],
      ['out', '\r\nwelcome\r\n$ '],
    ]),
  ).toEqual([])
})

test('a command is the line as it stood after editing, without its prompt', () => {
  expect(
    commandsOf([
      ['out', 'bob@press-3:~$ '],
      ['key', 'l'],
      ['out', 'l'],
      ['key', 'x'],
      ['out', 'x'],
      ['key', '\x7f'],
      ['out', '\b \b'],
      ['key', 's\r'],
      ['out', 's\r\n'],
    ]),
  ).toEqual(['ls'])
  expect(
    commandsOf([
      ['out', 'bob@press-3:~$ '],
      ['key', '\x1b[A'],
      ['out', 'systemctl restart press'],
      ['key', '\r'],
    ]),
  ).toEqual(['systemctl restart press'])
})

test('a command that wraps over rows is one line', () => {
  const long = 'echo 0123456789 0123456789 0123456789 0123456789'
  expect(
    commandsOf([
      ['out', '$ '],
      ['key', 'e'],
      ['out', long],
      ['key', '\r'],
    ]),
  ).toEqual([long])
})

test('a command at the last row is not taken together with the wrapped line at the first', () => {
  const flood = `${'answer '.repeat(90)}\r\n$ `
  expect(
    commandsOf([
      ['out', flood],
      ['key', 'l'],
      ['out', 'ls'],
      ['key', '\r'],
    ]),
  ).toEqual(['ls'])
})

test('what is typed without echo, in full-screen programs, or not at all, is no command', () => {
  expect(
    commandsOf([
      ['out', 'Password: '],
      ['key', 'h'],
      ['key', 'unter2'],
      ['key', '\r'],
    ]),
  ).toEqual([])
  expect(
    commandsOf([
      ['out', '\x1b[?1049hfile'],
      ['key', ':wq'],
      ['out', ':wq'],
      ['key', '\r'],
    ]),
  ).toEqual([])
  expect(
    commandsOf([
      ['out', '$ '],
      ['key', '\r'],
      ['out', '\r\n$ '],
      ['key', '\r'],
    ]),
  ).toEqual([])
})

test('prompts of shells and consoles are taken off where nobody saw the line begin', () => {
  for (const [line, command] of [
    ['root@press-3:/etc# rm -rf /tmp/x # now', 'rm -rf /tmp/x # now'],
    ['press-3(config)# hostname a', 'hostname a'],
    ['C:\\Users> dir', 'dir'],
    ['>>> print(1)', 'print(1)'],
    ['no prompt here', 'no prompt here'],
  ] as const)
    expect(withoutPrompt(line, undefined)).toBe(command)
})
