import { expect, test } from 'vitest'
import { importColumns, sealedColumns } from '../../vault/import/columns.ts'
import { parseCsv } from '../../vault/kernel/csv.ts'
import { explainedKinds } from '../../web/import/kinds.ts'
import { linksAsCsv } from '../../web/import/links.ts'
import { grantsTo, mergeAnswer, prepareRows } from '../../web/import/prepare.ts'
import { decodeCsv } from '../../web/import/read-file.ts'

const kinds = Object.keys(importColumns) as (keyof typeof importColumns)[]
const sealed = (account: string, password: string) => ({
  kind: 'password' as const,
  sealed: `sealed ${account} ${password.length}`,
})
const row = (line: number, cells: Record<string, string>) => ({ line, cells })

test.each(kinds)('the console explains each column of a file of %s, and its example is one', (kind) => {
  const { known, required } = importColumns[kind]
  const { columns, example } = explainedKinds[kind]
  // A key file is explained as what a browser cannot read.
  expect(columns.map(({ name }) => name)).toEqual(known.filter((name) => name !== 'key_file'))
  expect(columns.filter((column) => column.required).map(({ name }) => name)).toEqual(required)
  const parsed = parseCsv(example, importColumns[kind])
  expect(parsed.ok && parsed.value.length).toBeGreaterThan(0)
})

test('the password of an account leaves its row sealed for that account, and nothing else holds it', async () => {
  const [first] = await prepareRows(
    'accounts',
    [row(2, { target: ' press-3 ', login: 'tech', password: ' secret ', key_file: '', safe: '' })],
    sealed,
  )
  expect(first).toEqual({
    asked: {
      line: 2,
      cells: { target: ' press-3 ', login: 'tech' },
      credential: { kind: 'password', sealed: 'sealed press-3/tech 8' },
    },
  })
})

test('a key file is refused in a browser, except where the account is there already', async () => {
  const prepared = await prepareRows(
    'accounts',
    [
      row(2, { target: 'a', login: 'x', password: '', key_file: 'x.key' }),
      row(3, { target: 'b', login: 'x', password: '', key_file: 'x.key' }),
      row(4, { target: 'c', login: 'x', password: 'both', key_file: 'x.key' }),
    ],
    sealed,
  )
  expect(JSON.stringify(prepared)).not.toContain('x.key')
  expect(prepared.some(({ asked }) => asked.credential !== undefined)).toBe(false)
  const merged = mergeAnswer(prepared, {
    applied: false,
    rows: [
      { line: 2, does: 'unchanged' },
      { line: 3, does: 'invalid', sentence: 'this account has no secret' },
      { line: 4, does: 'invalid', sentence: 'this account has no secret' },
    ],
  })
  expect(merged.map(({ does, sentence }) => [does, sentence ?? ''])).toEqual([
    ['unchanged', ''],
    ['invalid', expect.stringContaining('tagout import')],
    ['invalid', expect.stringContaining('leave one of them empty')],
  ])
})

test('a line of which the vault says nothing is a problem', () => {
  const [only] = mergeAnswer([{ asked: row(2, { name: 'x' }) }], { applied: false, rows: [] })
  expect(only?.does).toBe('invalid')
})

test('no cell of another kind is taken for a secret, and none is sealed', async () => {
  const [only] = await prepareRows('grants', [row(2, { user: 'bob', reason: 'order' })], () => {
    throw new Error('sealed')
  })
  expect(only?.asked.cells).toEqual({ user: 'bob', reason: 'order' })
  expect(sealedColumns).toEqual(['password', 'key_file'])
})

test('a grant to oneself is known by name, however it is written, and by id', () => {
  const me = { id: 'usr_1', name: 'alice' }
  const to = (user: string) => [{ line: 2, does: 'create' as const, cells: { user } }]
  expect([' ALICE ', 'usr_1', 'bob'].map((user) => grantsTo(to(user), me))).toEqual([true, true, false])
})

test('bytes that are no CSV in UTF-8 are named for what they are', () => {
  const said = (bytes: Uint8Array) => {
    const read = decodeCsv(bytes)
    return read.ok ? read.value : read.refusal.message
  }
  expect(said(Buffer.from('PK\u0003\u0004rest'))).toBe('this is a spreadsheet, not CSV')
  expect(said(Buffer.from('d0cf11e0a1b11ae1', 'hex'))).toBe('this is a spreadsheet, not CSV')
  expect(said(Buffer.from('fffe6e00', 'hex'))).toBe('the file is in UTF-16')
  expect(said(Buffer.from('6e61e96d65', 'hex'))).toBe('the file is not text in UTF-8')
  expect(said(Buffer.from('\ufeffname\n'))).toBe('name\n')
})

test('links are written as CSV that a spreadsheet reads', () => {
  const csv = linksAsCsv([{ name: 'bob', link: 'https://c/enrol#x,"y', expiresAt: '2026-11-25T00:00:00Z' }])
  expect(csv).toBe('name,link,expires_at\r\n"bob","https://c/enrol#x,""y","2026-11-25T00:00:00Z"\r\n')
})
