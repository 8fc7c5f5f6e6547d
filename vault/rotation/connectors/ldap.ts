import { Client, EqualityFilter, AndFilter, InvalidCredentialsError, ResultCodeError } from 'ldapts'
import { connectPinned } from '../../tls/connect.ts'
import type { Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'

/** Bytes of all that a directory says which are taken. */
const mostSaid = 1024 * 1024

/** A connection to a directory that was bound as somebody, or why there is none. */
export type Bound =
  | ({ readonly kind: 'bound'; readonly client: Client } & AsyncDisposable)
  | { readonly kind: 'failed'; readonly why: string; readonly rejected: boolean; readonly sent: boolean }

/**
 * Binds as an account of a directory, over TLS to its pinned certificate alone.
 *
 * SECURITY: simple, as RFC 4513 §5.1.3 has it: the directory is given the password itself, so it is the pinned one or nobody.
 * A bind without a password is one of nobody, which servers answer well; a name without `=` or `\` might be taken for a mechanism
 * of SASL. The library opens a connection anew that broke: it gets no second one here. Referrals are followed to nobody.
 */
export async function bindAs(at: Place, login: string, credential: Credential): Promise<Bound> {
  const { name } = at.target
  const fail = (why: string, rejected = false, sent = false): Bound => ({
    kind: 'failed',
    why,
    rejected,
    sent,
  })
  if (credential.kind !== 'password') return fail('a directory is bound to by a password')
  if (!/[=\\]/.test(login))
    return fail(`${login} is no name of an entry, and none with a domain before it (PLANT\\name)`)
  if (credential.secret.expose((bytes) => bytes.length) === 0) return fail('there is no password')
  const connected = await connectPinned('ldap', at.target, at.signal)
  if (connected.kind === 'failed') return fail(connected.why)
  const { socket } = connected
  let said = 0
  socket.on('data', (chunk: Buffer) => {
    said += chunk.length
    if (said > mostSaid) socket.destroy()
  })
  let isTaken = false
  const client = new Client({
    url: 'ldaps://pinned',
    timeout: at.withinMs,
    createSecureConnection: () => {
      if (isTaken) throw new Error('the connection is gone')
      isTaken = true
      setImmediate(() => socket.emit('secureConnect'))
      return socket
    },
  })
  const end = async () => {
    await client.unbind().catch(() => undefined)
    socket.destroy()
  }
  try {
    await credential.secret.expose((bytes) => client.bind(login, Buffer.from(bytes).toString('utf8')))
    if (!client.isBound) throw new Error('closed')
    return { kind: 'bound', client, [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    if (error instanceof InvalidCredentialsError) {
      const verdict = verdicts[/, data ([0-9a-f]{3}),/.exec(error.message)?.[1] ?? '']
      return verdict === undefined
        ? fail(`${name} refuses the password of ${login}`, true, true)
        : fail(`${name} says that ${login} ${verdict}`, false, true)
    }
    if (error instanceof ResultCodeError)
      return fail(`${name} does not let ${login} bind (${codeText(error)})`, false, true)
    return fail(`${name} closed the connection at the bind`, false, true)
  }
}

/** What Active Directory says beside its refusal, where that is none of the password. */
const verdicts: Readonly<Record<string, string>> = {
  '530': 'may not sign in at this time',
  '531': 'may not sign in from here',
  '532': 'has a password that is too old',
  '533': 'is disabled',
  '701': 'has expired',
  '773': 'must change the password first',
  '775': 'is locked out',
}

/** What the codes are that a directory refuses a change with (RFC 4511 §4.1.9). */
const codes: Readonly<Record<number, string>> = {
  2: 'it does not know such a change',
  8: 'it wants a stronger bind',
  10: 'it names another directory, which is not asked',
  13: 'it wants encryption',
  16: 'there is no such attribute',
  19: 'its rules do not allow this password, or not yet',
  32: 'there is no such entry',
  49: 'it refuses the present password',
  50: 'this account may not do that',
  51: 'it is busy',
  52: 'it is not available',
  53: 'it is not willing to',
}

export function codeText({ code }: { readonly code: number }): string {
  return codes[code] ?? `result ${code}`
}

/** What came of a change that a directory was asked for. Nothing but its code is believed, and repeated. */
export function refusalOf(at: Place, error: unknown): ChangeResult {
  const { name } = at.target
  return error instanceof ResultCodeError
    ? { kind: 'refused', why: `${name} did not take the new password: ${codeText(error)}` }
    : { kind: 'unknown', why: `${name} hung up when it had heard the new password` }
}

/** The end of a change whose login was not let in. */
export function untouched(bound: Bound & { readonly kind: 'failed' }): ChangeResult {
  return { kind: 'untouched', why: bound.why, ...(bound.rejected ? { rejected: true as const } : {}) }
}

/** A fresh bind, and out again. */
export async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const bound = await bindAs(at, at.account.login, credential)
  if (bound.kind === 'bound') {
    await bound[Symbol.asyncDispose]()
    return saw({ kind: 'accepted' }, true)
  }
  return saw({ kind: bound.rejected ? 'rejected' : 'unreachable', why: bound.why }, bound.sent)
}

/** The entry of an account of Active Directory: it itself, or the one that `PLANT\name` means; undefined: none, or several. */
export async function entryOf(client: Client, login: string): Promise<string | undefined> {
  const at = login.indexOf('\\')
  if (login.includes('=')) return login
  const root = await client.search('', { scope: 'base', attributes: ['defaultNamingContext'] })
  const base = textOf(root.searchEntries[0]?.['defaultNamingContext'])
  if (base === '') return undefined
  const { searchEntries } = await client.search(base, {
    scope: 'sub',
    filter: new AndFilter({
      filters: [
        new EqualityFilter({ attribute: 'objectClass', value: 'user' }),
        new EqualityFilter({ attribute: 'sAMAccountName', value: login.slice(at + 1) }),
      ],
    }),
    attributes: ['sAMAccountName'],
    sizeLimit: 2,
  })
  const [found, another] = searchEntries
  return another === undefined ? found?.dn : undefined
}

function textOf(value: unknown): string {
  const one: unknown = Array.isArray(value) ? value[0] : value
  return typeof one === 'string' ? one : ''
}
