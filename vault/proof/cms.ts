import { sameBytes, sha256 } from '../kernel/digest.ts'
import { concat, contentOf, der, inside, integer, oid, readDer, tags } from './der.ts'

/** Detached signatures of evidence: CMS (RFC 5652) of one form, and the certificate that they are checked by. Runs in browsers too. */

const ids = {
  data: oid('1.2.840.113549.1.7.1'),
  signedData: oid('1.2.840.113549.1.7.2'),
  contentType: oid('1.2.840.113549.1.9.3'),
  messageDigest: oid('1.2.840.113549.1.9.4'),
  signingTime: oid('1.2.840.113549.1.9.5'),
  sha256: oid('2.16.840.1.101.3.4.2.1'),
  ecdsaSha256: oid('1.2.840.10045.4.3.2'),
  ecKey: oid('1.2.840.10045.2.1'),
  p256: oid('1.2.840.10045.3.1.7'),
  commonName: oid('2.5.4.3'),
  organization: oid('2.5.4.10'),
  keyUsage: oid('2.5.29.15'),
  constraints: oid('2.5.29.19'),
} as const

const sha256Algorithm = der(tags.sequence, ids.sha256)
const ecdsa = der(tags.sequence, ids.ecdsaSha256)
const yes = der(0x01, Uint8Array.of(0xff))
/** RFC 5280 §4.1.2.5: of a certificate that does not run out. The key is as old as the vault, and stays. */
const never = '99991231235959Z'

export type Signed = { readonly certificate: Uint8Array; readonly signedAt: Date }

/** What of a certificate is signed: P-256, for signatures alone, of nobody but itself. `point` is uncompressed, 65 bytes. */
export function certificateBody(
  installation: string,
  point: Uint8Array,
  serial: Uint8Array,
  from: Date,
): Uint8Array {
  const name = nameOf(installation)
  return der(
    tags.sequence,
    der(0xa0, integer(2)),
    integer(serial),
    ecdsa,
    name,
    der(tags.sequence, utcTime(from), der(tags.time, ascii(never))),
    name,
    der(tags.sequence, der(tags.sequence, ids.ecKey, ids.p256), der(tags.bitString, Uint8Array.of(0), point)),
    der(
      0xa3,
      der(
        tags.sequence,
        der(tags.sequence, ids.constraints, yes, der(tags.octetString, der(tags.sequence))),
        // digitalSignature and nonRepudiation
        der(
          tags.sequence,
          ids.keyUsage,
          yes,
          der(tags.octetString, der(tags.bitString, Uint8Array.of(6, 0xc0))),
        ),
      ),
    ),
  )
}

/** A certificate of its body and the signature over it (DER of r and s). */
export function certificateOf(body: Uint8Array, signature: Uint8Array): Uint8Array {
  return der(tags.sequence, body, ecdsa, der(tags.bitString, Uint8Array.of(0), signature))
}

/** What the signature of a CMS is over: that it is of data with this digest, at this time. */
export function signedAttributes(digest: Uint8Array, at: Date): Uint8Array {
  return der(tags.set, attributes(digest, at))
}

/** A detached signature, as `openssl cms -verify` takes it. `signature` is over `signedAttributes`. */
export function encodeCms(
  certificate: Uint8Array,
  digest: Uint8Array,
  at: Date,
  signature: Uint8Array,
): Uint8Array {
  const [, serial, , issuer] = inside(inside(readDer(certificate), tags.sequence)[0], tags.sequence)
  if (serial === undefined || issuer === undefined) throw new TypeError('the certificate is none')
  const signer = der(
    tags.sequence,
    integer(1),
    der(tags.sequence, issuer.bytes, serial.bytes),
    sha256Algorithm,
    der(0xa0, attributes(digest, at)),
    ecdsa,
    der(tags.octetString, signature),
  )
  const signedData = der(
    tags.sequence,
    integer(1),
    der(tags.set, sha256Algorithm),
    der(tags.sequence, ids.data),
    der(0xa0, certificate),
    der(tags.set, signer),
  )
  return der(tags.sequence, ids.signedData, der(0xa0, signedData))
}

