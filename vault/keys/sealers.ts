import { randomBytes } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { fromBase64 } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { askSealer, type SealerAnswer, type SealerProgram } from './sealer-process.ts'

/** What tagout.json allows to seal the vault: libraries of tokens and programs, by name. */
export type SealerSettings = {
  readonly modules: Readonly<
    Record<string, { readonly path: string; readonly env: Readonly<Record<string, string>> }>
  >
  readonly plugIns: Readonly<
    Record<string, { readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> }>
  >
  readonly secondsToAnswer: number
}

export const noSealers: SealerSettings = { modules: {}, plugIns: {}, secondsToAnswer: 30 }

/** A key in a token, as a wrap names it. The serial number and `keyId` tell it from one that was named alike. */
export const tokenKey = z.strictObject({
  module: z.string().max(63),
  token: z.string().max(32),
  serial: z.string().max(16),
  key: z.string().max(63),
  keyId: z.string().regex(/^[0-9a-f]{32}$/),
  /** A file that holds the PIN, for starts without a person. */
  pinFile: z.string().max(4096).optional(),
  wrapped: z.base64().max(4_000),
})
export type TokenKey = z.output<typeof tokenKey>

export const plugInKey = z.strictObject({ name: z.string().max(63), wrapped: z.base64().max(8_000) })
export type PlugInKey = z.output<typeof plugInKey>

/** Where the key of a new token seal is made. */
export type TokenPlace = {
  readonly module: string
  readonly token?: string | undefined
  readonly slot?: number | undefined
  readonly key: string
}

type Request = {
  readonly do: 'examine' | 'generate' | 'wrap' | 'unwrap'
  readonly context: string
  readonly secret?: Secret
  readonly wrapped?: string
  readonly pin?: Secret
  readonly unattended?: boolean
  readonly token?: Readonly<Record<string, string | number | undefined>>
}

const tokenProgram = join(import.meta.dirname, 'pkcs-eleven', 'main.ts')

/**
 * What a wrapped secret is bound to: another installation's opens nothing here, even by the same key.
 * Part of the protocol (docs/seal-plugins.md).
 */
const contextOf = (installation: string) => `tagout/v1/seal ${installation}`

/** Makes a key in a token and wraps a new secret by it. */
export async function sealByToken(
  settings: SealerSettings,
  place: TokenPlace,
  pin: Secret,
  pinFile: string | undefined,
  installation: string,
): Promise<Outcome<{ readonly secret: Secret; readonly parameters: TokenKey }>> {
  const found = tokenProgramOf(settings, place.module)
  if (!found.ok) return found
  const { program, path } = found.value
  const keyId = randomBytes(16).toString('hex')
  const context = contextOf(installation)
  const names = { what: `token ${place.token ?? `in slot ${place.slot}`}`, key: place.key }
  const token = { path, token: place.token, slot: place.slot, key: place.key, keyId }
  const made = await ask(program, names, { do: 'generate', context, pin, token })
  if (!made.ok) return made
  const known = z.looseObject({ token: z.string(), serial: z.string() }).safeParse(made.value)
  if (!known.success) return nonsense(names.what)
  const key = { module: place.module, key: place.key, keyId, ...pick(known.data) }
  const sealed = await sealAndProve(program, names, context, pin, { path, ...key })
  if (!sealed.ok) return sealed
  const parameters = tokenKey.safeParse({
    ...key,
    ...(pinFile === undefined ? {} : { pinFile }),
    wrapped: sealed.value.wrapped,
  })
  if (parameters.success) return done({ secret: sealed.value.secret, parameters: parameters.data })
  sealed.value.secret[Symbol.dispose]()
  return nonsense(names.what)
}

/** Whether a token could be used: it opens with this PIN, has AES-GCM, and no key of this name. Changes nothing. */
export async function examineToken(
  settings: SealerSettings,
  place: TokenPlace,
  pin: Secret,
): Promise<Outcome<null>> {
  const found = tokenProgramOf(settings, place.module)
  if (!found.ok) return found
  const { program, path } = found.value
  const names = { what: `token ${place.token ?? `in slot ${place.slot}`}`, key: place.key }
  const token = { path, token: place.token, slot: place.slot, key: place.key }
  const answer = await ask(program, names, { do: 'examine', context: '', pin, token })
  return answer.ok ? done(null) : answer
}

/** Opens the secret of a token seal. `unattended`: the PIN is from a file, and not worth the token's last tries. */
export async function openByToken(
  settings: SealerSettings,
  { module, wrapped, pinFile: _, ...key }: TokenKey,
  pin: Secret,
  unattended: boolean,
  installation: string,
): Promise<Outcome<Secret>> {
  const found = tokenProgramOf(settings, module)
  if (!found.ok) return found
  const { program, path } = found.value
  const names = { what: `token ${key.token}`, key: key.key }
  const context = contextOf(installation)
  const token = { path, ...key }
  const answer = await ask(program, names, { do: 'unwrap', context, wrapped, pin, unattended, token })
  return answer.ok ? secretOf(answer.value, names.what) : answer
}

