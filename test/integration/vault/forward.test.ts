import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove, startCall } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
const key = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

type Forwards = NonNullable<VerbInput<'grant.add'>['forwards']>
const grantOf = (forwards: Forwards | undefined, actions: VerbInput<'grant.add'>['actions'] = ['forward']) =>
  vault.admin.call('grant.add', {
    user: 'bob',
    account: 'press-3/engineer',
    actions,
    ...(forwards === undefined ? {} : { forwards }),
  })
const openTo = async (host: string, port: number) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), wants: 'forward', forward: { host, port } })

test.each<[string, Forwards | undefined, VerbInput<'grant.add'>['actions']]>([
  ['forwards: say where forwarding may go', undefined, ['forward']],
  ['actions: destinations go with the action forward', [{ host: 'plc-7', port: 102 }], ['shell']],
  ['forwards: "2130706433": write an IPv4 address', [{ host: '2130706433', port: 102 }], ['forward']],
  ['forwards: "*": not a host name', [{ host: '*', port: 102 }], ['forward']],
  ['forwards: "plc-7@x": a user does not belong here', [{ host: 'plc-7@x', port: 102 }], ['forward']],
  [
    'forwards: plc-7:102 is named twice',
    [
      { host: 'plc-7', port: 102 },
      { host: 'PLC-7.', port: 102 },
    ],
    ['forward'],
  ],
])('a grant is refused: %s', async (sentence, forwards, actions) => {
  expect(refusalOf(await grantOf(forwards, actions))).toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(sentence),
  })
})

test('a forwarding session reaches what its grant lists, its rule in permit, view and audit log', async () => {
  const granted = must(
    await grantOf([
      { host: 'PLC-7', port: 102, record: 'stream', connections: 3, megabytes: 50 },
      { host: 'fd00::7', port: 80 },
    ]),
  )
  const rule = { host: 'plc-7', port: 102, record: 'stream', connections: 3, megabytes: 50 }
  expect(granted.forwards).toEqual([
    rule,
    { host: 'fd00::7', port: 80, record: 'counts', connections: 8, megabytes: null },
  ])
  for (const [host, port] of [
    ['plc-7', 103],
    ['plc-8', 102],
    ['plc-7', 0],
    ['plc-7.example', 102],
    ['plc-7 ', 102],
    ['', 102],
  ] as const)
    expect(refusalOf(await openTo(host, port))).toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('does not allow forwarding to'),
    })
  expect(must(await openTo('fd00:0::7', 80)).forward?.host).toBe('fd00::7')

  const permit = must(await openTo('plc-7', 102))
  expect(permit.forward).toEqual(rule)
  const proof = await prove(recorder, key, 'bob')
  expect(refusalOf(await open(recorder, { proof, wants: 'shell' })).message).toContain('does not allow shell')
  must(await recorder.call('session.start', startCall(permit.session).input))
  must(await recorder.call('session.connected', { session: permit.session }))

  const counts = { session: permit.session, connections: 2, bytesUp: 10, bytesDown: 4_000_000_000 }
  must(await recorder.call('session.forwarded', counts))
  expect(refusalOf(await recorder.call('session.forwarded', { ...counts, bytesUp: 0 })).code).toBe('conflict')
  await endSession(recorder, permit.session)
  expect((await vault.ask('session.show', { session: permit.session })).forward).toEqual({
    to: 'plc-7:102',
    connections: 2,
    bytesUp: 10,
    bytesDown: 4_000_000_000,
  })
  const texts = (await vault.ask('audit.list', {})).map(({ text }) => text).join('\n')
  expect(texts).toContain('forwarding to "plc-7:102 stream 3 50"')
  expect(texts).toContain('forwarded 2 connections to plc-7:102')
  must(await vault.admin.call('grant.revoke', { grant: granted.id }))
})

test('the counts of a forwarding are taken for no session of another kind', async () => {
  const grant = await vault.grant('bob', 'press-3/engineer')
  const permit = must(await open(recorder, { proof: await prove(recorder, key, 'bob') }))
  expect(permit.forward).toBeUndefined()
  const counts = { session: permit.session, connections: 1, bytesUp: 1, bytesDown: 1 }
  expect(refusalOf(await recorder.call('session.forwarded', counts)).code).toBe('conflict')
  await endSession(recorder, permit.session)
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
})

test('a destination without the wish to forward is refused', async () => {
  const grant = must(await grantOf([{ host: 'plc-7', port: 102 }], ['shell', 'forward']))
  const proof = await prove(recorder, key, 'bob')
  const asked = await open(recorder, { proof, wants: 'shell', forward: { host: 'plc-7', port: 102 } })
  expect(asked.ok).toBe(false)
  must(await vault.admin.call('grant.revoke', { grant: grant.id }))
})
