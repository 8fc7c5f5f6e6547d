import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CliResult, tagout as runTagout } from '../support/cli.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

let folder: string
let installation: TestInstallation
const file = (name: string) => join(folder, name)
const pins = () => file('.config/tagout/pins.json')

const tagout = (args: readonly string[], stdin?: string): Promise<CliResult> =>
  runTagout(args, {
    env: { TAGOUT_DATA: installation.dataDir, HOME: folder },
    cwd: folder,
    ...(stdin === undefined ? {} : { stdin }),
  })
const must = async (args: readonly string[], stdin?: string): Promise<string> => {
  const { code, out, err } = await tagout(args, stdin)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}
const json = async (args: readonly string[], stdin?: string) =>
  JSON.parse(await must([...args, '--json'], stdin))
const identity = (name: string) => ['--identity', name, '--passphrase-stdin']

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-e2e-'))
  installation = await startTestInstallation({
    // Ports that the system gives: what was started says which.
    args: ['--http-port', '0', '--ssh-port', '0'],
    withinMs: 150_000,
  })
  for (const name of ['ingrid', 'otto', 'new'])
    await must(['auditor', 'keygen', '--out', `${name}.key`, '--passphrase-stdin'], `phrase of ${name}`)
}, 200_000)
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

test('the first auditor needs a place for the recovery key, and a refusal leaves no such file', async () => {
  const without = await tagout(['auditor', 'add', 'ingrid', 'ingrid.key.pub'])
  expect(without).toMatchObject({ code: 2 })
  expect(without.err).toMatch(/say where to write it: --recovery-out FILE/)
  const bad = await tagout(['auditor', 'add', 'bad name', 'ingrid.key.pub', '--recovery-out', 'bad.key'])
  expect(bad.code).toBe(2)
  expect(existsSync(file('bad.key'))).toBe(false)
})

