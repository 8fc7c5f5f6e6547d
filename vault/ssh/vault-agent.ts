import type { IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2'
import type { Outcome } from '../kernel/outcome.ts'
import { BaseAgent, utils } from './library.ts'
import { describeHostKey } from './verify-host-key.ts'

type Sign = (data: Uint8Array, algorithm: string) => Promise<Outcome<Uint8Array>>

/**
 * An SSH agent with one key, whose private half stays in the vault.
 *
 * SECURITY: what is signed is a userauth request (RFC 4252 §7) bound to one connection by its session id; the vault
 * checks that, and the recorder never holds the key.
 */
export class VaultAgent extends BaseAgent<ParsedKey> {
  readonly #publicKey: string
  readonly #sign: Sign

  constructor(publicKey: string, sign: Sign) {
    super()
    this.#publicKey = publicKey
    this.#sign = sign
  }

  getIdentities(callback: IdentityCallback<ParsedKey>): void {
    const key = utils.parseKey(publicLine(this.#publicKey))
    if (key instanceof Error) callback(key)
    else callback(null, [key])
  }

  sign(
    key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : callback
    const hash = typeof options === 'function' ? undefined : options.hash
    const algorithm = key.type === 'ssh-rsa' ? `rsa-sha2-${hash === 'sha256' ? '256' : '512'}` : key.type
    this.#sign(data, algorithm).then(
      (outcome) => {
        if (outcome.ok) done?.(null, bareSignature(algorithm, Buffer.from(outcome.value)))
        else done?.(new Error('the vault did not sign'))
      },
      () => done?.(new Error('the vault did not sign')),
    )
  }
}

/** A key as a line of OpenSSH's format, made of its blob in base64 where it is not one yet. */
function publicLine(key: string): string {
  return key.includes(' ') ? key : `${describeHostKey(Buffer.from(key, 'base64')).type} ${key}`
}

/** Takes a signature out of its framing `string algorithm, string signature` (RFC 4253 §6.6), which ssh2 adds again. */
export function bareSignature(algorithm: string, signature: Buffer): Buffer {
  const head = Buffer.alloc(4 + algorithm.length)
  head.writeUInt32BE(algorithm.length)
  head.write(algorithm, 4, 'latin1')
  const isFramed = signature.length >= head.length + 4 && signature.subarray(0, head.length).equals(head)
  return isFramed ? signature.subarray(head.length + 4) : signature
}
