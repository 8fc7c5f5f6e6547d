import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../../../api/routes/table.ts'
import { contentPath } from '../../../api/http/app.ts'
import { serviceScopes, type VerbInput, verbs, type VerbName } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { rules } from '../../../vault/policy/rules.ts'
import { send } from '../../support/raw-http.ts'
import { addToken, startEdge } from '../../support/service.ts'
import { asked, nobodys } from '../../support/vendor-asks.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever holds the token of a service reads what it is for, from where it is for, while it is good: and nothing else.

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let edge: Awaited<ReturnType<typeof startEdge>>
let alice: TestPerson
const said: unknown[] = []
const here = '127.0.0.1'

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  alice = await vault.person('alice', ['admin'])
  await vault.person('bob', ['operator'])
  await vault.account()
  await vault.grant('bob', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  edge = await startEdge(api, (fault) => said.push(fault))
}, 60_000)
afterAll(async () => {
  await edge[Symbol.asyncDispose]()
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })
const statusOf = async (path: string, headers: Readonly<Record<string, string>>, method = 'GET') =>
  (await send(edge.address, method, path, { headers })).status
const lists = (secret: string, source = here) => api.call('audit.list', {}, secret, undefined, source)
const entriesOf = (kind: string) => vault.ask('audit.list', { kind, limit: 100 })

test('a token of every scope changes nothing, reveals nothing, connects nowhere', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  for (const verb of Object.keys(asked) as VerbName[]) {
    const inputs = asked[verb]?.(nobodys) ?? [{}]
    for (const input of inputs) {
      const outcome = await api.call(verb, input as VerbInput<VerbName>, secret, undefined, here)
      const reads = rules[verb].service !== undefined
      // What is not of a scope is refused before anything is looked for.
      if (!reads) expect([verb, outcome.ok || outcome.refusal.code]).toEqual([verb, 'forbidden'])
    }
  }
  for (const verb of [
    'request.decide',
    'account.reveal',
    'ticket.issue',
    'live.open',
    'login.who',
    'token.list',
  ] as const) {
    const [input = {}] = asked[verb]?.(nobodys) ?? []
    expect([verb, refusalOf(await api.call(verb, input as never, secret, undefined, here)).code]).toEqual([
      verb,
      'forbidden',
    ])
  }
})

test('what a service asks in vain is refused before it is looked at, malformed or not', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  const post = (path: string, body: string, token = secret) =>
    send(edge.address, 'POST', path, {
      headers: { ...bearer(token), 'content-type': 'application/json' },
      body,
    })
  for (const body of ['{}', '{"account":7}', '{"account":"press-3/engineer","surplus":true}'])
    expect([body, (await post('/api/requests', body)).status]).toEqual([body, 403])
  // What it may ask it is told how to.
  expect((await post('/api/policy/explain', '{}')).status).toBe(400)
  expect((await post('/api/requests', '{}', `${secret.slice(0, -2)}AA`)).status).toBe(401)
})

test('it reads what its scopes name, for people of the log under its own name', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  expect(must(await api.call('user.list', {}, secret, undefined, here)).map(({ name }) => name)).toContain(
    'bob',
  )
  expect(must(await api.call('account.list', {}, secret, undefined, here))).toHaveLength(1)
  expect(must(await api.call('grant.list', {}, secret, undefined, here))).toHaveLength(1)
  for (const verb of Object.keys(verbs) as VerbName[]) {
    if (!/\.(list|verify)$/.test(verb)) continue
    const outcome = await api.call(verb, {} as never, secret, undefined, here)
    expect([verb, outcome.ok || outcome.refusal.code]).toEqual([
      verb,
      rules[verb].service === undefined ? expect.stringMatching(/forbidden|invalid/) : true,
    ])
  }
  const inventory = await addToken(vault, { scopes: ['inventory.read'] })
  expect(refusalOf(await lists(inventory.secret)).code).toBe('forbidden')
  const refused = await entriesOf('refused')
  expect(refused.map(({ actor }) => actor)).toContain('service:historian')
})

test('a part of it, another’s, an invented and a changed one open nothing', async () => {
  const { secret } = await addToken(vault)
  const other = await addToken(vault, { service: 'cmdb', scopes: ['inventory.read'] })
  expect((await lists(secret)).ok).toBe(true)
  expect(refusalOf(await lists(other.secret)).code).toBe('forbidden')
  const last = secret.endsWith('A') ? 'B' : 'A'
  for (const wrong of [
    secret.slice(0, -1),
    `${secret}A`,
    secret.slice('tagout_'.length),
    `Tagout_${secret.slice('tagout_'.length)}`,
    secret.toUpperCase(),
    `${secret.slice(0, -1)}${last}`,
    `tagout_${'A'.repeat(43)}`,
    `${secret}${other.secret}`,
    '',
  ]) {
    expect(refusalOf(await lists(wrong)).code).toBe('unauthenticated')
    expect(await statusOf('/api/audit', bearer(wrong))).toBe(401)
  }
  expect(await statusOf('/api/audit', bearer(secret))).toBe(200)
})

