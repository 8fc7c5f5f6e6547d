import { BlockList, isIP } from 'node:net'

/**
 * Addresses that nobody means: this host under no name, the link and its metadata services, groups, and ways in which
 * an address of one of these can be written as another.
 */
const never = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.192', 32],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  never.addSubnet(net, prefix, 'ipv4')
for (const [net, prefix] of [
  ['::', 96],
  ['fe80::', 10],
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
  ['ff00::', 8],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['2001::', 32],
] as const)
  never.addSubnet(net, prefix, 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** What kind of address this is, for somebody who calls out. `other` is everything that may be meant. */
export function addressKind(address: string): 'never' | 'loopback' | 'other' {
  const family = isIP(address)
  if (family === 0) return 'never'
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  if (loopback.check(address, kind)) return 'loopback'
  return never.check(address, kind) ? 'never' : 'other'
}

/** The address that a URL's host is, or undefined where it is a name. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return isIP(host) === 0 ? undefined : host
}
