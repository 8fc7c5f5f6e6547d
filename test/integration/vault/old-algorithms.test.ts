import { afterAll, beforeAll, expect, test } from 'vitest'
import { oldMachines } from '../../../deploy/doctor/planes.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let mia: TestPerson
let ann: TestPerson
const key = makeSshKey()
const day = 86_400

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.account({ target: 'switch-7' })
  mia = await vault.person('mia', ['operator'])
  ann = await vault.person('ann', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['manage'] })
  await vault.ask('user.key.add', { user: 'ann', publicKey: key.line })
  await vault.grant('ann', 'switch-7/engineer', { forSeconds: 300 * day, maxSessionSeconds: 12 * 3600 })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const allow = {
  target: 'switch-7',
  algorithms: ['hmac-md5', 'group1-sha1', 'group1-sha1'] as const,
  reason: 'replaced in March, order 4711',
  forSeconds: 30 * day,
}
const openIt = async () => open(recorder, { proof: await prove(recorder, key, 'ann'), target: 'switch-7' })

test('who may not manage the target allows it nothing, nor learns whether it is there', async () => {
  const refused = refusalOf(await api.call('target.legacy', { ...allow, algorithms: ['ssh-rsa'] }, ann.token))
  expect(refused.code).toBe('forbidden')
  const unknown = { ...allow, target: 'switch-99', algorithms: ['ssh-rsa'] as ['ssh-rsa'] }
  expect(refusalOf(await api.call('target.legacy', unknown, ann.token))).toEqual(refused)
})

test.each([
  [{ reason: undefined }, 'reason: this is missing'],
  [{ reason: '   ' }, 'reason: this is missing'],
  [{ forSeconds: undefined }, 'until: say either until when or for how long'],
  [{ until: '2027-01-01T00:00:00Z' }, 'until: say either until when or for how long'],
  [{ forSeconds: undefined, until: '2020-01-01T00:00:00Z' }, 'until: this lies in the past'],
  [{ forSeconds: undefined, until: '2099-01-01T00:00:00Z' }, 'until: a year at most'],
  [{ algorithms: ['rot13'] }, expect.stringMatching(/^algorithms\.0: /)],
  [
    { algorithms: [], reason: undefined, forSeconds: undefined },
    'the target switch-7 is allowed no old algorithms',
  ],
])('%j is refused, and nothing is allowed', async (change, message) => {
  const input = { ...allow, algorithms: ['ssh-rsa'], ...change }
  expect(refusalOf(await vault.admin.call('target.legacy', input as never)).message).toEqual(message)
  expect((await vault.ask('target.show', { target: 'switch-7' })).legacy).toBeNull()
})

test('what a manager allows is in the list, the permit, the audit log and doctor, and ends', async () => {
  const before = must(await openIt())
  expect(before.target.legacy).toBeNull()
  await endSession(recorder, before.session)

  const shown = must(
    await api.call('target.legacy', { ...allow, algorithms: [...allow.algorithms] }, mia.token),
  )
  expect(shown.legacy).toEqual({
    algorithms: ['group1-sha1', 'hmac-md5'],
    reason: allow.reason,
    until: expect.any(String),
    isExpired: false,
    allowedBy: 'mia',
    allowedAt: expect.any(String),
  })
  expect(await vault.ask('target.list', {})).toEqual([shown])
  const [leaf] = await vault.ask('audit.list', { kind: 'target.legacy-allowed' })
  expect(leaf?.text).toMatch(
    /^mia allowed target switch-7 the old algorithms group1-sha1, hmac-md5 until .+: "replaced in March, order 4711"/,
  )
  expect(oldMachines([shown])).toMatchObject([
    { level: 'note', text: expect.stringContaining('group1-sha1, hmac-md5') },
  ])

  const permit = must(await openIt())
  expect(permit.target.legacy).toEqual({
    algorithms: ['group1-sha1', 'hmac-md5'],
    until: shown.legacy?.until,
  })
  // The host key and address are what the account is bound to; they are the same.
  await endSession(recorder, permit.session)
})

test('a session ends with the permission; afterwards none begins, until it is renewed or taken back', async () => {
  vault.advance((30 * day - 3600) * 1000)
  mia = { ...mia }
  const last = must(await openIt())
  expect(Date.parse(last.endsAt) - Date.parse(last.startedAt)).toBeLessThanOrEqual(3600_000)
  await endSession(recorder, last.session)

  vault.advance(3601_000)
  const refused = refusalOf(await openIt())
  expect(refused.code).toBe('expired')
  expect(refused.message).toMatch(
    /^this target was allowed old algorithms until \d{4}-.+, and nobody has renewed that$/,
  )
  expect(refused.next).toContain('tagout target legacy')
  const expired = await vault.ask('target.show', { target: 'switch-7' })
  expect(expired.legacy?.isExpired).toBe(true)
  expect(oldMachines([expired])).toMatchObject([
    { level: 'wrong', text: expect.stringContaining('nobody can connect') },
  ])

  await vault.ask('target.legacy', {
    target: 'switch-7',
    algorithms: ['ssh-rsa'],
    reason: 'again',
    forSeconds: day,
  })
  expect(must(await openIt()).target.legacy?.algorithms).toEqual(['ssh-rsa'])
  expect((await vault.ask('target.legacy', { target: 'switch-7', algorithms: [] })).legacy).toBeNull()
  expect(must(await openIt()).target.legacy).toBeNull()
})
