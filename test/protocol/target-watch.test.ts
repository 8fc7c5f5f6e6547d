import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { watchTarget } from '../../recorder/broker/ssh/target-watch.ts'
import { until } from '../support/installation.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`watching whether a real sshd is there is left out: ${why}`)

const every = 150

describe.skipIf(why !== undefined)('a target at the far end of a line that may go dead', () => {
  let sshd: TestSshd
  let line: Server
  const wires: { up: Socket; down: Socket }[] = []

  beforeAll(async () => {
    sshd = await startSshd()
    line = createServer((down) => {
      const up = connect(sshd.port, '127.0.0.1')
      for (const end of [up, down]) end.on('error', () => undefined)
      down.on('close', () => up.destroy())
      up.on('close', () => down.destroy())
      down.pipe(up)
      up.pipe(down)
      wires.push({ up, down })
    })
    line.listen(0, '127.0.0.1')
    await once(line, 'listening')
  })
  afterAll(async () => {
    line.close()
    await sshd.stop()
  })

  async function watched(command?: string) {
    const socket = connect((line.address() as AddressInfo).port, '127.0.0.1')
    const client = new Client()
    client.on('error', () => undefined)
    const ready = once(client, 'ready')
    client.connect({ sock: socket, username: sshd.user, password: sshd.password })
    await ready
    if (command !== undefined)
      await new Promise<void>((resolve, reject) =>
        client.exec(command, (error, channel) => {
          if (error !== undefined) return reject(error)
          channel.resume()
          resolve()
        }),
      )
    const wire = wires.at(-1)
    if (wire === undefined) throw new Error('nobody connected')
    const state = { silences: 0, since: performance.now(), after: 0 }
    const watch = watchTarget(client, socket, every, () => {
      state.silences += 1
      state.after = performance.now() - state.since
    })
    return {
      state,
      watch,
      socket,
      /** From now on what the gateway sends is lost, what the target sends comes. */
      loseUp: () => {
        wire.down.unpipe(wire.up)
        wire.down.resume()
      },
      /** What the target sends is held on the line. */
      holdDown: () => {
        wire.up.unpipe(wire.down)
        wire.up.pause()
        state.since = performance.now()
      },
      mend: () => void wire.up.pipe(wire.down),
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]()
        client.destroy()
      },
    }
  }

  test('that prints nothing but answers is there, and is asked again each time', async () => {
    using one = await watched()
    const before = one.socket.bytesWritten
    await pause(every * 15)
    expect(one.state.silences).toBe(0)
    // One question is some tens of bytes: more than one was asked.
    const asked = one.socket.bytesWritten - before
    expect(asked).toBeGreaterThan(150)
  })

  test('that says nothing any more is gone after five spaces of time: said once, and asked once', async () => {
    using one = await watched()
    one.holdDown()
    const before = one.socket.bytesWritten
    await until(() => one.state.silences > 0 || undefined, 20_000)
    expect(one.state.after).toBeGreaterThan(every * 3.5)
    expect(one.state.after).toBeLessThan(every * 10)
    expect(one.socket.bytesWritten - before).toBeLessThan(150)
    await pause(every * 8)
    expect(one.state.silences).toBe(1)
  })

  test('that answers nothing but still prints is there', async () => {
    using one = await watched('while :; do printf x; sleep 0.1; done')
    one.loseUp()
    await pause(every * 20)
    expect(one.state.silences).toBe(0)
  })

  test('whose line was dead for less than that is given the whole time again', async () => {
    using one = await watched('while :; do printf x; sleep 0.1; done')
    for (let round = 0; round < 5; round += 1) {
      one.holdDown()
      await pause(every * 2)
      one.mend()
      await pause(every * 2)
    }
    expect(one.state.silences).toBe(0)
  })

  test('is not watched any more once its session has ended', async () => {
    using one = await watched()
    one.holdDown()
    one.watch[Symbol.dispose]()
    await pause(every * 10)
    expect(one.state.silences).toBe(0)
  })
})
