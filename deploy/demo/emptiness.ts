import type { UserView, VerbAnswer } from '../../vault/contract.ts'

/** What is looked at before a fill. */
export type Contents = {
  readonly users: readonly Pick<UserView, 'name' | 'state'>[]
  readonly auditors: VerbAnswer<'status'>['auditors']
  readonly safes: number
  readonly targets: number
  readonly recordings: number
}

/**
 * Names what somebody has in the installation already, or undefined where it is empty: as after a first start, with
 * an administrator at most who has not enrolled.
 *
 * SECURITY: the demo's people come with passwords that lie in a file; they must never be beside real ones.
 */
export function whatIsHeld({ users, auditors, safes, targets, recordings }: Contents): string | undefined {
  const somebody = users.find(({ name, state }) => name !== 'admin' || state !== 'enrolling')
  if (somebody !== undefined) return `user ${somebody.name}`
  if (auditors !== null) return 'an auditor'
  if (safes > 0) return count(safes, 'safe')
  if (targets > 0) return count(targets, 'target')
  return recordings > 0 ? count(recordings, 'recording') : undefined
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`
}
