// The machines of the demo plant: a process of its own below the supervisor, on loopback alone.
import { Fault } from '../../../vault/kernel/fault.ts'
import { startMachines } from './server.ts'
import { readMachines } from './sheet.ts'

const path = process.env['TAGOUT_DEMO_MACHINES'] ?? ''
try {
  await startMachines(readMachines(path))
  for (const name of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(name, () => process.exit(0))
  process.send?.({ kind: 'ready' })
} catch (error) {
  if (!(error instanceof Fault)) throw error
  process.send?.({ kind: 'failed', message: error.message }, () => process.exit(1))
}
