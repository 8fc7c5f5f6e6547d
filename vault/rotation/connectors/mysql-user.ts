import { createHash } from 'node:crypto'
import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { openMysql, reasonOf, type SqlOpened } from './mysql-wire.ts'
import { ofPasswords, type Password, type SetPassword } from './of-passwords.ts'

/**
 * The password of a user of MariaDB or MySQL. A user changes its own; a privileged one of the same server sets it.
 *
 * SECURITY: MariaDB is told what it keeps of the password, and never the password: its log has each statement as it came. MySQL
 * takes nothing but the password from who may not do more, and puts `<secret>` into its logs instead.
 */
export const mysqlUser: Connector = { ...ofPasswords(set), login }

async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const opened = await openMysql(at, at.account.login, credential)
  if (opened.kind === 'open') {
    opened[Symbol.dispose]()
    return saw({ kind: 'accepted' }, true)
  }
  return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
}

async function set(...[at, who, candidate, current]: Parameters<SetPassword>): Promise<Seen<ChangeResult>> {
  const opened = await openMysql(at, who.login, who)
  if (opened.kind === 'failed') return saw(untouched(opened), opened.sent)
  using session = opened
  if (current !== undefined) return saw(await tell(at, session, candidate, undefined), true)
  const user = at.account.login
  const name = `'${user}'`
  if (!isPlain(user)) return saw({ kind: 'untouched', why: `${user} has a character that is not sent` }, true)
  const hosts = await session.run(Buffer.from(`SELECT host FROM mysql.user WHERE user = ${name}`))
  const [host, another] = hosts.ok ? hosts.rows : []
  if (host === undefined || another !== undefined || !isPlain(host)) {
    const why = hosts.ok
      ? `${at.target.name} has ${host === undefined ? 'no user' : 'several users'} ${user}`
      : `${who.login} cannot look for ${user} on ${at.target.name}`
    return saw({ kind: 'untouched', why }, true)
  }
  return saw(await tell(at, session, candidate, `${name}@'${host}'`), true)
}

function untouched(opened: SqlOpened & { readonly kind: 'failed' }): ChangeResult {
  return { kind: 'untouched', why: opened.why, ...(opened.rejected ? { rejected: true as const } : {}) }
}

/** SECURITY: nothing in it ends a text or escapes anything, whatever the server's mode is. */
function isPlain(text: string): boolean {
  return /^[^'"`\\\p{C}]+$/u.test(text)
}

/** Sets the password of `whose`, or of who is logged in. */
async function tell(
  at: Place,
  session: SqlOpened & { readonly kind: 'open' },
  candidate: Password,
  whose: string | undefined,
): Promise<ChangeResult> {
  const { name } = at.target
  const fits = candidate.secret.expose((bytes) => isPlain(Buffer.from(bytes).toString('latin1')))
  if (!fits) return { kind: 'untouched', why: 'the new password has a character that is not sent' }
  const ran = await session.run(
    session.isMariadb
      ? Buffer.from(`SET PASSWORD${whose === undefined ? '' : ` FOR ${whose}`} = '${nativeOf(candidate)}'`)
      : candidate.secret.expose((bytes) =>
          Buffer.concat([
            Buffer.from(`ALTER USER ${whose ?? 'USER()'} IDENTIFIED BY '`),
            bytes,
            Buffer.from("'"),
          ]),
        ),
  )
  if (ran.ok) return { kind: 'changed' }
  return ran.code === undefined
    ? { kind: 'unknown', why: `${name} hung up when it had heard the new password` }
    : { kind: 'refused', why: `${name} did not take the new password: ${reasonOf(ran.code)}` }
}

/** What mysql_native_password keeps: SHA-1 twice. It can be guessed at, which for what is made here takes for ever. */
function nativeOf({ secret }: Password): string {
  const once = secret.expose((bytes) => createHash('sha1').update(bytes).digest())
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`
}
