import { createHash, randomBytes } from 'node:crypto'
import type { Secret } from '../../kernel/secret.ts'

/** Who asks, as a header says it. */
export type HttpLogin = { readonly login: string; readonly secret: Secret }

/** Why a name cannot be said in such a header, or undefined. */
export function unfitForAuth(auth: 'basic' | 'digest' | undefined, login: string): string | undefined {
  if (auth === undefined) return undefined
  const forbidden = auth === 'basic' ? /[^\x20-\x7e]|:/ : /[^\x20-\x7e]|["\\]/
  return login === '' || forbidden.test(login)
    ? `the login name ${JSON.stringify(login)} cannot be said by ${auth} authentication`
    : undefined
}

/** SECURITY: Node's http takes headers as strings alone: this one stays until it is collected. */
export function basicHeader({ login, secret }: HttpLogin): string {
  return secret.expose((bytes) => {
    const both = Buffer.concat([Buffer.from(`${login}:`), bytes])
    const header = `Basic ${both.toString('base64')}`
    both.fill(0)
    return header
  })
}

type Challenge = { readonly scheme: string; readonly params: ReadonlyMap<string, string> }

const token = /[A-Za-z0-9!#$%&'*+.^_`|~-]+/y
const separators = /[\s,]*/y
const equals = /[ \t]*=[ \t]*/y
const quoted = /"[^"\\\r\n]*"/y

/** The challenges of a header, as far as it is one: read once from its beginning to its end. */
export function challengesIn(header: string): readonly Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = []
  let at = 0
  const read = (what: RegExp): string | undefined => {
    what.lastIndex = at
    const [text] = what.exec(header) ?? []
    if (text !== undefined) at += text.length
    return text
  }
  while (at < header.length) {
    read(separators)
    const name = read(token)
    if (name === undefined) return found
    if (read(equals) === undefined) found.push({ scheme: name.toLowerCase(), params: new Map() })
    else {
      const value = read(quoted)?.slice(1, -1) ?? read(token)
      if (value === undefined) return found
      found.at(-1)?.params.set(name.toLowerCase(), value)
    }
  }
  return found
}

const algorithms: Readonly<Record<string, { readonly hash: string; readonly session: boolean }>> = {
  'SHA-256': { hash: 'sha256', session: false },
  'SHA-256-SESS': { hash: 'sha256', session: true },
  MD5: { hash: 'md5', session: false },
  'MD5-SESS': { hash: 'md5', session: true },
}

/**
 * The answer to a challenge of digest authentication (RFC 7616), the strongest that is offered; undefined where there is
 * none that can be answered.
 */
export function digestHeader(
  headers: readonly string[],
  asked: { readonly method: string; readonly path: string },
  { login, secret }: HttpLogin,
  cnonce = randomBytes(16).toString('hex'),
): string | undefined {
  const offered = headers
    .flatMap(challengesIn)
    .filter(({ scheme }) => scheme === 'digest')
    .flatMap(({ params }) => {
      const name = (params.get('algorithm') ?? 'MD5').toUpperCase()
      const algorithm = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined
      const [realm, nonce] = [params.get('realm'), params.get('nonce')]
      const qop = params.get('qop')
      const takesAuth = qop === undefined || qop.split(',').some((one) => one.trim() === 'auth')
      return algorithm === undefined || realm === undefined || nonce === undefined || !takesAuth
        ? []
        : [{ algorithm, realm, nonce, hasQop: qop !== undefined, params }]
    })
  const chosen = offered.find(({ algorithm }) => algorithm.hash === 'sha256') ?? offered[0]
  if (chosen === undefined) return undefined
  const { algorithm, realm, nonce, hasQop, params } = chosen
  const hash = (...parts: readonly (string | Uint8Array)[]) => {
    const of = createHash(algorithm.hash)
    for (const part of parts) of.update(part)
    return of.digest('hex')
  }
  const own = secret.expose((bytes) => hash(`${login}:${realm}:`, bytes))
  const first = algorithm.session ? hash(`${own}:${nonce}:${cnonce}`) : own
  const second = hash(`${asked.method}:${asked.path}`)
  const count = '00000001'
  const response = hasQop
    ? hash(`${first}:${nonce}:${count}:${cnonce}:auth:${second}`)
    : hash(`${first}:${nonce}:${second}`)
  const said = params.get('algorithm')
  const opaque = params.get('opaque')
  return [
    `Digest username="${login}", realm="${realm}", nonce="${nonce}", uri="${asked.path}"`,
    `response="${response}"`,
    ...(said === undefined ? [] : [`algorithm=${said}`]),
    ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
    ...(hasQop ? [`qop=auth, nc=${count}, cnonce="${cnonce}"`] : []),
  ].join(', ')
}
