import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let ben: TestPerson
let account: VerbAnswer<'account.add'>
const keys = { ann: makeSshKey('ann'), ben: makeSshKey('ben') }

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker()
  api = await vault.connect('api')
  account = await vault.account()
  ann = await vault.person('ann', ['operator'])
  ben = await vault.person('ben', ['operator'])
  await vault.ask('user.key.add', { user: 'ann', publicKey: keys.ann.line })
  await vault.ask('user.key.add', { user: 'ben', publicKey: keys.ben.line })
  await vault.grant('ann', account.name)
  await vault.grant('ben', account.name)
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const checkOut = (who: TestPerson, exclusive: boolean, forSeconds = 600) =>
  api.call('lease.checkOut', { account: account.name, exclusive, forSeconds }, who.token)
const leases = () => vault.ask('lease.list', {})
async function release(): Promise<void> {
  for (const lease of await leases()) await vault.ask('lease.checkIn', { lease: lease.id, reason: 'tidying' })
}
const openAs = async (name: 'ann' | 'ben') =>
  open(recorder, { proof: await prove(recorder, keys[name], name) })

test('the database lets one of 64 racers hold an account exclusively', async () => {
  const { database } = vault.plane.world.vault
  const users = await Promise.all(
    Array.from({ length: 64 }, (_, index) =>
      vault.ask('user.add', { name: `racer-${index}`, roles: ['operator'] }).then(({ user }) => user.id),
    ),
  )
  const now = new Date()
  const take = (user: (typeof users)[number]) =>
    database
      .insertInto('lease')
      .values({
        id: newId('lse'),
        account_id: account.id,
        user_id: user,
        exclusive: true,
        explicit: true,
        claim: '[0,)',
        since: now,
        until: null,
        ended_at: null,
      })
      .execute()
  const outcomes = await Promise.allSettled(users.map(take))
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1)
  const states = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
  // Two that insert at the same moment may wait for each other: PostgreSQL then refuses one as a deadlock (40P01),
  // after a second. The vault's own transactions take the account's lock first, and try again.
  expect(states.filter((state) => state !== '23P01' && state !== '40P01')).toEqual([])
  expect(await leases()).toHaveLength(1)
  await release()
}, 240_000)

test('of racers through the door one holds an account exclusively, and the others hear who', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 32 }, (_, index) => checkOut(index % 2 === 0 ? ann : ben, true)),
  )
  const held = await leases()
  expect(held).toHaveLength(1)
  const holder = held[0]?.user
  outcomes.forEach((outcome, index) => {
    expect(outcome.ok).toBe((index % 2 === 0 ? 'ann' : 'ben') === holder)
    if (!outcome.ok) expect(outcome.refusal).toMatchObject({ code: 'held' })
  })
  await release()
})

test('exclusive and shared exclude each other, and shared does not exclude shared', async () => {
  must(await checkOut(ann, false))
  must(await checkOut(ben, false))
  expect(await leases()).toHaveLength(2)
  expect(refusalOf(await checkOut(ann, true)).message).toMatch(/held by ben/)
  await release()
  must(await checkOut(ann, true))
  expect(refusalOf(await checkOut(ben, false)).code).toBe('held')
  expect(refusalOf(await openAs('ben')).code).toBe('held')
  await release()
})

test('thirty connections of one user at once are one holder', async () => {
  const permits = await Promise.all(
    Array.from({ length: 30 }, async () =>
      connectSession(recorder, { proof: await prove(recorder, keys.ann, 'ann') }),
    ),
  )
  expect(new Set(permits.map((permit) => permit.lease)).size).toBe(1)
  expect(await leases()).toMatchObject([{ user: 'ann', explicit: false, until: null }])
  await Promise.all(permits.slice(1).map((permit) => endSession(recorder, permit.session)))
  expect(await leases()).toMatchObject([{ until: null }])
  for (const permit of permits.slice(0, 1)) await endSession(recorder, permit.session)
  const lingering = new Date(vault.now().getTime() + 60_000).toISOString()
  expect(await leases()).toMatchObject([{ user: 'ann', until: lingering }])
})

test('an implicit lease ends 60 s after the last session, and nobody waits for the clock to notice', async () => {
  expect(refusalOf(await checkOut(ben, true)).code).toBe('held')
  vault.advance(60_000)
  must(await checkOut(ben, true))
  await release()
})

test('an explicit lease ends at its time, and its sessions before it', async () => {
  const lease = must(await checkOut(ann, true, 300))
  const permit = must(await openAs('ann'))
  expect(permit.endsAt).toBe(lease.until)
  await endSession(recorder, permit.session)
  expect(await leases()).toHaveLength(1)
  vault.advance(300_000)
  await until(async () => ((await leases()).length === 0 ? true : undefined))
})