/** Has a plug-in wrap a new secret. */
export async function sealByPlugIn(
  settings: SealerSettings,
  name: string,
  installation: string,
): Promise<Outcome<{ readonly secret: Secret; readonly parameters: PlugInKey }>> {
  const found = plugInOf(settings, name)
  if (!found.ok) return found
  const names = { what: `plug-in ${name}`, key: '' }
  const sealed = await sealAndProve(found.value, names, contextOf(installation), undefined, undefined)
  if (!sealed.ok) return sealed
  return done({ secret: sealed.value.secret, parameters: { name, wrapped: sealed.value.wrapped } })
}

/** Opens the secret of a plug-in's seal. */
export async function openByPlugIn(
  settings: SealerSettings,
  { name, wrapped }: PlugInKey,
  installation: string,
): Promise<Outcome<Secret>> {
  const found = plugInOf(settings, name)
  if (!found.ok) return found
  const names = { what: `plug-in ${name}`, key: '' }
  const answer = await ask(found.value, names, { do: 'unwrap', context: contextOf(installation), wrapped })
  return answer.ok ? secretOf(answer.value, names.what) : answer
}

type Names = { readonly what: string; readonly key: string }

/** Wraps a new secret, and has it opened again at once: nothing relies on what was never seen to open. */
async function sealAndProve(
  program: SealerProgram,
  names: Names,
  context: string,
  pin: Secret | undefined,
  token: Request['token'],
): Promise<Outcome<{ readonly secret: Secret; readonly wrapped: string }>> {
  using stack = new DisposableStack()
  const secret = stack.use(new Secret(new Uint8Array(randomBytes(32))))
  const more = { context, ...(pin === undefined ? {} : { pin }), ...(token === undefined ? {} : { token }) }
  const answer = await ask(program, names, { do: 'wrap', secret, ...more })
  if (!answer.ok) return answer
  const { wrapped } = answer.value as { readonly wrapped?: unknown }
  if (typeof wrapped !== 'string' || !z.base64().min(4).max(4_000).safeParse(wrapped).success)
    return nonsense(names.what)
  const bytes = fromBase64(wrapped)
  if (secret.expose((plain) => Buffer.from(bytes).includes(Buffer.from(plain))))
    return refuse('unavailable', `the ${names.what} answered the very key that it was to wrap`, look)
  const again = await ask(program, names, { do: 'unwrap', wrapped, ...more })
  if (!again.ok) return again
  const opened = secretOf(again.value, names.what)
  if (!opened.ok) return opened
  using other = opened.value
  if (!secret.expose((a) => other.expose((b) => Buffer.compare(a, b) === 0)))
    return refuse(
      'unavailable',
      `the ${names.what} opened another key than the one it had wrapped: it is not used`,
      look,
    )
  stack.move()
  return done({ secret, wrapped })
}

const look = 'look at what it is, and at its settings under seal in tagout.json'

function nonsense(what: string): Outcome<never> {
  return refuse('unavailable', `the ${what} answered something that is no answer`, look)
}

function secretOf(answer: SealerAnswer, what: string): Outcome<Secret> {
  const text = (answer as { readonly secret?: unknown }).secret
  if (typeof text !== 'string' || !z.base64().max(4_000).safeParse(text).success) return nonsense(what)
  const bytes = fromBase64(text)
  if (bytes.length === 32) return done(new Secret(bytes))
  bytes.fill(0)
  return refuse('unavailable', `the ${what} answered a key of ${bytes.length} bytes, not of 32`, look)
}

/**
 * What of a program or library everybody may put something else in place of: itself, or its folder, as named and as
 * links lead to it; undefined for nothing.
 *
 * SECURITY: it is given the key to the vault. A folder with the sticky bit lets nobody replace another's file.
 */
async function openToAll(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path)
    for (const one of new Set([real, dirname(real), dirname(path)])) {
      const { mode } = await stat(one)
      if ((mode & 0o002) !== 0 && (one === real || (mode & 0o1000) === 0)) return one
    }
  } catch {
    // It is not there, or not to be seen: to start it says so.
  }
  return undefined
}

