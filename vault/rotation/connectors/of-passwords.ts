import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult } from '../phases.ts'

export type Password = Credential & { readonly kind: 'password' }

/** Logs in as somebody, and has the account of `at` take the candidate. `current`: it changes its own, and that is it now. */
export type SetPassword = (
  at: Place,
  who: Password & { readonly login: string },
  candidate: Password,
  current?: Password,
) => Promise<Seen<ChangeResult>>

/** How a connector changes passwords, and has a privileged account set them, where both are one act. */
export function ofPasswords(set: SetPassword): Required<Pick<Connector, 'change' | 'reconcile'>> {
  return {
    change: async (at, current, candidate) =>
      current.kind === 'password' && candidate.kind === 'password'
        ? set(at, { ...current, login: at.account.login }, candidate, current)
        : saw({ kind: 'untouched', why: 'this connector changes passwords' }, false),
    reconcile: async (at, privileged, candidate) => {
      if (privileged.kind !== 'password' || candidate.kind !== 'password')
        return saw({ kind: 'untouched', why: 'this connector sets passwords' }, false)
      const { result } = await set(at, privileged, candidate)
      // What is counted are the logins of the account that is reconciled.
      return saw(result, false)
    },
  }
}
