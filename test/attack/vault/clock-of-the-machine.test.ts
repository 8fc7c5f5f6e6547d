import { afterAll, beforeAll, expect, test } from 'vitest'
import { totpStep } from '../../../vault/identity/totp.ts'
import { type FakedVault, startFakedVault, whyNoFaketime } from '../../support/faked-vault.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// A vault in a process of its own, on a machine whose clock somebody sets while it runs (libfaketime): docs/decisions/0032.

const why = whyNoFaketime()
if (why !== undefined) console.warn(`the clock of a machine is not set: ${why}`)

const second = 1_000
const hour = 3_600_000
const day = 24 * hour

let made: TestVault
let vault: FakedVault
let bob: TestPerson
let start: number
const key = makeSshKey()
const account = 'press-3/engineer'
/** How far the vault's time is ahead of this process's. */
let ahead = 0
/** The last step whose code was used. */
let step = 0

beforeAll(async () => {
  if (why !== undefined) return
  made = await startTestVault({ loginIdleSeconds: 12 * 3600 })
  await made.account()
  bob = await made.person('bob', ['operator'])
  step = totpStep(made.now().getTime())
  await made.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await made.grant('bob', account, { forSeconds: 2 * 3600 })
  await made.plane[Symbol.asyncDispose]()
  start = Date.now()
  vault = await startFakedVault(made)
}, 120_000)
afterAll(async () => {
  await vault?.[Symbol.asyncDispose]()
  await made?.[Symbol.asyncDispose]()
})

const ask = async (...asked: Parameters<TestVault['ask']>) => must(await vault.admin().call(...asked))
const sealed = async () => {
  const { intakeKey } = (await ask('status', {})) as { readonly intakeKey: string }
  const { makeSealedLoginPassword } = await import('../../../vault/intake.ts')
  const { sodium } = await import('../../../vault/crypto/sodium.ts')
  return makeSealedLoginPassword(sodium, intakeKey, 'bob', bob.password, new Date(Date.now() + ahead))
}
const signIn = async (atMs: number) =>
  vault.api().call('login.start', {
    name: 'bob',
    sealedPassword: await sealed(),
    totpCode: bob.codeOf(totpStep(atMs)),
    source: '192.0.2.10',
  })
/** The moments of the log, in its order, and what it says of the clock. */
const log = async () => {
  const entries = (await ask('audit.list', { limit: 1_000 })) as readonly {
    readonly at: string
    readonly kind: string
    readonly text: string
    readonly entry: unknown
  }[]
  return {
    moments: entries.map(({ at }) => Date.parse(at)),
    jumps: entries
      .filter(({ kind }) => kind === 'clock.jumped')
      .map(({ entry }) => entry as { readonly byMs: number; readonly aheadMs: number }),
  }
}
const isInOrder = (moments: readonly number[]) =>
  moments.every((moment, at) => at === 0 || moment >= (moments[at - 1] ?? 0))
const jumpsTo = (count: number) =>
  until(async () => ((await log()).jumps.length === count ? true : undefined), 20_000)
const connects = async () =>
  open(vault.recorder(), { proof: await prove(vault.recorder(), key, 'bob'), account: 'engineer' })
const freshMoment = async (offsetMs: number) => {
  await until(() => (totpStep(Date.now() + ahead) > step ? true : undefined), 60_000)
  step = totpStep(Date.now() + ahead)
  return Date.now() + offsetMs
}

test.skipIf(why !== undefined)(
  'an hour back, and months back: nothing lasts longer, old codes are none, the log keeps its order and says it',
  async () => {
    must(await connects())
    let told = 0
    for (const back of [hour, 100 * day]) {
      vault.set(-back)
      told += 1
      await jumpsTo(told)
      const { jumps, moments } = await log()
      expect(isInOrder(moments)).toBe(true)
      expect(Math.abs((moments.at(-1) ?? 0) - Date.now())).toBeLessThan(20 * second)
      const by = told === 1 ? -hour : -100 * day
      expect(Math.abs((jumps.at(-1)?.byMs ?? 0) - by)).toBeLessThan(30 * second)
      expect(Math.abs((jumps.at(-1)?.aheadMs ?? 0) - back)).toBeLessThan(30 * second)
      // What the machine's clock would take, the vault does not; what it goes by, it does.
      expect((await signIn(Date.now() - back)).ok).toBe(false)
      must(await signIn(await freshMoment(0)))
      // And it goes on to the machine's right time before the next.
      vault.set(0)
      told += 1
      await jumpsTo(told)
    }
    // The grant has the end that it had.
    const [grant] = (await ask('grant.list', { user: 'bob' })) as readonly { readonly notAfter: string }[]
    expect(Math.abs(Date.parse(grant?.notAfter ?? '') - start - 2 * hour)).toBeLessThan(120 * second)
    must(await connects())
    expect(await ask('audit.verify', {})).toMatchObject({ ok: true })
  },
  180_000,
)

test.skipIf(why !== undefined)(
  'hours ahead and back again: what ended stays ended, codes of the machine are none until the vault starts again, and the log says it',
  async () => {
    const token = must(await signIn(await freshMoment(0))).token
    const lease = must(
      await vault.api().call('lease.checkOut', { account, exclusive: true, forSeconds: 3600 }, token),
    )
    const before = (await log()).jumps.length
    vault.set(3 * hour)
    ahead = 3 * hour
    await jumpsTo(before + 1)
    await until(
      async () => (((await ask('lease.list', {})) as unknown[]).length === 0 ? true : undefined),
      20_000,
    )
    expect((await connects()).ok).toBe(false)
    vault.set(0)
    await jumpsTo(before + 2)
    expect((await log()).jumps.at(-1)?.aheadMs).toBeGreaterThan(3 * hour - 60 * second)
    // The vault's time went on from there: nothing that ended comes back.
    expect((await connects()).ok).toBe(false)
    expect((await ask('lease.list', {})) as unknown[]).toEqual([])
    expect((await signIn(Date.now())).ok).toBe(false)
    step = 0
    must(await signIn(await freshMoment(3 * hour)))
    expect(isInOrder((await log()).moments)).toBe(true)

    // Killed, and started: it goes by the machine's clock, which is all that it knows, and says that the log is ahead.
    await vault.kill()
    ahead = 0
    await jumpsTo(before + 3)
    const last = (await log()).jumps.at(-1)
    expect(last?.byMs).toBeLessThan(-3 * hour + 60 * second)
    // What was written down as ended stays so; a code that was used at a later step is used.
    expect((await ask('lease.list', {})) as unknown[]).toEqual([])
    const again = await vault.api().call('lease.checkIn', { lease: lease.id, reason: 'x' }, token)
    expect(again.ok).toBe(false)
    expect((await signIn(Date.now())).ok).toBe(false)
    expect(await ask('audit.verify', {})).toMatchObject({ ok: true })
    expect(refusalOf(await signIn(Date.now() + 3 * hour)).code).toBe('unauthenticated')
  },
  240_000,
)
