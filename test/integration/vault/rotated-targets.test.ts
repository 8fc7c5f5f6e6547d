import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Action, rotatedProtocols } from '../../../vault/contract.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import {
  must,
  refusalOf,
  somePin,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'
import { makeSshKey, open, prove } from '../../support/vault-ssh.ts'

/** Targets that open no session: they hold accounts, are pinned by their certificate, and let nobody in. */

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let bob: TestPerson
let ann: TestPerson
const key = makeSshKey()
const asked: unknown[] = []
const svc = 'cn=svc,dc=plant'
const none = 'dc-1 opens no session: accounts of ldap are kept and rotated, and nobody is let in by them'

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', (method) => async (params) => {
    if (method === 'certificate.fetch') asked.push(params)
    return method === 'certificate.fetch'
      ? done([{ type: 'x509', fingerprint: somePin, key: '', needs: [] }])
      : done(null)
  })
  await vault.account()
  for (const [name, address, login] of [
    ['dc-1', 'ldap://10.0.3.2', svc],
    ['historian', 'postgresql://10.0.3.4', 'trend'],
  ] as const) {
    await vault.ask('target.add', { name, safe: 'line-3', address })
    const credential = await vault.sealPassword(`${name}/${login}`, 'Kanarie9')
    await vault.ask('account.add', { target: name, login, credential })
  }
  bob = await vault.person('bob', ['operator'])
  ann = await vault.person('ann', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

async function apply(actions: readonly string[]): Promise<void> {
  const { digest: expected } = await vault.ask('policy.show', {})
  const rule = { name: 'may', effect: 'allow', who: { users: ['bob'] }, what: { everything: true }, actions }
  const document = { version: 1, rules: [rule] } as unknown as PolicyDocument
  await vault.ask('policy.apply', { document, expected })
}
const opens = async (wants: Action) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), target: 'dc-1', account: svc, wants })

test.each([...rotatedProtocols])('a target of %s is scanned, pinned, moved and removed', async (protocol) => {
  const ports = { ldap: 636, postgresql: 5432, mysql: 3306, https: 443 }
  const name = `a-${protocol}`
  const added = await vault.ask('target.add', { name, safe: 'line-3', address: `${protocol}://10.0.3.20` })
  expect([added.protocol, added.port, added.pins]).toEqual([protocol, ports[protocol], []])
  must(await vault.admin.call('target.scan', { target: name }))
  expect(JSON.stringify(asked.at(-1))).toContain(`"protocol":"${protocol}"`)
  expect(
    refusalOf(await vault.admin.call('target.pin', { target: name, fingerprint: 'unverified' })).message,
  ).toBe('fingerprint: not a fingerprint of the form SHA256:…')
  const pinned = await vault.ask('target.pin', { target: name, fingerprint: somePin })
  expect(pinned.pins).toMatchObject([{ type: 'x509', fingerprint: somePin }])
  const moved = await vault.ask('target.address', { target: name, address: `${protocol}://10.0.3.21:7000` })
  expect([moved.host, moved.port]).toEqual(['10.0.3.21', 7000])
  const odd = { target: name, address: `${protocol}://10.0.3.21`, desktop: { security: 'tls' } } as const
  expect(refusalOf(await vault.admin.call('target.address', odd)).code).toBe('invalid')
  await vault.ask('target.remove', { target: name })
})

test('nobody is granted a session there, elevated, let in by break-glass, or given a ticket', async () => {
  const account = `dc-1/${svc}`
  const grant = { user: 'bob', account, forSeconds: 3600 } as const
  for (const actions of [['shell'], ['observe'], ['exec', 'elevate']] as const)
    expect(refusalOf(await vault.admin.call('grant.add', { ...grant, actions: [...actions] }))).toMatchObject(
      {
        code: 'invalid',
        message: none,
      },
    )
  const request = { account, actions: ['shell'], forSeconds: 3600, reason: 'look' } as const
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use', 'break-glass'] })
  const asks = await api.call('request.add', { ...request, actions: [...request.actions] }, bob.token)
  expect(refusalOf(asks).message).toBe(none)
  const elevation = { account, elevation: { kind: 'sudo', account: 'press-3/operator' } } as const
  expect(refusalOf(await vault.admin.call('account.elevation', elevation)).message).toBe(none)
  const typed = await vault.admin.call('account.type-ins', { account, secrets: ['press-3/operator'] })
  expect(refusalOf(typed).message).toContain('has no desktop')
  const glass = { account, reason: 'night', totpCode: bob.code() }
  expect(refusalOf(await api.call('breakglass.open', glass, bob.token)).message).toBe(none)
  await apply(['reveal', 'shell'])
  expect(refusalOf(await api.call('ticket.issue', { account, for: 'connect' }, bob.token)).message).toBe(none)
})

test('a rule that lets people connect to everything lets nobody use an account there', async () => {
  await apply(['shell', 'exec', 'observe', 'interact'])
  const mine = must(await api.call('access.list', {}, bob.token)).map(({ account }) => account)
  expect(mine.filter((name) => name.startsWith('dc-1') || name.startsWith('historian'))).toEqual([])
  for (const wants of ['shell', 'observe'] as const)
    expect(refusalOf(await opens(wants)).code).not.toBe('unavailable')
  const out = await api.call('lease.checkOut', { account: `dc-1/${svc}`, exclusive: true }, bob.token)
  expect(refusalOf(out).code).toBe('forbidden')
  const reach = await vault.ask('policy.reach', { target: 'dc-1' })
  expect(reach).toEqual([])
  const explained = await vault.ask('policy.explain', {
    user: 'bob',
    account: `dc-1/${svc}`,
    action: 'shell',
  })
  expect(explained).toMatchObject({ allowed: false, sentence: none })
})

test('who may see a secret may hold its account and sees it, and is let in by none of that', async () => {
  await apply(['reveal', 'shell'])
  const account = `dc-1/${svc}`
  const mine = must(await api.call('access.list', {}, bob.token)).find((one) => one.account === account)
  expect(mine?.rules).toMatchObject([{ name: 'may', actions: [] }])
  expect(refusalOf(await opens('shell')).message).toBe(none)
  const lease = must(await api.call('lease.checkOut', { account, exclusive: true }, bob.token))
  const box = sodium.crypto_box_keypair()
  const shown = must(
    await api.call(
      'account.reveal',
      {
        ...{ account, reason: 'to look', totpCode: bob.code() },
        boxKey: Buffer.from(box.publicKey).toString('base64'),
      },
      bob.token,
    ),
  )
  const secret = sodium.crypto_box_seal_open(
    Buffer.from(shown.sealed, 'base64'),
    box.publicKey,
    box.privateKey,
  )
  expect(Buffer.from(secret).toString()).toBe('Kanarie9')
  must(await api.call('lease.checkIn', { lease: lease.id }, bob.token))
  const hers = await api.call('lease.checkOut', { account, exclusive: true }, ann.token)
  expect(refusalOf(hers).code).toBe('forbidden')
  const explained = await vault.ask('policy.explain', { user: 'bob', account, action: 'reveal' })
  expect(explained.allowed).toBe(true)
})
