import { Attribute, Change, type Client } from 'ldapts'
import type { Connector, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult } from '../phases.ts'
import { bindAs, entryOf, login, refusalOf, untouched } from './ldap.ts'
import { ofPasswords, type Password, type SetPassword } from './of-passwords.ts'

/**
 * A password of Active Directory, at one of its domain controllers. An account changes its own, by the old one and the
 * new one together; a privileged one sets it, as an administrator resets it.
 *
 * A domain takes the old password for some time after a change: that it is refused is asked of nobody.
 */
export const adPassword: Connector = { ...ofPasswords(set), login }

async function set(...[at, who, candidate, current]: Parameters<SetPassword>): Promise<Seen<ChangeResult>> {
  const bound = await bindAs(at, who.login, who)
  if (bound.kind === 'failed') return saw(untouched(bound), bound.sent)
  await using _ = bound
  const entry = await find(at, bound.client)
  if (entry.kind === 'untouched') return saw(entry, true)
  const parts =
    current === undefined
      ? ([['replace', candidate]] as const)
      : ([
          ['delete', current],
          ['add', candidate],
        ] as const)
  return saw(await modify(at, bound.client, entry.dn, parts), true)
}

async function find(
  at: Place,
  client: Client,
): Promise<
  { readonly kind: 'found'; readonly dn: string } | (ChangeResult & { readonly kind: 'untouched' })
> {
  const { name } = at.target
  try {
    const dn = await entryOf(client, at.account.login)
    if (dn !== undefined) return { kind: 'found', dn }
  } catch {
    return { kind: 'untouched', why: `${name} did not show the entry of ${at.account.login}` }
  }
  return { kind: 'untouched', why: `${name} has no one entry of the name ${at.account.login}` }
}

/** MS-ADTS 3.1.1.3.1.5.1: in quotation marks, UTF-16. */
function unicodePwd({ secret }: Password): Buffer {
  return secret.expose((bytes) => Buffer.from(`"${Buffer.from(bytes).toString('utf8')}"`, 'utf16le'))
}

async function modify(
  at: Place,
  client: Client,
  dn: string,
  parts: readonly (readonly ['add' | 'delete' | 'replace', Password])[],
): Promise<ChangeResult> {
  const values = parts.map(([operation, password]) => ({ operation, value: unicodePwd(password) }))
  try {
    await client.modify(
      dn,
      values.map(
        ({ operation, value }) =>
          new Change({ operation, modification: new Attribute({ type: 'unicodePwd', values: [value] }) }),
      ),
    )
    return { kind: 'changed' }
  } catch (error) {
    return refusalOf(at, error)
  } finally {
    for (const { value } of values) value.fill(0)
  }
}
