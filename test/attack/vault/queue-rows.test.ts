import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

// Whoever writes the database jumps no queue and hands nothing over; nor does who is not asked, or asks twice.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
const cuts: string[] = []
const people: Record<string, TestPerson> = {}
const key = makeSshKey('ann')
const account = 'press-3/engineer'
const token = (name: string) => people[name]?.token ?? ''

const worker = () =>
  vault.worker('w1', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.push((params as { session: string }).session)
          return { ok: true, value: null }
        }
      : undefined,
  )

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await worker()
  await vault.account()
  for (const name of ['ann', 'ben', 'cem']) {
    people[name] = await vault.person(name, ['operator'])
    await vault.grant(name, account)
  }
  await vault.ask('user.key.add', { user: 'ann', publicKey: key.line })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const { id } of await vault.ask('lease.queue', {})) await vault.ask('lease.leave', { wait: id })
  for (const { id } of await vault.ask('lease.list', {}))
    await vault.ask('lease.checkIn', { lease: id, reason: 'tidying' })
})

const takes = (name: string) =>
  api.call('lease.checkOut', { account, exclusive: true, forSeconds: 3600 }, token(name))
const waits = async (name: string) =>
  must(await api.call('lease.wait', { account, exclusive: true }, token(name)))
const offers = async (from: string, to: string) => {
  const lease = must(await takes(from))
  return must(await api.call('handover.offer', { lease: lease.id, user: to }, token(from)))
}
const accepts = (name: string, id: VerbAnswer<'handover.offer'>['id'], code = people[name]?.code()) =>
  api.call('handover.accept', { handOver: id, totpCode: code }, token(name))
const holders = async () => (await vault.ask('lease.list', {})).map(({ user }) => user)

/** Puts rows back as they were: a forged one is found wherever it is read. */
async function forged(table: string, id: string, statement: string, act: () => Promise<void>): Promise<void> {
  const { rows } = await superuser.query(`select * from ${table} where id = $1`, [id])
  await superuser.query(statement, [id])
  await act()
  const [row] = rows
  const set = Object.keys(row)
    .map((column, at) => `"${column}" = $${at + 2}`)
    .join(', ')
  await superuser.query(`update ${table} set ${set} where id = $1`, [id, ...Object.values(row)])
}

test.each([
  ['moved to the front', 'update lease_wait set place = 0 where id = $1'],
  [
    'made somebody else’s',
    `update lease_wait set user_id = (select id from app_user where name = 'ann') where id = $1`,
  ],
  ['said to be kept', `update lease_wait set kept_until = now() + interval '1 day' where id = $1`],
])('a place in the queue that is %s in the table lets nobody in', async (_how, statement) => {
  must(await takes('ann'))
  await waits('ben')
  const last = await waits('cem')
  await forged('lease_wait', last.id, statement, async () => {
    const [lease] = await vault.ask('lease.list', {})
    if (lease !== undefined) must(await api.call('lease.checkIn', { lease: lease.id }, token('ann')))
    for (const name of ['ann', 'cem']) await expect(takes(name)).rejects.toThrow()
    expect(await holders()).toEqual([])
  })
})

test.each([
  [
    'to somebody else',
    `update hand_over set to_user_id = (select id from app_user where name = 'cem') where id = $1`,
  ],
  ['for longer', `update hand_over set expires_at = now() + interval '1 day' where id = $1`],
])('a hand-over that the table says is %s hands nothing over', async (_how, statement) => {
  const offer = await offers('ann', 'ben')
  await forged('hand_over', offer.id, statement, async () => {
    for (const name of ['ben', 'cem']) await expect(accepts(name, offer.id)).rejects.toThrow()
    expect(await holders()).toEqual(['ann'])
  })
})

test('a hand-over that was withdrawn stays so, also where the table is put back to before', async () => {
  const offer = await offers('ann', 'ben')
  const { rows } = await superuser.query('select * from hand_over where id = $1', [offer.id])
  must(await api.call('handover.end', { handOver: offer.id }, token('ann')))
  const { rows: ended } = await superuser.query('select * from hand_over where id = $1', [offer.id])
  const [row] = rows
  await superuser.query(
    'update hand_over set state = $2, closed_at = null, mac = $3, epoch = $4 where id = $1',
    [...[offer.id, row.state, row.mac, row.epoch]],
  )
  await expect(accepts('ben', offer.id)).rejects.toThrow()
  expect(await holders()).toEqual(['ann'])
  const now = Object.entries(ended[0])
  const set = now.map(([column], at) => `"${column}" = $${at + 2}`).join(', ')
  await superuser.query(`update hand_over set ${set} where id = $1`, [
    offer.id,
    ...now.map(([, value]) => value),
  ])
})

test('nobody takes over what was offered to another, what they offered themselves, or without a code', async () => {
  const offer = await offers('ann', 'ben')
  expect(refusalOf(await accepts('cem', offer.id)).code).toBe('forbidden')
  expect(refusalOf(await accepts('ann', offer.id)).code).toBe('forbidden')
  const none = await api.call('handover.accept', { handOver: offer.id }, token('ben'))
  expect(refusalOf(none).message).toMatch(/^totpCode: /)
  const code = people['ben']?.code()
  must(await accepts('ben', offer.id, code))
  expect(refusalOf(await accepts('ben', offer.id, code)).message).toMatch(/^totpCode: /)
  expect(await holders()).toEqual(['ben'])
})

