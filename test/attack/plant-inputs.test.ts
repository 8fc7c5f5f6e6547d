import { createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { listen, tells } from '../support/plant-inputs.ts'

// Whoever stands at the address of a plant switch's input stops nothing of the gateway but the work that it holds.

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
