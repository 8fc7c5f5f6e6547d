import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { type Context, namesKey, open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { type PassphraseCosts, sealCosts, stretchPassphrase } from '../crypto/passphrase.ts'
import { derive, type Purpose } from '../crypto/purpose.ts'
import type { KeyTables } from '../db/key-tables.ts'
import { canonicalJson, fromBase64, toBase64 } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { newId } from '../kernel/id.ts'
import { type Outcome, done, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { makeKeyFile, readKeyFile } from './key-file.ts'
import { newRecoveryKey, parseRecoveryKey, recoveryKeyText } from './recovery-key.ts'

/** A way to open the vault, chosen when it is initialised. A key file that does not exist is made. */
export type SealProvider =
  | { readonly kind: 'passphrase'; readonly passphrase: Secret }
  | { readonly kind: 'key-file'; readonly path: string }

/** How somebody opens the vault now. `stored-key-file`: the key file whose path the vault keeps. */
export type Unsealing =
  | SealProvider
  | { readonly kind: 'recovery'; readonly recoveryKey: string }
  | { readonly kind: 'stored-key-file' }

export type Wrap = Selectable<KeyTables['seal_wrap']>

const passphraseParameters = z.strictObject({
  memory: z.int(),
  passes: z.int(),
  parallelism: z.int(),
  salt: z.base64().max(100),
})
const keyFileParameters = z.strictObject({ path: z.string().max(4096) })

/** Where the stored key file of a wrap lies; undefined for other kinds. */
export function storedPath(wrap: Pick<Wrap, 'kind' | 'parameters'>): string | undefined {
  return wrap.kind === 'key-file' ? parameters(keyFileParameters, wrap.parameters).path : undefined
}

/** Wraps the root key for `provider`. A refusal where the key file can be neither made nor read. */
export async function wrapFor(
  provider: SealProvider,
  root: Key,
  installation: string,
  now: Date,
  costs: PassphraseCosts = sealCosts,
): Promise<Outcome<Wrap>> {
  if (provider.kind === 'passphrase') {
    const salt = randomBytes(16)
    using stretched = await stretchPassphrase(provider.passphrase, salt, costs)
    using key = keyOf(stretched, 'seal-passphrase')
    const text = canonicalJson({ ...costs, salt: toBase64(salt) })
    return done(wrap('passphrase', text, key, root, installation, now))
  }
  const path = resolve(provider.path)
  const made = await makeKeyFile(path)
  if (!made.ok && made.refusal.code !== 'conflict') return made
  const read = await readKeyFile(path)
  if (!read.ok) return read
  using secret = read.value
  using key = keyOf(secret, 'seal-key-file')
  return done(wrap('key-file', canonicalJson({ path }), key, root, installation, now))
}

/** Wraps the root key for a new recovery key, and answers that key as text, to be printed once. */
export function wrapForRecovery(
  root: Key,
  installation: string,
  now: Date,
): { readonly wrap: Wrap; readonly recoveryKey: string } {
  using secret = newRecoveryKey()
  using key = keyOf(secret, 'seal-recovery')
  return {
    wrap: wrap('recovery', '{}', key, root, installation, now),
    recoveryKey: recoveryKeyText(secret),
  }
}

/** Opens the root key. A wrong passphrase, file or recovery key is a refusal; a damaged wrap a `Fault('envelope')`. */
export async function unwrapRoot(
  wraps: readonly Wrap[],
  how: Unsealing,
  installation: string,
): Promise<Outcome<Key>> {
  const kind = how.kind === 'stored-key-file' ? 'key-file' : how.kind
  const fitting = wraps.filter((candidate) => candidate.kind === kind)
  if (fitting.length === 0)
    return refuse('invalid', `this vault cannot be unsealed by ${kind}`, waysOf(wraps))
  let refusal = refuse('unauthenticated', `that ${nouns[kind]} does not open this vault`)
  for (const candidate of fitting) {
    const read = await readKey(candidate, how)
    if (!read.ok) {
      refusal = read
      continue
    }
    using key = read.value
    const root = tryOpen(candidate, key, installation)
    if (root !== undefined) return done(root)
  }
  return refusal
}

const nouns = { passphrase: 'passphrase', 'key-file': 'key file', recovery: 'recovery key' } as const

function waysOf(wraps: readonly Wrap[]): string {
  return `unseal by one of: ${[...new Set(wraps.map((known) => nouns[known.kind]))].join(', ')}`
}

async function readKey(candidate: Wrap, how: Unsealing): Promise<Outcome<Key>> {
  switch (how.kind) {
    case 'passphrase': {
      const { salt, ...costs } = parameters(passphraseParameters, candidate.parameters)
      using stretched = await stretchPassphrase(how.passphrase, fromBase64(salt), costs)
      return done(keyOf(stretched, 'seal-passphrase'))
    }
    case 'recovery': {
      using secret = parseRecoveryKey(how.recoveryKey)
      return secret === undefined
        ? refuse('invalid', 'the recovery key was mistyped', 'type its nine groups of four again')
        : done(keyOf(secret, 'seal-recovery'))
    }
    default: {
      const path = how.kind === 'key-file' ? how.path : storedPath(candidate)
      const read = await readKeyFile(path ?? '')
      if (!read.ok) return read
      using secret = read.value
      return done(keyOf(secret, 'seal-key-file'))
    }
  }
}

/** Undefined when the wrap was made for another key: not a fault, the person gave the wrong one. */
function tryOpen(candidate: Wrap, key: Key, installation: string): Key | undefined {
  if (!namesKey(key, candidate.envelope)) return undefined
  using bytes = open(key, candidate.envelope, context(candidate, installation))
  return Key.of(bytes)
}

function wrap(kind: Wrap['kind'], text: string, key: Key, root: Key, installation: string, now: Date): Wrap {
  const made = { id: newId('wrp'), kind, parameters: text, created_at: now }
  return { ...made, envelope: seal(key, root.secret, context(made, installation)) }
}

function context(of: Pick<Wrap, 'id' | 'kind' | 'parameters'>, installation: string): Context {
  return ['root-key', installation, of.id, of.kind, of.parameters]
}

function keyOf(secret: Secret, purpose: Purpose): Key {
  return secret.expose((bytes) => new Key(derive(bytes, purpose)))
}

function parameters<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw new Fault('forged_row', 'the parameters of a seal are malformed', { cause: error })
  }
}
