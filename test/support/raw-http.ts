import { once } from 'node:events'
import { request } from 'node:http'
import { createConnection } from 'node:net'

export type RawAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

/** One HTTP request exactly as given: unlike fetch it sets no header by itself. `host` is what the request claims. */
export async function send(
  address: string,
  method: string,
  path: string,
  options: {
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
    readonly body?: string | Uint8Array
  } = {},
): Promise<RawAnswer> {
  const { hostname, port, host } = new URL(address)
  const asked = request({
    hostname,
    port,
    method,
    path,
    setHost: false,
    headers: {
      host,
      // Node gives the body of a DELETE no length by itself.
      ...(options.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(options.body)) }),
      ...options.headers,
    } as Record<string, string | string[]>,
  })
  // The server may answer and close before it has read a body that it refuses.
  asked.on('error', () => undefined)
  const outcome = new Promise<RawAnswer>((resolve, reject) => {
    let answered = false
    asked.once('response', (response) => {
      answered = true
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.once('error', reject)
      response.once('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(pieces).toString('utf8'),
        }),
      )
    })
    asked.once('close', () => answered || reject(new Error('the connection closed without an answer')))
  })
  asked.end(options.body)
  return outcome
}

/** Writes bytes to the server's port, and answers all that came back until it closed or `withinMs` passed. */
export async function sendBytes(
  address: string,
  bytes: string | Uint8Array,
  withinMs = 3_000,
): Promise<string> {
  const { hostname, port } = new URL(address)
  const socket = createConnection(Number(port), hostname)
  let text = ''
  socket.on('data', (piece) => {
    text += piece.toString('latin1')
  })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(bytes)
  await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, withinMs))])
  socket.destroy()
  return text
}
