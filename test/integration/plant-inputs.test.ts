import { expect, test } from 'vitest'
import { startModbus, whyNoModbus } from '../support/modbus.ts'
import { listen, tells } from '../support/plant-inputs.ts'

const why = whyNoModbus()
if (why !== undefined) console.warn(`inputs are not read from a real machine: ${why}`)

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
