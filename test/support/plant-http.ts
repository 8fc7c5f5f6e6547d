import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { cookieName } from '../../api/http/cookie.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import { makeSealedLoginPassword } from '../../vault/intake.ts'
import { enrolmentBox } from './enrolment.ts'
import { authenticator } from './totp.ts'

/** What the edge answered. */
export type HttpAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

export type HttpCall = {
  /** The cookie header's token; several make a header that carries them all. */
  readonly token?: string | readonly string[]
  readonly body?: object | string
  /** The address that it is sent from: each has a rate of its own. Default: sources take turns. */
  readonly from?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What a directory's person shows with their link: its password, or that they were at their provider. */
export type LinkProof = { readonly password: string } | { readonly arrival: string }

/** The HTTP edge of a running installation, as any program on this machine reaches it: no browser, no console. */
export type PlantHttp = Disposable & {
  readonly origin: string
  readonly ask: (method: string, path: string, call?: HttpCall) => Promise<HttpAnswer>
  /** Signs in with password and code. */
  readonly signIn: (name: string, password: string, code: string, from?: string) => Promise<HttpAnswer>
  /** Goes through a one-time link: sets a password, proves the second factor and signs in. */
  readonly enrol: (link: string, from?: string, proof?: LinkProof) => Promise<HttpPerson>
}

/** Somebody who has signed in, with what proves them. */
export type HttpPerson = {
  readonly name: string
  readonly token: string
  readonly password: string
  /** Where they signed in from. */
  readonly from: string
  /** A code that was not used before; it waits for one where the last two were. */
  readonly code: () => Promise<string>
}

/** Loopback has an address for everybody: each is a source with a rate of its own. */
const sources = Array.from({ length: 200 }, (_, at) => `127.0.9.${at + 1}`)

/** Speaks with an installation over TLS, trusting its own authority alone. */
export async function plantHttp(installation: {
  readonly dataDir: string
  readonly console: string
}): Promise<PlantHttp> {
  const origin = installation.console.replace(/\/$/, '')
  const { hostname, port } = new URL(origin)
  const ca = await readFile(join(installation.dataDir, 'api', 'tls', 'ca.crt'))
  const agents = new Map<string, Agent>()
  const agentOf = (from: string) => {
    const known = agents.get(from)
    if (known !== undefined) return known
    // The server closes what is idle for 10 s: an idle connection is given up before, and never while it is closed.
    const made = new Agent({ keepAlive: true, maxSockets: 4, timeout: 5_000, ca, localAddress: from })
    agents.set(from, made)
    return made
  }
  let turn = 0
  const nextSource = () => {
    turn += 1
    return sources[turn % sources.length] ?? '127.0.9.1'
  }

  const ask: PlantHttp['ask'] = async (method, path, call = {}) => {
    const { token, body } = call
    const tokens = typeof token === 'string' ? [token] : (token ?? [])
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const asked = request({
      hostname,
      port,
      method,
      path,
      agent: agentOf(call.from ?? nextSource()),
      headers: {
        ...(method === 'GET' || method === 'HEAD' ? {} : { origin, 'content-type': 'application/json' }),
        ...(text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
        ...(tokens.length === 0 ? {} : { cookie: tokens.map((one) => `${cookieName}=${one}`).join('; ') }),
        ...call.headers,
      },
    })
    asked.end(text)
    const [answer] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
    const parts: Buffer[] = []
    for await (const part of answer) parts.push(part as Buffer)
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      text: Buffer.concat(parts).toString('utf8'),
    }
  }

  const must = (answer: HttpAnswer) => {
    if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.text}`)
    return JSON.parse(answer.text)
  }
  const seal = async (name: string, password: string) => {
    const { intakeKey } = must(await ask('GET', '/api/status'))
    return makeSealedLoginPassword(sodium, intakeKey, name, password, new Date())
  }

  return {
    origin,
    ask,
    signIn: async (name, password, code, from) =>
      ask('POST', '/api/login', {
        body: { name, sealedPassword: await seal(name, password), totpCode: code },
        ...(from === undefined ? {} : { from }),
      }),
    enrol: async (link, from = nextSource(), proof = { password: 'canary-ash-meadow-5127' }) => {
      const token = new URL(link, origin).hash.slice(1)
      const box = await enrolmentBox()
      const begun = must(
        await ask('POST', '/api/enrolment/begin', { from, body: { token, boxKey: box.boxKey } }),
      )
      const code = authenticator(box.open(begun.sealedTotp).secret, { behind: true })
      const password = 'password' in proof ? proof.password : ''
      const answer = await ask('POST', '/api/enrolment/finish', {
        from,
        body: {
          token,
          ...('arrival' in proof ? proof : { sealedPassword: await seal(begun.name, password) }),
          totpCode: await code(),
          ...(begun.terms === null ? {} : { termsDigest: begun.terms.digest }),
        },
      })
      must(answer)
      return { name: begun.name, token: tokenOf(answer), password, from, code }
    },
    [Symbol.dispose]: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}

/** The login token that an answer sets. */
export function tokenOf(answer: HttpAnswer): string {
  const [cookie] = [answer.headers['set-cookie'] ?? []].flat()
  const token = new RegExp(`^${cookieName}=([^;]+)`).exec(cookie ?? '')?.[1]
  if (token === undefined) throw new Error(`no login was answered, but ${answer.status}: ${answer.text}`)
  return token
}
