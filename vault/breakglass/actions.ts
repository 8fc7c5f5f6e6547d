import type { Account } from '../accounts/account.ts'
import { type Action, isDesktop } from '../contract.ts'

/** What a broken glass lets do with an account: all that a person at the machine does, and no forwarding. */
export function glassActions(account: Account, hasElevation: boolean): readonly Action[] {
  if (isDesktop(account.target.protocol)) return ['observe', 'interact']
  const actions: readonly Action[] = ['shell', 'exec', 'sftp-read', 'sftp-write']
  return hasElevation ? [...actions, 'elevate'] : actions
}
