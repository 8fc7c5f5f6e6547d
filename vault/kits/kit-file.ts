import { createHash } from 'node:crypto'
import { z } from 'zod'
import { open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { derive, purposes } from '../crypto/purpose.ts'
import { BoxKeyPair, sealToBox } from '../crypto/sealed-box.ts'
import { isSignatureOf, type SigningKey, signBytes, verifyingKeyOf } from '../crypto/signing.ts'
import {
  canonicalBytes,
  canonicalJson,
  decodeParts,
  encodeParts,
  fromBase64,
  toBase64,
} from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { custodianParameters } from '../keys/custodians.ts'

/**
 * The file of an emergency kit (docs/emergency-kit.md): text, made to be opened when nothing but this program is left,
 * or not even that. A random key is sealed (`crypto_box_seal`) to the key that the custodians' shares give, and seals
 * the secrets as an envelope; the vault signs the whole.
 */
const title = 'tagout-emergency-kit 1'
const fields = ['header', 'sealed-key', 'content', 'signature'] as const
const lineCharacters = 100
/** Characters of a file that is looked at at all. */
const most = 256 * 1024 * 1024

const header = z.strictObject({
  installation: z.string().max(64),
  kit: z.string().regex(/^kit_[0-9a-z]{26}$/),
  safe: z.string().min(1).max(63),
  madeAt: z.iso.datetime(),
  accounts: z.int().min(0),
  /** SHA-256 in hex over what is known of its secrets: whether a kit that is made now would hold something else. */
  holds: z.string().regex(/^[0-9a-f]{64}$/),
  custodians: custodianParameters,
  boxKey: z.base64(), // X25519, 32 bytes
  signKey: z.base64(), // Ed25519, 32 bytes
})

/** What anybody may read of a kit. */
export type KitHeader = z.output<typeof header>

const account = z.strictObject({
  account: z.string(), // press-3/engineer
  protocol: z.string(),
  address: z.string(), // host:port
  login: z.string(),
  pins: z.array(z.string()), // SHA256:…
  version: z.int(),
  /** `candidate`: a rotation was under way, or in doubt; its target may take this one. */
  state: z.enum(['current', 'candidate']),
  setAt: z.iso.datetime(),
  kind: z.enum(['password', 'ssh-key']),
})

/** What a kit says of an account besides its secret. */
export type KitAccount = z.output<typeof account>

/** A secret in a kit: the password, or the private key file and its passphrase. Dispose of both. */
export type KitSecret = {
  readonly account: KitAccount
  readonly secret: Secret
  readonly passphrase: Secret | undefined
}

/** The key pair of a kit, of the secret that the custodians' shares give. */
export function kitBox(secret: Secret): BoxKeyPair {
  return secret.expose((bytes) => {
    const seed = derive(bytes, 'kit-box')
    try {
      return new BoxKeyPair(seed)
    } finally {
      seed.fill(0)
    }
  })
}

/** Writes a kit of what `kitContent` made; the caller still owns it. */
export function writeKit(sign: SigningKey, head: Omit<KitHeader, 'signKey'>, plain: Secret): string {
  const of = canonicalJson({ ...head, signKey: toBase64(sign.publicKey) })
  using key = Key.random()
  const sealedKey = sealToBox(fromBase64(head.boxKey), key.secret)
  const envelope = seal(key, plain, ['emergency-kit', of], 'ssh-key')
  const signature = signBytes(sign, signedBytes(of, sealedKey, envelope))
  const { threshold, custodians } = head.custodians
  return [
    title,
    `# Emergency kit of the safe ${head.safe}, made ${head.madeAt}: ${head.accounts} accounts.`,
    `# Any ${threshold} of ${custodians.map(({ name }) => name).join(', ')} open it with their shares:`,
    '#   tagout kit open THIS-FILE',
    '# It takes no server, no database and no network. Keep it away from the machine that Tagout runs on.',
    ...folded('header', new TextEncoder().encode(of)),
    ...folded('sealed-key', sealedKey),
    ...folded('content', envelope),
    ...folded('signature', signature),
    '',
  ].join('\n')
}

export type SealedKit = {
  readonly header: KitHeader
  /** SHA256:… of the key that signed it: compare it with a custodian's sheet. */
  readonly signedBy: string
  readonly headerText: string
  readonly sealedKey: Uint8Array
  readonly envelope: Uint8Array
}

/** Reads a kit and checks its signature; opens nothing. */
export function readKit(text: string): Outcome<SealedKit> {
  if (text.length > most) return malformed('it is too large')
  const parts = unfold(text)
  if (!parts.ok) return parts
  const [headerBytes, sealedKey, envelope, signature] = parts.value
  const headerText = new TextDecoder().decode(headerBytes)
  let parsed: ReturnType<typeof header.safeParse>
  try {
    parsed = header.safeParse(JSON.parse(headerText))
  } catch {
    return malformed('its header is damaged')
  }
  if (!parsed.success || canonicalJson(parsed.data) !== headerText) return malformed('its header is damaged')
  const signKey = fromBase64(parsed.data.signKey)
  if (signKey.length !== 32) return malformed('its header is damaged')
  if (!isSignatureOf(verifyingKeyOf(signKey), signedBytes(headerText, sealedKey, envelope), signature))
    return refuse(
      'invalid',
      'this emergency kit was changed, or is damaged: its signature is wrong',
      'use another copy of it',
    )
  return done({ header: parsed.data, signedBy: signedBy(signKey), headerText, sealedKey, envelope })
}

/** Opens a kit with the secret that the custodians' shares give. The caller owns the secrets that are answered. */
export function openKit(kit: SealedKit, secret: Secret): Outcome<readonly KitSecret[]> {
  using box = kitBox(secret)
  if (toBase64(box.publicKey) !== kit.header.boxKey)
    return refuse(
      'invalid',
      'these shares are of another kit',
      'compare the set on the sheets with that of the kit',
    )
  const opened = box.open(kit.sealedKey)
  if (!opened.ok) return malformed('its key does not open')
  using keySecret = opened.value
  using key = Key.of(keySecret)
  using plain = open(key, kit.envelope, ['emergency-kit', kit.headerText])
  return done(plain.expose(readContent))
}

/**
 * What is sealed into a kit: for each account three parts, what is known of it in canonical JSON, its secret, and the
 * passphrase of its key or nothing. The caller owns the Secret, and still what was given.
 */
export function kitContent(secrets: readonly KitSecret[]): Secret {
  const parts = secrets.flatMap(({ account: known, secret, passphrase }) => [
    canonicalBytes(known),
    secret.expose((bytes) => bytes.slice()),
    passphrase?.expose((bytes) => bytes.slice()) ?? new Uint8Array(0),
  ])
  try {
    return new Secret(encodeParts(...parts))
  } finally {
    for (const part of parts) part.fill(0)
  }
}

function readContent(bytes: Uint8Array): readonly KitSecret[] {
  const parts = decodeParts(bytes)
  const secrets: KitSecret[] = []
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [known, secret, passphrase] = parts.slice(at, at + 3) as [Uint8Array, Uint8Array, Uint8Array]
    secrets.push({
      account: account.parse(JSON.parse(new TextDecoder().decode(known))),
      secret: new Secret(secret.slice()),
      passphrase: passphrase.length === 0 ? undefined : new Secret(passphrase.slice()),
    })
  }
  return secrets
}