test('revoked, it is refused from the next call on; expired as well, and both are told once a minute', async () => {
  const first = await addToken(vault, { service: 'revoked-one' })
  expect(await statusOf('/api/audit', bearer(first.secret))).toBe(200)
  await vault.ask('token.revoke', { token: first.id })
  for (let times = 0; times < 5; times += 1)
    expect(await statusOf('/api/audit', bearer(first.secret))).toBe(401)
  const second = await addToken(vault, {
    service: 'short-one',
    expiresAt: new Date(vault.now().getTime() + 60_000).toISOString(),
  })
  expect((await lists(second.secret)).ok).toBe(true)
  vault.advance(60_000)
  expect(refusalOf(await lists(second.secret)).code).toBe('unauthenticated')
  const told = (await entriesOf('token.refused')).map(({ text }) => text)
  expect(told.filter((text) => text.includes('revoked-one'))).toHaveLength(1)
  expect(told.filter((text) => text.includes('short-one'))).toHaveLength(1)
  const states = new Map((await vault.ask('token.list', {})).map((row) => [row.service, row.state]))
  expect(states.get('revoked-one')).toBe('revoked')
  expect(states.get('short-one')).toBe('expired')
})

test('from elsewhere it opens nothing, whatever a proxy says', async () => {
  const { secret } = await addToken(vault, { service: 'far-one', networks: ['10.0.3.0/24', 'fd00:1::/64'] })
  expect((await lists(secret, '10.0.3.7')).ok).toBe(true)
  expect((await lists(secret, 'fd00:1::9')).ok).toBe(true)
  for (const source of ['10.0.4.7', 'fd00:2::9', '127.0.0.1', 'local', '', 'unknown'])
    expect(refusalOf(await lists(secret, source)).code).toBe('unauthenticated')
  expect(refusalOf(await api.call('audit.list', {}, secret)).code).toBe('unauthenticated')
  expect(await statusOf('/api/audit', { ...bearer(secret), 'x-forwarded-for': '10.0.3.7' })).toBe(401)
  const near = await addToken(vault, { service: 'near-one', networks: ['127.0.0.0/8'] })
  expect(await statusOf('/api/audit', bearer(near.secret))).toBe(200)
  const [listed] = (await vault.ask('token.list', {})).filter(({ service }) => service === 'near-one')
  expect(listed).toMatchObject({ lastSource: '127.0.0.1', lastUsedAt: expect.any(String) })
})

test('what is no network, no scope, and no end are refused', async () => {
  for (const networks of [
    ['10.0.3.0/33'],
    ['plant.example'],
    ['10.0.3.0/24/1'],
    ['fe80::1%eth0'],
    ['10.0.3.0/'],
    ['::/129'],
  ])
    await expect(addToken(vault, { networks })).rejects.toThrow(/networks: /)
  const after = (days: number) => new Date(vault.now().getTime() + days * 24 * 3600_000).toISOString()
  await expect(addToken(vault, { expiresAt: after(367) })).rejects.toThrow('a year at most')
  await expect(addToken(vault, { expiresAt: after(-1) })).rejects.toThrow('that is over')
  await expect(addToken(vault, { scopes: [] })).rejects.toThrow()
  await expect(addToken(vault, { scopes: ['audit.write' as never] })).rejects.toThrow()
})

test('whoever holds an administrator’s login makes none without a fresh code, and a token makes none', async () => {
  const input = {
    service: 'x',
    scopes: ['audit.read' as const],
    expiresAt: new Date(vault.now().getTime() + 3600_000).toISOString(),
    boxKey: Buffer.alloc(32, 9).toString('base64'),
  }
  expect(refusalOf(await api.call('token.add', input, alice.token)).message).toMatch(/^totpCode: /)
  expect((await api.call('token.add', { ...input, totpCode: alice.code() }, alice.token)).ok).toBe(true)
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  expect(refusalOf(await api.call('token.add', input, secret, undefined, here)).code).toBe('forbidden')
})

test('it is good in its header alone: not in a cookie, an address, a body, nor beside a login', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  expect(await statusOf('/api/audit', { cookie: `__Host-tagout=${secret}` })).toBe(401)
  for (const query of [`access_token=${secret}`, `token=${secret}`])
    expect(await statusOf(`/api/audit?${query}`, {})).toBe(401)
  expect(await statusOf(`/api/audit?access_token=${secret}`, bearer(secret))).toBe(400)
  expect(await statusOf('/api/audit', { ...bearer(secret), cookie: `__Host-tagout=${alice.token}` })).toBe(
    400,
  )
  // A person's login is no service's.
  expect(await statusOf('/api/audit', bearer(alice.token))).toBe(401)
  for (const scheme of ['Basic', 'bearer', 'Bearer ', 'Token'])
    expect(await statusOf('/api/audit', { authorization: `${scheme} ${secret}` })).toBe(401)
})

