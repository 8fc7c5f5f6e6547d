import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { openPostgres, type PgOpened, reasonOf, verifierOf } from './postgresql-wire.ts'

/**
 * The password of a role of PostgreSQL (10 and later). A role changes its own; a privileged one of the same server sets it.
 *
 * SECURITY: the statement holds the verifier of SCRAM and never the password: statements are logged, and shown to others.
 */
export const postgresqlRole: Connector = { change, login, reconcile }

async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const opened = await openPostgres(at, at.account.login, credential)
  if (opened.kind === 'open') {
    opened[Symbol.dispose]()
    return saw({ kind: 'accepted' }, true)
  }
  return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
}

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  if (candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  const opened = await openPostgres(at, at.account.login, current)
  return saw(await alter(at, opened, candidate), opened.kind === 'open' || opened.sent)
}

async function reconcile(
  at: Place,
  privileged: Credential & { readonly login: string },
  candidate: Credential,
): Promise<Seen<ChangeResult>> {
  if (candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector sets passwords' }, false)
  // What is counted are the logins of the account that is reconciled.
  return saw(await alter(at, await openPostgres(at, privileged.login, privileged), candidate), false)
}

async function alter(
  at: Place,
  opened: PgOpened,
  candidate: Credential & { readonly kind: 'password' },
): Promise<ChangeResult> {
  if (opened.kind === 'failed')
    return { kind: 'untouched', why: opened.why, ...(opened.rejected ? { rejected: true as const } : {}) }
  using session = opened
  const role = `"${at.account.login.replaceAll('"', '""')}"`
  const ran = await session.run(`ALTER ROLE ${role} PASSWORD '${await verifierOf(candidate)}'`)
  if (ran.ok) return { kind: 'changed' }
  const { name } = at.target
  return ran.code === undefined
    ? { kind: 'unknown', why: `${name} hung up when it had heard the new password` }
    : { kind: 'refused', why: `${name} did not take the new password: ${reasonOf(ran.code)}` }
}
