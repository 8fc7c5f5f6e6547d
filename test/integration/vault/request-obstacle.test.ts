import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestView, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RuleDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// A policy that is applied while a request waits may let nobody approve it: who asked and who answers read that at once.

let vault: TestVault
let api: VaultClient
let bob: TestPerson
let sue: TestPerson

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  sue = await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
}, 180_000)
afterAll(() => vault[Symbol.asyncDispose]())

const limit = async (
  more: Partial<RuleDocument>,
  groups: Readonly<Record<string, readonly string[]>> = {},
) => {
  const { digest: expected } = await vault.ask('policy.show', {})
  const rule = { name: 'line', effect: 'limit', who: { everyone: true }, what: { everything: true }, ...more }
  const document = { version: 1, groups, rules: [rule] }
  await vault.ask('policy.apply', { document, expected } as VerbInput<'policy.apply'>)
}
const asks = async (workOrder?: string) =>
  must(
    await api.call(
      'request.add',
      {
        account: 'press-3/engineer',
        actions: ['shell'],
        forSeconds: 3600,
        reason: 'it stops',
        ...(workOrder === undefined ? {} : { workOrder }),
      },
      bob.token,
    ),
  )
const shown = async ({ id }: RequestView, who = bob) =>
  must(await api.call('request.show', { request: id }, who.token))
const approve = ({ id, digest }: RequestView) =>
  api.call('request.decide', { request: id, digest, verdict: 'approve', totpCode: sue.code() }, sue.token)
const withdraw = async ({ id }: RequestView) =>
  must(await api.call('request.withdraw', { request: id }, bob.token))

test('a request without the work order that is wanted now says so, and is approved by nobody', async () => {
  const request = await asks()
  expect(request.obstacle).toBe(null)
  await limit({ workOrder: 'WO-####' })
  const why = 'the policy no longer allows this: the rule “line” wants a work order of the form WO-####'
  expect((await shown(request)).obstacle).toBe(why)
  expect((await shown(request, sue)).obstacle).toBe(why)
  expect(must(await api.call('request.list', {}, sue.token)).map(({ obstacle }) => obstacle)).toEqual([why])
  expect(refusalOf(await approve(request))).toMatchObject({
    code: 'conflict',
    message: why,
    next: 'deny it, or have it withdrawn and asked for again',
  })
  await withdraw(request)
  // What is over has no obstacle.
  expect((await shown(request)).obstacle).toBe(null)
})

test('one that only people can approve who are not there, or who asked, says so', async () => {
  const request = await asks('WO-4711')
  await limit({ approvals: [{ group: 'ot', count: 1 }] }, { ot: ['bob'] })
  const why = 'the policy no longer allows this: it wants 1 of ot, which has fewer who are somebody else'
  expect((await shown(request)).obstacle).toBe(why)
  expect(refusalOf(await approve(request)).message).toBe(why)
  await limit({ approvals: [{ group: 'ot', count: 1 }] }, { ot: ['bob', 'sue'] })
  expect((await shown(request)).obstacle).toBe(null)
  expect(must(await approve(request))).toMatchObject({ state: 'approved', obstacle: null })
})

test('more time belongs to the work order that the grant was asked for with, unless another is named', async () => {
  await limit({ workOrder: 'WO-####' })
  const request = await asks('WO-4712')
  const { grant } = must(await approve(request))
  const { notAfter } = (await vault.ask('grant.list', {})).find(({ id }) => id === grant) ?? { notAfter: '' }
  const more = (workOrder?: string) =>
    api.call(
      'request.extend',
      {
        grant: grant as VerbInput<'request.extend'>['grant'],
        until: new Date(Date.parse(notAfter) + 1_800_000).toISOString(),
        reason: 'the pump is open yet',
        ...(workOrder === undefined ? {} : { workOrder }),
      },
      bob.token,
    )
  const extension = must(await more())
  expect(extension.workOrder).toBe('WO-4712')
  await withdraw(extension)
  expect(refusalOf(await more('none')).message).toContain('wants one of the form WO-####')
  expect(must(await more('WO-4713')).workOrder).toBe('WO-4713')
})
