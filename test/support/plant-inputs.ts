import { startInputs } from '../../api/plant/inputs.ts'
import type { AskVault } from '../../api/vault-link.ts'
import { done } from '../../vault/kernel/outcome.ts'
import { until } from './vault-ssh.ts'

/** A vault that has these inputs and keeps what it is told. */
export function listen(port: number, stopsAt = true, kind: 'discrete' | 'coil' = 'discrete') {
  const told: string[] = []
  const input = `modbus://127.0.0.1:${port}/1/${kind}/12`
  const wanted = [{ switch: 'psw_1', input, host: '127.0.0.1', port, unit: 1, kind, number: 12, stopsAt }]
  const ask = (async (verb: string, input: { readonly state?: string }) => {
    if (verb === 'switch.inputs') return done(wanted)
    if (verb === 'switch.tests') return done([])
    told.push(input.state ?? '')
    return done(null)
  }) as unknown as AskVault
  return { told, wanted, reading: startInputs({ ask, onFault: () => undefined }) }
}
/** Resolves when the vault was last told this. */
export const tells = (told: readonly string[], state: string) =>
  until(() => (told.at(-1) === state ? true : undefined), 15_000)
