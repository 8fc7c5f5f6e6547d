import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { makeAuthenticator } from '../../support/authenticator.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// The age of a second factor is told by when it was shown, whichever it was and whichever way somebody comes in.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
const authenticator = makeAuthenticator()
const key = makeSshKey()
const source = '192.0.2.30'

const document: PolicyDocument = {
  version: 1,
  rules: [
    {
      name: 'lately',
      effect: 'limit',
      who: { everyone: true },
      what: { everything: true },
      factorWithin: '5m',
      contact: 'the control room',
    },
  ],
}

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const { nonce } = must(await api.call('passkey.begin', {}, bob.token))
  const made = await authenticator.create(nonce)
  must(await api.call('passkey.add', { ...made, name: 'laptop', totpCode: bob.code() }, bob.token))
  await vault.grant('bob', 'press-3/engineer')
  await vault.ask('policy.apply', { document, expected: null })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const showAnew =
  'give a fresh code when the console asks for it, or connect by SSH again, which asks for it too'
const byPasskey = async () => {
  const { nonce } = must(await api.call('login.challenge', {}))
  const proof = await authenticator.prove(nonce, 'login.passkey', null)
  return must(await api.call('login.passkey', { proof, source })).token
}
const byTotp = async () => {
  const sealedPassword = await vault.sealLogin('bob', bob.password)
  return must(await api.call('login.start', { name: 'bob', sealedPassword, totpCode: bob.code(), source }))
    .token
}
const overSsh = async (token: string) => {
  const { ticket } = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, token))
  const input = { name: 'bob', ticket, connection: someConnection(), source }
  return must(await recorder.call('ssh.ticket', input)).proof
}
const inTheConsole = async (token: string) => {
  const { ticket } = must(
    await api.call('ticket.issue', { account: 'press-3/engineer', for: 'connect' }, token),
  )
  const { login } = must(await api.call('live.open', {}, token))
  const redeemed = must(await recorder.call('ticket.redeem', { ticket, login, source }))
  if (redeemed.kind !== 'connect') throw new Error('a ticket to connect was meant')
  return redeemed.proof
}
const opens = async (proof: Awaited<ReturnType<typeof overSsh>>) => open(recorder, { proof })

test.each([
  ['a passkey', 'a ticket over SSH', byPasskey, overSsh],
  ['a code', 'a ticket over SSH', byTotp, overSsh],
  ['a passkey', 'the terminal of the console', byPasskey, inTheConsole],
  ['a code', 'the terminal of the console', byTotp, inTheConsole],
])(
  'who signed in by %s comes in by %s while that is young, and not afterwards',
  async (_how, _way, signIn, come) => {
    const token = await signIn()
    vault.advance(4 * 60_000)
    const permit = must(await opens(await come(token)))
    await endSession(recorder, permit.session)
    vault.advance(61_000)
    // A new ticket of an old login is no younger.
    expect(refusalOf(await opens(await come(token)))).toMatchObject({
      message: 'the rule “lately” wants your second factor within 5m',
      code: 'stale_factor',
      next: showAnew,
    })
    // Who shows it again, whichever, comes in.
    const again = signIn === byPasskey ? byTotp : byPasskey
    must(await opens(await come(await again())))
  },
)

test('over SSH a password with a code shows it, and a key alone does not', async () => {
  const proof = must(
    await recorder.call('ssh.password', {
      name: 'bob',
      connection: someConnection(),
      sealedPassword: await vault.sealLogin('bob', bob.password),
      totpCode: bob.code(),
      source,
    }),
  ).proof
  must(await opens(proof))
  expect(refusalOf(await opens(await prove(recorder, key, 'bob')))).toMatchObject({
    message: 'the rule “lately” wants your second factor, and a key alone does not show it',
    code: 'stale_factor',
    next: showAnew,
  })
})