test('the first auditor comes with user, link, fingerprint and recovery key', async () => {
  const added = await json(['auditor', 'add', 'ingrid', 'ingrid.key.pub', '--recovery-out', 'rr.key'])
  expect(added).toMatchObject({ id: expect.stringMatching(/^usr_/), name: 'ingrid', recoveryKey: 'rr.key' })
  expect(added.enrolment.link).toMatch(/^https:\/\/localhost:\d+\/enrol#/)
  expect(readFileSync(file('ingrid.key.pub'), 'utf8')).toContain(added.fingerprint)
  expect(statSync(file('rr.key')).mode & 0o777).toBe(0o600)
  expect(await json(['recovery', 'check', 'rr.key'])).toMatchObject({ opens: 'recordings' })
})

test('a later auditor is signed in by one who is on the list, and by nobody else', async () => {
  const unsigned = await tagout(['auditor', 'add', 'otto', 'otto.key.pub'])
  expect(unsigned.code).toBe(2)
  expect(unsigned.err).toMatch(/either --identity FILE or --recovery FILE/)
  const stranger = await tagout(
    ['auditor', 'add', 'otto', 'otto.key.pub', ...identity('new.key')],
    'phrase of new',
  )
  expect(stranger.code).toBe(1)
  expect(stranger.err).toMatch(/not on the present list of auditors/)
  const wrong = await tagout(['auditor', 'add', 'otto', 'otto.key.pub', ...identity('ingrid.key')], 'guess')
  expect(wrong.code).toBe(1)
  expect(wrong.err).toMatch(/^ingrid.key: the passphrase does not open/)

  await must(['auditor', 'add', 'otto', 'otto.key.pub', ...identity('ingrid.key')], 'phrase of ingrid')
  expect((await json(['auditor', 'list'])).map((one: { name: string }) => one.name)).toEqual([
    'ingrid',
    'otto',
  ])
})

test('removing and rotating make new lists; the recovery key stands in for lost ones', async () => {
  await must(['auditor', 'remove', 'ingrid', ...identity('otto.key')], 'phrase of otto')
  expect((await json(['auditor', 'rotate', ...identity('otto.key')], 'phrase of otto')).list.version).toBe(4)
  const removed = await tagout(['auditor', 'rotate', ...identity('ingrid.key')], 'phrase of ingrid')
  expect(removed.code).toBe(1)
  const last = await tagout(['auditor', 'remove', 'otto', ...identity('otto.key')], 'phrase of otto')
  expect(last.err).toMatch(/the auditor otto is the last\n {2}next: add another auditor first/)
  await must(['auditor', 'add', 'new', 'new.key.pub', '--recovery', 'rr.key'])
  expect(await json(['auditor', 'list'])).toHaveLength(2)
})

test('a chain of lists that is not the one seen before is refused', async () => {
  const kept = readFileSync(pins(), 'utf8')
  const changed = JSON.parse(kept)
  const [place] = Object.keys(changed)
  changed[place ?? ''].auditors.hash = Buffer.alloc(32, 7).toString('base64')
  writeFileSync(pins(), JSON.stringify(changed))
  const { code, err } = await tagout(['auditor', 'list'])
  writeFileSync(pins(), kept)
  expect(code).not.toBe(0)
  expect(err).toMatch(/list/)
  expect((await tagout(['auditor', 'list'])).code).toBe(0)
})

test('an account’s secret goes to the vault whose key is known, and to no other', async () => {
  await must(['safe', 'add', 'line-3'])
  const pin = `SHA256:${'A'.repeat(43)}`
  await must(['target', 'add', 'press-3', 'ssh://127.0.0.1:1', '--safe', 'line-3', '--pin', pin])
  const first = await tagout(['account', 'add', 'press-3/engineer', '--password-stdin'], 'secret one')
  expect(first.code, first.err).toBe(0)
  expect(first.err).toMatch(/^pinned this vault's intake key SHA256:/)

  const kept = JSON.parse(readFileSync(pins(), 'utf8'))
  const [place] = Object.keys(kept)
  const real = kept[place ?? ''].fingerprint
  const other = Buffer.alloc(32, 1).toString('base64')
  writeFileSync(
    pins(),
    JSON.stringify({
      [place ?? '']: { ...kept[place ?? ''], intakeKey: other, fingerprint: 'SHA256:other' },
    }),
  )
  const refused = await tagout(['account', 'secret', 'press-3/engineer', '--password-stdin'], 'secret two')
  expect(refused.code).toBe(1)
  expect(refused.err).toContain(real)
  expect(refused.err).toContain('SHA256:other')
  expect((await json(['account', 'show', 'press-3/engineer'])).credential.version).toBe(1)

  expect((await tagout(['pin-vault', `SHA256:${'B'.repeat(43)}`])).code).toBe(1)
  await must(['pin-vault', real])
  await must(['account', 'secret', 'press-3/engineer', '--password-stdin'], 'secret two')
  expect((await json(['account', 'show', 'press-3/engineer'])).credential.version).toBe(2)
})

test('a target that cannot be pinned now is not half added', async () => {
  const { code, err } = await tagout([
    'target',
    'add',
    'press-9',
    'ssh://127.0.0.1:1',
    '--safe',
    'line-3',
    '--pin-now',
  ])
  expect(code).toBe(1)
  expect(err.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(2)
  expect((await json(['target', 'list'])).map((row: { name: string }) => row.name)).not.toContain('press-9')
})

test('an import says what it would do, does it when told to, and can be repeated', async () => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('target.key')])
  writeFileSync(
    file('accounts.csv'),
    'target,login,password,key_file,safe,address,pin\n' +
      'press-3,engineer,hunter2hunter2,,,,\n' +
      'press-3,operator,hunter3hunter3,,,,\n' +
      `press-4,backup,,target.key,line-3,ssh://127.0.0.1:1,SHA256:${'C'.repeat(43)}\n`,
  )
  const plan = await tagout(['import', 'accounts.csv'])
  expect(plan.code).toBe(0)
  expect(plan.out.trim().split('\n')).toHaveLength(3)
  expect(plan.err).toMatch(/nothing is done: do it with --yes/)
  expect(await json(['account', 'list'])).toHaveLength(1)

  const done = await tagout(['import', 'accounts.csv', '--yes'])
  expect(done.code, done.err).toBe(0)
  expect(plan.out + plan.err + done.out + done.err).not.toMatch(/hunter|PRIVATE/)
  const accounts: { name: string; credential: { kind: string } }[] = await json(['account', 'list'])
  expect(Object.fromEntries(accounts.map((row) => [row.name, row.credential.kind]))).toEqual({
    'press-3/engineer': 'password',
    'press-3/operator': 'password',
    'press-4/backup': 'ssh-key',
  })
  expect((await json(['import', 'accounts.csv', '--yes'])).applied).toBe(false)
})

