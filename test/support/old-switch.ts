import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Connection } from 'ssh2'
import { TelnetStream } from '../../vault/telnet/stream.ts'
import { pinOf } from './sshd.ts'
import {
  type Dialect,
  SwitchCli,
  type SwitchFault,
  type SwitchMalice,
  type SwitchState,
} from './switch-cli.ts'

/**
 * A switch with a command line, which was written for tests: its configuration that is in force and the one that is there
 * after a restart, sessions that are few, a lock-out, algorithms that are old, words that come slowly. Over SSH, or Telnet.
 */
export type OldSwitch = AsyncDisposable & {
  readonly port: number
  readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
  /** Lines that were entered, at the prompt and at password prompts. */
  readonly entered: string[]
  readonly state: SwitchState
  /** Every password that was tried at a login, and whether it was let in. */
  readonly logins: { readonly login: string; readonly isIn: boolean }[]
  /** Switches it off: what was not saved is gone. */
  readonly pullPower: () => Promise<void>
  /** Switches it on again; with another host key, if so wanted. */
  readonly powerOn: (otherKey?: boolean) => Promise<void>
  /** How often it has lost its power. */
  readonly outages: () => number
}

export type OldSwitchOptions = {
  readonly login: string
  readonly password: string
  readonly enablePassword?: string
  /** Shows what is typed at the password prompt, as no switch should. */
  readonly echoesPasswords?: boolean
  /** Prints the password after it was entered. */
  readonly repeatsPassword?: boolean
  readonly protocol?: 'ssh' | 'telnet'
  readonly dialect?: Dialect
  readonly hostname?: string
  /** Group1-sha1, ssh-dss, 3DES and HMAC-MD5, and nothing else. */
  readonly isLegacy?: boolean
  readonly maxSessions?: number
  /** After so many refused logins it takes none for so long. */
  readonly lockOut?: { readonly refused: number; readonly ms: number }
  readonly leastLength?: number
  readonly mostLength?: number
  readonly forbidden?: string
  /** What it says comes in pieces of a character or two. */
  readonly isSlow?: boolean
  readonly fault?: SwitchFault
  readonly malice?: SwitchMalice
}

export async function startOldSwitch(options: OldSwitchOptions): Promise<OldSwitch> {
  const passwords = { [options.login]: options.password }
  let outages = 0
  const state: SwitchState = {
    hostname: options.hostname ?? 'switch-7',
    dialect: options.dialect ?? 'ios',
    running: { passwords, vlans: ['1'] },
    startup: { passwords, vlans: ['1'] },
    enablePassword: options.enablePassword,
    leastLength: options.leastLength ?? 1,
    mostLength: options.mostLength ?? 64,
    forbidden: options.forbidden ?? ' ?"',
    fault: options.fault ?? 'obeys',
    malice: options.malice,
    entered: [],
    echoesPasswords: options.echoesPasswords === true,
    repeatsPassword: options.repeatsPassword === true,
    losePower: () => {
      // Once: it comes back as it was, and obeys.
      state.fault = 'obeys'
      void restart()
    },
  }
  const logins: { login: string; isIn: boolean }[] = []
  const lockOut = { refused: 0, until: 0 }
  const isPassword = (login: string, given: string) => {
    const isIn = performance.now() >= lockOut.until && state.running.passwords[login] === given
    logins.push({ login, isIn })
    if (isIn) lockOut.refused = 0
    else if (options.lockOut !== undefined) {
      lockOut.refused += 1
      if (lockOut.refused >= options.lockOut.refused) lockOut.until = performance.now() + options.lockOut.ms
    }
    return isIn
  }
  const machine: Machine = {
    state,
    isPassword,
    sockets: new Set(),
    maxSessions: options.maxSessions ?? 16,
    isSlow: options.isSlow === true,
  }
  const keyOf = (other: boolean) => hostKey(options.isLegacy === true, other)
  let port = 0
  let server: Server | ssh2.Server | undefined
  const powerOn = async (otherKey = false) => {
    if (server !== undefined) return
    server =
      options.protocol === 'telnet'
        ? createServer((socket) => serveTelnet(socket, machine))
        : sshServer(keyOf(otherKey).private, options.isLegacy === true, machine)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }
  const pullPower = async () => {
    const ending = server
    if (ending === undefined) return
    server = undefined
    outages += 1
    state.running = state.startup
    for (const socket of machine.sockets) socket.destroy()
    machine.sockets.clear()
    const closed = once(ending, 'close')
    ending.close()
    await closed
  }
  const restart = async () => {
    await pullPower()
    await powerOn()
  }
  await powerOn()
  return {
    get port() {
      return port
    },
    pins: options.protocol === 'telnet' ? [] : [keyOf(false).pin],
    entered: state.entered,
    state,
    logins,
    pullPower,
    powerOn,
    outages: () => outages,
    [Symbol.asyncDispose]: async () => {
      await pullPower()
    },
  }
}

type Machine = {
  readonly state: SwitchState
  readonly isPassword: (login: string, given: string) => boolean
  readonly sockets: Set<Socket>
  readonly maxSessions: number
  readonly isSlow: boolean
}

