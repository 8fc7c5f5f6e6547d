import { Fault } from '../../../vault/kernel/fault.ts'

/** What may secure a connection of RDP (MS-RDPBCGR 2.2.1.1.1), as bits. */
export const rdpProtocols = { tls: 1, nla: 2 } as const

/** Bytes of the longest answer to a request for a connection that is waited for. */
const mostAnswer = 512
/** Bytes of the longest certificate chain that is read, and of one record of TLS (RFC 5246 §6.2.3). */
const mostHandshake = 128 * 1024
const mostRecord = 16_384 + 2_048

/** A request for a connection (MS-RDPBCGR 2.2.1.1) that names nobody. */
export function connectionRequest(security: 'nla' | 'tls'): Buffer {
  const asked = security === 'nla' ? rdpProtocols.nla | rdpProtocols.tls : rdpProtocols.tls
  return Buffer.from([...[3, 0, 0, 19], ...[14, 0xe0, 0, 0, 0, 0, 0], ...[1, 0, 8, 0], ...[asked, 0, 0, 0]])
}

/** What a machine of RDP begins with, before it sends anything under TLS. */
export type Greeting =
  /** `failure`: of MS-RDPBCGR 2.2.1.2.2; undefined: an old machine, which names nothing. */
  | { readonly kind: 'refused'; readonly failure: number | undefined }
  | { readonly kind: 'chose'; readonly protocol: number }

/** The answer to a request for a connection, at the beginning of what a machine sends; undefined: more has to come. */
export function readGreeting(
  bytes: Buffer,
): { readonly greeting: Greeting; readonly length: number } | undefined {
  if (bytes.length < 4) return undefined
  const length = bytes.readUInt16BE(2)
  if (bytes[0] !== 3 || length < 11 || length > mostAnswer) throw odd()
  if (bytes.length < length) return undefined
  if (bytes[5] !== 0xd0) throw odd()
  // Its last eight bytes say what was chosen, or why nothing was.
  const [type, value] = length >= 19 ? [bytes[11], bytes.readUInt32LE(15)] : [undefined, undefined]
  if (type === 2 && value !== undefined) return { greeting: { kind: 'chose', protocol: value }, length }
  return { greeting: { kind: 'refused', failure: type === 3 ? value : undefined }, length }
}

/** The certificate cannot be read on the way, as it cannot from TLS 1.3 on. */
export class HiddenCertificate extends Error {}

/**
 * Reads the certificate of a machine out of the beginning of a handshake of TLS 1.2, as the machine sends it.
 *
 * SECURITY: what it reads is what the other end checks the handshake with: under TLS 1.2 the certificate goes in clear,
 * once, and the machine proves in the same handshake that the key is its own. From 1.3 on it is hidden: refused.
 */
export class CertificateReader {
  #bytes = Buffer.alloc(0)
  #handshake = Buffer.alloc(0)

  /** The machine's own certificate (DER) as soon as it is there. Throws `Fault('protocol')` where none can come. */
  push(chunk: Uint8Array): Buffer | undefined {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    while (this.#bytes.length >= 5) {
      const [type = 0, major = 0] = this.#bytes
      const length = this.#bytes.readUInt16BE(3)
      if (major !== 3 || length === 0 || length > mostRecord) throw odd()
      if (this.#bytes.length < 5 + length) return undefined
      // An alert ends it; anything that is hidden comes too soon.
      if (type !== 22) throw type === 23 || type === 20 ? new HiddenCertificate() : odd()
      this.#handshake = Buffer.concat([this.#handshake, this.#bytes.subarray(5, 5 + length)])
      this.#bytes = this.#bytes.subarray(5 + length)
      if (this.#handshake.length > mostHandshake) throw odd()
      const found = this.#messages()
      if (found !== undefined) return found
    }
    return undefined
  }

  #messages(): Buffer | undefined {
    while (this.#handshake.length >= 4) {
      const type = this.#handshake[0]
      const length = this.#handshake.readUIntBE(1, 3)
      if (length > mostHandshake) throw odd()
      if (this.#handshake.length < 4 + length) return undefined
      const body = this.#handshake.subarray(4, 4 + length)
      this.#handshake = this.#handshake.subarray(4 + length)
      if (type === 11) return firstOf(body)
      if (type !== 2) throw odd()
    }
    return undefined
  }
}

/** The first certificate of a list (RFC 5246 §7.4.2). */
function firstOf(body: Buffer): Buffer {
  if (body.length < 6) throw odd()
  const length = body.readUIntBE(3, 3)
  if (length === 0 || 6 + length > body.length) throw odd()
  return Buffer.from(body.subarray(6, 6 + length))
}

/** SECURITY: says nothing of what was read. */
function odd(): Fault {
  return new Fault('protocol', 'what answers does not speak RDP')
}