test('people: roles that go together, keys in and out, a private key given by mistake', async () => {
  expect((await tagout(['user', 'add', 'both', '--role', 'admin,auditor'])).code).not.toBe(0)
  const bob = await json(['user', 'add', 'bob', '--role', 'operator'])
  expect(bob).toMatchObject({ id: expect.stringMatching(/^usr_/), name: 'bob', roles: ['operator'] })
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('bob')])
  const mistake = await tagout(['user', 'key', 'add', 'bob', 'bob'])
  expect(mistake).toMatchObject({ code: 2 })
  expect(mistake.err).toMatch(/is a private key\n {2}next: give the public one: bob.pub/)
  const key = await json(['user', 'key', 'add', 'bob', 'bob.pub'])
  expect(await json(['user', 'key', 'list', 'bob'])).toMatchObject([{ id: key.id }])
  await must(['user', 'key', 'remove', 'bob', key.fingerprint])
  expect(await json(['user', 'key', 'list', 'bob'])).toEqual([])
  expect(await must(['user', 'disable', 'bob'])).toMatch(/disabled/)
  await must(['user', 'enable', 'bob'])
  expect((await json(['user', 'enrol', 'bob'])).link).toMatch(/^https:/)
})

test('grants: added with an id, listed, revoked; the ssh-config has their machines', async () => {
  const grant = await json([
    ...['grant', 'add', 'bob', 'press-3/engineer', '--for', '4h', '--allow', 'shell,exec'],
    ...['--max-session', '1h', '--reason', 'order 4711'],
  ])
  expect(grant).toMatchObject({
    id: expect.stringMatching(/^grt_/),
    actions: ['shell', 'exec'],
    maxSessionSeconds: 3600,
  })
  expect(await must(['ssh-config', '--known-hosts'])).toMatch(/^tagout ssh-ed25519 /)
  expect(await tagout(['ssh-config', '--user', 'nobody'])).toMatchObject({ code: 1, out: '' })
  const config = await json(['ssh-config', '--user', 'bob', '--gateway', 'gateway.plant'])
  expect(config.config).toContain('Host press-3\n  HostName press-3\n  ProxyJump tagout\n  User engineer')
  expect(config.knownHosts).toMatch(/^tagout ssh-ed25519 AAAA/)
  // What OpenSSH itself makes of it.
  writeFileSync(file('ssh_config'), config.config)
  const parsed = execFileSync('ssh', ['-F', file('ssh_config'), '-G', 'press-3'], { encoding: 'utf8' })
  expect(parsed).toMatch(/^proxyjump tagout$/m)
  expect(parsed).toMatch(/^user engineer$/m)

  expect(await must(['grant', 'revoke', grant.id])).toMatch(/may no longer use/)
  expect(await json(['grant', 'list', '--user', 'bob'])).toMatchObject([{ state: 'revoked' }])
})

test('what does not exist is refused in a sentence, and changes nothing', async () => {
  const none = '00000000000000000000000000'
  for (const args of [
    ['user', 'show', 'nobody'],
    ['account', 'show', 'press-3/nobody'],
    ['grant', 'revoke', `grt_${none}`],
    ['session', 'terminate', `ses_${none}`],
    ['recording', 'show', `rec_${none}`],
    ['recording', 'verify', `rec_${none}`],
    ['safe', 'member', 'line-9', 'bob', '--allow', 'use'],
  ]) {
    const { code, out, err } = await tagout(args)
    expect(code, args.join(' ')).toBe(1)
    expect(out).toBe('')
    expect(err, args.join(' ')).toMatch(/^[^\n]{5,200}\n( {2}next: [^\n]+\n)?$/)
  }
})

