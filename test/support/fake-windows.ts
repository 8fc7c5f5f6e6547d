import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import ssh2, { type Connection, type ServerChannel } from 'ssh2'
import { changeOwn, setOther } from '../../vault/rotation/connectors/windows-password.ts'
import { generateKeyPair } from '../../vault/ssh/library.ts'
import { pinOf } from './sshd.ts'

export type FakeWindowsUser = {
  password: string
  readonly isAdmin?: boolean
  /** What Windows does with a new password. Default: takes it. */
  policy?: 'takes it' | 'refuses it' | 'takes it and hangs up'
}

export type FakeWindows = AsyncDisposable & {
  readonly port: number
  readonly pin: string
  readonly users: Map<string, FakeWindowsUser>
  /** Every command that was run: what a list of processes would have shown. */
  readonly commands: readonly string[]
}

/**
 * An SSH server that answers as OpenSSH for Windows does: its name, its line ends, commands of PowerShell in base64 of
 * UTF-16, errors as CLIXML. A fake: there is no Windows behind it, and what its PowerShell would do is played.
 */
export async function startFakeWindows(): Promise<FakeWindows> {
  const { private: hostKey, public: line } = generateKeyPair('ecdsa', 256)
  const users = new Map<string, FakeWindowsUser>()
  const commands: string[] = []
  const connections = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [hostKey], ident: 'OpenSSH_for_Windows_9.5' }, (connection) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
    connection.on('error', () => undefined)
    let user = ''
    connection.on('authentication', (context) => {
      if (context.method !== 'password' || users.get(context.username)?.password !== context.password)
        return context.reject(['publickey', 'password', 'keyboard-interactive'])
      user = context.username
      return context.accept()
    })
    connection.on('session', (accept) => {
      accept().on('exec', (take, _refuse, { command }) => {
        commands.push(command)
        const channel = take()
        channel.on('error', () => undefined)
        powershell(connection, channel, command, user, users)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    pin: pinOf(line).fingerprint,
    users,
    commands,
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.end()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function powershell(
  connection: Connection,
  channel: ServerChannel,
  command: string,
  user: string,
  users: Map<string, FakeWindowsUser>,
): void {
  const encoded = /^powershell\.exe .*-EncodedCommand ([A-Za-z0-9+/=]+)$/.exec(command)?.[1]
  const end = (code: number, said = '', errors = '') => {
    channel.stderr.write(errors)
    channel.write(said)
    channel.exit(code)
    channel.end()
  }
  // Of a longer line cmd says that it is too long.
  if (encoded === undefined || command.length > 8_191) return end(1, '', 'The command line is too long.\r\n')
  const script = Buffer.from(encoded, 'base64').toString('utf16le')
  let input = ''
  channel.on('data', (piece: Buffer) => {
    input += piece.toString()
  })
  channel.on('end', () => {
    const [name = '', ...rest] = input.split('\n')
    const of = users.get(name)
    const me = users.get(user)
    const fresh = (script === changeOwn ? rest[1] : rest[0]) ?? ''
    const say = (word: string, code: number) =>
      end(code, `tagout-said-${word}\r\n`, '#< CLIXML\r\n<Objs Version="1.1.0.1"></Objs>')
    if ((script !== changeOwn && script !== setOther) || of === undefined) return say('untouched', 3)
    const isAllowed = script === changeOwn ? rest[0] === of.password : me?.isAdmin === true
    // Complexity, as a policy of Windows wants it.
    const isComplex = fresh.length >= 12 && /[A-Z]/.test(fresh) && /[a-z]/.test(fresh) && /\d/.test(fresh)
    if (!isAllowed || !isComplex || of.policy === 'refuses it') return say('refused', 4)
    of.password = fresh
    return of.policy === 'takes it and hangs up' ? void connection.end() : say('changed', 0)
  })
}
