import { createECDH, createPrivateKey, hash, hkdfSync, type KeyObject, sign } from 'node:crypto'
import { certificateBody, certificateOf, encodeCms, signedAttributes } from '../proof/cms.ts'
import { der, integer, oid, tags } from '../proof/der.ts'

/**
 * The key that signs evidence packages: P-256, of a purpose of the vault's base key as the audit log's key is, so that no
 * table holds it and every backup brings it back. Its certificate is made once, and stands in the audit log.
 */
export type EvidenceKey = { readonly privateKey: KeyObject; readonly point: Uint8Array }

const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')

export function evidenceKey(seed: Uint8Array): EvidenceKey {
  // 48 bytes: what is left of them modulo the order leans to no number (FIPS 186-5 A.2.1).
  const wide = Buffer.from(hkdfSync('sha256', seed, new Uint8Array(0), 'p-256', 48))
  const scalar = Buffer.from(
    ((BigInt(`0x${wide.toString('hex')}`) % (order - 1n)) + 1n).toString(16).padStart(64, '0'),
    'hex',
  )
  wide.fill(0)
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(scalar)
  const point = ecdh.getPublicKey()
  // SEC 1 C.4
  const encoded = Buffer.from(
    der(
      tags.sequence,
      integer(1),
      der(tags.octetString, scalar),
      der(0xa0, oid('1.2.840.10045.3.1.7')),
      der(0xa1, der(tags.bitString, Uint8Array.of(0), point)),
    ),
  )
  try {
    return { privateKey: createPrivateKey({ key: encoded, format: 'der', type: 'sec1' }), point }
  } finally {
    scalar.fill(0)
    encoded.fill(0)
  }
}

/** Makes the certificate of this key. Each time another one: a signature has chance in it. */
export function makeCertificate(key: EvidenceKey, installation: string, now: Date): Uint8Array {
  const serial = hash('sha256', key.point, 'buffer').subarray(0, 16)
  const body = certificateBody(
    installation,
    key.point,
    Buffer.from([0x40 | ((serial[0] ?? 0) & 0x3f), ...serial.subarray(1)]),
    now,
  )
  return certificateOf(body, sign('sha256', body, key.privateKey))
}

/** Signs evidence: a detached CMS signature. */
export function signEvidence(
  key: EvidenceKey,
  certificate: Uint8Array,
  content: Uint8Array,
  now: Date,
): Uint8Array {
  const digest = hash('sha256', content, 'buffer')
  const at = new Date(Math.floor(now.getTime() / 1000) * 1000)
  return encodeCms(certificate, digest, at, sign('sha256', signedAttributes(digest, at), key.privateKey))
}