/**
 * Verifies a detached signature over `content`: undefined where it does not hold, or is not written as `encodeCms`
 * writes it, bit by bit. That the certificate is the right one, whoever asks compares.
 */
export async function openCms(cms: Uint8Array, content: Uint8Array): Promise<Signed | undefined> {
  try {
    const outer = inside(readDer(cms), tags.sequence)
    const data = inside(inside(outer[1], 0xa0)[0], tags.sequence)
    const certificate = contentOf(data[3], 0xa0)
    const signer = inside(inside(data[4], tags.set)[0], tags.sequence)
    const time = inside(inside(signer[3], 0xa0)[1], tags.sequence)[1]
    const signedAt = dateOf(contentOf(inside(time, tags.set)[0], tags.utcTime))
    const signature = contentOf(signer[5], tags.octetString)
    const digest = await sha256(content)
    if (!sameBytes(encodeCms(certificate, digest, signedAt, signature), cms)) return undefined
    const key = await keyOf(certificate)
    const [body, , sealed] = inside(readDer(certificate), tags.sequence)
    const own = contentOf(sealed, tags.bitString).subarray(1)
    if (body === undefined || !sameBytes(certificateOf(body.bytes, own), certificate)) return undefined
    const holds =
      (await isSignedBy(key, own, body.bytes)) &&
      (await isSignedBy(key, signature, signedAttributes(digest, signedAt)))
    return holds ? { certificate, signedAt } : undefined
  } catch {
    // What does not parse was not written by `encodeCms`.
    return undefined
  }
}

/** PEM of a certificate, with lines of 64. */
export function pemOf(certificate: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...certificate)).match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

async function keyOf(certificate: Uint8Array): Promise<CryptoKey> {
  const body = inside(inside(readDer(certificate), tags.sequence)[0], tags.sequence)
  const spki = body[6]?.bytes ?? new Uint8Array()
  return crypto.subtle.importKey(
    'spki',
    Uint8Array.from(spki),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['verify'],
  )
}

async function isSignedBy(key: CryptoKey, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  const [r, s] = inside(readDer(signature), tags.sequence).map((part) => contentOf(part, tags.integer))
  if (r === undefined || s === undefined) return false
  if (!sameBytes(der(tags.sequence, integer(r), integer(s)), signature)) return false
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
  return crypto.subtle.verify(algorithm, key, concat(fixed(r), fixed(s)), Uint8Array.from(message))
}

function fixed(value: Uint8Array): Uint8Array {
  const trimmed = value.subarray(value[0] === 0 ? 1 : 0)
  if (trimmed.length > 32) throw new TypeError('the signature is too long')
  return concat(new Uint8Array(32 - trimmed.length), trimmed)
}

function attributes(digest: Uint8Array, at: Date): Uint8Array {
  return concat(
    der(tags.sequence, ids.contentType, der(tags.set, ids.data)),
    der(tags.sequence, ids.signingTime, der(tags.set, utcTime(at))),
    der(tags.sequence, ids.messageDigest, der(tags.set, der(tags.octetString, digest))),
  )
}

function nameOf(installation: string): Uint8Array {
  const part = (id: Uint8Array, text: string) =>
    der(tags.set, der(tags.sequence, id, der(tags.utf8, new TextEncoder().encode(text))))
  return der(
    tags.sequence,
    part(ids.organization, 'Tagout'),
    part(ids.commonName, `Tagout evidence ${installation}`.slice(0, 64)),
  )
}

/** Two digits of the year: good to 2049, as RFC 5280 wants it. */
function utcTime(at: Date): Uint8Array {
  return der(tags.utcTime, ascii(`${at.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}

function dateOf(content: Uint8Array): Date {
  const text = String.fromCharCode(...content)
  const [, year, month, day, hour, minute, second] =
    /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? []
  return new Date(`20${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0))
}
