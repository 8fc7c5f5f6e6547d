import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbName } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { asked, nobodys, type Others } from '../../support/vendor-asks.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// A vendor is answered the same, byte for byte, whether or not there are others.

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let vera: TestPerson
let maya: TestPerson
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  recorder = await vault.worker('w1')
  await vault.person('sue', ['admin'])
  await vault.account()
  await vault.account({ target: 'saw-1', safe: 'veras' })
  await vendor('acme', 'vera')
  await vault.ask('user.key.add', { user: 'vera', publicKey: key.line })
  await vault.grant('vera', 'press-3/engineer')
  await vault.ask('safe.member.set', { safe: 'veras', user: 'vera', permissions: ['use'] })
  must(
    await api.call(
      'request.add',
      { account: 'saw-1/engineer', actions: ['shell'], forSeconds: 3600, reason: 'look' },
      vera.token,
    ),
  )
  const { session } = await connectSession(recorder, { proof: await prove(recorder, key, 'vera') })
  await endSession(recorder, session)
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

async function vendor(company: string, name: string): Promise<TestPerson> {
  await vault.ask('company.add', {
    name: company,
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'sue',
    mailDomains: [`${company}.com`],
  })
  const { enrolment } = await vault.ask('company.invite', { company, name, mail: `${name}@${company}.com` })
  const person = await vault.enrol(enrolment.token)
  if (name === 'vera') vera = person
  return person
}

async function answers(of: Others): Promise<readonly string[]> {
  const lines: string[] = []
  for (const [verb, inputs] of Object.entries(asked))
    for (const input of inputs?.(of) ?? []) {
      const outcome = await api.call(verb as VerbName, input as never, vera.token)
      // What was asked by name differs between the two; what is answered must not.
      lines.push(`${verb} ${Object.keys(input).join(',')}: ${JSON.stringify(outcome)}`)
    }
  for (const [target, account] of [
    [of.target, undefined],
    [of.target, 'engineer'],
    ['press-3', 'other'],
  ] as const)
    lines.push(
      `session.open: ${JSON.stringify(
        await open(recorder, {
          proof: await prove(recorder, key, 'vera'),
          target,
          ...(account === undefined ? {} : { account }),
        }),
      )}`,
    )
  return lines
}

/** Another company with people, machines, grants, requests, leases, sessions and a hold of its own, beside vera's. */
async function addOthers(): Promise<Others> {
  const mallory = await vendor('globex', 'mallory')
  const moe = await vault.person('moe', ['operator'])
  const own = makeSshKey()
  const added = await vault.ask('user.key.add', { user: 'mallory', publicKey: own.line })
  await vault.account({ target: 'mill-9', safe: 'line-9', address: 'ssh://127.0.0.1:2209' })
  await vault.account({ login: 'other' })
  for (const account of ['press-3/engineer', 'press-3/other', 'mill-9/engineer', 'saw-1/engineer'])
    await vault.grant('mallory', account)
  const grant = await vault.grant('moe', 'press-3/engineer')
  for (const safe of ['veras', 'line-9'])
    await vault.ask('safe.member.set', { safe, user: 'mallory', permissions: ['use'] })
  const request = must(
    await api.call(
      'request.add',
      { account: 'saw-1/engineer', actions: ['exec'], forSeconds: 60, reason: 'mine' },
      mallory.token,
    ),
  )
  const lease = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, mallory.token),
  )
  const moes = must(
    await api.call('lease.checkOut', { account: 'press-3/engineer', exclusive: false }, moe.token),
  )
  maya = await vault.person('maya', ['operator'])
  for (const account of ['press-3/engineer', 'press-3/other']) await vault.grant('maya', account)
  const wait = must(
    await api.call('lease.wait', { account: 'press-3/engineer', exclusive: true }, maya.token),
  )
  const handOver = must(await api.call('handover.offer', { lease: moes.id, user: 'maya' }, moe.token))
  const proof = await prove(recorder, own, 'mallory')
  const held = await connectSession(recorder, { proof, target: 'mill-9', account: 'engineer' })
  await vault.ask('session.terminate', { session: held.session, reason: 'x', holdSeconds: 3600 })
  await endSession(recorder, held.session, 'terminated')
  const permit = await connectSession(recorder, { proof, account: 'engineer' })
  const [hold] = await vault.ask('hold.list', {})
  const logins = await vault.ask('login.list', {})
  const login = logins.find(({ user }) => user === 'mallory')
  await vendor('initech', 'milton')
  const off = await vault.ask('company.off', { company: 'initech', reason: 'x' })
  for (const user of ['sue', 'moe']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  await vault.ask('safe.breakGlass', { safe: 'line-9', minutes: 60, alarms: ['sue', 'moe'] })
  await vault.ask('safe.member.set', { safe: 'line-9', user: 'moe', permissions: ['break-glass'] })
  // A code of the next step moves the clock on, which is put back: what is compared is of one moment.
  const before = vault.now().getTime()
  const breakGlass = must(
    await api.call(
      'breakglass.open',
      { account: 'mill-9/engineer', reason: 'x', totpCode: moe.code() },
      moe.token,
    ),
  )
  vault.advance(before - vault.now().getTime())
  if (hold === undefined || login === undefined) throw new Error('there is a hold and a login')
  return {
    ...nobodys,
    grant: grant.id,
    request: request.id,
    lease: lease.id,
    wait: wait.id,
    handOver: handOver.id,
    session: permit.session,
    recording: permit.recording,
    login: login.id,
    hold: hold.id,
    key: added.id,
    breakGlass: breakGlass.id,
    offboarding: off.id,
  }
}

