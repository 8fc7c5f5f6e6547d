import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { ofPasswords, type Password, type SetPassword } from './of-passwords.ts'
import { openPostgres, type PgOpened, reasonOf, verifierOf } from './postgresql-wire.ts'

/**
 * The password of a role of PostgreSQL (10 and later). A role changes its own; a privileged one of the same server sets it.
 *
 * SECURITY: the statement holds the verifier of SCRAM and never the password: statements are logged, and shown to others.
 */
export const postgresqlRole: Connector = { ...ofPasswords(set), login }

async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const opened = await openPostgres(at, at.account.login, credential)
  if (opened.kind === 'open') {
    opened[Symbol.dispose]()
    return saw({ kind: 'accepted' }, true)
  }
  return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
}

async function set(...[at, who, candidate]: Parameters<SetPassword>): Promise<Seen<ChangeResult>> {
  const opened = await openPostgres(at, who.login, who)
  return saw(await alter(at, opened, candidate), opened.kind === 'open' || opened.sent)
}

async function alter(at: Place, opened: PgOpened, candidate: Password): Promise<ChangeResult> {
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
