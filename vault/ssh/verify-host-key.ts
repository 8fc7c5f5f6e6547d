import { createHash } from 'node:crypto'

/** Pinned host keys: `type` is that of the key blob (`ssh-rsa` for every RSA signature), or empty where unknown. */
export type Pins = readonly { readonly type: string; readonly fingerprint: string }[]

/** A host key as a target presents it. `fingerprint` is OpenSSH's `SHA256:…`. */
export type HostKey = { readonly type: string; readonly fingerprint: string; readonly key: Buffer }

/** Reads the type of a host key blob (RFC 4253 §6.6) and its fingerprint. */
export function describeHostKey(key: Buffer): HostKey {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0
  const type =
    length > 0 && length <= 64 && key.length >= 4 + length ? key.toString('latin1', 4, 4 + length) : ''
  const digest = createHash('sha256').update(key).digest('base64').replace(/=+$/, '')
  return { type: /^[a-z0-9@.-]+$/.test(type) ? type : 'unknown', fingerprint: `SHA256:${digest}`, key }
}

/**
 * True when `key` is one of the pinned ones. No pins: never. A pin given by its fingerprint alone has an empty type;
 * the fingerprint covers the type as well.
 */
export function isPinned(pins: Pins, key: HostKey): boolean {
  return pins.some((pin) => pin.fingerprint === key.fingerprint && (pin.type === '' || pin.type === key.type))
}

/**
 * Makes the `hostVerifier` of an ssh2 client. `decide` says whether the key may be accepted.
 *
 * SECURITY: the only place that gives ssh2 a verifier. ssh2 connects unless the verdict is exactly `false`: no
 * verifier, an `async` one, `undefined` in the callback, `0` and `null` all connect. So the decision is synchronous,
 * the verdict is a boolean, it goes through the callback, and nothing is returned.
 */
export function makeHostVerifier(
  decide: (key: HostKey) => boolean,
): (key: Buffer, verify: (permitted: boolean) => void) => void {
  return (key, verify) => {
    let permitted = false
    try {
      permitted = decide(describeHostKey(key)) === true
    } catch {
      permitted = false
    }
    verify(permitted)
  }
}
