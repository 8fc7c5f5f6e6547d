import type { Account } from '../accounts/account.ts'
import { type Action, usualDesktopActions, isDesktop } from '../contract.ts'

/** What a broken glass lets do with an account: all that a person at the machine does, no forwarding, no clipboard. */
export function glassActions(account: Account, hasElevation: boolean): readonly Action[] {
  if (isDesktop(account.target.protocol)) return usualDesktopActions
  const actions: readonly Action[] = ['shell', 'exec', 'sftp-read', 'sftp-write']
  return hasElevation ? [...actions, 'elevate'] : actions
}
