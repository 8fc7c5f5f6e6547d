import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { must, refusalOf, somePin, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

/** Targets of RDP and Telnet: what may be pinned, how they are logged in to, and what a change of that takes away. */

let vault: TestVault
let recorder: VaultClient
let superuser: pg.Client
const key = makeSshKey()
const asked: { readonly method: string; readonly params: unknown }[] = []

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker('w1', (method) => async (params) => {
    asked.push({ method, params })
    return method === 'certificate.fetch'
      ? done([{ type: 'x509', fingerprint: somePin, key: '', needs: [] }])
      : done(null)
  })
  await vault.account()
  for (const [name, address] of [
    ['scada-1', 'rdp://10.0.3.9'],
    ['plc-7', 'telnet://10.0.3.7'],
  ] as const) {
    await vault.ask('target.add', { name, safe: 'line-3', address })
    const credential = await vault.sealPassword(`${name}/operator`, 'Kanarie9')
    await vault.ask('account.add', { target: name, login: 'operator', credential })
  }
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  for (const account of ['scada-1/operator', 'plc-7/operator'])
    await vault.admin.call('grant.add', {
      ...{ user: 'bob', account, forSeconds: 3600 },
      actions: ['observe', 'interact'],
    })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const opens = async (target: string) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), target, account: 'operator', wants: 'observe' })
const pins = (target: string, fingerprint: string) => vault.admin.call('target.pin', { target, fingerprint })
const moves = (target: string, address: string, desktop: object) =>
  vault.admin.call('target.address', { target, address, desktop })

test('RDP is let in by a certificate that somebody approved, and by no approval that there is none', async () => {
  const target = await vault.ask('target.show', { target: 'scada-1' })
  expect([target.protocol, target.port, target.desktop]).toEqual(['rdp', 3389, null])
  expect(refusalOf(await opens('scada-1'))).toMatchObject({
    code: 'not_pinned',
    message: 'the certificate of this target is not approved yet',
  })
  expect(refusalOf(await pins('scada-1', 'unverified')).message).toContain('not a fingerprint')
  expect(must(await vault.admin.call('target.scan', { target: 'scada-1' }))).toEqual([
    { type: 'x509', fingerprint: somePin, needs: [] },
  ])
  expect(asked.at(-1)).toMatchObject({ method: 'certificate.fetch' })
  expect(JSON.stringify(asked.at(-1)?.params)).toContain('"security":"nla"')
  expect(must(await pins('scada-1', somePin)).pins).toMatchObject([{ type: 'x509', fingerprint: somePin }])
  const permit = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    ...({ target: 'scada-1', account: 'operator', wants: 'observe' } as const),
  })
  expect(permit.target).not.toHaveProperty('desktop')
  await endSession(recorder, permit.session)
})

test('another way to log in is another machine: no release until somebody binds again', async () => {
  const changed = must(
    await moves('scada-1', 'rdp://10.0.3.9', { security: 'tls', keyboard: 'de-de-qwertz' }),
  )
  // Its certificate is the same.
  expect(changed).toMatchObject({ desktop: { security: 'tls', keyboard: 'de-de-qwertz' } })
  expect(changed.pins).toHaveLength(1)
  expect(refusalOf(await opens('scada-1')).message).toContain('the account is not bound to it again')
  must(await vault.admin.call('account.bind', { account: 'scada-1/operator' } as never))
  const permit = must(await opens('scada-1'))
  expect(permit.target.desktop).toEqual({ security: 'tls', keyboard: 'de-de-qwertz' })
  await endSession(recorder, permit.session)
  // An address alone leaves it.
  const moved = must(
    await vault.admin.call('target.address', { target: 'scada-1', address: 'rdp://10.0.3.8' }),
  )
  expect(moved.desktop).toEqual({ security: 'tls', keyboard: 'de-de-qwertz' })
  const leaf = JSON.stringify((await vault.ask('audit.list', { kind: 'target.address' })).at(0))
  expect(leaf).toContain('rdp://10.0.3')
})

test('the old security has no certificate: what was pinned is gone, and a person approves that', async () => {
  const old = must(await moves('scada-1', 'rdp://10.0.3.9', { security: 'rdp' }))
  expect(old.pins).toEqual([])
  expect(refusalOf(await pins('scada-1', somePin)).message).toContain(
    'RDP with the security of RDP itself shows nothing that could be pinned',
  )
  expect(must(await pins('scada-1', 'unverified')).pins).toHaveLength(1)
  const back = must(await moves('scada-1', 'rdp://10.0.3.9', {}))
  expect([back.pins, back.desktop]).toEqual([[], null])
})

test('Telnet is approved as unverified; its prompts are text, and nothing else is taken for one', async () => {
  const target = await vault.ask('target.show', { target: 'plc-7' })
  expect([target.protocol, target.port]).toEqual(['telnet', 23])
  expect(refusalOf(await pins('plc-7', somePin)).message).toContain('Telnet shows nothing')
  must(await pins('plc-7', 'unverified'))
  const prompts = { userPrompt: 'User>', passwordPrompt: 'Pass>' }
  expect(must(await moves('plc-7', 'telnet://10.0.3.7', prompts)).desktop).toEqual(prompts)
  for (const wrong of [
    { userPrompt: '' },
    { userPrompt: 'a\nb' },
    { passwordPrompt: 'x'.repeat(41) },
    { security: 'tls' },
    { keyboard: 'de-de-qwertz' },
  ])
    expect(refusalOf(await moves('plc-7', 'telnet://10.0.3.7', wrong)).code).toBe('invalid')
  for (const wrong of [{ userPrompt: 'x:' }, { security: 'none' }, { keyboard: 'xx' }, { drive: '/' }])
    expect(refusalOf(await moves('scada-1', 'rdp://10.0.3.9', wrong)).code).toBe('invalid')
  const ssh = await vault.admin.call('target.address', {
    ...{ target: 'press-3', address: 'ssh://10.0.3.1' },
    desktop: { security: 'tls' },
  })
  expect(refusalOf(ssh).code).toBe('invalid')
})

test.each([
  [`update target set desktop = '{"security":"rdp"}' where name = 'scada-1'`],
  [`update target set pins = replace(pins, '${somePin}', 'unverified') where name = 'scada-1'`],
  [`update target set desktop = null where name = 'plc-7'`],
])(
  'whoever writes the database changes neither a pin nor how a machine is logged in to: %s',
  async (statement) => {
    must(await pins('scada-1', somePin))
    const before = await superuser.query('select id, pins, desktop from target')
    await superuser.query(statement)
    const name = statement.includes('plc-7') ? 'plc-7' : 'scada-1'
    await expect(vault.ask('target.show', { target: name })).rejects.toThrow()
    await expect(opens(name)).rejects.toThrow()
    for (const { id, pins: was, desktop } of before.rows)
      await superuser.query('update target set pins = $2, desktop = $3 where id = $1', [id, was, desktop])
  },
)
