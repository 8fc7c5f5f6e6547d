import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { EndReason } from '../../../vault/contract.ts'
import type { RedeemedTicket } from '../../../vault/contract.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { open, until } from '../../support/vault-ssh.ts'

// Tickets of the console's terminals, in the hands of somebody who stole, kept or overheard one.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let ben: TestPerson
const cuts: { readonly session: string; readonly reason: EndReason }[] = []

const hearCut: Dispatch = (method) =>
  method === 'session.cut'
    ? async (params) => {
        cuts.push(params as (typeof cuts)[number])
        return done(null)
      }
    : undefined

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker('w1', hearCut)
  api = await vault.connect('api')
  await vault.account()
  await vault.account({ login: 'operator' })
  ann = await vault.person('ann', ['operator'])
  ben = await vault.person('ben', ['operator'])
  await vault.grant('ben', 'press-3/engineer')
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  await vault.grant('ann', 'press-3/engineer')
})

const loginOf = async (token: string) => must(await api.call('live.open', {}, token)).login
const take = async (token = ann.token) =>
  must(await api.call('ticket.issue', { account: 'press-3/engineer', for: 'connect' }, token)).ticket
const redeem = async (ticket: string, login?: Awaited<ReturnType<typeof loginOf>>) =>
  recorder.call('ticket.redeem', {
    ticket,
    login: login ?? (await loginOf(ann.token)),
    source: '192.0.2.7',
  })
/** What a ticket to connect gave. */
const opened = (outcome: Outcome<RedeemedTicket>) => {
  const ticket = must(outcome)
  if (ticket.kind !== 'connect') throw new Error('a ticket to connect was meant')
  return ticket
}
const connect = async () => {
  const { proof, target, account } = opened(await redeem(await take()))
  return open(recorder, { proof, target, account })
}

test('a ticket says whose, where and which account, and opens one session', async () => {
  const redeemed = opened(await redeem(await take()))
  expect(redeemed).toMatchObject({ kind: 'connect', user: 'ann', target: 'press-3', account: 'engineer' })
  expect((await open(recorder, { proof: redeemed.proof })).ok).toBe(true)
  const kinds = (await vault.ask('audit.list', {})).map(({ kind }) => kind)
  expect(kinds).toEqual(expect.arrayContaining(['ticket.issued', 'ticket.used', 'session.opened']))
})

test('of those who bring a ticket at once one is served', async () => {
  const ticket = await take()
  const outcomes = await Promise.all([redeem(ticket), redeem(ticket), redeem(ticket)])
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
  expect(refusalOf(await redeem(ticket)).code).toBe('unauthenticated')
})

test('over another login’s socket a ticket is worth nothing, and is used up', async () => {
  const ticket = await take()
  expect(refusalOf(await redeem(ticket, await loginOf(ben.token))).code).toBe('unauthenticated')
  expect(refusalOf(await redeem(ticket)).code).toBe('unauthenticated')
  const [refused] = await vault.ask('audit.list', { kind: 'login.refused', limit: 1_000 })
  expect(JSON.stringify(refused)).toMatch(/live ticket/)
})

test('a ticket is too old after thirty seconds', async () => {
  const ticket = await take()
  vault.advance(30_000)
  expect(refusalOf(await redeem(ticket)).code).toBe('unauthenticated')
})

test('a ticket for SSH opens no terminal in the browser, nor the other way round', async () => {
  const ssh = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, ann.token)).ticket
  expect(refusalOf(await redeem(ssh)).code).toBe('unauthenticated')
  const brought = await recorder.call('ssh.ticket', {
    name: 'ann',
    connection: someConnection(),
    ticket: await take(),
    source: '198.51.100.9',
  })
  expect(refusalOf(brought).code).toBe('unauthenticated')
})

test('its proof opens that account at that target, on that worker’s connection', async () => {
  await vault.grant('ann', 'press-3/operator')
  const { proof } = opened(await redeem(await take()))
  expect(refusalOf(await open(recorder, { proof, account: 'operator' })).message).toMatch(/ticket/)
  const other = await vault.worker('w2')
  expect(refusalOf(await open(other, { proof, worker: 'w2' })).code).toBe('unauthenticated')
  other.close()
})

test('a ticket for a grant that was revoked meanwhile opens nothing', async () => {
  for (const { id, state } of await vault.ask('grant.list', { user: 'ann' }))
    if (state === 'active') await vault.ask('grant.revoke', { grant: id })
  expect(
    refusalOf(await api.call('ticket.issue', { account: 'press-3/engineer', for: 'connect' }, ann.token))
      .code,
  ).toBe('forbidden')
  const grant = await vault.grant('ann', 'press-3/engineer')
  const ticket = await take()
  await vault.ask('grant.revoke', { grant: grant.id })
  const { proof } = opened(await redeem(ticket))
  expect(refusalOf(await open(recorder, { proof, account: 'engineer' })).code).toBe('forbidden')
})

test('whoever signs out takes tickets, proofs and the sessions of that browser along', async () => {
  const session = must(await connect())
  const ticket = await take()
  const { proof } = opened(await redeem(await take()))
  const login = await loginOf(ann.token)
  must(await api.call('login.end', {}, ann.token))
  expect(refusalOf(await redeem(ticket, login)).code).toBe('unauthenticated')
  expect(refusalOf(await open(recorder, { proof })).code).toBe('unauthenticated')
  await until(() => cuts.find((cut) => cut.session === session.session))
  expect(cuts.at(-1)).toMatchObject({ reason: 'closed by the user' })
  ann = { ...ann, token: await logIn(ann) }
})

test('a ticket for SSH is good no longer than the login that took it', async () => {
  const { ticket } = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, ann.token))
  must(await api.call('login.end', {}, ann.token))
  const used = await recorder.call('ssh.ticket', {
    name: 'ann',
    connection: someConnection(),
    ticket,
    source: '192.0.2.7',
  })
  expect(refusalOf(used).code).toBe('unauthenticated')
  ann = { ...ann, token: await logIn(ann) }
})

test('a login that is revoked loses its sessions, also those that a vault before this one opened', async () => {
  const session = must(await connect())
  const login = await loginOf(ann.token)
  await vault.restart()
  api = await vault.connect('api')
  recorder = await vault.connect('recorder', hearCut)
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [session.session] }))
  await vault.ask('login.revoke', { login })
  await until(() => cuts.find((cut) => cut.session === session.session))
  expect(cuts.at(-1)).toMatchObject({ reason: 'terminated' })
  ann = { ...ann, token: await logIn(ann) }
})

test('a login that only replays, and one who is no more, get no ticket and no socket', async () => {
  expect(refusalOf(await api.call('live.open', {}, 'x'.repeat(43))).code).toBe('unauthenticated')
  const ticket = await take(ben.token)
  const login = await loginOf(ben.token)
  await vault.ask('user.disable', { user: 'ben' })
  expect(refusalOf(await redeem(ticket, login)).code).toBe('unauthenticated')
  expect(refusalOf(await api.call('live.open', {}, ben.token)).code).toBe('unauthenticated')
})

test('a sealed vault takes no ticket', async () => {
  const ticket = await take()
  const login = await loginOf(ann.token)
  await vault.ask('vault.seal', { sessions: 'keep' })
  expect(refusalOf(await redeem(ticket, login)).code).toBe('sealed')
})

async function logIn(person: TestPerson): Promise<string> {
  const login = await api.call('login.start', {
    name: 'ann',
    sealedPassword: await vault.sealLogin('ann', person.password),
    totpCode: person.code(),
    source: '192.0.2.77',
  })
  return must(login).token
}
