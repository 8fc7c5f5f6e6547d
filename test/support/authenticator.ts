import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { PasskeyProof, VerbInput } from '../../vault/contract.ts'
import { actChallenge } from '../../vault/kernel/act-challenge.ts'
import type { Canonical } from '../../vault/kernel/encoding.ts'

/** How an authenticator is told to lie, in tests that attack. */
export type Lies = {
  readonly origin?: string
  readonly rpId?: string
  readonly type?: string
  readonly crossOrigin?: boolean
  /** User present 1, user verified 4. */
  readonly flags?: number
  readonly counter?: number
  readonly key?: KeyObject
}

export type TestAuthenticator = {
  readonly credential: string
  readonly privateKey: KeyObject
  readonly create: (
    nonce: string,
    lies?: Lies,
  ) => Promise<Omit<VerbInput<'passkey.add'>, 'name' | 'totpCode'>>
  readonly prove: (nonce: string, verb: string, input: Canonical, lies?: Lies) => Promise<PasskeyProof>
}

const url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()

/** A passkey in software: ES256, no attestation, with a counter or, as those that are synchronised, without. */
export function makeAuthenticator(rpId = 'gateway.plant.example', counts = true): TestAuthenticator {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(32)
  let counter = 0
  const clientData = (type: string, challenge: Uint8Array, lies: Lies) =>
    Buffer.from(
      JSON.stringify({
        type: lies.type ?? type,
        challenge: url(challenge),
        origin: lies.origin ?? `https://${rpId}:8443`,
        crossOrigin: lies.crossOrigin ?? false,
      }),
    )
  const authData = (lies: Lies, attested: Buffer) => {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(lies.counter ?? (counts ? ++counter : 0))
    const flags = (lies.flags ?? 5) | (attested.length > 0 ? 0x40 : 0)
    return Buffer.concat([sha256(lies.rpId ?? rpId), Buffer.from([flags]), count, attested])
  }
  return {
    credential: url(id),
    privateKey,
    create: async (nonce, lies = {}) => {
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
      // {1: 2, 3: -7, -1: 1, -2: x, -3: y} in CBOR
      const key = Buffer.concat([
        Buffer.from('a5010203262001215820', 'hex'),
        Buffer.from(x, 'base64url'),
        Buffer.from('225820', 'hex'),
        Buffer.from(y, 'base64url'),
      ])
      const data = authData(lies, Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, key]))
      // {"fmt": "none", "attStmt": {}, "authData": bytes}
      const length = Buffer.alloc(2)
      length.writeUInt16BE(data.length)
      const attestation = Buffer.concat([
        Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'),
        Buffer.from([0x59]),
        length,
        data,
      ])
      const challenge = await actChallenge(nonce, 'passkey.add', null)
      return {
        nonce,
        credential: url(id),
        clientDataJSON: url(clientData('webauthn.create', challenge, lies)),
        attestationObject: url(attestation),
      }
    },
    prove: async (nonce, verb, input, lies = {}) => {
      const client = clientData('webauthn.get', await actChallenge(nonce, verb, input), lies)
      const data = authData(lies, Buffer.alloc(0))
      return {
        nonce,
        credential: url(id),
        clientDataJSON: url(client),
        authenticatorData: url(data),
        signature: url(sign('sha256', Buffer.concat([data, sha256(client)]), lies.key ?? privateKey)),
      }
    },
  }
}