test('of a check-in, a check-out, a withdrawal and an acceptance at the same moment one holder comes', async () => {
  for (let round = 0; round < 8; round += 1) {
    const offer = await offers('ann', 'ben')
    await waits('cem')
    const code = people['ben']?.code()
    const [accepted, , withdrawn, checkedIn] = await Promise.all([
      accepts('ben', offer.id, code),
      takes('cem'),
      api.call('handover.end', { handOver: offer.id }, token('ann')),
      api.call('lease.checkIn', { lease: offer.lease }, token('ann')),
    ])
    // One of the three ways in which the hand-over can go, never two.
    if (accepted.ok) expect(withdrawn.ok).toBe(false)
    if (accepted.ok) expect(checkedIn.ok).toBe(false)
    const now = await holders()
    expect(now.length).toBeLessThanOrEqual(1)
    expect(now).toEqual(accepted.ok ? ['ben'] : now.filter((name) => name === 'cem'))
    for (const { id } of await vault.ask('lease.queue', {})) await vault.ask('lease.leave', { wait: id })
    for (const { id } of await vault.ask('lease.list', {}))
      await vault.ask('lease.checkIn', { lease: id, reason: 'tidying' })
  }
})

test('a vault that dies with a hand-over cuts the sessions of who handed over when it is back', async () => {
  const offer = await offers('ann', 'ben')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'ann') })
  must(await accepts('ben', offer.id))
  cuts.length = 0
  await vault.restart()
  api = await vault.connect('api')
  recorder = await worker()
  const hello = must(
    await recorder.call('recorder.hello', { node: 'n1', worker: 'w1', live: [permit.session] }),
  )
  expect(hello.end.map(({ session }) => session)).toEqual([permit.session])
  expect(await holders()).toEqual(['ben'])
  // And who waits is served all the same.
  await waits('cem')
  const [lease] = await vault.ask('lease.list', {})
  if (lease === undefined) throw new Error('ben holds it')
  must(await api.call('lease.checkIn', { lease: lease.id }, token('ben')))
  await until(async () => ((await vault.ask('lease.queue', {}))[0]?.keptUntil ? true : undefined))
})

test.each([
  ['themself', () => token('ann'), undefined],
  ['somebody else', () => undefined, 'it is needed'],
])(
  'what its holder was connected under and that was checked in by %s is handed over no more, past who waits',
  async (_who, asking, reason) => {
    const offer = await offers('ann', 'ben')
    await connectSession(recorder, { proof: await prove(recorder, key, 'ann') })
    await waits('cem')
    const lease = { lease: offer.lease, ...(reason === undefined ? {} : { reason }) }
    const own = asking()
    if (own === undefined) await vault.ask('lease.checkIn', lease)
    else must(await api.call('lease.checkIn', lease, own))
    // Its session has not ended yet: the account is still hers, and nobody's to pass on.
    expect(refusalOf(await accepts('ben', offer.id)).message).toBe('this hand-over is over')
    const again = await api.call('handover.offer', { lease: offer.lease, user: 'ben' }, token('ann'))
    expect(refusalOf(again).message).toBe('you do not hold this lease any more')
    for (const { id } of await vault.ask('session.list', { live: true })) await endSession(recorder, id)
    expect(await holders()).not.toContain('ben')
    await until(async () => ((await vault.ask('lease.queue', {}))[0]?.keptUntil ? true : undefined))
  },
)

test('a hand-over or a request that somebody writes keeps no other lease, turn or offer from its end', async () => {
  await vault.account({ target: 'press-4' })
  for (const name of ['ann', 'cem']) await vault.grant(name, 'press-4/engineer', { forSeconds: 8 * 3600 })
  const offer = await offers('ann', 'ben')
  const other = must(
    await api.call(
      'lease.checkOut',
      { account: 'press-4/engineer', exclusive: true, forSeconds: 3600 },
      token('ann'),
    ),
  )
  must(await api.call('handover.offer', { lease: other.id, user: 'cem' }, token('ann')))
  const request = must(
    await api.call(
      'request.add',
      { account: 'press-4/engineer', actions: ['shell'], forSeconds: 600, reason: 'a look' },
      token('ann'),
    ),
  )
  const past = `expires_at = now() - interval '1 hour'`
  await forged('access_request', request.id, `update access_request set ${past} where id = $1`, () =>
    forged('hand_over', offer.id, `update hand_over set ${past} where id = $1`, async () => {
      vault.advance(61 * 60_000)
      await until(async () => ((await holders()).length === 0 ? true : undefined))
      await until(async () => {
        const entries = await vault.ask('audit.list', { kind: 'handover.ended', limit: 100 })
        return entries.some(({ entry }) => (entry as { lease?: string }).lease === other.id)
          ? true
          : undefined
      })
    }),
  )
})
