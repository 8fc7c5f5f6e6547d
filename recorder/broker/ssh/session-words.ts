import type { EndReason } from '../../../vault/contract.ts'
import { whoText } from '../../../vault/kernel/who.ts'
import { printable } from '../../../vault/ssh/sentence.ts'

// What a session's user reads of it.

/** What a session's user reads when it ends for a reason that is not the user's own. */
export const endSentences: Partial<Record<EndReason, string>> = {
  terminated: 'this session was terminated by an administrator',
  'user disabled': 'this session ends because your user was disabled',
  'grant revoked': 'this session ends because its grant was revoked',
  'time is up': 'this session ends because its time is up',
  'vault sealed': 'this session ends because the vault was sealed',
  'recording failed': 'this session ends because it can no longer be recorded',
  'quota reached': 'this session ends because its recording is full',
  'closed by the target': 'the target closed the connection',
  'target unreachable': 'the target does not answer any more',
  'vault away too long': 'this session ends because the vault has been away too long',
  'shut down': 'this session ends because the gateway shuts down: connect again',
  'protocol error': 'this session ends because of a protocol error',
}

/** Who holds the user's input, and why. */
export type Freeze = {
  readonly by: string
  readonly reason: string
  /** For want of a supervisor: what the user asks for waits until one watches. */
  readonly waits: boolean
}

/** A moment, for who is on a terminal. */
export function minuteOf(at: string): string {
  return `${at.slice(11, 16)} UTC`
}

/** What a user reads whose act waits for nothing: it is refused while their input is held. */
export function whileFrozen({ by, reason, waits }: Freeze): string {
  if (waits) return `this session ${printable(reason)}: try again then`
  return `this session is frozen by ${whoText(printable(by))}: wait until it goes on`
}
