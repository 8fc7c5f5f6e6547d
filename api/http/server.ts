import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { Fault } from '../../vault/index.ts'
import type { Transport } from '../config.ts'
import { isLiveRequest } from '../live.ts'

export type Listening = AsyncDisposable & {
  readonly server: Server
  /** `https://host:port` */
  readonly address: string
}

/** SECURITY: a slow, greedy or lost client holds a connection for these times at most, and there are so many of them. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
  shouldUpgradeCallback: isLiveRequest,
} as const
const maxConnections = 2_000
const maxHeaders = 100

/** Listens for the console. Throws `Fault('configuration')` that names the port or the file, and the fix. */
export async function listen(
  app: Express,
  options: { readonly host: string; readonly port: number; readonly transport: Transport },
): Promise<Listening> {
  const server =
    options.transport.kind === 'tls'
      ? createTlsServer(
          {
            ...limits,
            cert: readTlsFile(options.transport.certFile, 'certificate'),
            key: readTlsFile(options.transport.keyFile, 'key'),
            minVersion: 'TLSv1.2',
            handshakeTimeout: 10_000,
          },
          app,
        )
      : createServer(limits, app)
  server.maxConnections = maxConnections
  server.maxHeadersCount = maxHeaders
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A browser opens connections before it needs them: an answer to no request would be taken for the one to its next.
    const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (socket.writable && !isLate)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : (error.code ?? 'refused')
      reject(
        new Fault(
          'configuration',
          `cannot listen on ${options.host} port ${options.port} (${why}): set TAGOUT_HTTP_PORT to a free port`,
        ),
      )
    })
    server.listen(options.port, options.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  const scheme = options.transport.kind === 'tls' ? 'https' : 'http'
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    server,
    address: `${scheme}://${host}:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), 2_000).unref()
      }),
  }
}

function readTlsFile(path: string, what: 'certificate' | 'key'): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const variable = what === 'key' ? 'TAGOUT_HTTP_TLS_KEY' : 'TAGOUT_HTTP_TLS_CERT'
    throw new Fault(
      'configuration',
      `cannot read the TLS ${what} ${path} (${why}): run npm start, which makes one, or set ${variable}`,
    )
  }
}
