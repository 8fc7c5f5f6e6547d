import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let root: TestPerson
let ann: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  root = await vault.person('root-1', ['admin'])
  ann = await vault.person('ann', ['operator'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const targetRows = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    line: at + 2,
    cells: { name: `${prefix}-${at}`, safe: 'line-3', address: `ssh://127.0.0.1:${10_000 + at}`, pin: '' },
  }))
const named = async (prefix: string) =>
  must(await api.call('target.list', {}, root.token)).filter((target) => target.name.startsWith(prefix))
    .length

test('a thousand targets are shown, then added, then found unchanged, each within a few seconds', async () => {
  const rows = targetRows('bulk', 1000)
  const ask = async (apply: boolean) => {
    const began = performance.now()
    const answer = must(await api.call('import', { kind: 'targets', rows, apply }, root.token))
    console.info(`import of 1000 targets, apply ${apply}: ${Math.round(performance.now() - began)} ms`)
    return { applied: answer.applied, does: [...new Set(answer.rows.map((row) => row.does))] }
  }
  expect(await ask(false)).toEqual({ applied: false, does: ['create'] })
  expect(await named('bulk')).toBe(0)
  expect(await ask(true)).toEqual({ applied: true, does: ['create'] })
  expect(await named('bulk')).toBe(1000)
  expect(await ask(true)).toEqual({ applied: true, does: ['unchanged'] })
  const other = rows
    .slice(0, 1)
    .map((row) => ({ ...row, cells: { ...row.cells, pin: `SHA256:${'B'.repeat(43)}` } }))
  const pinned = must(await api.call('import', { kind: 'targets', rows: other, apply: true }, root.token))
  expect(pinned.applied).toBe(false)
  expect(pinned.rows[0]?.does).toBe('conflict')
}, 120_000)

test('one bad row leaves nothing of the others', async () => {
  const rows = targetRows('half', 600)
  rows[499] = { line: 501, cells: { name: 'half-499', safe: 'nowhere', address: 'ssh://127.0.0.1', pin: '' } }
  const answer = must(await api.call('import', { kind: 'targets', rows, apply: true }, root.token))
  expect(answer.applied).toBe(false)
  expect(answer.rows.filter((row) => row.does !== 'create')).toEqual([
    { line: 501, does: 'invalid', sentence: expect.stringContaining('there is no safe nowhere') },
  ])
  expect(await named('half')).toBe(0)
}, 60_000)

test('a row that is there twice, a strange column and a hostile cell are named by their lines', async () => {
  const [first] = targetRows('twice', 1)
  const cells = first?.cells ?? {}
  const rows = [
    { line: 2, cells },
    { line: 3, cells },
    { line: 4, cells: { ...cells, owner: 'x' } },
    { line: 5, cells: { ...cells, name: '=cmd|\u001b[2J' } },
  ]
  const answer = must(await api.call('import', { kind: 'targets', rows, apply: true }, root.token))
  expect(answer.rows.map((row) => [row.line, row.does])).toEqual([
    [2, 'create'],
    [3, 'invalid'],
    [4, 'invalid'],
    [5, 'invalid'],
  ])
  expect(JSON.stringify(answer)).not.toContain('cmd')
  expect(await named('twice')).toBe(0)
})

