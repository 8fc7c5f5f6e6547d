import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { SessionId } from '../../../vault/kernel/id.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { must, refusalOf, somePin, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

/** Targets of VNC: what may be pinned, granted and opened on them, and that SSH stays SSH. */

let vault: TestVault
let recorder: VaultClient
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker('w1', () => async () => done(null))
  await vault.account()
  await vault.ask('target.add', { name: 'hmi-3', safe: 'line-3', address: 'vnc://10.0.3.8' })
  const credential = await vault.sealPassword('hmi-3/operator', 'Kanarie7')
  await vault.ask('account.add', { target: 'hmi-3', login: 'operator', credential })
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const proof = () => prove(recorder, key, 'bob')
const hmi = { target: 'hmi-3', account: 'operator' } as const
const grant = (account: string, actions: readonly string[]) =>
  vault.admin.call('grant.add', { user: 'bob', account, actions: actions as never, forSeconds: 3600 })

test('its address has a port of its own, and its target cannot become one of SSH', async () => {
  const target = await vault.ask('target.show', { target: 'hmi-3' })
  expect([target.protocol, target.port, target.pins]).toEqual(['vnc', 5900, []])
  const refusal = refusalOf(
    await vault.admin.call('target.address', { target: 'hmi-3', address: 'ssh://10.0.3.8' }),
  )
  expect(refusal.message).toBe('address: hmi-3 is spoken with over vnc')
  expect((await vault.ask('target.address', { target: 'hmi-3', address: 'vnc://10.0.3.8:5901' })).port).toBe(
    5901,
  )
  must(await vault.admin.call('account.bind', { account: 'hmi-3/operator' } as never))
})

test.each([
  ['a shell of it', 'hmi-3/operator', ['shell'], 'actions: hmi-3 has a desktop, and shell is none of it'],
  ['a desktop of a terminal', 'press-3/engineer', ['observe'], 'actions: press-3 has no desktop'],
  ['both', 'hmi-3/operator', ['observe', 'exec'], 'actions: hmi-3 has a desktop, and exec is none of it'],
  ['use without sight', 'hmi-3/operator', ['interact'], 'actions: interact goes with observe'],
  [
    'a clipboard without use',
    'hmi-3/operator',
    ['observe', 'clipboard-out'],
    'actions: clipboard-out goes with interact',
  ],
])('%s cannot be granted', async (_, account, actions, message) => {
  expect(refusalOf(await grant(account, actions)).message).toContain(message)
})

test('nobody connects before somebody who manages it has approved that it is unverified', async () => {
  must(await grant('hmi-3/operator', ['observe', 'interact']))
  const before = refusalOf(await open(recorder, { proof: await proof(), ...hmi, wants: 'observe' }))
  expect(before).toMatchObject({ code: 'not_pinned', next: expect.stringContaining('--unverified') })
  for (const fingerprint of [somePin, 'verified', '', 'Unverified'])
    expect(
      refusalOf(await vault.admin.call('target.pin', { target: 'hmi-3', fingerprint })).message,
    ).toContain('shows nothing that could be pinned')
  expect(refusalOf(await vault.admin.call('target.scan', { target: 'hmi-3' })).message).toContain(
    'nothing that could be pinned',
  )
  const pinned = await vault.ask('target.pin', { target: 'hmi-3', fingerprint: 'unverified' })
  expect(pinned.pins).toMatchObject([
    { fingerprint: 'unverified', approvedBy: expect.stringMatching(/^local:/) },
  ])
  const leaf = (await vault.ask('audit.list', { kind: 'target.pinned' })).at(-1)
  expect(JSON.stringify(leaf)).toContain('unverified')
})

test('a target of SSH is never approved as unverified', async () => {
  const refusal = refusalOf(
    await vault.admin.call('target.pin', { target: 'press-3', fingerprint: 'unverified' }),
  )
  expect(refusal.message).toBe('fingerprint: not a fingerprint of the form SHA256:…')
  const added = await vault.admin.call('target.add', {
    name: 'press-9',
    safe: 'line-3',
    address: 'ssh://10.0.3.9',
    pin: 'unverified',
  })
  expect(refusalOf(added).code).toBe('invalid')
})