test('a safe is shown with its members', async () => {
  await must(['safe', 'member', 'line-3', 'bob', '--allow', 'use'])
  expect(await json(['safe', 'show', 'LINE-3'])).toMatchObject({
    name: 'line-3',
    members: [{ user: 'bob', permissions: ['use'] }],
  })
  expect(await must(['safe', 'show', 'line-3'])).toMatch(/^bob +use$/m)
  expect((await tagout(['safe', 'show', 'line-9'])).err).toMatch(/there is no safe line-9\n {2}next: /)
})

test('a list that is cut says so, and how to see more', async () => {
  const cut = await tagout(['audit', 'list', '--limit', '2'])
  expect(cut.out.trim().split('\n')).toHaveLength(3)
  expect(cut.err).toMatch(/^these are the last 2 entries.*--limit/)
  const first = await tagout(['audit', 'list', '--from', '0', '--limit', '2', '--json'])
  expect(JSON.parse(first.out).map((row: { seq: number }) => row.seq)).toEqual([0, 1])
  expect(first.err).toMatch(/more follow: --from 2\n$/)
  expect((await tagout(['audit', 'list', '--limit', '9999'])).err).toBe('')
})

test('logins are listed, and one that is not there cannot be revoked', async () => {
  expect(await json(['login', 'list'])).toEqual([])
  const none = await tagout(['login', 'revoke', `lgn_${'0'.repeat(26)}`])
  expect(none).toMatchObject({ code: 1, err: expect.stringMatching(/there is no .*login.*\n {2}next: /) })
})

test('an option of grants is spoken of by its own name', async () => {
  const past = ['grant', 'add', 'bob', 'press-3/engineer', '--allow', 'shell', '--until', '2020-01-01T00:00Z']
  expect(await tagout(past)).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^--until: this moment has passed/),
  })
})

test('the administrator’s door opens no recording and shows no secret', async () => {
  const { code, err } = await tagout([
    'account',
    'reveal',
    'press-3/engineer',
    '--user',
    'bob',
    '--reason',
    'x',
  ])
  expect(code).not.toBe(0)
  expect(err).toMatch(/no terminal to ask/)
})

test('the audit log verifies; an export verifies without the vault, until a letter of it is changed', async () => {
  expect(await must(['audit', 'verify'])).toMatch(/entries are whole, in order and signed/)
  await must(['audit', 'export', '--out', 'audit.json'])
  expect(await must(['audit', 'verify', '--file', 'audit.json'])).toMatch(/compare it/)
  const whole = JSON.parse(readFileSync(file('audit.json'), 'utf8'))
  expect(await must(['audit', 'verify', '--file', 'audit.json', '--key', whole.publicKey])).not.toMatch(
    /compare/,
  )

  const leaf = Buffer.from(whole.leaves[3].body, 'base64')
  leaf[leaf.length - 10] = (leaf[leaf.length - 10] ?? 0) ^ 1
  const leaves = whole.leaves.with(3, { seq: 3, body: leaf.toString('base64') })
  // As exports are written, with the line's end: what is not is found by that alone.
  writeFileSync(file('forged.json'), `${JSON.stringify({ ...whole, leaves })}\n`)
  const forged = await tagout(['audit', 'verify', '--file', 'forged.json'])
  expect(forged.code).toBe(1)
  expect(forged.err).toMatch(/entry 3/)
  writeFileSync(file('cut.json'), `${JSON.stringify({ ...whole, leaves: whole.leaves.slice(0, -1) })}\n`)
  expect((await tagout(['audit', 'verify', '--file', 'cut.json'])).err).toMatch(/missing/)
  const other = Buffer.alloc(32, 9).toString('base64')
  expect((await tagout(['audit', 'verify', '--file', 'audit.json', '--key', other])).err).toMatch(
    /another key/,
  )
})

test('sealed, everything that needs the vault ends with 3 and says how to go on', async () => {
  await must(['seal', '--sessions', 'end'])
  for (const args of [['status'], ['safe', 'list'], ['user', 'list'], ['grant', 'list']]) {
    const { code, err } = await tagout(args)
    expect(code, args.join(' ')).toBe(3)
    expect(err).toMatch(/sealed.*\n {2}next: unseal it with: tagout unseal/)
  }
  await must(['unseal'])
  expect((await tagout(['status'])).code).toBe(0)
})

