import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { dirname } from 'node:path'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { isId } from '../../vault/kernel/id.ts'
import { type LiveCaller, type LivePorts, serveLiveSocket } from './live-connection.ts'
import { LiveSocket } from './live-socket.ts'
import { liveBounds, liveClose, liveProtocol } from './protocol.ts'

/** Live sockets of one worker at once. */
const mostSockets = 2_000

export type LiveServer = AsyncDisposable & { readonly path: string }

/**
 * Listens for live sockets on a Unix socket of the worker's own.
 *
 * SECURITY: the api has looked at cookie and origin, and says whose login it is; what it passes on are the browser's
 * frames as they came. Whether a session comes about is decided by the vault, by the ticket.
 */
export async function serveLive(path: string, ports: LivePorts): Promise<LiveServer> {
  const upgrades = new WebSocketServer({
    noServer: true,
    maxPayload: Math.max(liveBounds.inputFrameBytes, liveBounds.messageBytes),
    perMessageDeflate: false,
    clientTracking: true,
    autoPong: false,
    handleProtocols: (offered) => (offered.has(liveProtocol) ? liveProtocol : false),
  })
  const server = createServer(
    { maxHeaderSize: 16 * 1024, headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 1 },
    (_request, response) => response.writeHead(426, { Connection: 'close' }).end(),
  )
  server.maxConnections = mostSockets
  server.on('clientError', (_error, socket) => socket.destroy())
  upgrades.on('wsClientError', (_error, socket) => socket.destroy())
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy())
    const caller = callerOf(request)
    const offers = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
    if (caller === undefined || !offers.includes(liveProtocol))
      return void stream.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    upgrades.handleUpgrade(request, stream, head, (socket) =>
      serveLiveSocket(new LiveSocket(socket, stream), caller, ports),
    )
  })
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o660)
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      for (const socket of upgrades.clients) socket.close(liveClose.shutDown, 'the gateway shuts down')
      upgrades.close()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      setTimeout(() => {
        for (const socket of upgrades.clients) socket.terminate()
        server.closeAllConnections()
      }, 1_000).unref()
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 2_000).unref())])
      await rm(path, { force: true })
    },
  }
}

function callerOf(request: IncomingMessage): LiveCaller | undefined {
  const { 'x-tagout-login': login, 'x-tagout-source': source } = request.headers
  if (typeof login !== 'string' || !isId('lgn', login)) return undefined
  if (typeof source !== 'string' || source.length > 100) return undefined
  return { login, source }
}
