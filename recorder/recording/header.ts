import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto'
import sodium from 'libsodium-wrappers'
import type { AuditorChain } from '../../vault/auditors/list.ts'
import type { Permit } from '../../vault/contract.ts'
import { type Canonical, canonicalBytes, toBase64 } from '../../vault/kernel/encoding.ts'
import type { RecordingHeader } from '../replay/header.ts'
import { encodeRecord, preamble, purposes, recordTypes, signedPart } from '../replay/record.ts'

/** A session's own signing key, a fresh recording key, and the header that seals the latter to the auditors. */
export type MadeHeader = {
  /** The first bytes of the file. */
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  readonly publicKey: Uint8Array
  readonly signKey: KeyObject
  readonly recordingKey: Uint8Array
  /** X25519 keys of the recipients, in base64: those of the search index are the same. */
  readonly recipients: readonly string[]
}

/**
 * Makes the header of a recording. The recording key is sealed to the auditors' group key and to the recordings
 * recovery key: after `finish` wiped it, no server can open the recording.
 */
export async function makeHeader(
  permit: Permit,
  chain: AuditorChain,
  place: { readonly node: string; readonly worker: string },
): Promise<MadeHeader> {
  await sodium.ready
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const rawPublic = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const recordingKey = new Uint8Array(randomBytes(32))
  const { current } = chain
  const recipient = (kind: 'auditors' | 'recovery', key: Uint8Array) => ({
    kind,
    key: toBase64(key),
    sealed: toBase64(sodium.crypto_box_seal(recordingKey, key)),
  })
  const { auditorLists: _lists, credential, ...facts } = permit
  const header: RecordingHeader = {
    ...facts,
    format: 'tagout-recording',
    version: 1,
    cipher: 'aes-256-gcm',
    credential: credential.kind,
    node: place.node,
    worker: place.worker,
    createdAt: new Date().toISOString(),
    auditors: { version: current.version, hash: toBase64(current.hash) },
    publicKey: toBase64(rawPublic),
    recipients: [recipient('auditors', current.groupKey), recipient('recovery', current.recovery.boxKey)],
  }
  const body = canonicalBytes(header as unknown as Canonical)
  const headerHash = new Uint8Array(hash('sha256', body, 'buffer'))
  const signature = sign(null, signedPart(purposes.header, headerHash, body), privateKey)
  return {
    bytes: Buffer.concat([preamble, encodeRecord(recordTypes.header, signature, body)]),
    hash: headerHash,
    publicKey: rawPublic,
    signKey: privateKey,
    recordingKey,
    recipients: header.recipients.map(({ key }) => key),
  }
}
