import type { DirectorySettings } from '../contract.ts'
import { type Context, envelopeFaults, open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { whereSecretGoes } from '../intake.ts'
import { Fault } from '../kernel/fault.ts'
import type { DirectoryId } from '../kernel/id.ts'
import type { Secret } from '../kernel/secret.ts'
import type { World } from '../world.ts'
import { settingsOf } from './settings.ts'

/** Seals what the vault proves itself with at a directory, so that it rests in this directory's row and goes there only. */
export function sealDirectorySecret(
  world: World,
  directory: DirectoryId,
  settings: DirectorySettings,
  secret: Secret,
): Uint8Array {
  using key = new Key(world.vault.purposeKey('directory-secret').slice())
  return seal(key, secret, contextOf(directory, settings), 'password')
}

/** Opens it as text, for the process that speaks with the directory. Throws `Fault` where it was sealed for another address. */
export function openSecretOf(
  world: World,
  row: { readonly id: DirectoryId; readonly secret: Uint8Array | null; readonly settings: string },
): string {
  if (row.secret === null) return ''
  using key = new Key(world.vault.purposeKey('directory-secret').slice())
  using secret = openHere(key, row.secret, row)
  return secret.expose((bytes) => Buffer.from(bytes).toString('utf8'))
}

/** What an older vault sealed names no address: the row's MAC alone holds it there, until it is given anew. */
function openHere(
  key: Key,
  sealed: Uint8Array,
  row: { readonly id: DirectoryId; readonly settings: string },
): Secret {
  try {
    return open(key, sealed, contextOf(row.id, settingsOf(row)))
  } catch (error) {
    if (!(error instanceof Fault && error.message === envelopeFaults.context)) throw error
    return open(key, sealed, ['directory', row.id])
  }
}

function contextOf(directory: DirectoryId, settings: DirectorySettings): Context {
  return ['directory', directory, whereSecretGoes(settings)]
}
