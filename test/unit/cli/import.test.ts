import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { kindOf, readCsvFile, rowsOf, sealRows } from '../../../deploy/cli/import-rows.ts'
import { processIo } from '../../../deploy/cli/io.ts'
import { tagout } from '../../support/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
mkdirSync(join(folder, 'plant', 'keys'), { recursive: true })
const io = { ...processIo(), cwd: folder }
const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content)

test.each([
  ['a workbook', Buffer.from('PK\u0003\u0004rest of it'), 'is a workbook of a spreadsheet'],
  ['UTF-16', Buffer.from('\ufeffname,roles\n', 'utf16le'), 'is not text in UTF-8'],
  ['Latin-1', Buffer.from('name,roles\nb\u00e4rbel,operator\n', 'latin1'), 'is not text in UTF-8'],
  ['2 MiB', Buffer.alloc(2 * 1024 * 1024, 'x'), 'is larger than 1 MiB'],
])('%s is no CSV file', async (_name, bytes, reason) => {
  write('bad.csv', bytes)
  await expect(readCsvFile(io, 'bad.csv')).rejects.toMatchObject({
    message: expect.stringContaining(reason),
    code: 2,
  })
})

test('a folder and a file that is not there are refused', async () => {
  await expect(readCsvFile(io, 'plant')).rejects.toThrow('is not a file')
  expect(await tagout(['import', 'nowhere.csv'], { cwd: folder })).toMatchObject({ code: 1 })
})

test('the kind is told by the columns, or said', () => {
  expect(kindOf('name,roles\n', undefined)).toBe('users')
  expect(kindOf('Name;Safe;Address\n', undefined)).toBe('targets')
  expect(kindOf('user,account,actions,reason\n', undefined)).toBe('grants')
  expect(kindOf('login,target,password\n', undefined)).toBe('accounts')
  expect(kindOf('name,colour\n', 'users')).toBe('users')
  expect(() => kindOf('secret-1,secret-2\n', undefined)).toThrow('the columns are those of nothing')
  expect(() => kindOf('name\n', 'toString')).toThrow('this kind cannot be imported')
})

test.each([
  ['', 'the file is empty', 'its first line names the columns'],
  ['\n\n', 'the file is empty', 'its first line names the columns'],
  ['name,roles,colour\n', 'column 3 has no name that is known', 'the columns of users are name,roles'],
  ['name,safe,owner,address\n', 'column 3 has no name that is known', 'the columns of targets are name,safe'],
  ['user,account\n', 'there is no column actions', 'the columns of grants are user,account,actions'],
])('%j: what is wrong with the first line is said, and the nearest columns', (text, message, next) => {
  expect(() => kindOf(text, undefined)).toThrow(
    expect.objectContaining({ message, next: expect.stringContaining(next) }),
  )
})

const sealer = {
  sodium: { crypto_box_seal: (message: Uint8Array) => message.slice() },
  intakeKey: 'AAAA',
  known: new Set(['press-3/old']),
}
const sealed = async (text: string) => sealRows(io, 'plant/accounts.csv', rowsOf(text, 'accounts'), sealer)

test('each secret is sealed for its account and none is a cell; who is there already needs none', async () => {
  const read = await sealed('target,login,password,safe\n press-9 , op ,a b,line-3\nPRESS-3,old,new,\n')
  expect(read[0]?.row.cells).toEqual({ target: ' press-9 ', login: ' op ', safe: 'line-3' })
  const payload = JSON.parse(Buffer.from(read[0]?.row.credential?.sealed ?? '', 'base64').toString())
  expect(payload).toEqual({
    purpose: 'account-secret',
    account: 'press-9/op',
    secret: Buffer.from('a b').toString('base64'),
  })
  expect(read[1]).toEqual({ row: { line: 3, cells: { target: 'PRESS-3', login: 'old', safe: '' } } })
})

test('what is wrong with a secret is said of its line, without a word of it', async () => {
  write('plant/no.key', 'hunter2-canary is no key')
  write('plant/keys/long.key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${'A'.repeat(20_000)}\n`)
  write('outside.key', '-----BEGIN OPENSSH PRIVATE KEY-----\n')
  symlinkSync('../outside.key', join(folder, 'plant', 'link.key'))
  const rows = [
    ['a b', 'a.key', 'not both'],
    ['', 'hunter2-canary', 'key_file: there is no such file'],
    ['', 'no.key', 'key_file: this is not a private key'],
    ['', 'keys/long.key', 'too long to be imported'],
    ['', 'keys', 'key_file: this is not a private key'],
    ['', '../outside.key', 'key_file: it does not lie beside the CSV file'],
    ['', 'link.key', 'key_file: it does not lie beside the CSV file'],
    ['', '/etc/passwd', 'key_file: there is no such file'],
  ] as const
  const cells = rows.map(([password, key], at) => `press-9,op-${at},${password},${key}\n`)
  const read = await sealed(`target,login,password,key_file\n${cells.join('')}`)
  expect(read.map(({ wrong }) => wrong ?? '')).toEqual(
    rows.map(([, , reason]) => expect.stringContaining(reason)),
  )
  expect(read.every(({ row }) => row.credential === undefined)).toBe(true)
  expect(JSON.stringify(read)).not.toContain('hunter2-canary')
})

test('the help shows a file of each kind', async () => {
  const { out } = await tagout(['import', '--help'])
  for (const head of ['name,safe,address,pin', 'target,login,password', 'name,roles', 'user,account,actions'])
    expect(out).toContain(`\n  ${head}`)
})
