import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { makeDirectoryCertificates } from './directory-certificates.ts'

export type S7User = {
  password: string
  /** What the project has, and a download with "reset to project data" brings back. */
  readonly inProject: string
  isExpired?: boolean
  refused?: number
}

export type S7Policy = {
  min_password_length: number
  max_password_length: number
  min_digits: number
  min_special_characters: number
  requires_uppercase_characters: boolean
  requires_lowercase_characters: boolean
}

export type S7Simulator = AsyncDisposable & {
  readonly port: number
  readonly pin: string
  readonly users: Map<string, S7User>
  readonly policy: S7Policy
  /** Sessions that are open; of more than `mostSessions` it has no resources. */
  readonly sessions: Set<string>
  mostSessions: number
  /** What it does beside what it says. */
  mood:
    | 'obeys'
    | 'takes it and hangs up'
    | 'takes it and answers an error'
    | 'changes no passwords'
    | 'is old'
  /** Downloads the project, its users as they are in it. */
  readonly download: () => void
  /** Methods that were called, in order. */
  readonly called: string[]
}

/** The CPU delays what follows a refused login, ever longer. */
const delayMs = 40

/**
 * A simulator of the web API of an S7-1500: JSON-RPC over HTTPS, with its sessions, password policy, expiry and error codes as
 * the function manual has them. No device is behind it.
 */
export async function startS7Simulator(): Promise<S7Simulator> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-s7-'))
  const { files } = makeDirectoryCertificates(folder, 'plc')
  const certificate = readFileSync(files.certificate)
  const simulator = {
    users: new Map<string, S7User>(),
    policy: {
      ...{ min_password_length: 8, max_password_length: 120, min_digits: 1, min_special_characters: 1 },
      ...{ requires_uppercase_characters: true, requires_lowercase_characters: true },
    },
    sessions: new Set<string>(),
    mostSessions: 3,
    mood: 'obeys' as S7Simulator['mood'],
    called: [] as string[],
  }
  const server = createServer({ key: readFileSync(files.key), cert: certificate }, (request, response) => {
    void (async () => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer)
      if (request.method !== 'POST' || request.url !== '/api/jsonrpc') return response.writeHead(404).end()
      const { id, method, params } = JSON.parse(Buffer.concat(pieces).toString()) as Asked
      simulator.called.push(method)
      const said = await answer(
        simulator,
        method,
        params ?? {},
        String(request.headers['x-auth-token'] ?? ''),
      )
      if (said === 'hang up') return request.socket.destroy()
      const body = JSON.stringify({ jsonrpc: '2.0', id, ...said })
      return response
        .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache' })
        .end(body)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(simulator, {
    port: (server.address() as AddressInfo).port,
    pin: fingerprintOf(new X509Certificate(certificate).raw),
    download: () => {
      for (const user of simulator.users.values()) user.password = user.inProject
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  })
}

type Asked = {
  readonly id: number
  readonly method: string
  readonly params?: Readonly<Record<string, string>>
}
type Said =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string } }

const error = (code: number, message: string): Said => ({ error: { code, message } })
const failed = error(100, 'Login failed')

async function answer(
  of: Pick<S7Simulator, 'users' | 'policy' | 'sessions' | 'mostSessions' | 'mood'>,
  method: string,
  params: Readonly<Record<string, string>>,
  token: string,
): Promise<Said | 'hang up'> {
  switch (method) {
    case 'Api.Login': {
      const user = of.users.get(params['user'] ?? '')
      if (of.sessions.has(token)) return error(101, 'Already authenticated')
      if (of.sessions.size >= of.mostSessions) return error(4, 'No resources')
      if (!(await knows(user, params['password']))) return failed
      if (user?.isExpired === true) return error(102, 'Password expired')
      const session = randomBytes(20).toString('base64')
      of.sessions.add(session)
      return { result: { token: session } }
    }
    case 'Api.Logout':
      of.sessions.delete(token)
      return { result: true }
    case 'Api.GetPasswordPolicy':
      return of.mood === 'is old'
        ? error(-32601, 'Method not found')
        : { result: { password_policy: of.policy } }
    case 'Api.ChangePassword': {
      const user = of.users.get(params['username'] ?? '')
      const fresh = params['new_password'] ?? ''
      if (of.mood === 'changes no passwords') return error(6, 'Not accepted')
      if (user === undefined || !(await knows(user, params['password']))) return failed
      if (fresh === user.password) return error(104, 'New password matches old password')
      if (!fits(of.policy, fresh)) return error(103, 'New password does not follow policy')
      user.password = fresh
      user.isExpired = false
      if (of.mood === 'takes it and hangs up') return 'hang up'
      return of.mood === 'takes it and answers an error' ? error(1, 'Internal error') : { result: true }
    }
    default:
      return error(-32601, 'Method not found')
  }
}

async function knows(user: S7User | undefined, password: string | undefined): Promise<boolean> {
  if (user === undefined) return false
  await wait(Math.min(400, (user.refused ?? 0) * delayMs))
  const isRight = user.password === password
  user.refused = isRight ? 0 : (user.refused ?? 0) + 1
  return isRight
}

function fits(policy: S7Policy, password: string): boolean {
  const count = (pattern: RegExp) => [...password].filter((char) => pattern.test(char)).length
  return (
    password.length >= policy.min_password_length &&
    password.length <= policy.max_password_length &&
    count(/\d/) >= policy.min_digits &&
    count(/[^A-Za-z0-9]/) >= policy.min_special_characters &&
    (!policy.requires_uppercase_characters || /[A-Z]/.test(password)) &&
    (!policy.requires_lowercase_characters || /[a-z]/.test(password))
  )
}
