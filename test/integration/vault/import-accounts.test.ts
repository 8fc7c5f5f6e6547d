import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { makeSealedAccountSecret } from '../../../vault/intake.ts'
import { must, somePin, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { until } from '../../support/vault-ssh.ts'

type Row = VerbInput<'import'>['rows'][number]

let vault: TestVault
let api: VaultClient
let root: TestPerson
let intakeKey: string

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  root = await vault.person('root-1', ['admin'])
  intakeKey = (await vault.ask('status', {})).intakeKey ?? ''
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const seal = (account: string, password: string) =>
  ({
    kind: 'password',
    sealed: makeSealedAccountSecret(sodium, intakeKey, account, Buffer.from(password)),
  }) as const

/** Accounts, ten on each target, which the first of them adds. */
const accountRows = (prefix: string, count: number): Row[] =>
  Array.from({ length: count }, (_, at) => {
    const target = `${prefix}-${Math.floor(at / 10)}`
    const place =
      at % 10 === 0
        ? { safe: 'line-3', address: `ssh://127.0.0.1:${20_000 + at}`, pin: somePin }
        : { safe: '', address: '', pin: '' }
    const login = `op-${at % 10}`
    return {
      line: at + 2,
      cells: { target, login, ...place },
      credential: seal(`${target}/${login}`, `secret of ${target} ${login}`),
    }
  })
const ask = async (rows: readonly Row[], apply: boolean) =>
  must(await api.call('import', { kind: 'accounts', rows: [...rows], apply }, root.token, 120_000))
const left = async (prefix: string) => {
  const named = ({ name }: { readonly name: string }) => name.startsWith(`${prefix}-`)
  const targets = must(await api.call('target.list', {}, root.token)).filter(named)
  const accounts = must(await api.call('account.list', {}, root.token)).filter(named)
  return { targets: targets.length, accounts: accounts.length }
}

test('a thousand accounts are shown, then added with their targets, then found unchanged without a secret', async () => {
  const rows = accountRows('bulk', 1000)
  const timed = async (given: readonly Row[], apply: boolean) => {
    const began = performance.now()
    const answer = await ask(given, apply)
    console.info(`import of 1000 accounts, apply ${apply}: ${Math.round(performance.now() - began)} ms`)
    return { applied: answer.applied, does: [...new Set(answer.rows.map((row) => row.does))] }
  }
  expect(await timed(rows, false)).toEqual({ applied: false, does: ['create'] })
  expect(await left('bulk')).toEqual({ targets: 0, accounts: 0 })
  expect(await timed(rows, true)).toEqual({ applied: true, does: ['create'] })
  expect(await left('bulk')).toEqual({ targets: 100, accounts: 1000 })
  const bare = rows.map(({ line, cells }) => ({ line, cells }))
  expect(await timed(bare, true)).toEqual({ applied: true, does: ['unchanged'] })
}, 200_000)

test('a password that was imported is the account’s, bound to its target', async () => {
  const mia = await vault.person('mia', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['reveal'] })
  expect((await ask(accountRows('one', 1), true)).rows).toEqual([
    { line: 2, does: 'create', addsTarget: 'pinned' },
  ])
  const box = sodium.crypto_box_keypair()
  const boxKey = Buffer.from(box.publicKey).toString('base64')
  const asked = { account: 'one-0/op-0', boxKey, totpCode: mia.code(), reason: 'to see' }
  const { sealed } = must(await api.call('account.reveal', asked, mia.token))
  const opened = sodium.crypto_box_seal_open(Buffer.from(sealed, 'base64'), box.publicKey, box.privateKey)
  expect(Buffer.from(opened).toString()).toBe('secret of one-0 op-0')
  const shown = must(await api.call('account.show', { account: 'one-0/op-0' }, root.token))
  expect(shown).toMatchObject({ boundTo: ['one-0'], credential: { kind: 'password', version: 1 } })
})

