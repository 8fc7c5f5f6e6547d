import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../vault/contract.ts'
import type { VaultClient } from '../../vault/index.ts'
import { type FakeConsole, startFakeConsole } from '../support/console-fake.ts'
import { send } from '../support/raw-http.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../support/vault.ts'

type Input = VerbInput<'import'>

let vault: TestVault
let api: VaultClient
let root: TestPerson
let edge: FakeConsole
let cookie: string

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  root = await vault.person('root-1', ['admin'])
  edge = await startFakeConsole({ limits: { requests: 1_000_000, proofs: 1_000_000 } })
  cookie = `__Host-tagout=${edge.signIn('alice', 'admin')}`
}, 60_000)
afterAll(async () => {
  await edge?.[Symbol.asyncDispose]()
  await vault?.[Symbol.asyncDispose]()
})

const targets = (count: number, name = 'x'): Input['rows'] =>
  Array.from({ length: count }, (_, at) => ({
    line: at + 2,
    cells: { name: `${name}-${at}`, safe: 'line-3', address: 'ssh://127.0.0.1' },
  }))
const anyRows: Readonly<Record<Input['kind'], Input['rows']>> = {
  targets: targets(1),
  accounts: [{ line: 2, cells: { target: 'press-3', login: 'engineer' } }],
  users: [{ line: 2, cells: { name: 'eve', roles: 'admin' } }],
  grants: [{ line: 2, cells: { user: 'root-1', account: 'press-3/engineer', actions: 'shell' } }],
}
const ask = (input: Input, token: string = root.token) => api.call('import', input, token, 120_000)
const post = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  send(edge.address, 'POST', '/api/import', {
    headers: { origin: edge.address, cookie, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

test('nobody but an administrator imports or looks what an import would do', async () => {
  for (const role of ['operator', 'approver', 'vendor'] as const) {
    const person = await vault.person(`some-${role}`, [role])
    await vault.ask('safe.member.set', {
      safe: 'line-3',
      user: person.name,
      // A vendor can be let do no more than that.
      permissions: role === 'vendor' ? ['use', 'reveal'] : ['manage', 'approve', 'reveal'],
    })
    for (const [kind, rows] of Object.entries(anyRows))
      for (const apply of [false, true]) {
        const answer = await ask({ kind: kind as Input['kind'], rows, apply }, person.token)
        expect(refusalOf(answer).code).toBe('forbidden')
      }
  }
  expect(refusalOf(await ask({ kind: 'users', rows: anyRows.users, apply: false }, 'no-token')).code).toBe(
    'unauthenticated',
  )
})

test('a page of another origin that has the cookie sent along imports nothing', async () => {
  edge.asked.length = 0
  const body = { kind: 'targets', rows: targets(1), apply: true }
  for (const origin of ['https://evil.example', 'null', `${edge.address}.evil.example`])
    expect((await post(body, { origin })).status).toBe(403)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'text/csv'])
    expect((await post(body, { 'content-type': type })).status).toBe(415)
  expect((await post(body, { cookie: 'x=y' })).status).toBe(401)
  expect(edge.asked).toEqual([])
})

test('a body over the limit of this route is refused, and the limit is of this route alone', async () => {
  edge.asked.length = 0
  const sized = (bytes: number) => `{"kind":"targets","apply":false,"rows":[],"x":"${'x'.repeat(bytes)}"}`
  expect((await post(sized(2 * 1024 * 1024))).status).toBe(400)
  expect((await post(sized(3 * 1024 * 1024))).status).toBe(413)
  for (const path of ['/api/users', '/api/import/', '/api/import/x', '/api/Import'])
    expect([
      path,
      (
        await send(edge.address, 'POST', path, {
          headers: { origin: edge.address, cookie, 'content-type': 'application/json' },
          body: sized(2 * 1024 * 1024),
        })
      ).status,
    ]).toEqual([path, 413])
  expect(edge.asked).toEqual([])
})

test('a thousand accounts with the longest passwords fit through the console', async () => {
  edge.asked.length = 0
  const sealed = Buffer.alloc(2400, 7).toString('base64').slice(0, 2600)
  const rows = Array.from({ length: 1000 }, (_, at) => ({
    line: at + 2,
    cells: {
      target: `press-${at}`,
      login: 'engineer',
      safe: 'line-3',
      address: `ssh://10.0.0.${at % 250}`,
      pin: '',
    },
    credential: { kind: 'password', sealed },
  }))
  expect((await post({ kind: 'accounts', rows, apply: false })).status).toBe(200)
  expect(edge.asked).toHaveLength(1)
})

const good = { kind: 'targets', rows: targets(1), apply: false } as const
const forged: readonly (readonly [string, object])[] = [
  ['a kind that is not there', { ...good, kind: 'safes' }],
  ['a kind of the prototype', { ...good, kind: 'constructor' }],
  ['no kind', { rows: good.rows, apply: false }],
  ['a member of the envelope', { ...good, principal: 'local:0' }],
  ['an apply that is no word', { ...good, apply: 'yes' }],
  ['a member of a row', { ...good, rows: [{ ...good.rows[0], does: 'create' }] }],
  ['a line that is none', { ...good, rows: [{ ...good.rows[0], line: 0 }] }],
  ['a cell that is no text', { ...good, rows: [{ line: 2, cells: { name: { $ne: null } } }] }],
  ['cells in a list', { ...good, rows: [{ line: 2, cells: ['x'] }] }],
  ['1,001 rows', { ...good, rows: targets(1001) }],
  ['no rows', { ...good, rows: [] }],
  ['a cell of 3,000 characters', { ...good, rows: [{ line: 2, cells: { name: 'x'.repeat(3000) } }] }],
  [
    'a passphrase',
    {
      kind: 'accounts',
      apply: false,
      rows: [
        { line: 2, cells: {}, credential: { kind: 'ssh-key', sealed: 'AAAA', sealedPassphrase: 'AAAA' } },
      ],
    },
  ],
  [
    'a secret that is too long',
    {
      kind: 'accounts',
      apply: false,
      rows: [{ line: 2, cells: {}, credential: { kind: 'password', sealed: 'A'.repeat(16_004) } }],
    },
  ],
  [
    'a secret in clear',
    {
      kind: 'accounts',
      apply: false,
      rows: [{ line: 2, cells: {}, credential: { kind: 'password', password: 'x' } }],
    },
  ],
]
test.each(forged)('%s is refused by the api and by the vault', async (_name, input) => {
  edge.asked.length = 0
  expect((await post(input)).status).toBe(400)
  expect(edge.asked).toEqual([])
  expect(refusalOf(await ask(input as Input)).code).toBe('invalid')
})

test('a column of the prototype is refused before anything reads it', async () => {
  edge.asked.length = 0
  for (const name of ['__proto__', 'constructor', 'prototype', '\\u005f_proto__'])
    expect(
      (await post(`{"kind":"users","apply":false,"rows":[{"line":2,"cells":{"name":"eve","${name}":"x"}}]}`))
        .status,
    ).toBe(400)
  expect(edge.asked).toEqual([])
})

test('a row says nothing but what its columns are for', async () => {
  const users = ['id', 'state', 'totp', 'password', 'createdAt', 'NAME', ' name', 'name ']
  const rows = [
    ...users.map((column, at) => ({
      line: at + 2,
      cells: { name: 'eve', roles: 'operator', [column]: 'x' },
    })),
    { line: 21, cells: { name: 'eve', roles: 'operator local' } },
    { line: 22, cells: { name: 'eve', roles: 'auditor admin' } },
  ]
  const answer = must(await ask({ kind: 'users', rows, apply: true, totpCode: root.code() }))
  expect(answer.applied).toBe(false)
  expect(answer.rows.filter((row) => row.does !== 'invalid' && row.does !== 'conflict')).toEqual([])
  const grants = ['grantedBy', 'id', 'forwards', 'maxSessionSeconds', 'totpCode', 'notBefore'].map(
    (column, at) => ({
      line: at + 2,
      cells: { ...anyRows.grants[0]?.cells, user: 'some-operator', [column]: '1' },
    }),
  )
  const granted = must(await ask({ kind: 'grants', rows: grants, apply: true }))
  expect(granted.rows.map((row) => row.does)).toEqual(grants.map(() => 'invalid'))
  expect(must(await api.call('user.list', {}, root.token)).some((user) => user.name === 'eve')).toBe(false)
})

test('formulas, escape sequences and hostile names are refused, and no answer repeats them', async () => {
  const hostile = [
    '=HYPERLINK("http://evil.example","x")',
    '+1+cmd',
    '@SUM(A1)',
    '-2+3',
    '\u001b]0;owned\u0007\u001b[2J',
    'a\u202eb',
    '../../etc/passwd',
    "x'; drop table target; --",
    'x'.repeat(64),
    '{{7*7}}',
    '<img src=x onerror=alert(1)>',
  ]
  for (const kind of ['targets', 'accounts', 'users'] as const) {
    const rows = hostile.map((text, at) => ({
      line: at + 2,
      cells:
        kind === 'users'
          ? { name: text, roles: 'operator' }
          : kind === 'targets'
            ? { name: text, safe: 'line-3', address: 'ssh://127.0.0.1' }
            : { target: text, login: 'op', safe: 'line-3', address: 'ssh://127.0.0.1' },
    }))
    const answer = must(await ask({ kind, rows, apply: false }))
    expect(answer.rows.map((row) => row.does)).toEqual(hostile.map(() => 'invalid'))
    const said = JSON.stringify(answer)
    for (const text of hostile) expect(said).not.toContain(JSON.stringify(text).slice(1, -1))
  }
  const logins = ['a b', 'a@b', 'a/b', 'a:b', '%00', '\u001b[2J', 'a\nb'].map((login, at) => ({
    line: at + 2,
    cells: { target: 'press-3', login },
  }))
  const answer = must(await ask({ kind: 'accounts', rows: logins, apply: false }))
  expect(answer.rows.map((row) => row.does)).toEqual(logins.map(() => 'invalid'))
})

test('a secret that was sealed for another account, or another use, is taken by no row', async () => {
  const kept = await vault.sealPassword('press-3/engineer', 'S3cret-of-the-press')
  const key = await vault.sealKey('press-3/op', 'x', 'a passphrase')
  const passphrase = 'sealedPassphrase' in key ? (key.sealedPassphrase ?? '') : ''
  const own = await vault.sealPassword('press-3/op', 'hunter2-canary')
  const bytes = Buffer.from(own.sealed, 'base64')
  bytes[40] = (bytes[40] ?? 0) ^ 1
  const tries = [
    kept.sealed,
    passphrase,
    bytes.toString('base64'),
    randomBytes(200).toString('base64'),
    await vault.sealLogin('press-3/op', 'x'),
    '',
  ]
  for (const sealed of tries) {
    const rows = [
      { line: 2, cells: { target: 'press-3', login: 'op' }, credential: { kind: 'password', sealed } },
    ]
    const outcome = await ask({ kind: 'accounts', rows: rows as Input['rows'], apply: true })
    if (outcome.ok) expect(outcome.value.rows[0]?.does).toBe('invalid')
    expect(outcome.ok && outcome.value.applied).toBe(false)
    expect(JSON.stringify(outcome)).not.toContain('canary')
  }
  // Who carries it names the machine: under another target's name it does not open.
  const elsewhere = [
    {
      line: 2,
      cells: { target: 'evil-1', login: 'op', safe: 'line-3', address: 'ssh://203.0.113.9' },
      credential: { kind: 'password' as const, sealed: own.sealed },
    },
  ]
  const stolen = must(await ask({ kind: 'accounts', rows: elsewhere, apply: true }))
  expect(stolen.rows).toMatchObject([{ does: 'invalid', sentence: expect.stringMatching(/another account/) }])
  expect(must(await api.call('target.list', {}, root.token)).some(({ name }) => name === 'evil-1')).toBe(
    false,
  )
})

test('a look leaves nothing: no row, no audit entry, no link', async () => {
  const entries = async () => must(await api.call('audit.list', { limit: 1 }, root.token)).at(-1)?.seq
  const before = await entries()
  const look = must(await ask({ kind: 'users', rows: anyRows.users, apply: false }))
  expect(look).toEqual({ applied: false, rows: [{ line: 2, does: 'create' }] })
  expect(must(await ask({ kind: 'targets', rows: targets(20, 'look'), apply: false })).rows).toHaveLength(20)
  expect(await entries()).toBe(before)
})

test('a thousand rows that each are in conflict are answered in bounded time', async () => {
  const rows = Array.from({ length: 1000 }, (_, at) => ({
    line: at + 2,
    cells: { name: 'press-3', safe: 'line-3', address: `ssh://127.0.0.1:${at + 1}` },
  }))
  const accounts = Array.from({ length: 1000 }, (_, at) => ({
    line: at + 2,
    cells: { target: 'press-3', login: `op-${at}`, address: 'ssh://203.0.113.9' },
    credential: { kind: 'password' as const, sealed: 'A'.repeat(16_000) },
  }))
  const began = performance.now()
  const conflicts = must(await ask({ kind: 'targets', rows, apply: true }))
  expect(conflicts.rows.filter((row) => row.does === 'create' || row.does === 'unchanged')).toEqual([])
  const others = must(await ask({ kind: 'accounts', rows: accounts.slice(0, 700), apply: true }))
  expect(new Set(others.rows.map((row) => row.does))).toEqual(new Set(['conflict']))
  expect(performance.now() - began).toBeLessThan(30_000)
}, 60_000)

test('users, and a grant to oneself, take a fresh code, and codes cannot be guessed', async () => {
  for (const kind of ['users', 'grants'] as const)
    expect(refusalOf(await ask({ kind, rows: anyRows[kind], apply: true })).message).toMatch(/^totpCode/)
  const wrong = { kind: 'users', rows: anyRows.users, apply: true, totpCode: '000000' } as const
  const said = new Set<string>()
  for (let tries = 0; tries < 10; tries += 1) said.add(refusalOf(await ask(wrong)).message)
  expect(said).toContain('too many wrong codes')
})
