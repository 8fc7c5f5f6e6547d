import { expect, test } from 'vitest'
import type { DirectorySettings } from '../../../vault/contract.ts'
import { envelopeFaults, seal } from '../../../vault/crypto/envelope.ts'
import { Key } from '../../../vault/crypto/key.ts'
import { openSecretOf, sealDirectorySecret } from '../../../vault/directory/secret.ts'
import { encodeSettings } from '../../../vault/directory/settings.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import type { World } from '../../../vault/world.ts'
import { ldapSettings } from '../../support/vendor-asks.ts'

// The secret of a directory, at rest: beside other settings than those that it was given for it does not open.

const world = { vault: { purposeKey: () => Buffer.alloc(32, 7) } } as unknown as World
const id = newId('dir')
const oidc: DirectorySettings = {
  kind: 'oidc',
  issuer: 'https://login.plant.example',
  clientId: 'tagout',
  certificates: null,
  console: 'https://gateway.plant.example',
  groupsClaim: 'groups',
  loginClaim: 'preferred_username',
  scopes: [],
  acrValues: [],
  maxAgeSeconds: null,
  stepUp: null,
  keysSeconds: 3600,
}
const secretOf = (text: string) => new Secret(new Uint8Array(Buffer.from(text)))
const opens = (sealed: Uint8Array, settings: DirectorySettings, of = id) =>
  openSecretOf(world, { id: of, secret: sealed, settings: encodeSettings(settings) })

test.each<readonly [string, DirectorySettings, readonly object[], object]>([
  [
    'a directory',
    ldapSettings,
    [
      { url: 'ldaps://attacker.example' },
      { certificates: ldapSettings.certificates.replace('AA==', 'BB==') },
      { bindName: 'cn=other,dc=plant' },
    ],
    { base: 'dc=elsewhere', wrongPasswords: 1 },
  ],
  [
    'a provider',
    oidc,
    [
      { issuer: 'https://attacker.example' },
      { clientId: 'another' },
      { certificates: ldapSettings.certificates },
    ],
    { keysSeconds: 7200, groupsClaim: 'roles' },
  ],
])('the secret of %s goes where it was given for', (_what, settings, others, same) => {
  using secret = secretOf('canary')
  const sealed = sealDirectorySecret(world, id, settings, secret)
  expect(opens(sealed, settings)).toBe('canary')
  expect(opens(sealed, { ...settings, ...same } as DirectorySettings)).toBe('canary')
  for (const other of others)
    expect(() => opens(sealed, { ...settings, ...other } as DirectorySettings)).toThrow(
      envelopeFaults.context,
    )
  expect(() => opens(sealed, settings, newId('dir'))).toThrow(envelopeFaults.context)
})

test('what an older vault sealed opens in its own row alone', () => {
  using key = new Key(Buffer.alloc(32, 7))
  using secret = secretOf('canary')
  const sealed = seal(key, secret, ['directory', id], 'password')
  expect(opens(sealed, ldapSettings)).toBe('canary')
  expect(() => opens(sealed, ldapSettings, newId('dir'))).toThrow(envelopeFaults.context)
})
