import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type Server as WebServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Algorithms, AuthContext, Connection, ServerChannel, Session } from 'ssh2'
import { Server, sendEof, sendExit } from '../../../vault/ssh/library.ts'
import type { LegacyAlgorithm } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { makeGateway } from './gateway.ts'
import { makeJumpHost } from './jump-host.ts'
import { LineEditor } from './line-editor.ts'
import type { MachineSheet } from './sheet.ts'
import { type Caller, failed, type Machine, withoutColours } from './shell.ts'
import { makeSwitch } from './switch.ts'

/** SECURITY: the plant's machines are for this machine alone, whatever the installation is opened to. */
const loopback = '127.0.0.1'

/** What the old switch speaks and nothing newer; the vault knows it as `oldNeeds`. */
const oldAlgorithms = {
  kex: ['diffie-hellman-group1-sha1'],
  serverHostKey: ['ssh-rsa'],
  cipher: ['3des-cbc'],
  hmac: ['hmac-sha1'],
} as const satisfies Algorithms

/** Old algorithms without which nobody connects to the switch. */
export const oldNeeds: readonly LegacyAlgorithm[] = ['group1-sha1', 'ssh-rsa', '3des-cbc', 'hmac-sha1']

/** Where the jump host forwards to, and nowhere else. */
export const panel = { host: 'mixer-1', port: 80 } as const

/** Whose sessions are elevated on the switch by `enable`, and the account that holds its secret alone: nobody logs in as it. */
export const enabled = { machine: 'switch-7', login: 'manager', secret: 'enable' } as const

type Kind = { readonly machine: Machine; readonly algorithms?: Algorithms; readonly forwards?: number }

/** Starts all machines of the sheet. Throws `Fault('configuration')` where one cannot listen. */
export async function startMachines({ machines }: MachineSheet): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const web = await startPanel()
  stack.defer(() => closeServer(web))
  const panelPort = (web.address() as AddressInfo).port
  for (const { name, port, hostKey, logins } of machines) {
    const isSecret = (text: string) =>
      logins.some(({ login, password }) => login === enabled.secret && sameText(password, text))
    const { machine, algorithms, forwards } = kindOf(name, panelPort, isSecret)
    const open = new Set<Connection>()
    const server = new Server(
      { hostKeys: [hostKey], ...(algorithms === undefined ? {} : { algorithms }) },
      (connection) => {
        open.add(connection)
        connection.once('close', () => open.delete(connection))
        serve(
          connection,
          machine,
          logins.filter(({ login }) => login !== enabled.secret),
          forwards,
        )
      },
    )
    server.maxConnections = 50
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new Fault(
            'configuration',
            `${name} of the demo cannot listen on port ${port} (${error.code}): free it`,
          ),
        ),
      )
      server.listen(port, loopback, () => resolve())
    })
    stack.defer(() => {
      for (const connection of open) connection.end()
      server.close()
    })
  }
  return stack.move()
}

function kindOf(name: string, panelPort: number, isSecret: (text: string) => boolean): Kind {
  switch (name) {
    case 'switch-7':
      return { machine: makeSwitch(name, isSecret), algorithms: oldAlgorithms }
    case 'jump-1':
      return { machine: makeJumpHost(name), forwards: panelPort }
    case 'mixer-1':
      return {
        machine: makeGateway({
          host: name,
          what: 'Mixer 1',
          engineers: ['engineer'],
          recipe: [
            'EPDM-70 batch 1182',
            '  load polymer   42.0 kg',
            '  load carbon    21.5 kg',
            '  mix 240 s at 38 rpm',
            '  dump at 148 C',
          ],
          setpoints: [
            { name: 'rotor', unit: 'rpm', least: 20, most: 60, value: 38 },
            { name: 'dump-temp', unit: 'C', least: 120, most: 160, value: 148 },
          ],
        }),
      }
    default:
      return {
        machine: makeGateway({
          host: name,
          what: 'Press 3',
          engineers: ['engineer'],
          recipe: [
            'SEAL-214 rev 7',
            '  close at 42 mm/s',
            '  hold 220 bar for 3.5 s at 185 C',
            '  vent twice',
            '  open, eject',
          ],
          setpoints: [
            { name: 'pressure', unit: 'bar', least: 180, most: 260, value: 220 },
            { name: 'die-temp', unit: 'C', least: 160, most: 210, value: 185 },
            { name: 'ram-speed', unit: 'mm/s', least: 10, most: 60, value: 42 },
          ],
        }),
      }
  }
}

type Logins = MachineSheet['machines'][number]['logins']

function serve(connection: Connection, machine: Machine, logins: Logins, forwards: number | undefined): void {
  let user: string | undefined
  let attempts = 0
  const grace = setTimeout(() => connection.end(), 30_000)
  connection.on('error', () => undefined)
  connection.once('close', () => clearTimeout(grace))
  connection.on('authentication', (context: AuthContext) => {
    if (context.method !== 'password') return context.reject(['password'])
    const known = logins.find(({ login }) => login === context.username)
    if (known !== undefined && sameText(known.password, context.password)) {
      clearTimeout(grace)
      user = known.login
      return context.accept()
    }
    attempts += 1
    context.reject(['password'])
    if (attempts >= 3) connection.end()
  })
  connection.on('session', (accept) => {
    if (user !== undefined) serveSession(accept(), machine, { login: user, isPrivileged: false })
  })
  connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
    if (forwards === undefined || destIP !== panel.host || destPort !== panel.port) return reject()
    const socket = connect(forwards, loopback)
    const channel = accept()
    socket.on('error', () => channel.end())
    channel.on('error', () => socket.destroy())
    channel.pipe(socket).pipe(channel)
  })
}

function serveSession(session: Session, machine: Machine, caller: Caller): void {
  let hasTerminal = false
  session.on('pty', (accept) => {
    hasTerminal = true
    accept?.()
  })
  session.on('window-change', (accept) => accept?.())
  session.on('shell', (accept) => {
    const channel = accept()
    channel.on('error', () => undefined)
    const editor = new LineEditor(machine, caller, {
      write: (text) => channel.write(hasTerminal ? text : withoutColours(text)),
      end: (code) => finish(channel, code),
    })
    channel.on('data', (bytes: Buffer) => editor.type(bytes))
    channel.on('end', () => finish(channel, 0))
  })
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept()
    channel.on('error', () => undefined)
    channel.resume()
    const answer = machine.run(command.trim().slice(0, 1_000), caller)
    const reply = answer.asks === undefined ? answer : failed('% this needs a terminal\n')
    if (hasTerminal) channel.write(reply.text.replaceAll('\n', '\r\n'))
    else (reply.code === 0 ? channel : channel.stderr).write(withoutColours(reply.text))
    finish(channel, reply.code)
  })
}

function finish(channel: ServerChannel, code: number): void {
  sendExit(channel, { code })
  sendEof(channel)
  channel.end()
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/** The mixer's panel, for who tunnels to it. */
async function startPanel(): Promise<WebServer> {
  const page =
    '<!doctype html><title>Mixer 1</title><h1>Mixer 1</h1><p>EPDM-70 batch 1182, 38 rpm, 148 °C</p>\n'
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.setHeader('connection', 'close')
    response.end(page)
  })
  await new Promise<void>((resolve) => server.listen(0, loopback, () => resolve()))
  return server
}

function closeServer(server: WebServer): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
