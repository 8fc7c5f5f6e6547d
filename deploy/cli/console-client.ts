import { readFileSync } from 'node:fs'
import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { Complaint, exit } from './complaint.ts'

const problem = z.looseObject({ title: z.string().optional(), detail: z.string().optional() })
const maxAnswerBytes = 8 * 1024 * 1024

type Answer = { readonly status: number; readonly cookie: string | undefined; readonly body: unknown }

/** Speaks to the console's server as a browser would: for what the machine's administrator may not do. */
export class ConsoleClient {
  readonly #base: URL
  readonly #ca: Buffer | undefined
  readonly #token: string | undefined
  #cookie: string | undefined

  /** `token`: of a service, in place of a login. */
  constructor(address: string, caFile: string | undefined, token?: string) {
    this.#token = token
    this.#base = new URL(address)
    // SECURITY: with a certificate authority of the installation's own, only that one is trusted.
    this.#ca = caFile === undefined ? undefined : readFileSync(caFile)
  }

  /** Sends one request and answers its JSON. A refusal is thrown as a `Complaint`. */
  async ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const answer = await this.#send(method, path, body)
    if (answer.cookie !== undefined) this.#cookie = answer.cookie
    if (answer.status < 400) return answer.body
    const parsed = problem.safeParse(answer.body)
    const title = parsed.success ? parsed.data.title : undefined
    throw new Complaint(
      title ?? `the console answered with status ${answer.status}`,
      parsed.success ? parsed.data.detail : undefined,
      answer.status === 503 ? exit.away : exit.refused,
    )
  }

  /** Opens a live socket, as the console in a browser does. */
  socket(path: string, protocol: string): WebSocket {
    const url = new URL(path, this.#base)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    return new WebSocket(url, protocol, {
      origin: this.#base.origin,
      perMessageDeflate: false,
      ...(this.#cookie === undefined ? {} : { headers: { cookie: this.#cookie } }),
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    })
  }

  #send(method: string, path: string, body: object | undefined): Promise<Answer> {
    const url = new URL(path, this.#base)
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const options: RequestOptions & { ca?: Buffer } = {
      method,
      headers: {
        origin: this.#base.origin,
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': text.length }),
        ...(this.#cookie === undefined ? {} : { cookie: this.#cookie }),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const request = send(url, options, (response) => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > maxAnswerBytes) request.destroy(new Error('too large'))
          chunks.push(chunk)
        })
        response.on('error', reject)
        response.on('end', () => {
          const cookie = response.headers['set-cookie']?.[0]?.split(';')[0]
          resolve({ status: response.statusCode ?? 500, cookie, body: parse(Buffer.concat(chunks)) })
        })
      })
      request.on('error', (error: NodeJS.ErrnoException) =>
        reject(
          new Complaint(
            `the console at ${this.#base.origin} cannot be reached (${error.code ?? error.message})`,
            'see whether it runs with: tagout doctor',
            exit.away,
          ),
        ),
      )
      request.end(text)
    })
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
