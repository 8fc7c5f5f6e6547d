import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { encodeParts } from './kernel/encoding.ts'
import { Fault } from './kernel/fault.ts'

export const planes = ['vault', 'recorder', 'rotation', 'api'] as const
export type Plane = (typeof planes)[number]

const planeFile = z.strictObject({
  plane: z.enum(planes),
  privateKey: z.string(),
  publicKey: z.string(),
  peers: z.strictObject({ vault: z.string(), recorder: z.string(), rotation: z.string(), api: z.string() }),
  databaseUrl: z.string(),
})

/** What a plane is: its own key, the public keys of the others, and its own way to the database. */
export type PlaneIdentity = {
  readonly plane: Plane
  readonly privateKey: KeyObject
  readonly peers: Readonly<Record<Plane, KeyObject>>
  readonly databaseUrl: string
}

// An Ed25519 SubjectPublicKeyInfo is this prefix and the 32 raw bytes (RFC 8410 §4).
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** Reads `<dataDir>/<plane>/plane.json`. Throws `Fault('configuration')` that names the file and what is wrong. */
export function readPlaneIdentity(dataDir: string, plane: Plane): PlaneIdentity {
  const path = join(dataDir, plane, 'plane.json')
  try {
    const file = planeFile.parse(JSON.parse(readFileSync(path, 'utf8')))
    const publicKey = (text: string) => ed25519PublicKey(Buffer.from(text, 'base64'))
    return {
      plane: file.plane,
      privateKey: createPrivateKey({
        key: Buffer.from(file.privateKey, 'base64'),
        format: 'der',
        type: 'pkcs8',
      }),
      peers: {
        vault: publicKey(file.peers.vault),
        recorder: publicKey(file.peers.recorder),
        rotation: publicKey(file.peers.rotation),
        api: publicKey(file.peers.api),
      },
      databaseUrl: file.databaseUrl,
    }
  } catch (error) {
    // SECURITY: the cause is left out, a JSON error quotes the text of the file.
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'malformed'
    throw new Fault('configuration', `cannot read ${path} (${why}); run npm start, which writes it`)
  }
}

/** Makes a key object of 32 raw bytes. */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' })
}

/** Proves `plane` to the holder of `theirNonce`. Signs both nonces and the name, so that a proof fits one connection. */
export function provePlane(
  key: KeyObject,
  plane: Plane,
  theirNonce: Uint8Array,
  ownNonce: Uint8Array,
): Buffer {
  return sign(null, encodeParts('tagout/v1/hello', plane, theirNonce, ownNonce), key)
}

export function isProofOf(
  key: KeyObject,
  plane: Plane,
  ownNonce: Uint8Array,
  theirNonce: Uint8Array,
  proof: Uint8Array,
): boolean {
  return verify(null, encodeParts('tagout/v1/hello', plane, ownNonce, theirNonce), key, proof)
}
