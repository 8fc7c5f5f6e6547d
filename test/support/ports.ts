import { once } from 'node:events'
import { createServer } from 'node:net'

/** Where this process looks next for a port: no two begin at the same place. */
let nextPort = 10_000 + (process.pid % 1_000) * 20

/** A port of loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('no port is free')
  return port
}

/**
 * Ports of loopback that nobody listens on now. They lie below those that the system gives to whoever asks for any, so
 * that nothing else takes one before the server that it is for listens, or while that starts again.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = nextPort
    nextPort = port >= 29_999 ? 10_000 : port + 1
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