test('a stick and a second machine witness the log, and know one that was put back', async () => {
  const { secret } = await json(['token', 'add', 'watcher', '--scope', 'audit.read', '--expires', '1d'])
  writeFileSync(file('watcher.token'), `${secret}\n`)
  const far = [
    '--from',
    installation.console.replace('127.0.0.1', 'localhost'),
    '--token-file',
    'watcher.token',
  ]
  const ca = ['--ca', join(installation.dataDir, 'api', 'tls', 'ca.crt')]
  expect(await must(['audit', 'witness', 'stick.witness'])).toMatch(
    /^stick\.witness witnesses the log from its \d+ entries on; it is signed by SHA256:\S+: compare it\n$/,
  )
  const first = await json(['audit', 'witness', 'far.witness', ...far, ...ca])
  await must(['safe', 'add', 'witnessed'])
  const second = await json(['audit', 'witness', 'far.witness', ...far, ...ca])
  expect(second).toMatchObject({ before: first.size, checkpoints: 2, fingerprint: first.fingerprint })
  expect(second.size).toBeGreaterThan(first.size)
  expect(await must(['audit', 'witness', 'stick.witness'])).toMatch(/and the log of \d+ begins with them/)
  expect(await must(['audit', 'verify', '--witness', 'far.witness'])).toMatch(/^all \d+ entries are whole/)
  await must(['audit', 'export', '--out', 'log.json'])
  const text = readFileSync(file('log.json'), 'utf8')
  expect((await tagout(['audit', 'verify', '--file', 'log.json', '--witness', 'stick.witness'])).code).toBe(0)

  // The log as it was before the witness last saw it: whole in itself.
  const log = JSON.parse(text)
  const least = log.checkpoints.filter((one: string) => Number(one.split('\n')[1]) <= first.size)
  const cut = { ...log, checkpoints: least, leaves: log.leaves.slice(0, Number(least.at(-1).split('\n')[1])) }
  writeFileSync(file('cut.json'), `${JSON.stringify(cut)}\n`)
  expect((await tagout(['audit', 'verify', '--file', 'cut.json'])).code).toBe(0)
  expect(await tagout(['audit', 'verify', '--file', 'cut.json', '--witness', 'far.witness'])).toMatchObject({
    code: 1,
    err: expect.stringMatching(new RegExp(`the log ends after \\d+ entries, ${second.size} were signed at`)),
  })
  // What was added before stays: a line that a pulled stick cut short is taken away, a changed one is said.
  const whole = readFileSync(file('stick.witness'), 'utf8')
  writeFileSync(file('stick.witness'), `${whole}{"checkpoint":"tag`)
  expect(await json(['audit', 'witness', 'stick.witness'])).toMatchObject({ before: second.size })
  writeFileSync(
    file('stick.witness'),
    whole.replace(/\n(\d+)\\n/, '\n1\\n').replaceAll(/\\n(\d+)\\n/g, '\\n7\\n'),
  )
  expect(await tagout(['audit', 'witness', 'stick.witness'])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/has seen a log that another key signed/),
  })
  // Who is asked says who they are.
  expect((await tagout(['audit', 'witness', 'x.witness', ...far])).err).toMatch(/cannot be reached/)
  writeFileSync(file('wrong.token'), 'tagout_nobody')
  expect((await tagout(['audit', 'witness', 'x.witness', ...far.with(3, 'wrong.token'), ...ca])).err).toMatch(
    /sign-in|token/,
  )
  expect((await tagout(['audit', 'witness', 'x.witness', '--from', 'https://localhost'])).err).toMatch(
    /tagout token add SERVICE --scope audit\.read/,
  )
  expect(existsSync(file('x.witness'))).toBe(false)
  expect((await tagout(['audit', 'verify', '--witness', 'wrong.token'])).err).toMatch(
    /has no checkpoint of a log/,
  )
})
