import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../support/vault.ts'
import { tagout } from '../support/cli.ts'

// What comes from elsewhere is printed on the terminal of whoever holds the vault's keys.

/** Sets the title, puts something on the clipboard, wipes the screen, turns the text around; by C0 and by C1 controls. */
const hostile = 'anna\u001b]0;x\u0007\u001b]52;c;eA==\u0007\u009b2J\u202e\u061c'
// biome-ignore lint: the control characters are the point
const drives = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]/

let vault: TestVault
let folder: string
let superuser: pg.Client
beforeAll(async () => {
  vault = await startTestVault()
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  folder = await mkdtemp(join(tmpdir(), 'tagout-terminal-'))
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** What the row of a way to unseal says, and the means to have it say something else. */
const wrapOf = async (kind: string) => {
  const { rows } = await superuser.query<{ id: string; parameters: string }>(
    'select id, parameters from seal_wrap where kind = $1',
    [kind],
  )
  const [row] = rows
  if (row === undefined) throw new Error(`no ${kind}`)
  const put = (parameters: string) =>
    superuser.query('update seal_wrap set parameters = $1 where id = $2', [parameters, row.id])
  return { parameters: row.parameters, put }
}

const cli = async (...argv: string[]) => {
  const ran = await tagout(['--data', vault.dataDir, ...argv], { cwd: folder })
  return { ...ran, all: ran.out + ran.err }
}

test('names of custodians in the rows of a sealed vault, which nobody has checked yet, drive no terminal', async () => {
  const made = await cli('custody', 'init', '--threshold', '2', '--custodian', 'anna,bob', '--out', 'shares')
  expect(made).toMatchObject({ code: 0 })
  await vault.ask('vault.seal', { sessions: 'keep' })
  const { parameters, put } = await wrapOf('custodians')
  const forged = JSON.parse(parameters) as { custodians: { name: string }[] }
  for (const one of forged.custodians) one.name = `${hostile}${one.name}`.slice(0, 63)
  await put(JSON.stringify(forged))
  for (const argv of [
    ['unseal', '--share-file', 'shares/anna.share', '--dry-run'],
    ['unseal', '--share-file', 'shares/anna.share'],
    ['--json', 'unseal', '--share-file', 'shares/anna.share'],
    ['status'],
    ['--json', 'status'],
    ['custody', 'show'],
    ['--json', 'custody', 'show'],
  ]) {
    const ran = await cli(...argv)
    expect(ran.all.length, argv.join(' ')).toBeGreaterThan(10)
    expect(ran.all, argv.join(' ')).not.toMatch(drives)
    // What is escaped in JSON is, to who reads it as such, what it was.
    if (argv[0] === '--json') expect(JSON.stringify(JSON.parse(ran.out))).toContain('\u009b2J')
  }
  await put(parameters)
})

test('the path of a key file in a forged row drives no terminal', async () => {
  const { parameters, put } = await wrapOf('key-file')
  const { path } = JSON.parse(parameters) as { path: string }
  await put(JSON.stringify({ path: `${path}${hostile}` }))
  const ran = await cli('unseal')
  expect(ran.code).not.toBe(0)
  expect(ran.all).not.toMatch(drives)
  await put(parameters)
  expect(await cli('unseal')).toMatchObject({ code: 0 })
})

test('a list of accounts from somebody else says what it would do, and nothing to the terminal', async () => {
  await writeFile(
    join(folder, 'accounts.csv'),
    `target,login,password,safe,address\npress-3${hostile},engineer,pw,line-3,ssh://10.0.0.1\n`,
  )
  const ran = await cli('import', 'accounts.csv')
  expect(ran.all).not.toBe('')
  expect(ran.all).not.toMatch(drives)
})
