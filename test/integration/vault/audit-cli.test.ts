import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tagout as runTagout } from '../../support/cli.ts'
import { startTestVault, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let folder: string
const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir }, cwd: folder })
const must = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await tagout(...args)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-audit-'))
  vault = await startTestVault()
  await vault.account()
  await vault.person('bob', ['operator'])
  await vault.grant('bob', 'press-3/engineer', { reason: '=HYPERLINK("http://evil","x")' })
}, 60_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('who, when and what is a table, an array and a file for spreadsheets', async () => {
  const table = await must('audit', 'find', '--target', 'press-3', '--since', '1h')
  expect(table).toMatch(/^SEQ\s+AT \(\S+\)\s+WHO\s+OF\s+APPROVED BY\s+FROM\s+WHAT\n/)
  expect(table.trimEnd().split('\n').at(-1)).toMatch(/administrator \(local:\d+\)\s+-\s+.*granted bob/)
  const entries = JSON.parse(await must('audit', 'find', '--person', 'bob', '--kind', 'grant', '--json'))
  expect(entries).toMatchObject([{ kind: 'grant.added', target: 'press-3', company: null }])
  expect(await must('audit', 'find', '--person', 'bob', '--csv', '--out', 'bob.csv')).toBe('wrote bob.csv\n')
  const csv = readFileSync(join(folder, 'bob.csv'), 'utf8')
  expect(csv).toMatch(/^\ufeff"entry","time \(UTC\)",("time \((?!UTC)[^"]+\)",)?"kind","who"/)
  expect(csv).toContain('granted bob')
  expect(csv).not.toMatch(/(^|,|\n)"?=/)
  const none = await tagout('audit', 'find', '--target', 'press-33')
  expect(none).toMatchObject({
    code: 0,
    out: '',
    err: 'nothing of this kind is in the log; names are looked for as they were written then\n',
  })
})

test('a list that is cut says so, and --all does not cut', async () => {
  const cut = await tagout('audit', 'find', '--limit', '3')
  expect(cut.out.trimEnd().split('\n').length).toBe(4)
  expect(cut.err).toMatch(/these are the newest 3; earlier ones with a larger --limit, or --all/)
  const all = await tagout('audit', 'find', '--all', '--json')
  expect(all.err).toBe('')
  expect(JSON.parse(all.out).length).toBeGreaterThan(10)
})

test('entries with their proofs verify without vault and database, and not when they are changed', async () => {
  const said = await tagout('audit', 'find', '--target', 'press-3', '--proofs', 'press.json')
  expect(said).toMatchObject({ code: 0, out: '' })
  expect(said.err).toMatch(/wrote press\.json: \d+ signed entries; verify it with/)
  expect(await must('audit', 'verify', '--file', 'press.json')).toMatch(
    /^all \d+ entries are in the log as it was signed; .*the signing key is SHA256:/,
  )
  const text = readFileSync(join(folder, 'press.json'), 'utf8')
  const file = JSON.parse(text)
  const leaf = file.batches[0].leaves.at(-1)
  leaf.body = Buffer.from(Buffer.from(leaf.body, 'base64').toString().replace('press-3', 'mill-9')).toString(
    'base64',
  )
  writeFileSync(join(folder, 'forged.json'), `${JSON.stringify(file)}\n`)
  const forged = await tagout('audit', 'verify', '--file', 'forged.json')
  expect(forged).toMatchObject({
    code: 1,
    err: expect.stringContaining(`entry ${leaf.seq} is not in the log`),
  })
})

test('what is wrong is named as it was typed', async () => {
  expect((await tagout('audit', 'find', '--since', 'yesterday')).err).toMatch(/"yesterday" is not a date/)
  expect((await tagout('audit', 'find', '--kind', 'Session')).err).toMatch(/^--kind: write kinds like/)
  expect((await tagout('audit', 'find', '--session', 'x')).err).toMatch(/^--session: /)
  expect((await tagout('audit', 'find', '--out', 'x')).err).toMatch(/--out goes with --csv/)
  expect((await tagout('audit', 'find', '--all', '--limit', '3')).err).toMatch(/exclude one another/)
  expect((await tagout('audit', 'find', '--kind', 'session.checkpoint')).err).toMatch(/audit list --kind/)
})

test('the index is made anew when it is asked for', async () => {
  expect(await must('audit', 'reindex')).toMatch(/^the index is being made anew/)
  expect((await must('audit', 'find', '--kind', 'audit.reindexed')).trimEnd()).toMatch(/made anew$/)
  expect(await must('audit', 'verify')).toMatch(/are whole, in order and signed/)
})
