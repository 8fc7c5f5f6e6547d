import type { VerbAnswer, VerbInput, VerbName } from '../../vault/contract.ts'
import type { VaultClient } from '../../vault/index.ts'
import { Fault } from '../../vault/kernel/fault.ts'

/** Asks the vault as the machine's administrator, or as whoever's token is given. A refusal is thrown as a `Fault`. */
export type AskVault = <Name extends VerbName>(
  verb: Name,
  input: VerbInput<Name>,
  token?: string,
) => Promise<VerbAnswer<Name>>

export function askThrough(client: VaultClient): AskVault {
  return async (verb, input, token) => {
    const outcome = await client.call(verb, input, token, 120_000)
    if (outcome.ok) return outcome.value
    const { message, next } = outcome.refusal
    throw new Fault('configuration', next === undefined ? message : `${message}: ${next}`)
  }
}
