import { open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import type { DirectoryId } from '../kernel/id.ts'
import type { Secret } from '../kernel/secret.ts'
import type { World } from '../world.ts'

/** Seals what the vault proves itself with at a directory, so that it rests in this directory's row only. */
export function sealDirectorySecret(world: World, directory: DirectoryId, secret: Secret): Uint8Array {
  using key = new Key(world.vault.purposeKey('directory-secret').slice())
  return seal(key, secret, ['directory', directory], 'password')
}

/** Opens it as text, for the process that speaks with the directory. */
export function openSecretOf(
  world: World,
  row: { readonly id: DirectoryId; readonly secret: Uint8Array | null },
): string {
  if (row.secret === null) return ''
  using key = new Key(world.vault.purposeKey('directory-secret').slice())
  using secret = open(key, row.secret, ['directory', row.id])
  return secret.expose((bytes) => Buffer.from(bytes).toString('utf8'))
}
