import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { processIo } from '../../../deploy/cli/io.ts'
import { buildProgram } from '../../../deploy/cli/program.ts'
import { tagout } from '../../support/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-cli-'))
const program = buildProgram(processIo())

function commandsOf(command: Command, path: readonly string[]): readonly (readonly string[])[] {
  return command.commands.flatMap((sub) => {
    const name = [...path, sub.name()]
    return sub.commands.length === 0 ? [name] : commandsOf(sub, name)
  })
}
const commands = commandsOf(program, [])

test('every verb of the guides is there', () => {
  const names = commands.map((path) => path.join(' '))
  for (const verb of [
    'init',
    'status',
    'seal',
    'unseal',
    'doctor',
    'custody init',
    'custody change',
    'keys remove',
    'keys rotate-root',
    'keys rotate-safe',
    'auditor keygen',
    'auditor add',
    'auditor remove',
    'auditor list',
    'auditor rotate',
    'safe add',
    'safe show',
    'target add',
    'target scan',
    'target pin',
    'target legacy',
    'target mask',
    'account add',
    'import',
    'account elevation',
    'account type-ins',
    'account files',
    'account reveal',
    'user add',
    'user key add',
    'user passkey list',
    'user passkey remove',
    'grant add',
    'grant revoke',
    'lease check-out',
    'lease check-in',
    'lease queue',
    'lease wait',
    'lease leave',
    'lease hand-over',
    'lease hand-overs',
    'lease accept',
    'lease decline',
    'request ask',
    'request extend',
    'request approve',
    'request deny',
    'request withdraw',
    'login list',
    'login revoke',
    'session terminate',
    'session freeze',
    'session unfreeze',
    'session message',
    'hold list',
    'hold release',
    'recording verify',
    'recording export',
    'audit verify',
    'audit export',
    'backup create',
    'backup restore',
    'exposure list',
    'recovery check',
    'ssh-config',
  ])
    expect(names).toContain(verb)
})

