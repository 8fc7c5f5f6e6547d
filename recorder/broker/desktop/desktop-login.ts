import { type ClipboardWay, identityOf, type Permit, unverified } from '../../../vault/contract.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { type Failure, unreachable } from '../../../vault/ssh/target-failure.ts'
import type { GuacdConnection, GuacdPlace } from './guacd-connection.ts'

/** Has guacd connect to a permit's target with its account's password. */
export type Opener = (
  guacd: GuacdPlace,
  permit: Permit,
  password: Secret,
  withinMs: number,
) => Promise<GuacdConnection | Failure>

/** What the Guacamole protocol calls "not let in": 0x301 and 0x303. */
export const notLetIn: readonly number[] = [0x301, 0x303]

/**
 * What guacd is told of every desktop.
 *
 * SECURITY: no sound, no files, no printer; the clipboard in the ways that the grant allows. The tap lets nothing else
 * through either: this bars guacd itself. Of a recording of its own it is not told.
 */
export function plainParameters({ actions }: Permit): Readonly<Record<string, string>> {
  return {
    'read-only': actions.includes('interact') ? '' : 'true',
    'disable-copy': mayCarry(actions, 'out') ? '' : 'true',
    'disable-paste': mayCarry(actions, 'in') ? '' : 'true',
    'disable-audio': 'true',
    'enable-drive': '',
    'create-drive-path': '',
    'drive-path': '',
    'disable-upload': 'true',
    'disable-download': 'true',
    'enable-sftp': '',
    'sftp-disable-upload': 'true',
    'sftp-disable-download': 'true',
    'enable-printing': '',
  }
}

/** Whether texts may go over the clipboard this way: who only looks has none. */
export function mayCarry(actions: Permit['actions'], way: ClipboardWay): boolean {
  return actions.includes('interact') && actions.includes(`clipboard-${way}`)
}

/** A password as text, for the moment of telling it to guacd. */
export function textOf(password: Secret): string {
  return password.expose((bytes) => Buffer.from(bytes).toString('utf8'))
}

/**
 * INVARIANT: no connection without identity to a target of which nobody has approved that it has none. The vault looks
 * first; this is looked at again where the connection is made. Undefined: somebody has.
 */
export function needUnverified({ target }: Permit): Failure | undefined {
  return target.pins.some(({ fingerprint }) => fingerprint === unverified) ? undefined : unapproved(target)
}

/** What a target is that nobody has approved, and what to do. */
export function unapproved({ name, protocol, desktop }: Permit['target']): Failure {
  const isCertified = identityOf(protocol, desktop ?? null) === 'certificate'
  return {
    reason: 'target unreachable',
    message: isCertified
      ? `nobody has approved the certificate of ${name} yet, so no credential was sent`
      : `nobody has approved yet that ${name} cannot prove what it is, so no credential was sent`,
    next: `ask an administrator to approve it: tagout target pin ${name}${isCertified ? '' : ' --unverified'}`,
  }
}

/** Why a machine was not reached. `next`: what to look at where it refuses connections. */
export function unreached(target: string, { code }: NodeJS.ErrnoException, next: string): Failure {
  switch (code) {
    case 'ECONNREFUSED':
      return unreachable(target, 'refuses connections', next)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(target, 'has an address that does not resolve')
    default:
      return unreachable(target, 'cannot be reached')
  }
}
