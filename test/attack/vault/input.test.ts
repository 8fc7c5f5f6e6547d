import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type VerbName, verbs } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Input that no client of ours sends. Whatever it is, the answer is a refusal or a value, never a fault.

let vault: TestVault
let clients: readonly (readonly [string, VaultClient, string | undefined])[]
let ann: TestPerson
/** Asked with random input these would end the test's own world; their input is tried by name elsewhere. */
const sparing = new Set<VerbName>([
  'vault.seal',
  'vault.initialise',
  'login.end',
  'login.revoke',
  'user.disable',
])
const names = (Object.keys(verbs) as VerbName[]).filter((verb) => !sparing.has(verb))

beforeAll(async () => {
  vault = await startTestVault()
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  clients = [
    ['admin', vault.admin, undefined],
    ['api', await vault.connect('api'), undefined],
    ['user', await vault.connect('api'), ann.token],
    ['recorder', await vault.worker(), undefined],
  ]
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

/** Strings that break things, and names that exist. */
const text = fc.oneof(
  fc.constantFrom(
    'press-3',
    'press-3/engineer',
    'line-3',
    'ann',
    'ingrid',
    'w1',
    '',
    '/',
    '//',
    "'; drop table login; --",
    '\u0000',
    '\ud800',
    '%',
    '../../etc/passwd',
    '\u202egnp.exe',
    'a'.repeat(5000),
    '-oProxyCommand=x',
    'ssh://127.0.0.1',
    'SHA256:AAAA',
    '2026-11-24T00:00:00Z',
    '+275760-09-13T00:00:00.000Z',
    'AAAA',
    'A',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const value: fc.Arbitrary<unknown> = fc.oneof(
  { maxDepth: 3 },
  text,
  fc.constantFrom(null, true, false, 0, -1, 1, 2 ** 31, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN, 0.5),
  fc.array(text, { maxLength: 4 }),
  fc.dictionary(fc.constantFrom('kind', 'sealed', 'state', 'sizeBytes', '__proto__', 'root'), text, {
    maxKeys: 4,
  }),
)

/** Input that has the fields of the verb, filled with anything. */
function inputOf(verb: VerbName): fc.Arbitrary<Record<string, unknown>> {
  const { input } = verbs[verb]
  const fields =
    'shape' in input ? Object.keys(input.shape as object) : ['kind', 'passphrase', 'path', 'recoveryKey']
  const ids = fc
    .constantFrom('ses', 'rec', 'grt', 'lse', 'key', 'lgn', 'usr', 'acc', 'tgt')
    .map((kind) => newId(kind))
  const field = fc.oneof(value, ids)
  return fc.record(Object.fromEntries(fields.map((name) => [name, field])), { requiredKeys: [] })
}

test.each(names)('%s takes anything and answers', (verb) =>
  fc.assert(
    fc.asyncProperty(inputOf(verb), fc.constantFrom(0, 1, 2, 3), async (input, which) => {
      const client = clients[which]
      if (client === undefined) throw new Error('there are four')
      const [, vaultClient, token] = client
      // A fault would be thrown.
      const outcome = await vaultClient.call(verb, input as never, token)
      expect(typeof outcome.ok).toBe('boolean')
      if (!outcome.ok) {
        expect(outcome.refusal.message.length).toBeLessThan(400)
        expect(outcome.refusal.message).not.toMatch(/select|insert|constraint|undefined|\[object/i)
      }
    }),
    { numRuns: 25 },
  ),
)

test('what is not a call at all is refused', async () => {
  for (const params of [
    null,
    1,
    'x',
    [],
    {},
    { input: 1 },
    { token: 5 },
    { input: {}, other: 1 },
    { token: 'x'.repeat(300), input: {} },
  ])
    for (const [, { peer }] of clients) {
      const answer = await peer.call('user.list', params)
      expect(answer.ok).toBe(false)
    }
})

test('an invalid field is named', async () => {
  const outcome = await vault.admin.call('user.add', { name: 'a b', roles: ['operator'] })
  expect(outcome.ok === false && outcome.refusal).toMatchObject({ code: 'invalid' })
  expect(outcome.ok === false && outcome.refusal.message).toMatch(/^name: /)
})

test('nothing of all this was a fault', () => {
  expect(vault.faults).toEqual([])
})
