import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

let folder: string
let installation: TestInstallation
const file = (name: string) => join(folder, name)
const write = (name: string, text: string) => writeFileSync(file(name), text, { mode: 0o600 })
const tagout = (...args: readonly string[]) =>
  installation.tagout(args, { cwd: folder, env: { HOME: folder } })
const json = (...args: readonly string[]) =>
  installation.tagoutJson<Record<string, unknown>>(args, { cwd: folder, env: { HOME: folder } })
const names = async (noun: string) =>
  (await installation.tagoutJson<readonly { name: string }[]>([noun, 'list'])).map((row) => row.name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-import-'))
  installation = await startTestInstallation({ withinMs: 150_000, withDatabase: true })
  expect((await tagout('safe', 'add', 'line-3')).code).toBe(0)
}, 200_000)
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

test('without a terminal and without --yes an import says what it would do, and does nothing', async () => {
  write('targets.csv', 'name;safe;address\nsaw-1;line-3;ssh://127.0.0.1:2201\nsaw-2;line-3;ssh://127.0.0.1\n')
  const { code, stdout, stderr } = await tagout('import', 'targets.csv')
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'line 2: create saw-1\nline 3: create saw-2\n' })
  expect(stderr).toContain('2 create; nothing is done: do it with --yes')
  expect(await names('target')).toEqual([])
  expect((await tagout('import', 'targets.csv', '--yes')).stderr).toContain('imported: 2 create')
  expect(await names('target')).toEqual(['saw-1', 'saw-2'])
  const again = await tagout('import', 'targets.csv', '--yes')
  expect(again).toMatchObject({ code: 0, stdout: 'line 2: unchanged saw-1\nline 3: unchanged saw-2\n' })
  expect(again.stderr).toContain('there is nothing to do')
})

test('one line that cannot be done keeps the others from being done, and what is hostile is shown harmless', async () => {
  write(
    'targets.csv',
    'name,safe,address\nsaw-3,line-3,ssh://127.0.0.1\n\u001b[2J=cmd,line-3,ssh://127.0.0.1\nsaw-1,line-3,ssh://10.0.0.1\n',
  )
  const { code, stdout, stderr } = await tagout('import', 'targets.csv', '--yes')
  expect(code).toBe(1)
  expect(stdout).toContain('line 2: create saw-3\nline 3: invalid \\u001b[2J=cmd: name: ')
  expect(stdout).toContain('line 4: conflict saw-1: there is a target saw-1 already')
  expect(stdout + stderr).not.toContain('\u001b')
  expect(stderr).toContain('2 of 3 lines cannot be imported, so nothing is done')
  expect(await names('target')).toEqual(['saw-1', 'saw-2'])
})

test('accounts come with passwords and keys, sealed here, and no word of them is shown', async () => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file('id.key')])
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'phrase', '-f', file('locked.key')])
  const head = 'target,login,password,key_file,safe,address,pin\n'
  write(
    'accounts.csv',
    `${head}saw-1,op,hunter2-canary,,,,\nSAW-9,backup,,id.key,line-3,ssh://127.0.0.1:2209,\nsaw-9,op,"a ""b,c",,,,\n`,
  )
  const look = await tagout('import', 'accounts.csv')
  expect(look.stdout).toBe(
    'line 2: create saw-1/op\nline 3: create SAW-9/backup, and its target, not pinned\nline 4: create saw-9/op\n',
  )
  const done = await json('import', 'accounts.csv', '--yes')
  expect(done).toMatchObject({ kind: 'accounts', applied: true, counts: { create: 3, invalid: 0 } })
  expect(JSON.stringify([look, done])).not.toContain('hunter2')
  expect(await names('account')).toEqual(['SAW-9/backup', 'SAW-9/op', 'saw-1/op'])
  expect(await json('account', 'show', 'saw-9/backup')).toMatchObject({ credential: { kind: 'ssh-key' } })

  // What is there needs no secret, and its key file no more.
  write('accounts.csv', `${head}saw-1,op,,,,,\nsaw-9,backup,,gone.key,,,\n`)
  expect(await json('import', 'accounts.csv', '--yes')).toMatchObject({
    applied: false,
    counts: { unchanged: 2 },
  })

  write(
    'bad.csv',
    `${head}saw-1,a,hunter2-canary,id.key,,,\nsaw-1,b,,hunter2-canary,,,\nsaw-1,c,,locked.key,,,\nsaw-1,d,,,,,\n`,
  )
  const bad = await tagout('import', 'bad.csv', '--yes')
  expect(bad.code).toBe(1)
  expect(bad.stdout).toMatch(/line 2: invalid saw-1\/a: give either .* not both\n/)
  expect(bad.stdout).toMatch(/line 3: invalid saw-1\/b: key_file: there is no such file\n/)
  expect(bad.stdout).toMatch(/line 4: invalid saw-1\/c: .*passphrase/)
  expect(bad.stdout).toMatch(/line 5: invalid saw-1\/d: this account has no secret/)
  expect(bad.stdout + bad.stderr).not.toContain('hunter2')
})

