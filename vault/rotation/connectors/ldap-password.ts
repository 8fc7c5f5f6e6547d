import { BerWriter } from 'ldapts'
import type { Connector, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult } from '../phases.ts'
import { bindAs, login, refusalOf, untouched } from './ldap.ts'
import { ofPasswords, type Password, type SetPassword } from './of-passwords.ts'

/**
 * A password of a directory that knows the password modify operation (RFC 3062): OpenLDAP, 389 and their kin. An account
 * changes its own; a privileged one of the same directory sets it. Names are those of entries.
 */
export const ldapPassword: Connector = { ...ofPasswords(set), login }

const passwordModify = '1.3.6.1.4.1.4203.1.11.1'

async function set(...[at, who, candidate, current]: Parameters<SetPassword>): Promise<Seen<ChangeResult>> {
  const bound = await bindAs(at, who.login, who)
  if (bound.kind === 'failed') return saw(untouched(bound), bound.sent)
  await using _ = bound
  return saw(await modify(at, bound.client, candidate, current), true)
}

async function modify(
  at: Place,
  client: (Awaited<ReturnType<typeof bindAs>> & { readonly kind: 'bound' })['client'],
  candidate: Password,
  current?: Password,
): Promise<ChangeResult> {
  const request = new BerWriter()
  request.startSequence()
  const part = (secret: Password['secret'], tag: number) =>
    secret.expose((bytes) => request.writeBuffer(Buffer.from(bytes), tag))
  if (current === undefined) request.writeBuffer(Buffer.from(at.account.login), 0x80)
  else part(current.secret, 0x81)
  part(candidate.secret, 0x82)
  request.endSequence()
  const value = request.buffer
  try {
    await client.exop(passwordModify, value)
    return { kind: 'changed' }
  } catch (error) {
    return refusalOf(at, error)
  } finally {
    value.fill(0)
  }
}