test('how machines of RDP and Telnet are logged in to comes with their rows, and is told apart later', async () => {
  const row = (name: string, address: string, more: Readonly<Record<string, string>>, line = 2) => ({
    line,
    cells: { name, safe: 'line-3', address, pin: '', ...more },
  })
  const ask = async (apply: boolean, ...rows: readonly ReturnType<typeof row>[]) =>
    must(await api.call('import', { kind: 'targets', rows: [...rows], apply }, root.token)).rows.map(
      ({ does, sentence }) => (sentence === undefined ? does : `${does}: ${sentence}`),
    )
  const scada = { security: 'tls', keyboard: 'de-de-qwertz' }
  const plc = { user_prompt: 'login:', password_prompt: 'Password:' }
  const rows = [
    row('scada-csv', 'rdp://10.0.3.9', scada),
    row('plc-csv', 'telnet://10.0.3.10', plc, 3),
    row('usual-csv', 'rdp://10.0.3.11', { security: '', keyboard: '', user_prompt: '' }, 4),
  ]
  expect(await ask(true, ...rows)).toEqual(['create', 'create', 'create'])
  expect(await ask(true, ...rows)).toEqual(['unchanged', 'unchanged', 'unchanged'])
  const settings = async (target: string) => (await vault.ask('target.show', { target })).desktop
  expect(await settings('scada-csv')).toEqual(scada)
  expect(await settings('plc-csv')).toEqual({ userPrompt: 'login:', passwordPrompt: 'Password:' })
  expect(await settings('usual-csv')).toBeNull()
  const [other] = await ask(false, row('scada-csv', 'rdp://10.0.3.9', { security: 'nla' }))
  expect(other).toMatch(/^conflict/)
  expect(await ask(false, row('scada-csv', 'rdp://10.0.3.9', {}))).toEqual(['unchanged'])
  for (const [address, more, sentence] of [
    ['rdp://10.0.3.12', { security: 'none' }, 'security: "none" is none of nla, tls, rdp'],
    ['rdp://10.0.3.12', { keyboard: 'qwertz' }, 'keyboard: "qwertz" is none of en-us-qwerty'],
    ['telnet://10.0.3.12', { user_prompt: 'ä:' }, 'user_prompt: a prompt is of ASCII characters'],
    ['ssh://10.0.3.12', { security: 'tls' }, 'desktop.security: this is nothing of ssh'],
    ['vnc://10.0.3.12', { password_prompt: 'x' }, 'desktop.passwordPrompt: this is nothing of vnc'],
  ] as const)
    expect((await ask(false, row('odd-csv', address, more)))[0]).toContain(`invalid: ${sentence}`)
})

test('who is no administrator imports nothing, and sees nothing', async () => {
  const ask = { kind: 'targets', rows: targetRows('ann', 1), apply: false } as const
  expect(refusalOf(await api.call('import', ask, ann.token)).code).toBe('forbidden')
})

test('users take one fresh code for all, once, and a look gives no links', async () => {
  const rows = ['bo', 'cy'].map((name, at) => ({ line: at + 2, cells: { name, roles: 'operator' } }))
  const look = must(await api.call('import', { kind: 'users', rows, apply: false }, root.token))
  expect(look.rows).toEqual([
    { line: 2, does: 'create' },
    { line: 3, does: 'create' },
  ])
  expect(
    refusalOf(await api.call('import', { kind: 'users', rows, apply: true }, root.token)).message,
  ).toMatch(/^totpCode/)
  const totpCode = root.code()
  const done = must(await api.call('import', { kind: 'users', rows, apply: true, totpCode }, root.token))
  expect(done.applied).toBe(true)
  expect(new Set(done.rows.map((row) => row.enrolment?.token)).size).toBe(2)
  const more = [{ line: 2, cells: { name: 'di', roles: 'admin' } }]
  const again = await api.call('import', { kind: 'users', rows: more, apply: true, totpCode }, root.token)
  expect(refusalOf(again).message).toMatch(/wrong or was used/)
})

test('a grant to oneself takes a code; grants to others take none', async () => {
  const row = (user: string) => [
    { line: 2, cells: { user, account: 'press-3/engineer', actions: 'shell exec' } },
  ]
  const ask = (user: string, totpCode?: string) =>
    api.call(
      'import',
      { kind: 'grants', rows: row(user), apply: true, ...(totpCode === undefined ? {} : { totpCode }) },
      root.token,
    )
  expect(must(await ask('ann')).rows).toEqual([{ line: 2, does: 'create' }])
  expect(must(await ask('ann')).rows).toEqual([{ line: 2, does: 'unchanged' }])
  expect(refusalOf(await ask('ROOT-1')).message).toMatch(/^totpCode/)
  expect(must(await ask('root-1', root.code())).applied).toBe(true)
})