test('it is opened as a desktop, its password leaves once, and a terminal is refused with what to do', async () => {
  const permit = must(await open(recorder, { proof: await proof(), ...hmi, wants: 'observe' }))
  expect(permit.target).toMatchObject({ protocol: 'vnc', port: 5901, pins: [{ fingerprint: 'unverified' }] })
  expect(permit.actions).toEqual(['observe', 'interact'])
  const start = startCall(permit.session)
  expect(start.read(must(await recorder.call('session.start', start.input)))).toBe('Kanarie7')
  expect(refusalOf(await recorder.call('session.start', start.input)).code).toBe('conflict')
  expect(await vault.ask('session.show', { session: permit.session })).toMatchObject({ protocol: 'vnc' })
  await endSession(recorder, permit.session)
  for (const wants of ['shell', 'exec', 'sftp-read'] as const)
    expect(refusalOf(await open(recorder, { proof: await proof(), ...hmi, wants }))).toMatchObject({
      message: 'hmi-3 has a desktop, not a terminal',
      next: 'open it from My access in the console',
    })
})

test('its clipboard goes the ways that were granted, within limits, and what went over it is in the log', async () => {
  const { id } = must(await grant('hmi-3/operator', ['observe', 'interact', 'clipboard-in', 'clipboard-out']))
  const limit = {
    ...{ name: 'nothing-leaves', effect: 'limit', who: { everyone: true }, what: { targets: ['hmi-3'] } },
    ...{ actions: ['clipboard-out'], during: ['never'] },
  } as const
  const calendars = { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } }
  const apply = async (rules: readonly object[]) => {
    const expected = (await vault.ask('policy.show', {})).digest
    await vault.ask('policy.apply', { document: { version: 1, calendars, rules } as never, expected })
  }
  await apply([limit])
  expect(
    await vault.ask('policy.explain', { user: 'bob', account: 'hmi-3/operator', action: 'clipboard-out' }),
  ).toMatchObject({ allowed: false })
  const reach = await vault.ask('policy.reach', { account: 'hmi-3/operator' })
  expect(JSON.stringify(reach)).toContain('"clipboard-in"')
  expect(JSON.stringify(reach)).not.toContain('"clipboard-out"')
  const { session, actions } = await connectSession(recorder, {
    proof: await proof(),
    ...hmi,
    wants: 'observe',
  })
  expect(actions).toEqual(['observe', 'interact', 'clipboard-in'])
  const text = { session, way: 'in', mimetype: 'text/plain', size: 80, sha256: 'ab'.repeat(32) } as const
  must(await recorder.call('session.clipboard', text))
  const { sha256: _, ...short } = text
  must(await recorder.call('session.clipboard', { ...short, way: 'out', size: 7 }))
  const api = await vault.connect('api')
  expect((await api.call('session.clipboard', text)).ok).toBe(false)
  await endSession(recorder, session)
  expect((await recorder.call('session.clipboard', text)).ok).toBe(false)
  const found = await vault.ask('audit.find', { kinds: 'session.clipboard' })
  expect(found.entries.map((one) => one.text).sort()).toEqual([
    `recorder carried a text off the clipboard of hmi-3/operator in session ${session} of bob: 7 bytes of "text/plain"`,
    `recorder carried a text onto the clipboard of hmi-3/operator in session ${session} of bob: 80 bytes of "text/plain", SHA-256 ${'ab'.repeat(32)}`,
  ])
  await apply([])
  await vault.ask('grant.revoke', { grant: id })
})

test('whoever has no grant there learns nothing of how it is spoken with', async () => {
  await vault.ask('user.add', { name: 'carl', roles: ['operator'] })
  const other = makeSshKey()
  await vault.ask('user.key.add', { user: 'carl', publicKey: other.line })
  const as = async (target: string, wants: 'shell' | 'observe') =>
    refusalOf(await open(recorder, { proof: await prove(recorder, other, 'carl'), target, wants }))
  const unknown = await as('no-such-target', 'observe')
  expect(await as('hmi-3', 'observe')).toEqual(unknown)
  expect(await as('hmi-3', 'shell')).toEqual(unknown)
  expect(await as('press-3', 'observe')).toEqual(unknown)
})

test('another address takes the release away until somebody binds again', async () => {
  await vault.ask('target.address', { target: 'hmi-3', address: 'vnc://10.0.3.99' })
  expect(refusalOf(await open(recorder, { proof: await proof(), ...hmi, wants: 'observe' })).code).toBe(
    'not_pinned',
  )
  await vault.ask('target.address', { target: 'hmi-3', address: 'vnc://10.0.3.8:5901' })
  const permit = await connectSession(recorder, { proof: await proof(), ...hmi, wants: 'observe' })
  await endSession(recorder, permit.session)
})

