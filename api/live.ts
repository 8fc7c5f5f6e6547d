import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { VerbAnswer } from '../vault/contract.ts'
import { readToken } from './http/cookie.ts'
import { type OriginOptions, refuseForeign } from './http/origin.ts'
import { HttpRefusal, problemOf } from './http/problem.ts'
import type { AskVault } from './vault-link.ts'

export type LivePorts = {
  readonly ask: AskVault
  /** Reaches a recorder's worker: the one named, or any that lives. */
  readonly connect: (worker: string | undefined) => Promise<Socket | undefined>
  readonly onFault: (fault: { readonly id: string; readonly route: string; readonly error: unknown }) => void
}

export type LiveLimits = {
  /** Live sockets that one source may open a minute, one login may hold, and all may hold. */
  readonly perMinute: number
  readonly perLogin: number
  readonly inAll: number
}

export const defaultLiveLimits: LiveLimits = { perMinute: 240, perLogin: 100, inAll: 4_000 }

/** Milliseconds for a refused socket to read why. */
const lingerMs = 1_000
const livePath = /^\/live(?:\/([a-z0-9_][a-z0-9._-]{0,62}))?$/i

/** Is this a live socket's request? Any other that would like to be upgraded is answered like one that does not. */
export function isLiveRequest(request: IncomingMessage): boolean {
  return livePath.test(request.url ?? '') && request.headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Lets live sockets through to the recorder's workers.
 *
 * SECURITY: before any worker is reached the request must come from this console (its `Origin` is asked for always) and
 * carry the cookie of a login that the vault knows. From then on the bytes pass as they are, unread; the cookie stays
 * here, and the worker is told which login it is.
 */
export function spliceLive(
  server: Server,
  ports: LivePorts,
  options: OriginOptions & { readonly limits?: LiveLimits },
): Disposable {
  const limits = options.limits ?? defaultLiveLimits
  const open = new Map<Duplex, string>()
  const opened = new Map<string, number>()
  const forget = setInterval(() => opened.clear(), 60_000)
  forget.unref()

  const admit = async (request: IncomingMessage, socket: Duplex): Promise<VerbAnswer<'live.open'>> => {
    const source = sourceOf(request)
    const count = (opened.get(source) ?? 0) + 1
    opened.set(source, count)
    const foreign = refuseForeign(request, options, 'change')
    if (foreign !== undefined) throw foreign
    if (count > limits.perMinute || open.size >= limits.inAll) throw tooMany()
    const token = readToken(request)
    if (token === undefined) throw new HttpRefusal({ code: 'unauthenticated', message: 'sign in first' })
    const admitted = await ports.ask('live.open', {}, token)
    if (!admitted.ok) throw new HttpRefusal(admitted.refusal)
    const { login } = admitted.value
    const held = [...open.values()].filter((other) => other === login).length
    if (held >= limits.perLogin || open.size >= limits.inAll) throw tooMany()
    // SECURITY: held from here on, not from when a worker is reached: of many at once none would see the others.
    if (socket.destroyed) throw new HttpRefusal({ code: 'unavailable', message: 'the browser is gone' })
    open.set(socket, login)
    socket.once('close', () => open.delete(socket))
    return admitted.value
  }

  const splice = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const { login } = await admit(request, socket)
    const worker = livePath.exec(request.url ?? '')?.[1]
    const upstream = await ports.connect(worker)
    if (upstream === undefined)
      throw new HttpRefusal({ code: 'unavailable', message: 'no recorder can be reached' })
    if (socket.destroyed) return void upstream.destroy()
    upstream.on('error', () => socket.destroy())
    upstream.on('close', () => socket.end())
    socket.on('close', () => upstream.destroy())
    if ('setTimeout' in socket) (socket as Socket).setTimeout(0).setNoDelay(true)
    upstream.write(headOf(request, login))
    upstream.write(head)
    socket.pipe(upstream)
    upstream.pipe(socket)
  }

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    splice(request, socket, head).catch((error: unknown) => {
      const problem = problemOf(error)
      if (problem.instance !== undefined) ports.onFault({ id: problem.instance, route: 'GET /live', error })
      const body = JSON.stringify(problem)
      socket.end(
        `HTTP/1.1 ${problem.status} Refused\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\n\r\n${body}`,
      )
      // Nobody else ends it where the browser does not: it is no request's any more.
      setTimeout(() => socket.destroy(), lingerMs).unref()
    })
  })
  return {
    [Symbol.dispose]: () => {
      clearInterval(forget)
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

function tooMany(): HttpRefusal {
  return new HttpRefusal({
    code: 'rate_limited',
    message: 'too many live sockets',
    next: 'close some, or wait a minute',
  })
}

/** The request as the worker gets it: what a WebSocket needs, whose it is, and nothing of the browser's else. */
function headOf(request: IncomingMessage, login: string): string {
  const { headers } = request
  const passed = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol'].flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [`${name}: ${value}`] : []
  })
  return [
    'GET /live HTTP/1.1',
    'Host: recorder',
    'Connection: Upgrade',
    'Upgrade: websocket',
    ...passed,
    `X-Tagout-Login: ${login}`,
    `X-Tagout-Source: ${sourceOf(request)}`,
    '\r\n',
  ].join('\r\n')
}

/** The address that the connection comes from; headers of a proxy are never believed. */
function sourceOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '').slice(0, 100)
}