test.each(commands.map((path) => [path.join(' '), path] as const))(
  'tagout %s --help says what it does and shows an example',
  async (_name, path) => {
    const { code, out, err } = await tagout([...path, '--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`Usage: tagout ${path.join(' ')}`)
    expect(out).toMatch(/Examples:\n {2}\$ .*tagout/)
    expect(out).toContain('--json')
  },
)

test('no option takes a secret as its argument', () => {
  const named = (command: Command): readonly string[] => [
    ...command.options.map((option) => option.flags),
    ...command.commands.flatMap(named),
  ]
  // A file is named, and standard input is announced; the secret itself is neither.
  for (const flags of named(program))
    if (/pass|secret|phrase|code|answers|recovery-key/.test(flags)) expect(flags).toMatch(/-stdin$|<file>$/)
})

test.each([
  [[], /Usage: tagout/],
  [['nonsense'], /unknown command/],
  [['session', 'show'], /missing required argument/],
  [['grant', 'add', 'bob'], /missing required argument 'account'/],
  [['grant', 'add', 'bob', 'press-3/engineer', '--for', '4h'], /say what is allowed/],
  [['grant', 'add', 'bob', 'p/e', '--for', '4h', '--forward', 'plc-7'], /write host:port/],
  [
    ['grant', 'add', 'bob', 'p/e', '--for', '4h', '--forward', 'plc-7:102', '--forward-record', 'all'],
    /choose from counts, stream/,
  ],
  [['safe', 'add', 'a', 'b'], /too many arguments/],
  [['session', 'list', '--colour'], /unknown option/],
  [['grant', 'add', 'bob', 'a/b', '--allow', 'shell'], /say how long/],
  [['grant', 'add', 'bob', 'a/b', '--allow', 'fly', '--for', '4h'], /there is no action fly/],
  [['grant', 'add', 'bob', 'a/b', '--allow', 'shell', '--for', 'long'], /is not a duration/],
  [['grant', 'revoke', 'nonsense'], /is not an id like grt_/],
  [['user', 'add', 'bob', '--role', 'king'], /there is no role king/],
  [['account', 'add', 'press-3'], /is not an account/],
  [
    ['recording', 'export', 'rec_x', '--as', 'mp3', '--out', 'x', '--identity', 'y'],
    /there is no form "mp3"/,
  ],
  [['seal', '--sessions', 'maybe'], /--sessions is end or keep/],
  [['status'], /which installation/],
])('what is not understood ends with 2 and one sentence: %j', async (argv, sentence) => {
  const { code, out, err } = await tagout(argv, { cwd: folder })
  expect(code).toBe(2)
  expect(out).toBe('')
  expect(err).toMatch(sentence)
  expect(err).not.toMatch(/\n\s+at /)
})

test('a vault that is away ends with 3 and says how to start it', async () => {
  const { code, err } = await tagout(['status', '--data', join(folder, 'nothing')])
  expect(code).toBe(3)
  expect(err).toMatch(/^there is no running vault at .*\n {2}next: /)
})

test('the name of an installation is an option, or TAGOUT_DATA', async () => {
  const { err } = await tagout(['status'], { env: { TAGOUT_DATA: join(folder, 'elsewhere') } })
  expect(err).toContain(join(folder, 'elsewhere'))
})

test('what is printed cannot drive a terminal', async () => {
  const { err } = await tagout(['grant', 'revoke', '\u001b]0;owned\u0007'])
  expect(err).not.toContain('\u001b')
  expect(err).toContain('\\u001b')
})

test('a key pair of an auditor is made of files with the right modes, and never over others', async () => {
  const out = join(folder, 'auditor.key')
  const made = await tagout(['auditor', 'keygen', '--out', out, '--passphrase-stdin', '--json'], {
    stdin: 'a long phrase',
  })
  expect(made.code).toBe(0)
  expect(JSON.parse(made.out)).toMatchObject({ file: out, public: `${out}.pub` })
  expect(statSync(out).mode & 0o777).toBe(0o600)
  expect(statSync(`${out}.pub`).mode & 0o777).toBe(0o644)
  expect(readFileSync(out, 'utf8') + made.out + made.err).not.toContain('a long phrase')
  const again = await tagout(['auditor', 'keygen', '--out', out, '--passphrase-stdin'], { stdin: 'x' })
  expect(again.code).toBe(1)
  expect(again.err).toMatch(/exists already/)
})

test('without a terminal, a secret that is not piped is asked for by naming the option', async () => {
  const { code, err } = await tagout(['auditor', 'keygen', '--out', join(folder, 'other.key')])
  expect(code).toBe(2)
  expect(err).toMatch(/no terminal to ask .*\n {2}next: pipe it in with --passphrase-stdin/)
})

test('an empty secret is refused', async () => {
  const { code, err } = await tagout(
    ['auditor', 'keygen', '--out', join(folder, 'third.key'), '--passphrase-stdin'],
    { stdin: '\n' },
  )
  expect(code).toBe(2)
  expect(err).toMatch(/there is no passphrase/)
})

test('a file that is no export of the audit log is refused in a sentence', async () => {
  const path = join(folder, 'not-an-export.json')
  writeFileSync(path, '{"hello": 1}')
  const { code, err } = await tagout(['audit', 'verify', '--file', path])
  expect(code).toBe(2)
  expect(err).toMatch(/neither an export of the audit log nor entries with their proofs/)
})

test('a file that is no backup is refused in a sentence', async () => {
  const path = join(folder, 'not-a-backup')
  writeFileSync(path, 'hello')
  const { code, err } = await tagout(['backup', 'show', path])
  expect(code).not.toBe(0)
  expect(err).toMatch(/^the file ends at byte 5, too early\n/)
})

test('what a command is about is asked for before how', async () => {
  const asked = await tagout(['lease', 'check-in'])
  expect([asked.code, asked.err.split('\n')[0]]).toEqual([2, "missing required argument 'lease'"])
  const then = await tagout(['lease', 'check-in', 'lse_x'])
  expect(then.err).toContain('--reason')
})

test('what to do next is said in one word', async () => {
  const { err } = await tagout(['grant', 'revoke', 'nothing'])
  expect(err).toContain('  next: tagout grant list')
})
