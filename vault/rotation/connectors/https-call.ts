import { request } from 'node:http'
import { connectPinned } from '../../tls/connect.ts'
import type { Place } from '../connector.ts'

/** Bytes of an answer that are read: a hostile device says more. */
const mostSaid = 256 * 1024

export type HttpsCall = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Wiped when it is sent. */
  readonly body?: Buffer
}

/** What a device answered; or that nothing was sent to it; or that it may have heard it, and no answer came. */
export type HttpsAnswer =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** By their names in small letters, each as often as it came. */
      readonly headers: Readonly<Record<string, readonly string[]>>
      readonly body: Buffer
    }
  | { readonly kind: 'untried' | 'unanswered'; readonly why: string }

/**
 * Calls a device once over HTTPS, on a connection of its own.
 *
 * SECURITY: to whoever has the key of the pinned certificate alone: nothing is written before that is proven. No proxy, no
 * redirection, no cookie, and nothing of it is logged.
 */
export async function callHttps(at: Place, call: HttpsCall): Promise<HttpsAnswer> {
  const { name, host, port, pins } = at.target
  const { body } = call
  const signal = AbortSignal.any([at.signal, AbortSignal.timeout(at.withinMs)])
  try {
    const connected = await connectPinned('https', { name, host, port, pins }, signal)
    if (connected.kind === 'failed') return { kind: 'untried', why: connected.why }
    const { socket } = connected
    const { promise, resolve } = Promise.withResolvers<HttpsAnswer>()
    const lost = () => resolve({ kind: 'unanswered', why: `${name} did not answer to its end` })
    const asked = request({
      ...{ host, port, method: call.method, path: call.path },
      headers: {
        ...call.headers,
        connection: 'close',
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      },
      createConnection: () => socket,
    })
    asked.on('error', lost)
    // Also where it answers that it speaks something else from now on.
    asked.once('close', lost)
    asked.once('response', (response) => {
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (bytes > mostSaid) return void socket.destroy()
        pieces.push(piece)
      })
      response.on('error', lost)
      response.once('close', lost)
      response.once('end', () =>
        resolve({
          kind: 'answered',
          status: response.statusCode ?? 0,
          headers: response.headersDistinct as Readonly<Record<string, readonly string[]>>,
          body: Buffer.concat(pieces),
        }),
      )
    })
    asked.end(body)
    try {
      return await promise
    } finally {
      socket.destroy()
    }
  } finally {
    body?.fill(0)
  }
}
