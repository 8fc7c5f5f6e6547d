import type { Secret } from '../../kernel/secret.ts'
import { type HttpSecret, httpSecrets, type HttpStep, mixedIn, namesIn } from '../recipes/http-recipe.ts'
import { jsonBytes } from './json-bytes.ts'
import { isAWord } from './word.ts'

/** What is filled in. */
export type HttpValues = {
  readonly login: string
  readonly secrets: Partial<Readonly<Record<HttpSecret, Secret>>>
  /** What was taken from answers. */
  readonly taken: ReadonlyMap<string, string>
}

/** What a request sends; undefined: nothing. Whoever asked wipes it. */
export function bodyOf(
  { json, form }: HttpStep,
  values: HttpValues,
): { readonly type: string; readonly bytes: Buffer } | undefined {
  if (json !== undefined) return { type: 'application/json', bytes: joined([...jsonPieces(json, values)]) }
  if (form === undefined) return undefined
  const pieces = Object.entries(form).flatMap(([name, text], at) => [
    Buffer.from(`${at === 0 ? '' : '&'}${formBytes(Buffer.from(name)).toString('latin1')}=`),
    ...filled(text, values, formBytes),
  ])
  return { type: 'application/x-www-form-urlencoded', bytes: joined(pieces) }
}

function joined(pieces: readonly Buffer[]): Buffer {
  const all = Buffer.concat(pieces)
  for (const piece of pieces) piece.fill(0)
  return all
}

function* jsonPieces(value: HttpStep['json'], values: HttpValues): Generator<Buffer> {
  if (typeof value === 'string') {
    yield Buffer.from('"')
    yield* filled(value, values, jsonBytes)
    yield Buffer.from('"')
  } else if (Array.isArray(value)) {
    yield Buffer.from('[')
    for (const [at, one] of value.entries()) {
      if (at > 0) yield Buffer.from(',')
      yield* jsonPieces(one, values)
    }
    yield Buffer.from(']')
  } else if (typeof value === 'object' && value !== null) {
    yield Buffer.from('{')
    for (const [at, [name, one]] of Object.entries(value).entries()) {
      yield Buffer.from(`${at === 0 ? '' : ','}${JSON.stringify(name)}:`)
      yield* jsonPieces(one as HttpStep['json'], values)
    }
    yield Buffer.from('}')
  } else yield Buffer.from(JSON.stringify(value ?? null))
}

/** A text with its names filled in, each written so that it stays what it is. */
function filled(text: string, values: HttpValues, write: (bytes: Uint8Array) => Buffer): Buffer[] {
  return text.split(/(\{[a-z][a-z0-9-]*\})/).map((part) => {
    if (!part.startsWith('{')) return write(Buffer.from(part))
    const name = part.slice(1, -1)
    const secret = httpSecrets.find((one) => one === name)
    return secret === undefined
      ? write(Buffer.from(plainOf(name, values)))
      : (values.secrets[secret]?.expose(write) ?? Buffer.alloc(0))
  })
}

/** What is no secret: the login name, or what was taken. */
function plainOf(name: string, { login, taken }: HttpValues): string {
  return name === 'login' ? login : (taken.get(name) ?? '')
}

/** A path or a header with its names filled in: neither holds secrets. */
export function textOf(
  text: string,
  values: HttpValues,
  write: (value: string) => string = (value) => value,
): string {
  return text.replaceAll(/\{([a-z][a-z0-9-]*)\}/g, (_, name: string) => write(plainOf(name, values)))
}

const unreserved = /[A-Za-z0-9._~-]/

/** As forms and paths write what is none of their own signs. */
function formBytes(bytes: Uint8Array): Buffer {
  const text = Buffer.alloc(3 * bytes.length)
  let end = 0
  for (const byte of bytes)
    end += unreserved.test(String.fromCharCode(byte))
      ? text.writeUInt8(byte, end) - end
      : text.write(`%${byte.toString(16).toUpperCase().padStart(2, '0')}`, end)
  const exact = Buffer.from(text.subarray(0, end))
  text.fill(0)
  return exact
}

/** A value as one segment of a path. */
export function segmentOf(value: string): string {
  return formBytes(Buffer.from(value)).toString('latin1')
}

/**
 * Why what is to be sent cannot be, or undefined.
 *
 * SECURITY: nothing of a name or a secret may be taken for more than it is: in a path for another path, in a query for
 * another query, in a header for another header.
 */
export function unfitFor(
  steps: readonly HttpStep[],
  { login, secrets }: Pick<HttpValues, 'login' | 'secrets'>,
  name: string,
): string | undefined {
  const used = new Set(steps.flatMap(namesIn))
  const mixed = new Set(steps.flatMap(mixedIn))
  const outside = steps.some(({ path, headers }) =>
    [path, ...Object.values(headers)].some((text) => text.includes('{login}')),
  )
  if (outside && (login === '.' || login === '..' || !/^[\x20-\x7e]+$/.test(login)))
    return `the login name ${JSON.stringify(login)} can stand in no path and no header`
  if (mixed.has('login') && !isAWord(login))
    return `the login name ${JSON.stringify(login)} is no word, and stands among others`
  for (const one of httpSecrets) {
    const secret = secrets[one]
    if (secret === undefined || !used.has(one)) continue
    if (secret.expose((bytes) => bytes.length === 0)) return `a password for ${name} is empty`
    if (mixed.has(one) && secret.expose((bytes) => !isAWord(Buffer.from(bytes).toString('latin1'))))
      return `the ${one} password holds a character that ${name} would take for something else`
  }
  return undefined
}
