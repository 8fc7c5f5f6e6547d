import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import { type Plane, planes } from '../../vault/plane.ts'
import { type Owners, writeFor } from './data-folder.ts'

const planeSecrets = z.strictObject({ privateKey: z.string(), publicKey: z.string(), password: z.string() })
const secrets = z.strictObject({
  owner: z.string(),
  vault: planeSecrets,
  recorder: planeSecrets,
  // Missing in what an earlier version wrote: made then.
  rotation: planeSecrets.default(() => plane()),
  api: planeSecrets,
})

/** Keys of the planes and passwords of their database roles, as the supervisor keeps them. */
export type InstallationSecrets = z.infer<typeof secrets>

/** Reads the supervisor's secrets, made on the first start. */
export function readSecrets(dataDir: string): InstallationSecrets {
  const path = join(dataDir, 'supervisor', 'secrets.json')
  if (!existsSync(path)) {
    const made = { owner: password(), vault: plane(), recorder: plane(), rotation: plane(), api: plane() }
    writeFor(undefined, path, `${JSON.stringify(made, null, 2)}\n`, 0o600)
    return made
  }
  try {
    const text = readFileSync(path, 'utf8')
    const read = secrets.parse(JSON.parse(text))
    const whole = `${JSON.stringify(read, null, 2)}\n`
    if (Object.keys(JSON.parse(text) as object).length !== Object.keys(read).length)
      writeFor(undefined, path, whole, 0o600)
    return read
  } catch {
    // SECURITY: the cause is left out, a JSON error quotes the text of the file.
    throw new Fault(
      'configuration',
      `${path} cannot be read or is malformed: restore it from a copy of this folder`,
    )
  }
}

/** Writes each plane's `plane.json` anew: a plane that was tampered with cannot pass its changes on. */
export function writePlaneFiles(
  dataDir: string,
  owners: Owners,
  known: InstallationSecrets,
  databaseUrl: (plane: Plane) => string,
): void {
  const peers = {
    vault: known.vault.publicKey,
    recorder: known.recorder.publicKey,
    rotation: known.rotation.publicKey,
    api: known.api.publicKey,
  }
  for (const name of planes) {
    const { privateKey, publicKey } = known[name]
    const file = { plane: name, privateKey, publicKey, peers, databaseUrl: databaseUrl(name) }
    writeFor(owners[name], join(dataDir, name, 'plane.json'), `${JSON.stringify(file, null, 2)}\n`, 0o600)
  }
}

function password(): string {
  return randomBytes(24).toString('base64url')
}

function plane(): z.infer<typeof planeSecrets> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    // The last 32 bytes of a SubjectPublicKeyInfo are the raw key (RFC 8410 §4).
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64'),
    password: password(),
  }
}