test('no route changes anything by it, and none that another site asks is answered', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  const path = (text: string) =>
    text.replaceAll(/:(\w+)/g, (_whole, name: string) => (name === 'token' ? newId('tok') : 'x'))
  for (const route of routes.filter(({ method, access }) => method !== 'GET' && access === 'user')) {
    const reads = ['policy.explain', 'policy.reach', 'audit.verify'].includes(route.verb)
    const answer = await send(edge.address, route.method, path(route.path), {
      headers: { ...bearer(secret), 'content-type': 'application/json' },
      body: '{}',
    })
    expect([route.verb, answer.status]).toEqual([
      route.verb,
      reads ? expect.any(Number) : expect.toBeOneOf([400, 403]),
    ])
  }
  expect(await statusOf(contentPath.replace(':recording', newId('rec')), bearer(secret))).toBe(401)
  const foreign = { ...bearer(secret), origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  expect(await statusOf('/api/audit', foreign)).toBe(403)
  const asksFirst = await send(edge.address, 'OPTIONS', '/api/audit', {
    headers: {
      origin: 'https://evil.example',
      'access-control-request-headers': 'authorization',
      'access-control-request-method': 'GET',
    },
  })
  expect(asksFirst.headers['access-control-allow-origin']).toBeUndefined()
})

test('a recorder gets nothing with it', async () => {
  const { secret } = await addToken(vault, { scopes: [...serviceScopes] })
  const recorder = await vault.worker()
  expect(refusalOf(await recorder.call('session.list', {}, secret)).code).toBe('forbidden')
  expect(refusalOf(await recorder.call('audit.list', {}, secret)).code).toBe('forbidden')
})

test.each([
  ['its scopes widened', `update api_token set scopes = '{audit.read,users.read}' where id = $1`],
  ['its end moved', `update api_token set expires_at = expires_at + interval '1 day' where id = $1`],
  ['its networks taken away', `update api_token set networks = '{}' where id = $1`],
  ['another service’s name', `update api_token set service = 'siem' where id = $1`],
  ['its revocation taken back', `update api_token set revoked_at = null where id = $1`],
])('a row with %s is a fault', async (_what, statement) => {
  const { id, secret } = await addToken(vault, { networks: ['127.0.0.1'] })
  if (statement.includes('revoked_at')) await vault.ask('token.revoke', { token: id })
  const { rows } = await superuser.query('select * from api_token where id = $1', [id])
  await superuser.query(statement, [id])
  await expect(lists(secret)).rejects.toThrow()
  await expect(vault.ask('token.list', {})).rejects.toThrow()
  await superuser.query(
    'update api_token set scopes = $2, expires_at = $3, networks = $4, service = $5, revoked_at = $6 where id = $1',
    [id, rows[0].scopes, rows[0].expires_at, rows[0].networks, rows[0].service, rows[0].revoked_at],
  )
  await vault.ask('token.list', {})
})

test('a row that somebody invents, with the hash of a login, is a fault', async () => {
  const { secret } = await addToken(vault)
  await superuser.query(`
    insert into api_token select 'tok_00000000000000000000000009', 'evil', scopes, networks, sha256(token_hash), added_by,
      added_at, expires_at, revoked_at, last_used_at, last_source, epoch, mac from api_token limit 1`)
  await expect(vault.ask('token.list', {})).rejects.toThrow()
  await superuser.query(`delete from api_token where id = 'tok_00000000000000000000000009'`)
  expect((await lists(secret)).ok).toBe(true)
})

test('the text of a token is in no table, no entry of the log and no fault', async () => {
  const { secret } = await addToken(vault)
  await lists(secret)
  await statusOf(`/api/nothing/${secret}`, bearer(secret))
  await statusOf(`/api/audit?token=${secret}`, bearer(secret))
  const { rows } = await superuser.query('select * from api_token')
  const exported = await vault.ask('audit.list', { limit: 1000 })
  const everything = JSON.stringify([rows, exported, said, vault.faults.map(String)])
  expect(everything).toContain('historian')
  expect(everything).not.toContain(secret.slice('tagout_'.length))
})

test('a revoked token that the database puts back stays revoked, past a restart too', async () => {
  const { id } = await addToken(vault)
  const { rows } = await superuser.query('select * from api_token where id = $1', [id])
  await vault.ask('token.revoke', { token: id })
  await superuser.query('update api_token set revoked_at = null, epoch = $2, mac = $3 where id = $1', [
    id,
    rows[0].epoch,
    rows[0].mac,
  ])
  // Beyond the time in which a reader may still see what was before.
  await expect(vault.restart()).rejects.toThrow()
})
