import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Fault } from '../../../vault/kernel/fault.ts'

/** What runs the plant's machines: their ports on loopback, host keys and logins. */
const sheet = z.strictObject({
  machines: z
    .array(
      z.strictObject({
        name: z.string(),
        port: z.int().min(1).max(65_535),
        hostKey: z.string(),
        logins: z.array(z.strictObject({ login: z.string(), password: z.string() })),
      }),
    )
    .max(20),
})
export type MachineSheet = z.infer<typeof sheet>

/** Reads it. Throws `Fault('configuration')` that does not quote the file. */
export function readMachines(path: string): MachineSheet {
  try {
    return sheet.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    // SECURITY: the cause is left out, it would quote keys.
    throw new Fault(
      'configuration',
      `${path} cannot be read or is malformed: remove the demo and fill it anew`,
    )
  }
}
