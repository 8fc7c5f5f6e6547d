import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startInputs } from '../../api/plant/inputs.ts'
import type { AskVault } from '../../api/vault-link.ts'
import { done } from '../../vault/kernel/outcome.ts'
import { startModbus, whyNoModbus } from '../support/modbus.ts'
import { until } from '../support/vault-ssh.ts'

const why = whyNoModbus()
if (why !== undefined) console.warn(`inputs are not read from a real machine: ${why}`)

/** A vault that has these inputs and keeps what it is told. */
function listen(port: number, stopsAt = true, kind: 'discrete' | 'coil' = 'discrete') {
  const told: string[] = []
  const wanted = [{ switch: 'psw_1', host: '127.0.0.1', port, unit: 1, kind, number: 12, stopsAt }]
  const ask = (async (verb: string, input: { readonly state?: string }) => {
    if (verb === 'switch.inputs') return done(wanted)
    told.push(input.state ?? '')
    return done(null)
  }) as unknown as AskVault
  return { told, wanted, reading: startInputs({ ask, onFault: () => undefined }) }
}
const tells = (told: readonly string[], state: string) =>
  until(() => (told.at(-1) === state ? true : undefined), 15_000)

test.skipIf(why !== undefined)(
  'an input of a real server is read: on, off, gone, and there again',
  async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await startModbus())
    const { told, reading } = listen(server.port)
    stack.use(reading)
    await tells(told, 'run')
    const at = performance.now()
    await server.set('discrete', 12, true)
    await tells(told, 'stop')
    expect(performance.now() - at).toBeLessThan(1_000)
    await server.set('discrete', 12, false)
    await tells(told, 'run')
    await server[Symbol.asyncDispose]()
    await tells(told, 'lost')
    const again = stack.use(await startModbus(server.port))
    await tells(told, 'run')
    await again.set('discrete', 12, true)
    await tells(told, 'stop')
  },
)

test.skipIf(why !== undefined)('a coil that stops when it is off, as a broken wire is', async () => {
  await using stack = new AsyncDisposableStack()
  const server = stack.use(await startModbus())
  await server.set('coil', 12, true)
  const { told, reading } = listen(server.port, false, 'coil')
  stack.use(reading)
  await tells(told, 'run')
  await server.set('coil', 12, false)
  await tells(told, 'stop')
})

test.each<[string, (socket: Socket) => void]>([
  ['floods', (socket) => socket.write(Buffer.alloc(1_000_000))],
  ['says nothing', () => undefined],
  ['hangs up', (socket) => socket.destroy()],
  ['answers what nobody asked', (socket) => socket.write(Buffer.from('00ff00000004010201010000', 'hex'))],
])('a machine that %s is lost, and holds', async (_how, answer) => {
  await using stack = new AsyncDisposableStack()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => answer(socket))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  stack.defer(() => {
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { told, reading } = listen(address.port)
  stack.use(reading)
  await tells(told, 'lost')
  expect(new Set(told)).toEqual(new Set(['lost']))
})
