import { generateKeyPairSync } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import { pinOf } from './sshd.ts'

/** A machine of the test's own making, named after what is odd about it. */
export type OddTarget = AsyncDisposable & {
  readonly port: number
  readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
  /** Answers and passwords that it was given, in order. */
  readonly given: string[]
  /** TCP connections that it has had, and the most at one time. */
  readonly connections: () => { readonly all: number; readonly most: number; readonly now: number }
}

export type Round = {
  readonly instructions?: string
  readonly prompts: readonly { readonly prompt: string; readonly echo: boolean }[]
}

export type OddOptions = {
  /** Asks in rounds of keyboard-interactive, then lets in; without, it takes the password `pw`. */
  readonly rounds?: readonly Round[]
  readonly banner?: string
  /** Refuses a TCP connection while another is there, in this way. */
  readonly whenBusy?: 'hang up' | 'say so' | 'hang' | 'disconnect' | 'no session'
  readonly onShell?: (channel: ssh2.ServerChannel) => void
  /** In place of the login by rounds or password. */
  readonly onConnection?: (connection: ssh2.Connection) => void
  /** Answers no request that is not about a channel: no sign of life while it is silent. */
  readonly isDeaf?: boolean
}

export async function startOddTarget(options: OddOptions = {}): Promise<OddTarget> {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const parsed = ssh2.utils.parseKey(privateKey)
  if (parsed instanceof Error) throw parsed
  const given: string[] = []
  const sockets = new Set<Socket>()
  let all = 0
  let most = 0
  let shells = 0

  const ssh = new ssh2.Server(
    { hostKeys: [privateKey], ...(options.banner === undefined ? {} : { banner: options.banner }) },
    (connection) => {
      connection.on('error', () => undefined)
      if (options.onConnection !== undefined) options.onConnection(connection)
      else connection.on('authentication', (context) => void authenticate(context, options, given))
      connection.on('session', (accept, reject) => {
        if (options.whenBusy === 'no session' && shells > 0) return reject()
        const session = accept()
        session.on('pty', (acceptPty) => acceptPty?.())
        session.on('exec', (acceptExec, _reject, { command }) => {
          const channel = acceptExec()
          channel.write(`ran ${command}\n`)
          channel.exit(0)
          channel.end()
        })
        session.on('shell', (acceptShell) => {
          shells += 1
          const channel = acceptShell()
          channel.on('error', () => undefined)
          channel.on('close', () => {
            shells -= 1
          })
          ;(options.onShell ?? prompt)(channel)
        })
      })
      if (options.isDeaf === true) deafen(connection)
    },
  )
  const server = createServer((socket) => {
    all += 1
    const isBusy = sockets.size > 0
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    const { whenBusy } = options
    if (!isBusy || whenBusy === 'no session' || whenBusy === 'disconnect' || whenBusy === undefined) {
      ssh.injectSocket(socket)
      return
    }
    socket.resume()
    if (options.whenBusy === 'hang up') return void socket.destroy()
    if (options.whenBusy === 'say so')
      return void socket.end('\r\n% All VTY lines are in use\u001b[2J, try again later\r\n')
  })
  if (options.whenBusy === 'disconnect')
    ssh.on('connection', (connection) => {
      if (sockets.size > 1)
        connection.on('handshake', () =>
          (
            connection as unknown as { _protocol: { disconnect: (reason: number) => void } }
          )._protocol.disconnect(12),
        )
    })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    pins: [pinOf(`ssh-rsa ${parsed.getPublicSSH().toString('base64')}`)],
    given,
    connections: () => ({ all, most, now: sockets.size }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function authenticate(context: ssh2.AuthContext, options: OddOptions, given: string[]): Promise<void> {
  const { rounds } = options
  if (rounds === undefined) {
    if (context.method !== 'password') return context.reject(['password'])
    given.push(context.password)
    return context.password === 'pw' ? context.accept() : context.reject(['password'])
  }
  if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
  for (const { instructions = '', prompts } of rounds) {
    const answers = await new Promise<string[]>((resolve) => {
      context.prompt([...prompts], 'login', instructions, (given) => resolve(given as unknown as string[]))
    })
    if (Array.isArray(answers)) given.push(...answers)
  }
  context.accept()
}

function prompt(channel: ssh2.ServerChannel): void {
  channel.write('\r\nodd>')
  let line = ''
  channel.on('data', (bytes: Buffer) => {
    channel.write(bytes.toString().replaceAll('\r', '\r\nodd>'))
    line += bytes.toString()
    if (!line.endsWith('exit\r')) return
    channel.exit(0)
    channel.end()
  })
}

function deafen(connection: ssh2.Connection): void {
  type Handlers = { GLOBAL_REQUEST?: () => void }
  const { _protocol: protocol } = connection as unknown as { _protocol: { _handlers: Handlers } }
  protocol._handlers.GLOBAL_REQUEST = () => undefined
}

/** Prints at the speed of a serial line, whatever the connection takes: `bytes` of lines, then a prompt. */
export function serialLine(
  bytes: number,
  typed: (key: number, at: number) => void,
  perSecond = 960,
): (channel: ssh2.ServerChannel) => void {
  return (channel) => {
    const every = 20
    let left = bytes
    const timer = setInterval(() => {
      const now = Math.min(left, Math.round((perSecond * every) / 1000))
      left -= now
      if (now > 0) channel.write(`${'0123456789abcdef'.repeat(8).slice(0, now - 2)}\r\n`)
      else {
        clearInterval(timer)
        channel.write('\r\nslow>')
      }
    }, every)
    channel.on('data', (keys: Buffer) => {
      for (const key of keys) {
        typed(key, performance.now())
        if (key === 3) left = 0
        if (key !== 4) continue
        channel.exit(0)
        channel.end()
      }
    })
    channel.on('close', () => clearInterval(timer))
  }
}
