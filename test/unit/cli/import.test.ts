import { expect, test } from 'vitest'
import { planImport } from '../../../deploy/cli/account-import.ts'
import { parseCsv } from '../../../deploy/cli/csv.ts'

const columns = ['target', 'login', 'password', 'key_file', 'safe', 'address', 'pin']
const parse = (text: string) => parseCsv(text, columns, ['target', 'login'])

test('quoted cells keep separators, quotes and line ends', () => {
  const rows = parse('target,login,password\r\npress-3,engineer,"a,""b""\nc"\r\npress-4,op,x\n')
  expect(rows.map((row) => row.cells['password'])).toEqual(['a,"b"\nc', 'x'])
  expect(rows.map((row) => row.line)).toEqual([2, 4])
})

test('a file of a spreadsheet with semicolons and a byte order mark is read', () => {
  expect(parse('\ufefftarget;login;password\npress-3;engineer;p,w')[0]?.cells['password']).toBe('p,w')
})

test.each([
  ['', 'the file is empty'],
  ['target,login,colour\n', 'column 3 has no name'],
  ['target,password\n', 'no column login'],
  ['target,login,login\n', 'the column login is there twice'],
  ['target,login\npress-3\n', 'line 2 has 1 columns'],
  ['target,login\n"press-3,engineer\n', 'line 2 opens a quote'],
  ['target,login\n"press-3"x,engineer\n', 'goes on after a closing quote'],
])('%j is refused: %s', (text, reason) => {
  expect(() => parse(text)).toThrow(reason)
})

test('no complaint about a file quotes a cell of it', () => {
  const secret = 'hunter2-canary'
  for (const text of [
    `target,login,password\npress-3,engineer,"${secret}\n`,
    `target,login,password\n,engineer,${secret}\n`,
    `target,login,${secret}\n`,
    `target,login,password\npress-3,engineer,${secret},${secret}\n`,
  ]) {
    let complaint = ''
    try {
      planImport(parse(text), [], [])
    } catch (error) {
      complaint = `${(error as Error).message} ${(error as { next?: string }).next}`
    }
    expect(complaint).not.toBe('')
    expect(complaint).not.toContain(secret)
  }
})

test('a plan adds missing targets once, leaves what exists, and names no secret', () => {
  const rows = parse(
    'target,login,password,safe,address\n' +
      'press-3,engineer,one,,\n' +
      'press-4,engineer,two,line-3,ssh://10.0.0.4\n' +
      'press-4,backup,three,line-3,ssh://10.0.0.4\n' +
      'press-3,old,four,,\n',
  )
  const steps = planImport(rows, [{ name: 'press-3' }], [{ name: 'press-3/old' }])
  expect(steps.map((step) => step.does)).toEqual([
    'add account',
    'add target',
    'add account',
    'add account',
    'leave',
  ])
  expect(JSON.stringify(steps)).not.toMatch(/one|two|three|four/)
})

test.each([
  ['target,login,password\npress-9,engineer,x\n', 'does not exist'],
  ['target,login,password,key_file\npress-3,engineer,x,y\n', 'either a password or a key_file'],
  ['target,login,password\npress-3,engineer,\n', 'either a password or a key_file'],
  ['target,login,password\npress-3,engineer,x\npress-3,engineer,y\n', 'a second time'],
])('a file that cannot be done whole is refused before anything is done: %s', (text, reason) => {
  expect(() => planImport(parse(text), [{ name: 'press-3' }], [])).toThrow(reason)
})
