import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { Fault } from '../../../vault/kernel/fault.ts'
import { type GuacdPlace, isItself } from './guacd-connection.ts'

/** A door of loopback that guacd comes through, once. */
export type GuacdDoor = { readonly host: '127.0.0.1'; readonly port: number; readonly close: () => void }

/** Opens one. `came` is given guacd's connection, paused. */
export async function openDoor(place: GuacdPlace, came: (client: Socket) => void): Promise<GuacdDoor> {
  const server = createServer({ noDelay: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Fault('internal', 'no port is free')
  let hasCome = false
  const close = () => void server.close()
  server.on('error', close)
  server.on('connection', (client) => {
    client.on('error', () => client.destroy())
    // SECURITY: whoever else is on this machine has no way to the target through here.
    isItself(place, client).then(
      (is) => {
        if (!is || hasCome) return void client.destroy()
        hasCome = true
        close()
        came(client)
      },
      () => client.destroy(),
    )
  })
  return { host: '127.0.0.1', port: address.port, close }
}

/** Connects to a machine. Throws `Fault('timeout')`, or the system's error. */
export async function reach(host: string, port: number, withinMs: number): Promise<Socket> {
  const socket = createConnection({ host, port, noDelay: true, keepAlive: true })
  const timer = setTimeout(() => socket.destroy(new Fault('timeout', 'no answer in time')), withinMs)
  try {
    await once(socket, 'connect')
  } finally {
    clearTimeout(timer)
  }
  socket.on('error', () => socket.destroy())
  return socket
}

/** What a machine says first, of itself; empty where it says nothing in time. Throws as `reach` does. */
export async function greetingOf(host: string, port: number, withinMs: number): Promise<string> {
  const socket = await reach(host, port, withinMs)
  try {
    const [said] = (await once(socket, 'data', { signal: AbortSignal.timeout(withinMs) })) as [Buffer]
    return said.toString('latin1', 0, 12)
  } catch {
    return ''
  } finally {
    socket.destroy()
  }
}
