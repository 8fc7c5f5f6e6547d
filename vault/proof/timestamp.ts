import { sameBytes, sha256 } from '../kernel/digest.ts'
import { concat, contentOf, type Der, der, inside, integer, oid, readDer, tags } from './der.ts'

/** Time-stamps (RFC 3161): what is asked, and what an answer proves. Runs in browsers too. */

const sha256Id = '2.16.840.1.101.3.4.2.1'
const digests = [
  [oid(sha256Id), 'SHA-256'],
  [oid('2.16.840.1.101.3.4.2.2'), 'SHA-384'],
  [oid('2.16.840.1.101.3.4.2.3'), 'SHA-512'],
] as const
const tokenInfo = oid('1.2.840.113549.1.9.16.1.4')
const signedData = oid('1.2.840.113549.1.7.2')
const messageDigest = oid('1.2.840.113549.1.9.4')
const ecKey = oid('1.2.840.10045.2.1')
const curves = [
  [oid('1.2.840.10045.3.1.7'), 'P-256', 32],
  [oid('1.3.132.0.34'), 'P-384', 48],
] as const

export type Stamped = { readonly time: Date }

/** Asks that a time-stamper says when it saw this, and sends its certificate along. */
export async function timestampRequest(message: Uint8Array): Promise<Uint8Array> {
  const imprint = der(
    tags.sequence,
    der(tags.sequence, oid(sha256Id)),
    der(tags.octetString, await sha256(message)),
  )
  return der(tags.sequence, integer(1), imprint, der(0x01, Uint8Array.of(0xff)))
}

/**
 * What an answer proves of `message`: when it was there at the latest. `certificates` are those of the time-stamper and
 * of who certified it (PEM): the one that signed must be among them. Undefined where it proves nothing.
 */
export async function openTimestamp(
  answer: Uint8Array,
  message: Uint8Array,
  certificates: string,
): Promise<Stamped | undefined> {
  try {
    const [status, token] = inside(readDer(answer), tags.sequence)
    const [code] = inside(status, tags.sequence)
    // 0: granted. 1, granted with modifications, is none that was asked for.
    if (contentOf(code, tags.integer)[0] !== 0) return undefined
    const [type, content] = inside(token, tags.sequence)
    const data = inside(inside(content, 0xa0)[0], tags.sequence)
    const [infoType, held] = inside(data[2], tags.sequence)
    if (!isId(type, signedData) || !isId(infoType, tokenInfo)) return undefined
    const info = contentOf(inside(held, 0xa0)[0], tags.octetString)
    const fields = inside(readDer(info), tags.sequence)
    const [algorithm, imprint] = inside(fields[2], tags.sequence)
    if (!isId(inside(algorithm, tags.sequence)[0], oid(sha256Id))) return undefined
    if (!sameBytes(contentOf(imprint, tags.octetString), await sha256(message))) return undefined
    const signers = inside(data.at(-1), tags.set)
    const signer = inside(signers[0], tags.sequence)
    if (signers.length !== 1 || !(await isSigned(signer, info, certificates))) return undefined
    return { time: timeOf(contentOf(fields[4], tags.time)) }
  } catch {
    // What does not parse is no answer.
    return undefined
  }
}

async function isSigned(signer: readonly Der[], info: Uint8Array, pem: string): Promise<boolean> {
  const [, id, digestAlgorithm, attributes, , signature] = signer
  const digest = digests.find(([known]) => isId(inside(digestAlgorithm, tags.sequence)[0], known))?.[1]
  if (digest === undefined || attributes === undefined) return false
  const [issuer, serial] = inside(id, tags.sequence)
  const certificate = certificatesIn(pem).find((one) => {
    const body = inside(inside(readDer(one), tags.sequence)[0], tags.sequence)
    return (
      sameBytes(body[1]?.bytes ?? one, serial?.bytes ?? info) &&
      sameBytes(body[3]?.bytes ?? one, issuer?.bytes ?? info)
    )
  })
  if (certificate === undefined) return false
  const said = inside(attributes, 0xa0)
    .map((attribute) => inside(attribute, tags.sequence))
    .find(([type]) => isId(type, messageDigest))
  const hashed = new Uint8Array(await crypto.subtle.digest(digest, Uint8Array.from(info)))
  if (!sameBytes(contentOf(inside(said?.[1], tags.set)[0], tags.octetString), hashed)) return false
  const signed = concat(Uint8Array.of(tags.set), attributes.bytes.subarray(1))
  return isSignedWith(certificate, digest, contentOf(signature, tags.octetString), signed)
}

async function isSignedWith(
  certificate: Uint8Array,
  hash: string,
  signature: Uint8Array,
  message: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const body = inside(inside(readDer(certificate), tags.sequence)[0], tags.sequence)
  const spki = Uint8Array.from(body[6]?.bytes ?? [])
  const [kind, curveId] = inside(inside(body[6], tags.sequence)[0], tags.sequence)
  if (!isId(kind, ecKey)) {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash }
    const key = await crypto.subtle.importKey('spki', spki, rsa, false, ['verify'])
    return crypto.subtle.verify(rsa, key, Uint8Array.from(signature), message)
  }
  const curve = curves.find(([known]) => isId(curveId, known))
  if (curve === undefined) return false
  const [, namedCurve, size] = curve
  const key = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve }, false, ['verify'])
  const [r, s] = inside(readDer(signature), tags.sequence).map((part) => {
    const bytes = contentOf(part, tags.integer)
    const trimmed = bytes.subarray(bytes[0] === 0 ? 1 : 0)
    return concat(new Uint8Array(size - trimmed.length), trimmed)
  })
  if (r === undefined || s === undefined) return false
  return crypto.subtle.verify({ name: 'ECDSA', hash }, key, concat(r, s), message)
}

/** The certificates in a text, DER. */
export function certificatesIn(pem: string): readonly Uint8Array[] {
  return [
    ...pem.matchAll(/-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----/g),
  ].map(([, text = '']) => Uint8Array.from(atob(text.replaceAll(/\s/g, '')), (char) => char.charCodeAt(0)))
}

function isId(value: Der | undefined, id: Uint8Array): boolean {
  return value !== undefined && sameBytes(value.bytes, id)
}

function timeOf(content: Uint8Array): Date {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(String.fromCharCode(...content)) ?? []
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}