test('one bad secret among many leaves none of them, and is named by its line alone', async () => {
  const rows = accountRows('half', 120)
  const wrong: readonly (readonly [number, Row['credential'], RegExp])[] = [
    [10, undefined, /no secret: give either/],
    [40, { kind: 'password', sealed: 'AAAA' }, /was not sealed to this vault/],
    [50, seal('half-5/op-1', 'a secret of another row'), /sealed for another account/],
    [60, seal('half-6/op-0', ''), /credential: it is empty/],
    [70, seal('half-7/op-0', 'two\nlines'), /line break/],
    [80, { ...seal('half-8/op-0', 'a password'), kind: 'ssh-key' }, /./],
  ]
  for (const [at, credential] of wrong) {
    const { line, cells } = rows[at] ?? { line: 0, cells: {} }
    rows[at] = credential === undefined ? { line, cells } : { line, cells, credential }
  }
  const answer = await ask(rows, true)
  expect(answer.applied).toBe(false)
  const bad = answer.rows.filter((row) => row.does !== 'create')
  expect(bad).toEqual(
    wrong.map(([at, , sentence]) => ({
      line: at + 2,
      does: 'invalid',
      sentence: expect.stringMatching(sentence),
    })),
  )
  expect(await left('half')).toEqual({ targets: 0, accounts: 0 })
})

test('a target that is there otherwise is a conflict; capitals and empty cells are no difference', async () => {
  const row = (line: number, cells: Record<string, string>): Row => {
    const login = cells['login'] ?? `new-${line}`
    return { line, cells: { ...cells, login }, credential: seal(`${cells['target']}/${login}`, 'x') }
  }
  const answer = await ask(
    [
      row(2, { target: 'PRESS-3' }),
      row(3, { target: 'press-3', address: 'ssh://127.0.0.1:2201', safe: 'LINE-3', pin: somePin }),
      row(4, { target: 'press-3', address: 'ssh://127.0.0.9:2201' }),
      row(5, { target: 'press-3', pin: `SHA256:${'B'.repeat(43)}` }),
      row(6, { target: 'press-3', login: 'engineer', safe: 'elsewhere' }),
      row(7, { target: 'press-8' }),
      row(8, { target: 'press-8', address: 'ssh://127.0.0.1' }),
      row(9, { target: (await vault.ask('target.show', { target: 'press-3' })).id }),
      row(10, { target: 'Press-3', login: 'new-2' }),
      row(11, { target: 'one-0', login: 'op-0' }),
    ],
    true,
  )
  expect(answer.rows.map(({ line, does }) => [line, does])).toEqual([
    [2, 'create'],
    [3, 'create'],
    [4, 'conflict'],
    [5, 'conflict'],
    [6, 'conflict'],
    [7, 'invalid'],
    [8, 'invalid'],
    [9, 'invalid'],
    [10, 'invalid'],
    [11, 'unchanged'],
  ])
  expect(answer.rows.at(-2)?.sentence).toMatch(/the same as line 2/)
})

test('an import whose database goes away in the middle leaves nothing of itself', async () => {
  const database = new Client({ connectionString: vault.postgres.ownerUrl })
  await database.connect()
  const running = api.call(
    'import',
    { kind: 'accounts', rows: accountRows('cut', 1000), apply: true },
    root.token,
    120_000,
  )
  const ended = running.then(
    (outcome) => outcome.ok && outcome.value.applied,
    () => false,
  )
  const begun = `from pg_stat_activity where usename = 'tagout_vault' and datname = current_database()
    and xact_start < now() - interval '500 ms' and query like '%secret_payload%'`
  await until(async () => {
    const { rowCount } = await database.query(`select pg_terminate_backend(pid) ${begun}`)
    return (rowCount ?? 0) > 0 ? true : undefined
  }, 60_000)
  await database.end()
  expect(await ended).toBe(false)
  await until(async () => ((await vault.admin.call('user.list', {})).ok ? true : undefined), 20_000)
  expect(await left('cut')).toEqual({ targets: 0, accounts: 0 })
  expect((await ask(accountRows('cut', 20), true)).applied).toBe(true)
  expect((await vault.ask('audit.verify', {})).ok).toBe(true)
}, 120_000)