test('a supervisor takes over a session that may use its desktop, and none that only looks', async () => {
  const api = await vault.connect('api')
  const sue = await vault.person('sue', ['supervisor'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['supervise'] })
  const takes = async (session: SessionId) => {
    const { ticket } = must(await api.call('session.watch', { session }, sue.token))
    const { login } = must(await api.call('live.open', {}, sue.token))
    const watching = must(await recorder.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
    if (watching.kind !== 'watch') throw new Error('not a watch')
    const wanted = { session, watch: watching.watch, totpCode: sue.code() }
    return api.call('session.take', wanted, sue.token)
  }
  const using = await connectSession(recorder, { proof: await proof(), ...hmi, wants: 'observe' })
  expect(must(await takes(using.session))).toMatchObject({ takenBy: 'sue', state: 'frozen' })
  await endSession(recorder, using.session)

  for (const { id, state } of await vault.ask('grant.list', { user: 'bob' }))
    if (state !== 'revoked') await vault.ask('grant.revoke', { grant: id })
  for (const { id } of await vault.ask('hold.list', {})) await vault.ask('hold.release', { hold: id })
  must(await grant('hmi-3/operator', ['observe']))
  const looking = await connectSession(recorder, { proof: await proof(), ...hmi, wants: 'observe' })
  expect(looking.actions).toEqual(['observe'])
  expect(refusalOf(await takes(looking.session))).toMatchObject({
    message: 'this session only looks at its desktop',
    next: 'freeze or terminate it',
  })
  expect(await vault.ask('session.show', { session: looking.session })).toMatchObject({ takenBy: null })
  await endSession(recorder, looking.session)
})

test('an administrator says what of its screen is not recorded: with a reason, in the log, and in the permit of the next session', async () => {
  const api = await vault.connect('api')
  const ann = await vault.person('ann', ['admin'])
  const mia = await vault.person('mia', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['manage'] })
  const region = { unit: 'pixels', x: 40, y: 420, width: 300, height: 120 } as const
  const wanted = { target: 'hmi-3', regions: [region], reason: 'recipe, works agreement 12' }
  const refused = async (input: object, token = ann.token) =>
    refusalOf(await api.call('target.mask', { ...wanted, ...input } as never, token))
  // Who manages the safe may be one whose sessions it would hide.
  expect(await refused({}, mia.token)).toMatchObject({ code: 'forbidden' })
  expect((await refused({})).message).toContain('totpCode')
  const local = async (input: object) =>
    refusalOf(await vault.admin.call('target.mask', { ...wanted, ...input } as never)).message
  expect(await local({ reason: ' ' })).toBe('reason: this is missing')
  expect(await local({ regions: [] })).toBe('all of the target hmi-3 is recorded')
  const percent = (x: number, width: number) => ({ unit: 'percent', x, y: 0, width, height: 100 })
  expect(await local({ regions: [percent(60, 50)] })).toBe('regions: one reaches beyond 100 per cent')
  expect(await local({ regions: [percent(0, 30), percent(50, 30)] })).toBe(
    'regions: they are more than half of the screen',
  )
  expect(await local({ target: 'press-3' })).toBe(
    'the target press-3 is spoken with over ssh, whose screen is no picture',
  )
  const changed = must(await api.call('target.mask', { ...wanted, totpCode: ann.code() }, ann.token))
  expect(changed.mask).toEqual({ regions: [region], reason: wanted.reason, setBy: 'ann' })
  const entry = (await vault.ask('audit.list', { kind: 'target.mask-set' })).at(-1)
  expect(entry).toMatchObject({
    text: 'ann masked 40,420,300,120 px of the screen of target hmi-3 in recordings: "recipe, works agreement 12" from 192.0.2.10',
  })
  const permit = await connectSession(recorder, { proof: await proof(), ...hmi, wants: 'observe' })
  expect(permit.target.mask).toEqual({ regions: [region], reason: wanted.reason })
  await endSession(recorder, permit.session)
  expect((await vault.ask('target.mask', { target: 'hmi-3', regions: [] })).mask).toBeNull()
  const after = await connectSession(recorder, { proof: await proof(), ...hmi, wants: 'observe' })
  expect(after.target.mask).toBeUndefined()
  await endSession(recorder, after.session)
})

test('it takes no key, and is not elevated', async () => {
  const { privateKey } = makeSshKey()
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const credential = await vault.sealKey('hmi-3/keyed', pem)
  const added = await vault.admin.call('account.add', { target: 'hmi-3', login: 'keyed', credential })
  expect(refusalOf(added).message).toBe(
    'credential: hmi-3 is spoken with over vnc, which takes no key of SSH',
  )
  const elevated = await vault.admin.call('account.elevation', {
    account: 'hmi-3/operator',
    elevation: { kind: 'sudo', account: 'hmi-3/operator' },
  })
  expect(refusalOf(elevated).message).toBe('hmi-3 has a desktop')
})