test('the links of users are shown once, or written to a new file of their reader alone', async () => {
  write('users.csv', 'name,roles\nbob,operator\nalice,operator approver\n')
  writeFileSync(file('there.csv'), 'something else')
  const taken = await tagout('import', 'users.csv', '--yes', '--links-out', 'there.csv')
  expect(taken.code).toBe(1)
  expect(taken.stderr).toContain('exists already')
  expect(readFileSync(file('there.csv'), 'utf8')).toBe('something else')
  expect(await names('user')).not.toContain('bob')

  const done = await tagout('import', 'users.csv', '--yes', '--links-out', 'links.csv')
  expect(done.code, done.stderr).toBe(0)
  expect(done.stdout + done.stderr).not.toContain('/enrol#')
  expect(statSync(file('links.csv')).mode & 0o777).toBe(0o600)
  const links = readFileSync(file('links.csv'), 'utf8')
  expect(links).toMatch(/^name,link,until\nbob,https:\/\/localhost:\d+\/enrol#\S+,\d{4}-.*Z\nalice,https/)

  write('users.csv', 'name,roles\ncarl,vendor\n')
  const shown = await tagout('import', 'users.csv', '--yes')
  expect(shown.stdout).toMatch(/ {2}carl, until 20\d\d-.*: https:\/\/localhost:\d+\/enrol#/)
  expect((await tagout('import', 'users.csv', '--yes')).stdout).toBe('line 2: unchanged carl\n')

  write('bad.csv', 'name,roles\ndora,emperor\n')
  expect((await tagout('import', 'bad.csv', '--yes', '--links-out', 'none.csv')).code).toBe(1)
  expect(existsSync(file('none.csv'))).toBe(false)
})

test('grants are added, and the kind is asked for where the columns fit nothing', async () => {
  write(
    'grants.csv',
    'user,account,actions,not_after,reason\nbob,saw-1/op,shell exec,2099-01-01T00:00:00Z,x\n',
  )
  const far = await tagout('import', 'grants.csv', '--yes')
  expect(far.stdout).toMatch(/line 2: invalid bob to saw-1\/op: not_after: a grant ends a year from now/)
  write('grants.csv', 'user,account,actions\nbob,saw-1/op,shell exec\n')
  expect((await tagout('import', 'grants.csv', '--yes')).stderr).toContain('imported: 1 create')
  write('odd.csv', 'name,colour\nx,y\n')
  const odd = await tagout('import', 'odd.csv')
  expect(odd.code).toBe(2)
  expect(odd.stderr).toContain('--as targets|accounts|users|grants')
  const as = await tagout('import', 'odd.csv', '--as', 'users')
  expect(as.stderr).toMatch(/column 2 has no name that is known\n {2}next: the columns are name,roles/)
})