/** Shows a second factor again at a login, for nothing else. */
const confirm = {
  'a code': async (token: string) => api.call('login.confirm', { totpCode: bob.code() }, token),
  'a passkey': async (token: string) => {
    const { nonce } = must(await api.call('passkey.challenge', {}, token))
    const totpCode = await authenticator.prove(nonce, 'login.confirm', {})
    return api.call('login.confirm', { totpCode }, token)
  },
}

test.each([
  ['a code', 'a ticket over SSH', overSsh],
  ['a passkey', 'the terminal of the console', inTheConsole],
] as const)('%s alone makes a login young again for %s', async (how, _way, come) => {
  const token = await byTotp()
  vault.advance(6 * 60_000)
  const before = await come(token)
  expect(refusalOf(await opens(before)).code).toBe('stale_factor')
  must(await confirm[how](token))
  await endSession(recorder, must(await opens(await come(token))).session)
  // What was proven before stays as old as it was.
  expect(refusalOf(await opens(before)).code).toBe('stale_factor')
  const entries = await vault.ask('audit.list', { kind: 'factor.shown', limit: 100 })
  expect(entries.at(-1)?.text).toContain('showed a second factor anew in the console')
  vault.advance(6 * 60_000)
  expect(refusalOf(await opens(await come(token))).code).toBe('stale_factor')
})

test('what takes a fresh code makes the login young, too: there is one notion of it', async () => {
  const token = await byTotp()
  vault.advance(6 * 60_000)
  must(
    await api.call('user.mail', { user: 'bob', address: 'bob@plant.example', totpCode: bob.code() }, token),
  )
  await endSession(recorder, must(await opens(await inTheConsole(token))).session)
})

const factor = (proof: string, totpCode?: string, to: { account?: string; target?: string } = {}) =>
  recorder.call('ssh.factor', {
    proof,
    target: to.target ?? 'press-3',
    ...(to.account === undefined ? {} : { account: to.account }),
    ...(totpCode === undefined ? {} : { totpCode }),
  })

test('over SSH a key is asked for a code, and is good with it for as long as the rule says', async () => {
  const proof = await prove(recorder, key, 'bob')
  expect(must(await factor(proof))).toEqual({ isWanted: true })
  expect(must(await factor(proof, undefined, { account: 'engineer' }))).toEqual({ isWanted: true })
  // Where a code would help nobody, none is asked for.
  expect(must(await factor(proof, undefined, { target: 'press-9' }))).toEqual({ isWanted: false })
  expect(must(await factor(proof, undefined, { account: 'root' }))).toEqual({ isWanted: false })
  expect(refusalOf(await factor(proof, '000000'))).toMatchObject({ code: 'invalid' })
  expect(refusalOf(await opens(proof)).code).toBe('stale_factor')
  expect(must(await factor(proof, bob.code()))).toEqual({ isWanted: false })
  expect(must(await factor(proof))).toEqual({ isWanted: false })
  await endSession(recorder, must(await opens(proof)).session)
  const entries = await vault.ask('audit.list', { kind: 'factor.shown', limit: 100 })
  expect(entries.at(-1)?.text).toContain('showed a second factor anew over SSH')
  vault.advance(6 * 60_000)
  expect(refusalOf(await opens(proof)).code).toBe('stale_factor')
})

test('a rule that is closed besides is said, and no code is asked for that lets nobody in', async () => {
  const closed: PolicyDocument = {
    ...document,
    rules: [
      ...document.rules,
      {
        name: 'from-the-hall',
        effect: 'limit',
        who: { everyone: true },
        what: { everything: true },
        networks: ['198.51.100.0/24'],
      },
    ],
  }
  const { digest } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', { document: closed, expected: digest })
  const proof = await prove(recorder, key, 'bob')
  expect(must(await factor(proof))).toEqual({ isWanted: false })
  expect(refusalOf(await opens(proof)).message).toContain('the rule “from-the-hall” lets nobody in from')
})
