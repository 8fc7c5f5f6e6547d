import { afterEach, beforeEach, expect, test } from 'vitest'
import { examineClock } from '../../../deploy/doctor/planes.ts'
import { totpStep } from '../../../vault/identity/totp.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { MachineTime } from '../../../vault/steady-clock.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { makeSshKey, open, prove, connectSession } from '../../support/vault-ssh.ts'

// Whoever sets the machine's clock back makes nothing last longer, and whoever sets it forward neither; the log keeps its
// order and says that it was set.

const hour = 3600_000

/** A machine whose clock somebody sets, and whose time goes on all the same. */
let set = 0
let gone = 0
const machine: MachineTime = {
  wall: () => Date.now() + gone + set,
  elapsed: () => performance.now() + gone,
}

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
const key = makeSshKey()

beforeEach(async () => {
  set = 0
  gone = 0
  vault = await startTestVault({ machine })
  api = await vault.connect('api')
  recorder = await vault.worker('w1')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterEach(() => vault[Symbol.asyncDispose]())

const jumps = async () => {
  const entries = await vault.ask('audit.list', { kind: 'clock.jumped' })
  return entries.map(({ entry }) => entry as { readonly byMs: number; readonly aheadMs: number })
}
const told = async (count: number) => {
  await expect.poll(async () => (await jumps()).length, { timeout: 20_000 }).toBe(count)
  return jumps()
}

test('set back, it prolongs no grant, no lease, no ticket, no proof and no login', async () => {
  await vault.grant('bob', 'press-3/engineer', { forSeconds: 600 })
  const lease = must(
    await api.call(
      'lease.checkOut',
      { account: 'press-3/engineer', exclusive: true, forSeconds: 300 },
      bob.token,
    ),
  )
  const ticket = must(await api.call('ticket.issue', { account: 'press-3/engineer' }, bob.token)).ticket
  const proof = await prove(recorder, key, 'bob')
  set = -10 * hour
  gone = 120_000
  const used = await recorder.call('ssh.ticket', {
    name: 'bob',
    connection: someConnection(),
    ticket,
    source: '192.0.2.7',
  })
  expect(refusalOf(used).code).toBe('unauthenticated')
  expect(await vault.ask('lease.list', {})).toMatchObject([{ id: lease.id }])
  gone = 301_000
  await expect.poll(() => vault.ask('lease.list', {}), { timeout: 20_000 }).toEqual([])
  // Another is made of a proof of now: the grant has 299 s left, whatever the machine's clock says.
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(Date.parse(permit.endsAt) - vault.plane.world.vault.clock().getTime()).toBeLessThan(300_000)
  gone = 601_000
  expect(refusalOf(await open(recorder, { proof: await prove(recorder, key, 'bob') })).code).toBe('expired')
  expect(refusalOf(await api.call('ticket.issue', { account: 'press-3/engineer' }, bob.token)).code).toBe(
    'forbidden',
  )
  gone = 700_000 + 15 * 60_000
  expect(refusalOf(await api.call('login.who', {}, bob.token)).code).toBe('unauthenticated')
  gone = 13 * hour
  expect(refusalOf(await open(recorder, { proof })).code).toBe('unauthenticated')
  const [jump] = await told(1)
  expect(jump?.byMs).toBeLessThan(-10 * hour + 5_000)
  expect(jump?.aheadMs).toBeGreaterThan(10 * hour - 5_000)
}, 60_000)

test('set back, it lets no code be used again and none of an hour ago', async () => {
  const signIn = async (totpCode: string) =>
    api.call('login.start', {
      name: 'bob',
      sealedPassword: await vault.sealLogin('bob', bob.password),
      totpCode,
      source: '192.0.2.10',
    })
  gone = 60_000
  const seen = bob.codeOf(totpStep(machine.wall()))
  must(await signIn(seen))
  // Not used by anybody, and an hour old when the clock is set back to its time.
  const unused = bob.codeOf(totpStep(machine.wall()) + 1)
  gone = hour
  set = -hour + 60_000
  expect(refusalOf(await signIn(seen)).code).toBe('unauthenticated')
  expect(refusalOf(await signIn(unused)).code).toBe('unauthenticated')
  gone = hour + 30_000
  must(await signIn(bob.codeOf(totpStep(machine.wall() - set))))
}, 60_000)

test('set back, it keeps no request open and lets nobody approve what is over', async () => {
  const sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  const asked = must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 3600, reason: 'x' },
      bob.token,
    ),
  )
  // Somebody who works all day: no login is idle.
  for (let at = 0; at <= 25; at += 0.2) {
    gone = at * hour
    set = -gone
    if (at < 11) must(await api.call('login.who', {}, sue.token))
  }
  const shown = await vault.ask('request.show', { request: asked.id })
  expect(shown.state).toBe('expired')
  expect(refusalOf(await api.call('login.who', {}, sue.token)).code).toBe('unauthenticated')
}, 60_000)

test('however often it is set, the log keeps its order and says each time by how much', async () => {
  for (const next of [-hour, 2 * hour, -3 * hour]) {
    set = next
    await vault.ask('safe.watchNotice', { safe: 'line-3', shown: next > 0 })
    await told([-hour, 2 * hour, -3 * hour].indexOf(next) + 1)
  }
  const entries = await vault.ask('audit.list', { limit: 1_000 })
  const times = entries.map(({ at }) => Date.parse(at))
  // Entries are in the order in which they were committed, and their times are those at which their transactions began.
  for (const [at, time] of times.entries()) expect(time - (times[at - 1] ?? 0)).toBeGreaterThan(-2_000)
  expect((await jumps()).map(({ byMs }) => Math.round(byMs / hour))).toEqual([-1, 3, -5])
  expect((await vault.ask('audit.verify', {})).ok).toBe(true)
  // Kept right by less than two seconds it is nothing to say.
  set -= 1_500
  await vault.ask('safe.watchNotice', { safe: 'line-3', shown: true })
  await vault.restart()
  // A vault that starts goes by the machine's clock, which is behind the log: it says that too.
  expect((await told(4))[3]?.aheadMs).toBe(0)
}, 60_000)

test('doctor says for a week that it was set, and as something wrong while the vault is ahead', async () => {
  expect(await examineClock(vault.admin)).toEqual([])
  // Set forward and back again: the vault stays where it was.
  set = hour
  await told(1)
  set = 0
  await told(2)
  const [ahead] = await examineClock(vault.admin)
  expect(ahead).toMatchObject({
    name: 'clock',
    level: 'wrong',
    next: expect.stringContaining('start Tagout again'),
  })
  expect(ahead?.text).toContain('codes of authenticators are wrong to it')
  // The vault is not ahead any more: what is left to say is that it was set.
  const [note, ...rest] = await examineClock(vault.admin, Date.now() + hour)
  expect(note).toMatchObject({ name: 'clock', level: 'note', next: expect.stringContaining('timedatectl') })
  expect(rest).toEqual([])
  expect(await examineClock(vault.admin, Date.now() + hour + 8 * 24 * hour)).toEqual([])
}, 60_000)
