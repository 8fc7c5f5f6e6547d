import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { clientSecret, startProvider, type TestProvider } from '../../support/oidc-provider.ts'
import { peoplesPassword, slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Directories that take every connection and never answer: while dozens of their people wait, local users sign in, break
// glass and are let in as ever.

/** Hands connections on, until it is told to take them and say nothing. */
type Line = AsyncDisposable & { readonly port: number; hangs: boolean; readonly taken: () => number }

async function startLine(port: number): Promise<Line> {
  const open = new Set<Socket>()
  let taken = 0
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    if (line.hangs) {
      taken += 1
      return
    }
    const other = connect(port, '127.0.0.1')
    open.add(other)
    other.on('error', () => socket.destroy())
    socket.pipe(other).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const line: Line = {
    port: (server.address() as AddressInfo).port,
    hangs: false,
    taken: () => taken,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return line
}

let vault: TestVault
let slapd: TestSlapd
let provider: TestProvider
let line: Line
let deafProvider: Line
let api: VaultClient
let bob: TestPerson
let ann: TestPerson
let sue: TestPerson

beforeAll(async () => {
  ;[slapd, provider, vault] = await Promise.all([startSlapd(), startProvider(), startTestVault()])
  ;[line, deafProvider] = await Promise.all([startLine(Number(new URL(slapd.url).port)), startLine(0)])
  deafProvider.hangs = true
  api = await vault.connect('api')
  slapd.addPerson('bob')
  slapd.group('operators', ['bob'])
  await vault.ask('directory.add', {
    name: 'plant',
    settings: slapd.settings({ url: `ldaps://127.0.0.1:${line.port}` }),
    sealedSecret: await vault.sealDirectory(
      'plant',
      slapd.settings({ url: `ldaps://127.0.0.1:${line.port}` }),
      slapdSecret,
    ),
    syncMinutes: 0,
  })
  await vault.ask('directory.map', {
    directory: 'plant',
    group: slapd.groupDn('operators'),
    roles: ['operator'],
    policyGroup: null,
  })
  await vault.ask('directory.sync', { directory: 'plant' })
  await vault.ask('directory.add', {
    name: 'corp',
    settings: { ...provider.settings, issuer: `https://127.0.0.1:${deafProvider.port}` },
    sealedSecret: await vault.sealDirectory(
      'corp',
      {
        ...provider.settings,
        issuer: `https://127.0.0.1:${deafProvider.port}`,
      },
      clientSecret,
    ),
  })
  bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token, peoplesPassword)
  ann = await vault.person('ann', ['operator'])
  sue = await vault.person('sue', ['approver'])
  await vault.person('zoe', ['approver'])
  await vault.account()
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['use', 'break-glass'] })
  for (const user of ['sue', 'zoe']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  await vault.ask('safe.breakGlass', { safe: 'line-3', minutes: 60, alarms: ['sue', 'zoe'] })
}, 120_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await line[Symbol.asyncDispose]()
  await deafProvider[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const signIn = async (who: TestPerson, password: string, source: string) =>
  api.call('login.start', {
    name: who.name,
    sealedPassword: await vault.sealLogin(who.name, password),
    totpCode: who.code(),
    source,
  })

test('while they hang, local users sign in and break glass; who is of them is told so', async () => {
  must(await signIn(bob, peoplesPassword, '192.0.2.10'))
  line.hangs = true
  const began = performance.now()
  const waiting = [
    signIn(bob, peoplesPassword, '192.0.2.20'),
    vault.admin.call('directory.sync', { directory: 'plant' }),
    vault.admin.call('directory.test', { directory: 'plant' }),
    ...Array.from({ length: 20 }, () =>
      api.call('login.leave', {
        directory: 'corp',
        origin: provider.settings.console,
        source: '192.0.2.40',
      }),
    ),
  ]
  let over = 0
  for (const one of waiting) void one.finally(() => (over += 1))
  // Their questions are under way.
  await expect.poll(() => line.taken() > 0 && deafProvider.taken() > 0, { timeout: 15_000 }).toBe(true)
  const local = must(await signIn(ann, ann.password, '192.0.2.50'))
  must(
    await api.call(
      'breakglass.open',
      { account: 'press-3/engineer', reason: 'the line stands', totpCode: ann.code() },
      local.token,
    ),
  )
  must(await signIn(sue, sue.password, '192.0.2.51'))
  expect(over).toBeLessThan(waiting.length)
  const outcomes = await Promise.all(waiting)
  expect(performance.now() - began).toBeLessThan(60_000)
  for (const outcome of outcomes) expect(['unavailable', 'rate_limited']).toContain(refusalOf(outcome).code)
  const [first] = outcomes
  if (first === undefined) throw new Error('somebody waited')
  expect(refusalOf(first).message).toContain(
    'the directory plant, which knows your password, does not answer',
  )
}, 120_000)

test('it answers again: its people sign in, and nothing has to be started anew', async () => {
  line.hangs = false
  must(await signIn(bob, peoplesPassword, '192.0.2.10'))
  expect((await vault.ask('directory.sync', { directory: 'plant' })).applied).toBe(true)
}, 60_000)
