import { type LegacyAlgorithm, legacyAlgorithms } from '../contract.ts'
import { backAlgorithms } from './algorithms.ts'
import type { Offer } from './offer.ts'

/** The four parts of an SSH connection that are agreed on. */
export const parts = ['kex', 'serverHostKey', 'cipher', 'hmac'] as const
export type Part = (typeof parts)[number]

/**
 * What each class of old algorithms is on the wire.
 *
 * SECURITY: why nobody speaks them any more: group1 has 1024 bits and is precomputed, SHA-1 and MD5 collide, CBC with
 * MAC after encryption gives plaintext to who changes packets (CVE-2008-5161), 3DES repeats its blocks too soon.
 */
export const onTheWire: Readonly<
  Record<LegacyAlgorithm, { readonly part: Part; readonly names: readonly string[] }>
> = {
  'group14-sha1': { part: 'kex', names: ['diffie-hellman-group14-sha1'] },
  'gex-sha1': { part: 'kex', names: ['diffie-hellman-group-exchange-sha1'] },
  'group1-sha1': { part: 'kex', names: ['diffie-hellman-group1-sha1'] },
  'ssh-rsa': { part: 'serverHostKey', names: ['ssh-rsa'] },
  'ssh-dss': { part: 'serverHostKey', names: ['ssh-dss'] },
  'aes-cbc': { part: 'cipher', names: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc'] },
  '3des-cbc': { part: 'cipher', names: ['3des-cbc'] },
  'hmac-sha1': { part: 'hmac', names: ['hmac-sha1-etm@openssh.com', 'hmac-sha1'] },
  'hmac-md5': { part: 'hmac', names: ['hmac-md5'] },
}

/** From the least bad to the worst: of two that a machine has, the first is enough. */
const leastBad: readonly LegacyAlgorithm[] = [
  'group14-sha1',
  'gex-sha1',
  'group1-sha1',
  'ssh-rsa',
  'ssh-dss',
  'aes-cbc',
  '3des-cbc',
  'hmac-sha1',
  'hmac-md5',
]

export type AlgorithmLists = Readonly<Record<Part, readonly string[]>> & {
  readonly compress: readonly string[]
}

/** What is offered to a target: modern algorithms first, then those that it was allowed, from the least bad on. */
export function algorithmsFor(allowed: readonly LegacyAlgorithm[]): AlgorithmLists {
  const names = (part: Part) => [
    ...backAlgorithms[part],
    ...leastBad
      .filter((one) => allowed.includes(one) && onTheWire[one].part === part)
      .flatMap((one) => onTheWire[one].names),
  ]
  return {
    kex: names('kex'),
    serverHostKey: names('serverHostKey'),
    cipher: names('cipher'),
    hmac: names('hmac'),
    compress: backAlgorithms.compress,
  }
}

/** A part in which a machine has nothing modern: what would do, or undefined where nothing that we know does. */
export type Lack = {
  readonly part: Part
  readonly offers: readonly string[]
  readonly needs: LegacyAlgorithm | undefined
}

/** Where a machine's offer and the modern algorithms do not meet. */
export function lacksOf(offer: Offer): readonly Lack[] {
  return parts.flatMap((part) => {
    const isModern = backAlgorithms[part].some((name) => offer[part].includes(name))
    // Ciphers that vouch for themselves need no MAC beside them.
    const isImplied =
      part === 'hmac' &&
      backAlgorithms.cipher.some((name) => offer.cipher.includes(name) && /gcm|poly1305/.test(name))
    if (isModern || isImplied) return []
    const needs = leastBad.find(
      (one) =>
        onTheWire[one].part === part && onTheWire[one].names.some((name) => offer[part].includes(name)),
    )
    return [{ part, offers: offer[part], needs }]
  })
}

/** In the order of the contract, so that lists can be compared. */
export function sorted(some: Iterable<LegacyAlgorithm>): readonly LegacyAlgorithm[] {
  const all = new Set(some)
  return legacyAlgorithms.filter((one) => all.has(one))
}

/** The class of old algorithms that a name on the wire is of, or undefined for a modern one. */
export function classOf(name: string): LegacyAlgorithm | undefined {
  return legacyAlgorithms.find((one) => onTheWire[one].names.includes(name))
}

/** One sentence about a machine that has nothing modern in some part, and what to do about it. */
export function explainLacks(
  target: string,
  lacks: readonly Lack[],
  allowed: readonly LegacyAlgorithm[],
): { readonly message: string; readonly next: string } | undefined {
  const isAllowed = ({ part, offers }: Lack) =>
    allowed.some(
      (one) => onTheWire[one].part === part && onTheWire[one].names.some((name) => offers.includes(name)),
    )
  const missing = lacks.filter((lack) => !isAllowed(lack))
  if (missing.length === 0) return undefined
  const hopeless = missing.filter(({ needs }) => needs === undefined)
  const offers = (some: readonly Lack[]) =>
    some.map(({ part, offers: names }) => `${partNames[part]} ${few(names)}`).join(', ')
  if (hopeless.length > 0)
    return {
      message: `${target} offers only ${offers(hopeless)}, which cannot be spoken any more`,
      next: 'update its SSH server',
    }
  const needs = sorted(missing.flatMap((lack) => lack.needs ?? []))
  const all = sorted([...allowed, ...needs])
  return {
    message: `${target} offers only ${offers(missing)}, and is not allowed to be spoken with so`,
    next: `update its SSH server, or have an administrator run tagout target legacy ${target} --allow ${all.join(',')}`,
  }
}

const partNames: Readonly<Record<Part, string>> = {
  kex: 'the key exchange',
  serverHostKey: 'the host key',
  cipher: 'the cipher',
  hmac: 'the MAC',
}

/** A hostile machine may offer anything, of any length. */
function few(names: readonly string[]): string {
  const known = names.filter((name) => /^[\w@.+-]{1,64}$/.test(name)).slice(0, 4)
  return known.length === 0 ? 'nothing' : known.join(' or ')
}