test('a vendor is answered the same, whether or not there are others', { timeout: 240_000 }, async () => {
  const alone = await answers(nobodys)
  // What is asked is understood: what is refused as malformed would prove nothing.
  const malformed = alone.filter((line) => line.includes('"code":"invalid"'))
  expect(malformed).toEqual([])
  const others = await addOthers()
  const among = await answers(others)
  expect(among).toEqual(alone)
  for (const name of ['mallory', 'moe', 'maya', 'mill-9', 'globex', 'milton', 'initech'])
    expect(among.join('\n')).not.toContain(name)

  // What is another vendor's takes as long as what is nobody's, whatever is asked.
  const proof = await prove(recorder, key, 'vera')
  const pairs: readonly (readonly [string, (of: Others) => Promise<unknown>])[] = [
    ...Object.entries(asked).flatMap(([verb, inputs]) =>
      (inputs?.(nobodys) ?? []).flatMap((input, at) =>
        // Guesses at codes are slowed for themselves.
        Object.hasOwn(input, 'totpCode')
          ? []
          : [
              [
                `${verb} ${Object.keys(input).join()}`,
                (of: Others) => api.call(verb as VerbName, inputs?.(of)[at] as never, vera.token),
              ] as const,
            ],
      ),
    ),
    ...[undefined, 'engineer'].map(
      (account) =>
        [
          `session.open ${account ?? ''}`,
          (of: Others) =>
            open(recorder, { proof, target: of.target, ...(account === undefined ? {} : { account }) }),
        ] as const,
    ),
  ]
  const slower: string[] = []
  for (const [what, asks] of pairs) {
    const tellsApart = async (rounds: number) => (await differenceOf(asks, others, rounds)) >= 5
    // What only the machine's load explains is gone when it is looked at longer.
    if ((await tellsApart(12)) && (await tellsApart(60)) && (await tellsApart(240))) slower.push(what)
  }
  expect(pairs.length).toBeGreaterThan(20)
  expect(slower).toEqual([])
})

/** What nobody has, once others are there by the names of `nobodys`. */
const unheardOf: Others = {
  ...nobodys,
  user: 'nobody',
  account: 'mill-0/engineer',
  target: 'mill-0',
  safe: 'line-0',
  company: 'nowhere',
}

/** By how many milliseconds the quickest answers differ, of calls that take turns. */
async function differenceOf(
  asks: (of: Others) => Promise<unknown>,
  others: Others,
  rounds: number,
): Promise<number> {
  const times = { unknown: [] as number[], foreign: [] as number[] }
  for (let round = 0; round < rounds; round += 1)
    for (const [which, of] of [
      ['unknown', unheardOf],
      ['foreign', others],
    ] as const) {
      const begun = performance.now()
      await asks(of)
      times[which].push(performance.now() - begun)
    }
  const quick = (of: readonly number[]) => [...of].sort((x, y) => x - y)[Math.floor(of.length / 10)] ?? 0
  return Math.abs(quick(times.unknown) - quick(times.foreign))
}

test('in a queue a vendor is told that the account is in use, and nothing of who is there', async () => {
  await vault.grant('vera', 'press-3/other')
  must(await api.call('lease.checkOut', { account: 'press-3/other', exclusive: true }, maya.token))
  const joined = must(await api.call('lease.wait', { account: 'press-3/other' }, vera.token))
  expect(joined).toMatchObject({ user: 'vera', place: null, heldBy: [] })
  expect(must(await api.call('lease.queue', {}, vera.token))).toEqual([joined])
  const refused = await api.call('lease.checkOut', { account: 'press-3/other', exclusive: false }, vera.token)
  expect(refused).toMatchObject({ refusal: { message: 'the account press-3/other is in use' } })
  // Whom a vendor may hand to is of their own company: of anybody else they learn nothing.
  await vault.grant('vera', 'saw-1/engineer')
  const own = must(
    await api.call('lease.checkOut', { account: 'saw-1/engineer', exclusive: false }, vera.token),
  )
  const said = await Promise.all(
    ['moe', 'mallory', 'maya', 'nobody'].map(async (user) =>
      JSON.stringify(await api.call('handover.offer', { lease: own.id, user }, vera.token)).replace(
        user,
        '?',
      ),
    ),
  )
  expect(new Set(said).size).toBe(1)
  expect(said[0]).toContain('is nobody who may use saw-1/engineer')
})

test('where what opens the vault lies, and how many people there are, is told to nobody from outside', async () => {
  const ofThePlant = must(await api.call('status', {}, maya.token))
  const atTheMachine = await vault.ask('status', {})
  for (const token of [undefined, vera.token]) {
    const { users, rehearsal, sealProviders } = must(await api.call('status', {}, token))
    expect([users, rehearsal]).toEqual([null, null])
    for (const way of sealProviders) expect(Object.keys(way)).toEqual(['kind'])
  }
  for (const way of ofThePlant.sealProviders) expect(Object.keys(way)).toEqual(['kind'])
  expect(atTheMachine.sealProviders.length).toBeGreaterThan(0)
})