/** The fingerprint of a key that signs kits. */
export function signedBy(publicKey: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/, '')}`
}

function signedBytes(headerText: string, sealedKey: Uint8Array, envelope: Uint8Array): Uint8Array {
  return encodeParts(purposes['kit-sign'], headerText, sealedKey, envelope)
}

function folded(name: string, bytes: Uint8Array): readonly string[] {
  const text = toBase64(bytes)
  const lines: string[] = [`${name}:`]
  for (let at = 0; at < text.length; at += lineCharacters) lines.push(text.slice(at, at + lineCharacters))
  return lines
}

function unfold(text: string): Outcome<readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]> {
  const [first, ...rest] = text.split(/\r?\n/)
  if (first !== title)
    return first?.startsWith('tagout-emergency-kit ')
      ? refuse('invalid', 'this emergency kit is of a newer version of Tagout', 'open it with that version')
      : refuse('invalid', 'this is no emergency kit', 'give the file that tagout kit write has written')
  const found = new Map<string, string[]>()
  let into: string[] | undefined
  for (const one of rest) {
    if (one === '' || one.startsWith('#')) continue
    const name = one.endsWith(':') ? one.slice(0, -1) : undefined
    if (name !== undefined) {
      if (!(fields as readonly string[]).includes(name) || found.has(name))
        return malformed(`it has a part ${JSON.stringify(name.slice(0, 40))} that does not belong there`)
      into = []
      found.set(name, into)
    } else if (into === undefined) return malformed('it has lines that belong to no part')
    else into.push(one)
  }
  const parts: Uint8Array[] = []
  for (const name of fields) {
    const lines = found.get(name)
    if (lines === undefined) return malformed(`its ${name} is missing`)
    try {
      parts.push(fromBase64(lines.join('')))
    } catch {
      return malformed(`its ${name} is damaged`)
    }
  }
  return done(parts as unknown as readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array])
}

function malformed(why: string): Outcome<never> {
  return refuse('invalid', `this emergency kit cannot be read: ${why}`, 'use another copy of it')
}
