import { done, type Outcome, refuse } from '../kernel/outcome.ts'

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const local = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const ascii = /^[\x21-\x7e]+$/

/**
 * A mail domain in its one form: ASCII in small letters, two labels at least.
 *
 * SECURITY: looked at before it is made small: `K` of Kelvin becomes an ordinary k then, and other letters look like
 * ours without becoming them.
 */
export function canonicalDomain(text: string): Outcome<string> {
  if (!ascii.test(text))
    return refuse(
      'invalid',
      `mailDomains: ${JSON.stringify(text)} is not a domain in ASCII`,
      'write it like example.com; others in their form that begins with xn--',
    )
  const domain = text.toLowerCase()
  const labels = domain.split('.')
  const isDomain =
    labels.length >= 2 && labels.every((one) => label.test(one)) && !/^\d+$/.test(labels.at(-1) ?? '')
  return isDomain
    ? done(domain)
    : refuse(
        'invalid',
        `mailDomains: ${JSON.stringify(text)} is not a domain`,
        'write it like example.com, without @ and without a dot at its end',
      )
}

/** A mail address, and whether it lies in one of these domains: exactly, a subdomain is another domain. */
export function canonicalMail(
  text: string,
  domains: readonly string[],
  field: 'mail' | 'address' = 'mail',
): Outcome<string> {
  const at = text.lastIndexOf('@')
  const name = text.slice(0, Math.max(0, at))
  const domain = canonicalDomain(text.slice(at + 1))
  if (name.length > 64 || !local.test(name) || !domain.ok)
    return refuse(
      'invalid',
      `${field}: ${JSON.stringify(text)} is not a mail address in ASCII`,
      'write it like ada@example.com',
    )
  if (!domains.includes(domain.value))
    return refuse(
      'invalid',
      `${field}: ${domain.value} is not a mail domain of this company`,
      `use one of ${domains.join(', ')}, or add it first: tagout vendor change`,
    )
  return done(`${name}@${domain.value}`)
}
