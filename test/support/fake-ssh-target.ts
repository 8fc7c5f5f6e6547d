import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import ssh2, { type Connection, type ServerChannel } from 'ssh2'
import { generateKeyPair } from '../../vault/ssh/library.ts'
import { pinOf } from './sshd.ts'

/** How a machine of the script behaves when it is told to change a password. A fake: nothing of a real machine is behind it. */
export const behaviours = [
  'obeys',
  'asks something else',
  'closes before it asks',
  'closes when it heard the new one',
  'closes when it took the new one',
  'says nothing more when it heard the new one',
  'says nothing more when it took the new one',
  'accepts and does not apply',
  'applies and answers an error',
  'refuses the new one',
  'truncates the new one',
  'refuses the login',
  'never answers the login',
] as const
export type Behaviour = (typeof behaviours)[number]

export type FakeUser = {
  password: string
  behaviour: Behaviour
  /** Logins that were refused. */
  refused: number
  /** Logins that it let in. */
  accepted: number
}

export type FakeSshTarget = AsyncDisposable & {
  readonly port: number
  readonly pin: string
  readonly users: Map<string, FakeUser>
  /** Takes no connections until it is started again; with another host key, if so wanted. */
  readonly stop: () => Promise<void>
  readonly start: (otherKey?: boolean) => Promise<void>
}

/** An SSH server on loopback that follows a script, for what real machines cannot be made to do. */
export async function startFakeSshTarget(): Promise<FakeSshTarget> {
  const keys = [makeKey(), makeKey()]
  const users = new Map<string, FakeUser>()
  const connections = new Set<Connection>()
  let port = 0
  let server: ssh2.Server | undefined
  const stop = async () => {
    const ending = server
    server = undefined
    if (ending === undefined) return
    for (const connection of connections) connection.end()
    for (const connection of connections)
      (connection as unknown as { _sock: { destroy: () => void } })._sock.destroy()
    connections.clear()
    const closed = once(ending, 'close')
    ending.close()
    await closed
  }
  const start = async (otherKey = false) => {
    server = new ssh2.Server({ hostKeys: [keys[otherKey ? 1 : 0]?.private ?? ''] }, (connection) => {
      connections.add(connection)
      connection.on('close', () => connections.delete(connection))
      connection.on('error', () => undefined)
      serve(connection, users)
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }
  await start()
  return {
    get port() {
      return port
    },
    pin: pinOf(keys[0]?.public ?? '').fingerprint,
    users,
    stop,
    start,
    [Symbol.asyncDispose]: stop,
  }
}

function makeKey() {
  // Of some hundred keys the library makes one that lacks a byte.
  for (;;) {
    const made = generateKeyPair('ed25519')
    if (Buffer.from(made.public.split(' ')[1] ?? '', 'base64').length === 51) return made
  }
}

function serve(connection: Connection, users: Map<string, FakeUser>): void {
  let user: FakeUser | undefined
  connection.on('authentication', (context) => {
    const known = users.get(context.username)
    if (context.method !== 'password' || known === undefined) return context.reject(['password'])
    if (known.behaviour === 'never answers the login') return undefined
    if (context.password !== known.password || known.behaviour === 'refuses the login') {
      known.refused += 1
      return context.reject(['password'])
    }
    known.accepted += 1
    user = known
    return context.accept()
  })
  connection.on('session', (accept) => {
    const session = accept()
    session.on('pty', (take) => take?.())
    session.on('exec', (take, _refuse, { command }) => {
      const channel = take()
      channel.on('error', () => undefined)
      if (user === undefined) connection.end()
      else if (command.includes('chpasswd')) setAll(channel, users)
      else converse(connection, channel, user)
    })
  })
}

/** `chpasswd`, as root has it. */
function setAll(channel: ServerChannel, users: Map<string, FakeUser>): void {
  let text = ''
  channel.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  channel.on('end', () => {
    // As the real one: what follows the first colon is the password, colons too.
    const line = text.trimEnd()
    const [name, password] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]
    const user = users.get(name)
    if (user !== undefined) user.password = password
    finish(channel, user === undefined ? 1 : 0)
  })
}

function finish(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}

/** `passwd`, as its user has it. */
function converse(connection: Connection, channel: ServerChannel, user: FakeUser): void {
  const { behaviour } = user
  const given: string[] = []
  let line = ''
  const hangUp = () => (connection as unknown as { _sock: { destroy: () => void } })._sock.destroy()
  const prompts = ['Current password: ', 'New password: ', 'Retype new password: ']
  const ask = () => channel.write(`${given.length === 0 ? '' : '\r\n'}${prompts[given.length] ?? ''}`)
  channel.on('data', (piece: Buffer) => {
    line += piece.toString()
    for (let at = line.indexOf('\n'); at !== -1; at = line.indexOf('\n')) {
      given.push(line.slice(0, at))
      line = line.slice(at + 1)
      heard()
    }
  })
  const heard = () => {
    const [old, fresh = '', again] = given
    if (given.length === 1 && old !== user.password) return finish(channel, 10)
    if (given.length === 2) {
      if (behaviour === 'closes when it heard the new one') return hangUp()
      if (behaviour === 'says nothing more when it heard the new one') return
      if (behaviour === 'refuses the new one') {
        channel.write('\r\nBAD PASSWORD: it is too simple\r\n')
        return finish(channel, 10)
      }
    }
    if (given.length < 3) return void ask()
    if (fresh !== again) return finish(channel, 10)
    if (behaviour !== 'accepts and does not apply')
      user.password = behaviour === 'truncates the new one' ? fresh.slice(0, 8) : fresh
    if (behaviour === 'closes when it took the new one') return hangUp()
    if (behaviour === 'says nothing more when it took the new one') return
    finish(channel, behaviour === 'applies and answers an error' ? 1 : 0)
  }
  if (behaviour === 'closes before it asks') return hangUp()
  if (behaviour === 'asks something else') return void channel.write('Your ticket number: ')
  ask()
}
