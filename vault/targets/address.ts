import { isIP, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { type Protocol, protocols } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/** Where a target answers, in its one canonical spelling. */
export type Address = { readonly protocol: Protocol; readonly host: string; readonly port: number }

const example =
  'write ssh://host or ssh://host:port, rdp://host or vnc://host for a desktop, telnet://host; ldap://host, postgresql://host, mysql://host or https://host for what is only rotated; an IPv6 address in brackets'

const usualPorts: Readonly<Record<Protocol, number>> = {
  ...{ ssh: 22, rdp: 3389, vnc: 5900, telnet: 23 },
  // Of LDAP the port that is TLS from the first byte.
  ...{ ldap: 636, postgresql: 5432, mysql: 3306, https: 443 },
}

/**
 * Parses `ssh://host[:port]`, and the same with every other protocol. International names become their ASCII form, IPv6 its shortest, or the
 * IPv4 address that it maps; a user, a path, a query
 * or a host that is a number in disguise (`0x7f.1`, `2130706433`) is refused.
 */
export function parseAddress(text: string): Outcome<Address> {
  const no = (why: string) => refuse('invalid', `address: ${why}`, example)
  if (/[\s\p{C}]/u.test(text)) return no('blanks and control characters do not belong here')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)
  if (scheme === null) return no('the protocol is missing')
  const protocol = protocols.find((one) => one === scheme[1]?.toLowerCase())
  if (protocol === undefined)
    return no(`only targets of ${protocols.map((one) => `${one}://`).join(', ')} can be added`)
  const rest = text.slice(scheme[0].length).replace(/\/$/, '')
  if (rest.includes('@')) return no('a user does not belong here, accounts hold the login names')
  if (/[/?#\\]/.test(rest)) return no('a path or query does not belong here')

  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(rest)
  if (parts === null) return no('not a host and a port')
  const [, host = '', portText] = parts
  const port = portText === undefined ? usualPorts[protocol] : Number(portText)
  if (port < 1 || port > 65_535) return no('the port lies outside 1 to 65535')

  if (host.startsWith('[')) {
    const inside = host.slice(1, -1)
    if (!isIPv6(inside)) return no('not an IPv6 address in the brackets')
    return done({ protocol, host: canonicalIPv6(inside), port })
  }
  if (isIP(host) === 4) return done({ protocol, host, port })
  const ascii = domainToASCII(host).toLowerCase().replace(/\.$/, '')
  if (ascii === '' || ascii.length > 253) return no('not a host name')
  if (isIP(ascii) !== 0 || /(^|\.)(0x[0-9a-f]*|\d+)$/.test(ascii))
    return no('write an IPv4 address as four decimal numbers')
  if (!ascii.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)))
    return no('not a host name')
  return done({ protocol, host: ascii, port })
}

/** The address as text, the way `parseAddress` takes it. */
export function formatAddress(address: Address): string {
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host
  return `${address.protocol}://${host}:${address.port}`
}

/** A host that was parsed before, as it is parsed now: records from before may hold an IPv4 address written as IPv6. */
export function canonicalHost(host: string): string {
  return isIPv6(host) ? canonicalIPv6(host) : host
}

/** The shortest form; of an IPv4 address that is written as IPv6 (`::ffff:10.0.0.7`) the IPv4 address that it is. */
function canonicalIPv6(text: string): string {
  const zone = text.indexOf('%')
  const bare = zone === -1 ? text : text.slice(0, zone)
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (mapped === null) return short + (zone === -1 ? '' : text.slice(zone))
  const [high = 0, low = 0] = mapped.slice(1).map((group) => Number.parseInt(group, 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
