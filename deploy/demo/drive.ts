import { setTimeout as pause } from 'node:timers/promises'
import type { ClientChannel } from 'ssh2'
import { Client } from '../../vault/ssh/library.ts'
import { makeHostVerifier } from '../../vault/ssh/verify-host-key.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { panel } from './machines/server.ts'
import type { Shift } from './shifts.ts'

/** The gateway's door for sessions, and the fingerprint of its host key. */
export type GatewayDoor = { readonly host: string; readonly port: number; readonly hostKey: string }

/** How long a machine may take to answer, and how fast people type (milliseconds for a key). */
const patienceMs = 30_000
const keyMs = { least: 18, most: 65 }

/** Has the shift as its person: through the gateway, by a one-time ticket, at the pace of somebody who types. */
export async function work(door: GatewayDoor, shift: Shift, ticket: string): Promise<void> {
  const [target, login] = shift.account.split('/')
  const client = new Client()
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.on('error', (error) =>
      reject(new Fault('closed', `${shift.user} cannot connect: ${error.message}`)),
    )
    client.once('close', () => reject(new Fault('closed', `the connection of ${shift.user} was closed`)))
  })
  client.connect({
    host: door.host,
    port: door.port,
    username: `${shift.user}@${login}@${target}`,
    password: ticket,
    hostVerifier: makeHostVerifier(({ fingerprint }) => fingerprint === door.hostKey),
    readyTimeout: patienceMs,
  })
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
  try {
    await ready
    if (shift.does.kind === 'shell') await typeLines(client, shift.does.lines, shift.user)
    else if (shift.does.kind === 'exec') await runOne(client, shift.does.command, shift.user)
    else await tunnel(client, shift.user)
  } finally {
    client.end()
    await Promise.race([gone, pause(patienceMs, undefined, { ref: false })])
  }
}

type Inside = InstanceType<typeof Client>

async function typeLines(client: Inside, lines: readonly string[], user: string): Promise<void> {
  const channel = await opened(user, (done) =>
    client.shell({ term: 'xterm-256color', cols: 100, rows: 30 }, done),
  )
  let seen = ''
  let isOpen = true
  channel.on('data', (bytes: Buffer) => {
    seen += bytes.toString('utf8')
  })
  channel.once('close', () => {
    isOpen = false
  })
  const until = async (what: string, holds: () => boolean) => {
    const deadline = Date.now() + patienceMs
    while (!holds()) {
      if (!isOpen) throw new Fault('closed', `the session of ${user} was closed: ${lastLine(seen)}`)
      if (Date.now() > deadline)
        throw new Fault('timeout', `${what} did not come for ${user}: ${lastLine(seen)}`)
      await pause(15)
    }
  }
  // biome-ignore lint: the control characters are the point
  const atPrompt = () => /(?:[#$>]|Password:) $/.test(seen.replace(/\u001b\[[\d;]*m/g, ''))
  for (const line of lines) {
    await until('a prompt', atPrompt)
    await pause(200 + Math.random() * 400)
    for (const key of line) {
      channel.write(key)
      await pause(keyMs.least + Math.random() * (keyMs.most - keyMs.least))
    }
    seen = ''
    channel.write('\r')
  }
  const deadline = Date.now() + patienceMs
  while (isOpen && Date.now() < deadline) await pause(15)
}

async function runOne(client: Inside, command: string, user: string): Promise<void> {
  const channel = await opened(user, (done) => client.exec(command, done))
  channel.resume()
  channel.stderr.resume()
  await ended(channel, user)
}

/** Looks at the mixer's panel through the jump host. */
async function tunnel(client: Inside, user: string): Promise<void> {
  const channel = await opened(user, (done) =>
    client.forwardOut('127.0.0.1', 40_080, panel.host, panel.port, done),
  )
  channel.resume()
  channel.write(`GET / HTTP/1.1\r\nhost: ${panel.host}\r\nconnection: close\r\n\r\n`)
  await ended(channel, user)
}

function opened(
  user: string,
  open: (done: (error: Error | undefined, channel: ClientChannel) => void) => void,
): Promise<ClientChannel> {
  return new Promise((resolve, reject) =>
    open((error, channel) =>
      error === undefined || error === null
        ? resolve(channel)
        : reject(new Fault('closed', `the session of ${user} was refused: ${error.message}`)),
    ),
  )
}

function ended(channel: ClientChannel, user: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Fault('timeout', `what ${user} ran did not end`)), patienceMs)
    channel.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').trim().slice(-200)
}
