import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ImportKind, VaultClient } from '../../../vault/index.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

let vault: TestVault
let api: VaultClient
let root: TestPerson
let account: string

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  account = (await vault.account()).name
  root = await vault.person('root-1', ['admin'])
  await vault.person('ann', ['operator'])
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const look = async (kind: ImportKind, cells: readonly Readonly<Record<string, string>>[], apply = false) => {
  const rows = cells.map((each, at) => ({ line: at + 2, cells: each }))
  return must(await api.call('import', { kind, rows, apply }, root.token)).rows.map(
    ({ does, sentence }) => `${does} ${sentence ?? ''}`,
  )
}
const grant = (cells: Readonly<Record<string, string>>) => ({
  user: 'ann',
  account,
  actions: 'shell',
  ...cells,
})

test('grants are the same where all columns agree, and each line is told its own fault', async () => {
  expect(
    await look('grants', [
      grant({}),
      grant({ actions: 'exec' }),
      grant({ not_after: '2001-01-01T00:00:00Z' }),
      grant({ not_after: '2001-01-01T00:00:00Z' }),
      grant({}),
      grant({ user: 'nobody-1' }),
    ]),
  ).toEqual([
    'create ',
    'create ',
    expect.stringContaining('not_after: this moment has passed'),
    expect.stringContaining('not_after: this moment has passed'),
    expect.stringContaining('the same as line 2'),
    expect.stringContaining('nobody-1'),
  ])
})

test('grants that differ in their reason are two, once', async () => {
  const rows = [grant({ reason: 'order 1' }), grant({ reason: 'order 2' })]
  expect(await look('grants', rows, true)).toEqual(['create ', 'create '])
  expect(await look('grants', rows, true)).toEqual(['unchanged ', 'unchanged '])
})

test('a word of no list is named, and how a moment is written', async () => {
  const moment = 'this is not a date and time: write it like 2026-12-24T06:00:00Z, with its time and zone'
  expect(
    await look('grants', [
      grant({ actions: 'shell exce' }),
      grant({ mode: `a\u001b[2J\u202e"${'x'.repeat(60)}` }),
      grant({ not_before: '2026-12-24' }),
      grant({ not_after: '24.12.2026' }),
      grant({ actions: 'shell forward' }),
    ]),
  ).toEqual([
    expect.stringMatching(/^invalid actions: "exce" is none of shell, /),
    `invalid mode: "a\\u{1b}[2J\\u{202e}\\"${'x'.repeat(32)}…" is none of shared, exclusive`,
    `invalid not_before: ${moment}`,
    `invalid not_after: ${moment}`,
    'invalid actions: no file grants forwarding: grant it with tagout grant add --forward, or in the console',
  ])
  expect(await look('users', [{ name: 'eve', roles: 'operator adnim' }])).toEqual([
    expect.stringMatching(/^invalid roles: "adnim" is none of (?=.*operator)/),
  ])
})
