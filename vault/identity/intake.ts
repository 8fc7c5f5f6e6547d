import { z } from 'zod'
import type { DirectorySettings } from '../contract.ts'
import { loginPasswordLife, whereSecretGoes } from '../intake.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import type { World } from '../world.ts'

const loginPassword = z.strictObject({
  purpose: z.literal('login-password'),
  name: z.string().max(100),
  password: z.string().max(1024),
  at: z.iso.datetime({ offset: true }),
})
const accountPart = z.strictObject({
  purpose: z.enum(['account-secret', 'account-passphrase']),
  account: z.string().max(200),
  secret: z
    .string()
    .max(200_000)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/),
})

const directoryPart = z.strictObject({
  purpose: z.literal('directory-secret'),
  directory: z.string().max(100),
  goesTo: z.string().max(200_000),
  secret: z
    .string()
    .max(4_000)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/),
})

/** Opens a sealed login password of the user `name`. Refuses another purpose, another name and one that is old. */
export function openLoginPassword(world: World, sealed: string, name: string): Outcome<string> {
  const payload = openPayload(world, sealed, loginPassword)
  if (!payload.ok) return payload
  if (payload.value.name.toLowerCase() !== name.toLowerCase())
    return refuse('invalid', 'sealedPassword: it was sealed for somebody else')
  const age = Math.abs(world.vault.clock().getTime() - Date.parse(payload.value.at))
  if (age > loginPasswordLife)
    return refuse(
      'expired',
      'sealedPassword: it was sealed more than five minutes ago',
      'check the clock of your machine and try again',
    )
  return done(payload.value.password)
}

/**
 * Opens a sealed secret of an account. The caller owns the Secret.
 *
 * SECURITY: who carried it may have swapped it for one that was sealed for another account or as a passphrase.
 */
export function openAccountPart(
  world: World,
  sealed: string,
  purpose: 'account-secret' | 'account-passphrase',
  account: string,
): Outcome<Secret> {
  const payload = openPayload(world, sealed, accountPart)
  if (!payload.ok) return payload
  if (payload.value.purpose !== purpose || payload.value.account !== account)
    return refuse(
      'invalid',
      'sealed: this secret was sealed for another account or use',
      `seal it for ${account} as ${purpose}`,
    )
  return done(new Secret(new Uint8Array(Buffer.from(payload.value.secret, 'base64'))))
}

/** Opens what the vault is to prove itself with at a directory. The caller owns the Secret. */
export function openDirectorySecret(
  world: World,
  sealed: string,
  directory: string,
  settings: DirectorySettings,
): Outcome<Secret> {
  const payload = openPayload(world, sealed, directoryPart)
  if (!payload.ok) return payload
  if (payload.value.directory.toLowerCase() !== directory.toLowerCase())
    return refuse('invalid', 'sealedSecret: it was sealed for another directory', `seal it for ${directory}`)
  if (payload.value.goesTo !== whereSecretGoes(settings))
    return refuse(
      'invalid',
      'sealedSecret: it was sealed for another address, certificate or name',
      'give the secret anew, for where it goes now',
    )
  const bytes = new Uint8Array(Buffer.from(payload.value.secret, 'base64'))
  // SECURITY: a bind without a password is none, and servers answer it with success (RFC 4513 §5.1.2).
  if (bytes.length === 0) return refuse('invalid', 'sealedSecret: it is empty', 'give the password')
  return done(new Secret(bytes))
}

function openPayload<T>(world: World, sealed: string, shape: z.ZodType<T>): Outcome<T> {
  const opened = world.vault.openIntake(Buffer.from(sealed, 'base64'))
  if (!opened.ok) return opened
  using secret = opened.value
  try {
    const parsed = shape.safeParse(
      secret.expose((bytes) => JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))),
    )
    if (parsed.success) return done(parsed.data)
  } catch {
    // Falls through: what does not parse is refused without quoting it.
  }
  return refuse('invalid', 'sealed: what was sealed is not what belongs here')
}
