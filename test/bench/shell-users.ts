// People at their shells: opens shells for whoever asks, types into them, and says how long each echo took.
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientChannel } from 'ssh2'
import { Client } from '../../vault/ssh/library.ts'

/** Where to log in, and as whom: without a key, by a password that is not looked at. */
export type Login = { readonly port: number; readonly username: string; readonly keyFile?: string }

export type Order =
  | { readonly kind: 'open'; readonly logins: readonly Login[]; readonly atOnce: number }
  /** `every` is milliseconds from one key's echo to the next key; 0 types as fast as echoes come. */
  | { readonly kind: 'type'; readonly keys: number; readonly every: number }
  | { readonly kind: 'close' }

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly seconds: number }
  | { readonly kind: 'typed'; readonly waits: readonly number[]; readonly open: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly why: string }

type Shell = {
  readonly client: InstanceType<typeof Client>
  readonly channel: ClientChannel
  isOpen: boolean
}

const shells: Shell[] = []

let opened = 0

async function open({ port, username, keyFile }: Login): Promise<void> {
  const client = new Client()
  opened += 1
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error(`${username}: closed before it was open`)))
  })
  client.on('error', () => undefined)
  client.connect({
    host: '127.0.0.1',
    // A gateway takes a few unproven connections at once from one machine; these are of many.
    localAddress: `127.0.1.${1 + (opened % 100)}`,
    port,
    username,
    ...(keyFile === undefined ? { password: 'x' } : { privateKey: readFileSync(keyFile) }),
    hostVerifier: () => true,
    readyTimeout: 120_000,
  })
  await ready
  client.setNoDelay(true)
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.shell({ term: 'xterm' }, (error, made) => (error ? reject(error) : resolve(made))),
  )
  channel.setMaxListeners(0)
  const shell: Shell = { client, channel, isOpen: true }
  client.once('close', () => {
    shell.isOpen = false
  })
  // The first key waits for the session to be open; what it shows is not latency.
  await key(channel)
  shells.push(shell)
}

function key(channel: ClientChannel): Promise<number> {
  const at = performance.now()
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the shell was closed'))
    channel.once('close', closed)
    channel.once('data', (piece: Buffer) => {
      channel.off('close', closed)
      const text = piece.toString()
      if (text === 'k') resolve(performance.now() - at)
      else reject(new Error(`instead of an echo: ${text.trim()}`))
    })
    channel.write('k')
  })
}

async function carryOut(order: Order): Promise<Report> {
  switch (order.kind) {
    case 'open': {
      const at = performance.now()
      const waiting = [...order.logins]
      await Promise.all(
        Array.from({ length: order.atOnce }, async () => {
          for (let login = waiting.shift(); login !== undefined; login = waiting.shift()) await open(login)
        }),
      )
      return { kind: 'opened', seconds: (performance.now() - at) / 1000 }
    }
    case 'type': {
      const waits: number[] = []
      await Promise.all(
        shells.map(async ({ channel }, index) => {
          // Not all of them in the same millisecond.
          await pause((index / shells.length) * order.every)
          for (let typed = 0; typed < order.keys; typed += 1) {
            waits.push(await key(channel))
            if (order.every > 0) await pause(order.every)
          }
        }),
      )
      return { kind: 'typed', waits, open: shells.filter(({ isOpen }) => isOpen).length }
    }
    case 'close':
      await Promise.all(
        shells.splice(0).map(
          ({ client, isOpen }) =>
            new Promise<void>((resolve) => {
              if (!isOpen) return resolve()
              client.once('close', () => resolve())
              client.end()
            }),
        ),
      )
      return { kind: 'closed' }
  }
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (report) => process.send?.(report),
    (error: Error) => process.send?.({ kind: 'failed', why: error.message } satisfies Report),
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.({ kind: 'ready' } satisfies Report)
