import { expect, test } from 'vitest'
import { importKinds } from '../../../vault/contract.ts'
import { importColumns, importExamples, kindsThatFit } from '../../../vault/import/columns.ts'
import { readRow } from '../../../vault/import/rows.ts'
import { csvText, csvHead, maxCsvBytes, parseCsv } from '../../../vault/kernel/csv.ts'

const parse = (text: string) => parseCsv(text, importColumns.accounts)
const rowsOf = (text: string) => {
  const rows = parse(text)
  if (!rows.ok) throw new Error(rows.refusal.message)
  return rows.value
}
const refusalOf = (text: string): string => {
  const rows = parse(text)
  if (rows.ok) return ''
  return `${rows.refusal.message} ${rows.refusal.next ?? ''}`
}

test('quoted cells keep separators, quotes and line ends, and lines are those of the file', () => {
  const rows = rowsOf('target,login,password\r\npress-3,engineer,"a,""b""\nc"\r\n\r\npress-4,op,x\n')
  expect(rows.map((row) => row.cells['password'])).toEqual(['a,"b"\nc', 'x'])
  expect(rows.map((row) => row.line)).toEqual([2, 5])
})

test.each([
  ['semicolons and a byte order mark', '\ufefftarget;login;password\npress-3;engineer;p,w'],
  ['tabulators of the clipboard', 'Target\tLOGIN\tpassword\r\npress-3\tengineer\tp,w\r\n'],
  ['line ends of old machines', 'target,login,password\rpress-3,engineer,"p,w"\r'],
])('a file of a spreadsheet with %s is read', (_name, text) => {
  expect(rowsOf(text)[0]).toMatchObject({ line: 2, cells: { target: 'press-3', password: 'p,w' } })
})

test.each([
  ['', 'the file is empty its first line names the columns: target,login'],
  ['\n\n', 'the file is empty'],
  ['target,login\n', 'the file has no rows'],
  ['target,login,colour\nx,y,z\n', 'column 3 has no name that is known'],
  ['target,login,__proto__\nx,y,z\n', 'column 3 has no name that is known'],
  ['target,login,constructor\nx,y,z\n', 'column 3 has no name that is known'],
  ['target,password\nx,y\n', 'there is no column login'],
  ['target,login,Login\nx,y,z\n', 'the column login is there twice'],
  ['target,login\npress-3\n', 'line 2 has 1 columns, the first line has 2'],
  ['target,login\n"press-3,engineer\n', 'line 2 opens a quote that nothing closes'],
  ['target,login\n"press-3"x,engineer\n', 'line 2 goes on after a closing quote'],
  ['target,login\nx,y\na\u0000b,c\n', 'line 3 holds a zero byte'],
  [`target,login\nx,${'y'.repeat(2001)}\n`, 'line 2: login is longer than 2000 characters'],
  [`target,login\n${'x,y\n'.repeat(1001)}`, 'the file has more than 1,000 rows'],
  [`target,login\n${'x,y\n'.repeat(300_000)}`, 'the file is larger than 1 MiB'],
  [`target,login\nx,${'ü'.repeat(maxCsvBytes / 2)}\n`, 'the file is larger than 1 MiB'],
])('%# is refused', (text, reason) => {
  expect(refusalOf(text)).toContain(reason)
})

test('a thousand rows are taken', () => {
  expect(rowsOf(`target,login\n${'x,y\n'.repeat(1000)}`)).toHaveLength(1000)
})

test('no refusal quotes a cell', () => {
  const secret = 'hunter2-canary'
  for (const text of [
    `target,login,password\npress-3,engineer,"${secret}\n`,
    `target,login,password\npress-3,engineer,"${secret}"${secret}\n`,
    `target,login,${secret}\nx,y,z\n`,
    `${secret}\n`,
    `target,login,password\npress-3,engineer,${secret},${secret}\n`,
    `target,login,password\npress-3,engineer,${secret.repeat(200)}\n`,
    `target,login,password\npress-3,${secret}\u0000,x\n`,
  ]) {
    expect(refusalOf(text)).not.toBe('')
    expect(refusalOf(text)).not.toContain(secret)
  }
})

test('hostile text is read or refused soon', () => {
  const began = performance.now()
  for (const part of ['"', '""', ',', '\n', '"\n', '\r', '",', '\u2028'])
    refusalOf(`target,login\n${part.repeat(Math.floor((maxCsvBytes - 20) / Buffer.byteLength(part)))}`)
  expect(performance.now() - began).toBeLessThan(10_000)
})

test.each(importKinds)('the example of %s is one, and is told by its columns', (kind) => {
  const text = importExamples[kind]
  const rows = parseCsv(text, importColumns[kind])
  const head = csvHead(text)
  if (!rows.ok || !head.ok) throw new Error('not read')
  expect(kindsThatFit(head.value)).toEqual([kind])
  for (const { line, cells } of rows.value) {
    const { password: _, key_file: __, ...sent } = cells
    expect(readRow(kind, { line, cells: sent })).toMatchObject({ ok: true })
  }
})

test('a secret is no cell, only an account has one, and a strange column is refused', () => {
  const credential = { kind: 'password', sealed: 'AAAA' } as const
  const target = { target: 'press-3', login: 'engineer' }
  const refused = (kind: (typeof importKinds)[number], row: object) => {
    const read = readRow(kind, { line: 2, cells: {}, ...row })
    return read.ok ? '' : `${read.refusal.message} ${read.refusal.next ?? ''}`
  }
  expect(refused('accounts', { cells: { ...target, password: 'x' } })).toMatch(/not known.*target,login,safe/)
  expect(refused('accounts', { cells: { ...target, key_file: 'x' } })).toMatch(/not known/)
  expect(refused('users', { cells: { name: 'bo', roles: 'operator' }, credential })).toMatch(
    /only an account/,
  )
  expect(refused('users', { cells: JSON.parse('{"name":"bo","roles":"operator","__proto__":"x"}') })).toMatch(
    /not known/,
  )
  expect(refused('users', { cells: { name: 'bo', roles: 'operator', hasOwnProperty: 'x' } })).toMatch(
    /not known/,
  )
})

test('what is written is quoted, no formula, and reads back', () => {
  const rows = [
    ['plain', 'a "quoted", cell', ''],
    ['=cmd|calc', '+1', '-1'],
    ['@sum(a1)', '  =1+1', '\t=1'],
    ['two\nlines', 'right\u202eleft', '\uff1d1'],
  ]
  expect(csvText(['a', 'b', 'c'], rows)).toBe(
    [
      '\ufeff"a","b","c"',
      '"plain","a ""quoted"", cell",""',
      '"\'=cmd|calc","\'+1","\'-1"',
      '"\'@sum(a1)","\'  =1+1","\\u{9}=1"',
      '"two\\u{a}lines","right\\u{202e}left","\'\uff1d1"',
      '',
    ].join('\r\n'),
  )
})
