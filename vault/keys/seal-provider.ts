import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { z } from 'zod'
import { Key } from '../crypto/key.ts'
import { type PassphraseCosts, sealCosts, stretchPassphrase } from '../crypto/passphrase.ts'
import { derive, type Purpose } from '../crypto/purpose.ts'
import type { SealKind } from '../contract.ts'
import { type Canonical, canonicalJson, fromBase64, toBase64 } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { type Outcome, done, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { makeKeyFile, readKeyFile } from './key-file.ts'
import { mistypedGroup, parseRecoveryKey } from './recovery-key.ts'
import { readPinFile } from './pin-file.ts'
import { makeWrap, openWrap, type Wrap } from './seal-wrap.ts'
import {
  noSealers,
  openByPlugIn,
  openByToken,
  plugInKey,
  type SealerSettings,
  sealByPlugIn,
  sealByToken,
  type TokenPlace,
  tokenKey,
} from './sealers.ts'

/** A way to open the vault, chosen by its administrator. A key file that does not exist is made. */
export type SealProvider =
  | { readonly kind: 'passphrase'; readonly passphrase: Secret }
  | { readonly kind: 'key-file'; readonly path: string }
  /** `parameters` and secret of a set of custodians (`custodians.ts`). */
  | { readonly kind: 'custodians'; readonly parameters: string; readonly secret: Secret }
  /** What `newRecoveryKey` made. */
  | { readonly kind: 'recovery'; readonly secret: Secret }
  | ({
      readonly kind: 'pkcs11'
      readonly pin: Secret | undefined
      readonly pinFile: string | undefined
    } & TokenPlace)
  | { readonly kind: 'plug-in'; readonly name: string }

/** How somebody opens the vault now. `stored-key-file`: the key file whose path the vault keeps. */
export type Unsealing =
  | { readonly kind: 'passphrase'; readonly passphrase: Secret }
  | { readonly kind: 'key-file'; readonly path: string }
  | { readonly kind: 'recovery'; readonly recoveryKey: string }
  | { readonly kind: 'stored-key-file' }
  /** What the shares of the set in this wrap gave. */
  | { readonly kind: 'custodians'; readonly wrap: string; readonly secret: Secret }
  /** Without a PIN: by the file that holds it. */
  | { readonly kind: 'pkcs11'; readonly pin: Secret | undefined; readonly seal: string | undefined }
  | { readonly kind: 'plug-in'; readonly seal: string | undefined }

/** The root key that is wrapped. Borrowed. */
export type RootToWrap = { readonly key: Key; readonly version: number }

const passphraseParameters = z.strictObject({
  memory: z.int(),
  passes: z.int(),
  parallelism: z.int(),
  salt: z.base64().max(100),
})
const keyFileParameters = z.strictObject({ path: z.string().max(4096) })

/** What each way to unseal is called. */
export const sealNouns = {
  passphrase: 'passphrase',
  'key-file': 'key file',
  recovery: 'recovery key',
  custodians: 'custodians',
  pkcs11: 'token',
  'plug-in': 'plug-in',
} as const satisfies Record<SealKind, string>

/** Where the stored key file of a wrap lies; undefined for other kinds. */
export function storedPath(wrap: Pick<Wrap, 'kind' | 'parameters'>): string | undefined {
  return wrap.kind === 'key-file' ? parameters(keyFileParameters, wrap.parameters).path : undefined
}

/** What is outside of the vault, for people: a key in a token, or a plug-in; undefined for other kinds. */
export function outsideOf(wrap: Pick<Wrap, 'kind' | 'parameters'>): string | undefined {
  if (wrap.kind === 'plug-in') return parameters(plugInKey, wrap.parameters).name
  if (wrap.kind !== 'pkcs11') return undefined
  const { module, token, key } = parameters(tokenKey, wrap.parameters)
  return `${token} (${module}), key ${key}`
}

/** Does this way open the vault at a start without a person? */
export function opensByItself(wrap: Pick<Wrap, 'kind' | 'parameters'>): boolean {
  if (wrap.kind === 'pkcs11') return parameters(tokenKey, wrap.parameters).pinFile !== undefined
  return wrap.kind === 'key-file' || wrap.kind === 'plug-in'
}

/** Wraps the root key for `provider`. A refusal where the provider cannot be used. */
export async function wrapFor(
  provider: SealProvider,
  root: RootToWrap,
  installation: string,
  now: Date,
  costs: PassphraseCosts = sealCosts,
): Promise<Outcome<Wrap>> {
  const given = await newSealKey(provider, installation, costs)
  if (!given.ok) return given
  using key = given.value.key
  return done(makeWrap(provider.kind, given.value.parameters, key, root, installation, now))
}

/** The key of a new way to unseal, and what its wrap keeps beside it. The caller owns the key. */
export async function newSealKey(
  provider: SealProvider,
  installation: string,
  costs: PassphraseCosts = sealCosts,
  sealers: SealerSettings = noSealers,
): Promise<Outcome<{ readonly key: Key; readonly parameters: string }>> {
  switch (provider.kind) {
    case 'passphrase': {
      const salt = randomBytes(16)
      using stretched = await stretchPassphrase(provider.passphrase, salt, costs)
      return done({
        key: keyOf(stretched, 'seal-passphrase'),
        parameters: canonicalJson({ ...costs, salt: toBase64(salt) }),
      })
    }
    case 'key-file': {
      const path = resolve(provider.path)
      const made = await makeKeyFile(path)
      if (!made.ok && made.refusal.code !== 'conflict') return made
      const read = await readKeyFile(path)
      if (!read.ok) return read
      using secret = read.value
      return done({ key: keyOf(secret, 'seal-key-file'), parameters: canonicalJson({ path }) })
    }
    case 'custodians':
      return done({ key: keyOf(provider.secret, 'seal-custodians'), parameters: provider.parameters })
    case 'recovery':
      return done({ key: keyOf(provider.secret, 'seal-recovery'), parameters: '{}' })
    case 'pkcs11': {
      const pin = await pinOf(provider.pin, provider.pinFile)
      if (!pin.ok) return pin
      using given = pin.value
      const made = await sealByToken(sealers, provider, given, provider.pinFile, installation)
      return made.ok ? outside(made.value, 'seal-pkcs-eleven') : made
    }
    case 'plug-in': {
      const made = await sealByPlugIn(sealers, provider.name, installation)
      return made.ok ? outside(made.value, 'seal-plug-in') : made
    }
  }
}

function outside(made: { readonly secret: Secret; readonly parameters: Canonical }, purpose: Purpose) {
  using secret = made.secret
  return done({ key: keyOf(secret, purpose), parameters: canonicalJson(made.parameters) })
}

/** The PIN that was typed, or that of the file. The caller owns it. */
export async function pinOf(pin: Secret | undefined, file: string | undefined): Promise<Outcome<Secret>> {
  if (pin !== undefined) return done(pin.expose((bytes) => new Secret(bytes.slice())))
  if (file !== undefined) return await readPinFile(file)
  return refuse('invalid', 'the token asks for a PIN', 'tagout unseal --token')
}

/** An opened root key, the wrap that it came from and that wrap's own key. The caller owns both keys. */
export type Unwrapped = { readonly root: Key; readonly wrap: Wrap; readonly key: Key }

/** Opens the root key. A wrong passphrase, file or recovery key is a refusal; a damaged wrap a `Fault('envelope')`. */
export async function unwrapRoot(
  wraps: readonly Wrap[],
  how: Unsealing,
  installation: string,
  sealers: SealerSettings = noSealers,
): Promise<Outcome<Unwrapped>> {
  const kind = how.kind === 'stored-key-file' ? 'key-file' : how.kind
  const named = 'seal' in how ? how.seal : undefined
  const fitting = wraps.filter(
    (candidate) => candidate.kind === kind && (named === undefined || candidate.id === named),
  )
  if (fitting.length === 0)
    return refuse('invalid', `this vault cannot be unsealed by ${kind}`, waysOf(wraps))
  // SECURITY: a PIN is a try of its token's few: it is given to the one that it belongs to.
  if (how.kind === 'pkcs11' && how.pin !== undefined && fitting.length > 1)
    return refuse(
      'invalid',
      'this vault has several tokens',
      'say which: tagout unseal --token wrp_… (tagout status)',
    )
  let refusal = refuse(
    'unauthenticated',
    `that ${sealNouns[kind]} ${kind === 'custodians' ? 'do' : 'does'} not open this vault`,
  )
  for (const wrap of fitting) {
    const read = await readKey(wrap, how, installation, sealers)
    if (!read.ok) {
      refusal = read
      continue
    }
    const key = read.value
    let root: Key | undefined
    try {
      root = openWrap(wrap, key, installation)
      if (root !== undefined) return done({ root, wrap, key })
    } finally {
      if (root === undefined) key[Symbol.dispose]()
    }
  }
  return refusal
}

function waysOf(wraps: readonly Wrap[]): string {
  return `unseal by one of: ${[...new Set(wraps.map((known) => sealNouns[known.kind]))].join(', ')}`
}

async function readKey(
  candidate: Wrap,
  how: Unsealing,
  installation: string,
  sealers: SealerSettings,
): Promise<Outcome<Key>> {
  switch (how.kind) {
    case 'pkcs11': {
      const token = parameters(tokenKey, candidate.parameters)
      const pin = await pinOf(how.pin, token.pinFile)
      if (!pin.ok) return pin
      using given = pin.value
      const opened = await openByToken(sealers, token, given, how.pin === undefined, installation)
      if (!opened.ok) return opened
      using secret = opened.value
      return done(keyOf(secret, 'seal-pkcs-eleven'))
    }
    case 'plug-in': {
      const opened = await openByPlugIn(sealers, parameters(plugInKey, candidate.parameters), installation)
      if (!opened.ok) return opened
      using secret = opened.value
      return done(keyOf(secret, 'seal-plug-in'))
    }
    case 'passphrase': {
      const { salt, ...costs } = parameters(passphraseParameters, candidate.parameters)
      using stretched = await stretchPassphrase(how.passphrase, fromBase64(salt), costs)
      return done(keyOf(stretched, 'seal-passphrase'))
    }
    case 'recovery': {
      using secret = parseRecoveryKey(how.recoveryKey)
      if (secret !== undefined) return done(keyOf(secret, 'seal-recovery'))
      const group = mistypedGroup(how.recoveryKey)
      return group === undefined
        ? refuse('invalid', 'the recovery key was mistyped', 'type its nine groups of four again')
        : refuse('invalid', `group ${group} of the recovery key was mistyped`, 'compare it with the paper')
    }
    case 'custodians':
      return candidate.id === how.wrap
        ? done(keyOf(how.secret, 'seal-custodians'))
        : refuse('unauthenticated', 'those custodians do not open this vault')
    default: {
      const path = how.kind === 'key-file' ? how.path : storedPath(candidate)
      const read = await readKeyFile(path ?? '')
      if (!read.ok) return read
      using secret = read.value
      return done(keyOf(secret, 'seal-key-file'))
    }
  }
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