const hostKeys = new Map<string, ReturnType<typeof makeHostKey>>()

/** All switches of a kind have one host key, or another where it is to be changed: making one takes its time. */
function hostKey(isLegacy: boolean, other: boolean) {
  const name = `${isLegacy} ${other}`
  const key = hostKeys.get(name) ?? makeHostKey(isLegacy)
  hostKeys.set(name, key)
  return key
}

/** One of RSA, or an old one of DSA, which Node can make but not write as OpenSSH does. */
function makeHostKey(isLegacy: boolean) {
  const folder = mkdtempSync(join(tmpdir(), 'tagout-switch-'))
  const file = join(folder, 'key')
  const type = isLegacy ? ['-t', 'dsa'] : ['-t', 'rsa', '-b', '2048']
  execFileSync('ssh-keygen', ['-q', ...type, '-m', 'PEM', '-N', '', '-f', file])
  const key = { private: readFileSync(file, 'utf8'), pin: pinOf(readFileSync(`${file}.pub`, 'utf8')) }
  rmSync(folder, { recursive: true })
  return key
}

/** What it says, at once or drop by drop. */
function mouthOf({ isSlow }: Machine, write: (text: string) => void): (text: string) => void {
  if (!isSlow) return write
  let queue = ''
  let isSpeaking = false
  const speak = () => {
    isSpeaking = queue !== ''
    if (!isSpeaking) return
    write(queue.slice(0, 2))
    queue = queue.slice(2)
    setImmediate(speak)
  }
  return (text) => {
    queue += text
    if (!isSpeaking) speak()
  }
}

function sshServer(key: string, isLegacy: boolean, machine: Machine): ssh2.Server {
  const algorithms = {
    kex: ['diffie-hellman-group1-sha1'],
    serverHostKey: ['ssh-dss'],
    cipher: ['3des-cbc'],
    hmac: ['hmac-md5'],
  } as const
  const server = new ssh2.Server(
    { hostKeys: [key], ...(isLegacy ? { algorithms: structuredClone(algorithms) as never } : {}) },
    (connection) => serveSsh(connection, machine),
  )
  server.on('error', () => undefined)
  return server
}

function serveSsh(connection: Connection, machine: Machine): void {
  const { sockets } = machine
  const socket = (connection as unknown as { readonly _sock: Socket })._sock
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
  connection.on('error', () => undefined)
  let login = ''
  connection.on('authentication', (context) => {
    if (context.method === 'password' && machine.isPassword(context.username, context.password)) {
      login = context.username
      return context.accept()
    }
    context.reject(['password'])
  })
  connection.on('session', (accept) => {
    const session = accept()
    session.on('pty', (acceptPty) => acceptPty?.())
    session.on('shell', (acceptShell, reject) => {
      if (sockets.size > machine.maxSessions) {
        reject?.()
        return
      }
      const channel = acceptShell()
      channel.on('error', () => undefined)
      const cli = new SwitchCli(machine.state, login, {
        write: mouthOf(machine, (text) => void channel.write(text)),
        close: () => {
          channel.exit(0)
          channel.end()
        },
      })
      channel.on('data', (bytes: Buffer) => cli.hear(bytes))
    })
  })
}

/** WILL ECHO, WILL SUPPRESS GO AHEAD, DO TERMINAL TYPE, DO NAWS. */
const greeting = Buffer.from([255, 251, 1, 255, 251, 3, 255, 253, 24, 255, 253, 31])

function serveTelnet(socket: Socket, machine: Machine): void {
  const { sockets } = machine
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
  socket.on('error', () => undefined)
  const write = mouthOf(machine, (text) => void (socket.writable && socket.write(text, 'latin1')))
  if (sockets.size > machine.maxSessions) {
    socket.end('\r\n% Too many sessions\r\n')
    return
  }
  socket.write(greeting)
  const isHirschmann = machine.state.dialect === 'hirschmann'
  const asks = isHirschmann ? 'User: ' : machine.state.dialect === 'ios' ? 'Username: ' : 'login: '
  write(`\r\nUser Access Verification\r\n\r\n${asks}`)
  const stream = new TelnetStream()
  let cli: SwitchCli | undefined
  let name: string | undefined
  let line = ''
  const key = (character: string) => {
    if (character === '\n') return
    if (character !== '\r') {
      line += character
      if (name === undefined) write(character)
      return
    }
    const given = line
    line = ''
    if (name === undefined) {
      name = given
      return write('\r\nPassword: ')
    }
    const login = name
    name = undefined
    if (!machine.isPassword(login, given)) return write(`\r\n% Login invalid: Login incorrect\r\n\r\n${asks}`)
    cli = new SwitchCli(machine.state, login, { write, close: () => void socket.end() })
  }
  socket.on('data', (chunk: Buffer) => {
    for (const { kind, bytes } of stream.push(chunk)) {
      if (kind === 'command') continue
      if (cli !== undefined) cli.hear(bytes)
      else for (const character of bytes.toString('latin1')) key(character)
    }
  })
}