test('a lease does not end under a session', async () => {
  must(await checkOut(ann, true, 300))
  const permit = await connectSession(recorder, { proof: await prove(recorder, keys.ann, 'ann') })
  vault.advance(301_000)
  expect(refusalOf(await checkOut(ben, true)).code).toBe('held')
  await endSession(recorder, permit.session, 'time is up')
  must(await checkOut(ben, true))
  await release()
})

test('a check-in by somebody else cuts the sessions; one’s own lets them end', async () => {
  const cuts: unknown[] = []
  const worker = await vault.worker('w5', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.push(params)
          return { ok: true, value: null }
        }
      : undefined,
  )
  const lease = must(await checkOut(ann, true))
  const opening = { proof: await prove(worker, keys.ann, 'ann'), worker: 'w5' }
  const permit = await connectSession(worker, opening)
  must(await api.call('lease.checkIn', { lease: lease.id }, ann.token))
  expect(await leases()).toMatchObject([{ explicit: false }])
  expect(cuts).toHaveLength(0)
  expect(refusalOf(await vault.admin.call('lease.checkIn', { lease: lease.id })).message).toMatch(/^reason: /)
  await vault.ask('lease.checkIn', { lease: lease.id, reason: 'line 3 stands still' })
  await until(() => (cuts.length === 1 ? true : undefined))
  expect(cuts).toMatchObject([
    {
      message: expect.stringMatching(
        /^the gateway’s administrator \(local:\d+\) checked in .*: line 3 stands still$/,
      ),
    },
  ])
  const [ended] = await vault.ask('audit.list', { kind: 'lease.ended', limit: 1 })
  expect(ended?.text).toMatch(/checked in by somebody else.*line 3 stands still/)
  await endSession(worker, permit.session, 'terminated')
  // What was checked in does not linger: the account is free with the last session.
  await until(async () => ((await leases()).length === 0 ? true : undefined))
})

test('what one may use says who else holds it, what one holds, and what was used and liked', async () => {
  await release()
  const seen = async (who: TestPerson) => must(await api.call('access.list', {}, who.token))
  expect(await seen(ben)).toMatchObject([
    { account: account.name, lease: null, others: [], favourite: false },
  ])
  const lease = must(await checkOut(ann, true))
  expect(await seen(ben)).toMatchObject([
    { others: [{ user: 'ann', exclusive: true, until: lease.until }], lease: null },
  ])
  expect(await seen(ann)).toMatchObject([{ others: [], lease: { id: lease.id, sessions: 0 } }])
  const permit = must(await openAs('ann'))
  expect(await seen(ann)).toMatchObject([{ lastUsedAt: expect.any(String), lease: { sessions: 1 } }])
  await endSession(recorder, permit.session)
  for (const favourite of [true, true, false, false, true]) {
    must(await api.call('favourite.set', { account: account.name, favourite }, ann.token))
    expect(await seen(ann)).toMatchObject([{ favourite }])
  }
  expect(await seen(ben)).toMatchObject([{ favourite: false }])
  await release()
})

test('an account that one has no grant for is neither seen nor marked as a favourite', async () => {
  const other = await vault.account({ target: 'press-9' })
  const names = must(await api.call('access.list', {}, ann.token)).map((row) => row.account)
  expect(names).toEqual([account.name])
  const marked = await api.call('favourite.set', { account: other.name, favourite: true }, ann.token)
  expect(refusalOf(marked).code).toBe('forbidden')
})

test('nobody checks in what others hold without the right to', async () => {
  const lease = must(await checkOut(ann, false))
  expect(refusalOf(await api.call('lease.checkIn', { lease: lease.id }, ben.token)).code).toBe('forbidden')
  await release()
})

test('an exclusive grant takes the account exclusively', async () => {
  const alone = await vault.account({ target: 'press-4' })
  await vault.grant('ann', alone.name, { mode: 'exclusive' })
  await vault.grant('ben', alone.name)
  const permit = must(
    await open(recorder, { proof: await prove(recorder, keys.ann, 'ann'), target: 'press-4' }),
  )
  const second = await open(recorder, { proof: await prove(recorder, keys.ben, 'ben'), target: 'press-4' })
  expect(refusalOf(second).message).toMatch(/held by ann/)
  await endSession(recorder, permit.session)
})

test('a check-in and a start at the same moment leave no session without its lease', async () => {
  await release()
  const { database } = vault.plane.world.vault
  for (let round = 0; round < 12; round += 1) {
    const lease = must(await checkOut(ann, false))
    const proof = await prove(recorder, keys.ann, 'ann')
    const [opened] = await Promise.all([
      open(recorder, { proof }),
      api.call('lease.checkIn', { lease: lease.id }, ann.token),
    ])
    const permit = must(opened)
    const under = await database
      .selectFrom('session')
      .innerJoin('lease', 'lease.id', 'session.lease_id')
      .select('lease.ended_at')
      .where('session.id', '=', permit.session)
      .executeTakeFirstOrThrow()
    expect(under.ended_at).toBe(null)
    await endSession(recorder, permit.session)
    await release()
  }
})
