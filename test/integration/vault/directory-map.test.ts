import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import { tagout as runTagout } from '../../support/cli.ts'
import { ldapSettings } from '../../support/vendor-asks.ts'
import { startTestVault, type TestVault } from '../../support/vault.ts'

// What a group of a directory gives is said once, to a group of the policy that there is, and changed knowingly.

let vault: TestVault
let folder: string
const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir }, cwd: folder })
const map = (group: string, ...more: string[]) => tagout('directory', 'map', 'corp', group, ...more)
const mappings = async () => (await vault.ask('directory.show', { directory: 'corp' })).mappings
const apply = async (document: object) => {
  const { digest: expected } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', { document, expected } as VerbInput<'policy.apply'>)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-map-'))
  vault = await startTestVault()
  await vault.ask('directory.add', {
    name: 'corp',
    settings: ldapSettings,
    sealedSecret: await vault.sealDirectory('corp', ldapSettings, 'secret of the reader'),
  })
}, 180_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('a group of the policy that is none is refused, with those that there are', async () => {
  // Before there is any, it is set up in whichever order.
  expect(await map('first', '--role', 'operator', '--policy-group', 'early')).toMatchObject({ code: 0 })
  await apply({ version: 1, groups: { 'Line-3': [], hall: [] }, rules: [] })
  const wrong = await map('shift', '--role', 'operator', '--policy-group', 'lime-3')
  expect(wrong.code).toBe(2)
  expect(wrong.err).toContain('the policy has no group lime-3; it has Line-3, hall')
  expect(await map('shift', '--role', 'operator', '--policy-group', 'line-3')).toMatchObject({ code: 0 })
  // What was mapped before keeps its group, and gets other roles.
  const kept = await map('first', '--role', 'operator,approver', '--policy-group', 'early', '--yes')
  expect(kept).toMatchObject({ code: 0 })
})

test('another mapping of the same group says what it replaces, and takes a yes', async () => {
  const before = await mappings()
  const asked = await map('Shift', '--role', 'approver')
  expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('nothing was changed') })
  expect(asked.out + asked.err).toContain('Shift gives now: operator; group line-3')
  expect(asked.out + asked.err).toContain('it would give: approver')
  expect(await mappings()).toEqual(before)
  // The same again changes nothing that would have to be asked.
  expect(await map('shift', '--role', 'operator', '--policy-group', 'LINE-3')).toMatchObject({ code: 0 })
  expect(await map('shift', '--role', 'approver', '--yes')).toMatchObject({ code: 0 })
  expect((await mappings()).find(({ group }) => group === 'shift')).toMatchObject({
    roles: ['approver'],
    policyGroup: null,
  })
  expect((await map('shift', '--nothing')).code).toBe(2)
  expect(await map('shift', '--nothing', '--yes')).toMatchObject({ code: 0 })
})