async function ask(program: SealerProgram, names: Names, request: Request): Promise<Outcome<SealerAnswer>> {
  const { secret, pin, ...rest } = request
  const library = rest.token?.['path']
  for (const path of [program.command[0], library]) {
    const open = typeof path === 'string' ? await openToAll(path) : undefined
    if (open !== undefined)
      return refuse(
        'unavailable',
        `everybody may write ${open}, which the ${names.what} is run from: it is not used`,
        `look at what is in it, then chmod o-w ${open}`,
      )
  }
  const text = (of: Secret, encoding: 'utf8' | 'base64') =>
    of.expose((bytes) => Buffer.from(bytes).toString(encoding))
  const line = Buffer.from(
    JSON.stringify({
      protocol: 'tagout-seal-1',
      ...rest,
      ...(secret === undefined ? {} : { secret: text(secret, 'base64') }),
      ...(pin === undefined ? {} : { pin: text(pin, 'utf8') }),
    }),
  )
  const end = await askSealer(program, line).finally(() => line.fill(0))
  const { what } = names
  switch (end.kind) {
    case 'answer':
      return end.answer.ok ? done(end.answer) : refusal(names, end.answer)
    case 'no start':
      return refuse('unavailable', `the ${what} cannot be started (${end.code})`, look)
    case 'ended':
      return refuse('unavailable', `the ${what} ended without an answer (${end.how})`, look)
    case 'silent':
      return refuse(
        'unavailable',
        `the ${what} did not answer within ${end.seconds} s`,
        'see whether its device or network answers, then try again; or unseal by another way',
      )
    case 'too much':
      return refuse('unavailable', `the ${what} answered without end`, look)
    case 'unreadable':
      return nonsense(what)
  }
}

function refusal(
  { what, key }: Names,
  { why, message }: Extract<SealerAnswer, { readonly ok: false }>,
): Outcome<never> {
  const said = readable(message)
  switch (why) {
    case 'wrong-pin':
      return refuse('unauthenticated', `the PIN of the ${what} is wrong`, 'a few wrong ones lock it')
    case 'pin-locked':
      return refuse(
        'unauthenticated',
        `the PIN of the ${what} is locked after too many wrong ones`,
        "its security officer sets a new one with the vendor's tool; or unseal by another way",
      )
    case 'pin-at-risk':
      return refuse(
        'unauthenticated',
        `a wrong PIN was given to the ${what} before: the stored one is not tried, as it might lock the token`,
        'unseal once by hand: tagout unseal --token',
      )
    case 'no-token':
      return refuse(
        'unavailable',
        `there is no ${what}`,
        'see that it is plugged in and that its module is set up',
      )
    case 'other-token':
      return refuse(
        'unavailable',
        `the ${what} is another one than this vault was sealed by, of the same name`,
        'bring the one it was sealed by, or unseal by another way',
      )
    case 'no-key':
      return refuse('unavailable', `the ${what} has no key ${key} of this vault`, 'unseal by another way')
    case 'other-key':
      return refuse(
        'unauthenticated',
        key === ''
          ? `the ${what} says that this was wrapped by another key or for another installation`
          : `the key ${key} in the ${what} is another one than this vault was sealed by`,
        'unseal by another way',
      )
    case 'key-exists':
      return refuse(
        'conflict',
        `the ${what} has a key ${key} already`,
        'give the new one another name: --key-label',
      )
    case 'no-mechanism':
      return refuse('invalid', `the ${what} cannot do AES-GCM (CKM_AES_GCM), which sealing needs`)
    case 'denied':
      return refuse('unauthenticated', `the ${what} denies it${said}`, 'see its own access rules')
    case 'unavailable':
      return refuse(
        'unavailable',
        `the ${what} cannot be reached${said}`,
        'try again; or unseal by another way',
      )
    case 'unusable':
      return refuse('unavailable', `the ${what} does not work${said}`, look)
  }
}

/** SECURITY: a program's own words go to a terminal: letters and signs only, and few. */
function readable(message: string | undefined): string {
  const text = (message ?? '').replace(/[^\p{L}\p{N}\p{P}\p{Zs}=+<>]/gu, ' ').trim()
  return text === '' ? '' : `: it says ${JSON.stringify(text.slice(0, 200))}`
}

function pick({ token, serial }: { readonly token: string; readonly serial: string }) {
  return { token, serial }
}

function tokenProgramOf(
  settings: SealerSettings,
  name: string,
): Outcome<{ readonly program: SealerProgram; readonly path: string }> {
  const module = Object.hasOwn(settings.modules, name) ? settings.modules[name] : undefined
  if (module === undefined) return notAllowed('module', 'seal.modules', name, settings.modules)
  return done({
    path: module.path,
    program: {
      command: [process.execPath, '--disable-sigusr1', '--disable-warning=ExperimentalWarning', tokenProgram],
      env: module.env,
      secondsToAnswer: settings.secondsToAnswer,
    },
  })
}

function plugInOf(settings: SealerSettings, name: string): Outcome<SealerProgram> {
  const plugIn = Object.hasOwn(settings.plugIns, name) ? settings.plugIns[name] : undefined
  return plugIn === undefined
    ? notAllowed('plug-in', 'seal.plugIns', name, settings.plugIns)
    : done({ ...plugIn, secondsToAnswer: settings.secondsToAnswer })
}

function notAllowed(noun: string, where: string, name: string, known: object): Outcome<never> {
  const names = Object.keys(known)
  return refuse(
    'invalid',
    `there is no ${noun} ${name} in tagout.json`,
    names.length === 0
      ? `name it under ${where} there, then restart`
      : `there is ${names.join(', ')}; others are named under ${where} there`,
  )
}
