import { ownZone } from '../../vault/kernel/plant-time.ts'
import { momentIn } from '../parts/zoned.ts'

/** What one can ask about, and what it is called. */
export const reachNouns = {
  target: 'Target',
  account: 'Account',
  safe: 'Safe',
  user: 'User',
  company: 'Company',
}
export type ReachNoun = keyof typeof reachNouns

/** A question as it stands in the page's address. `at`: by the clocks of `zone` (2026-12-06T23:00); empty: now. */
export type AskedReach = {
  readonly noun: ReachNoun
  readonly name: string
  readonly at: string
  readonly zone: string
}

export const isNoun = (text: string): text is ReachNoun => Object.hasOwn(reachNouns, text)

/** What an address asks; null: nothing that could be answered. */
export function askedReach(address: URLSearchParams): AskedReach | null {
  const [noun] = (Object.keys(reachNouns) as ReachNoun[]).filter((one) => address.has(one))
  const name = noun === undefined ? '' : (address.get(noun) ?? '').trim()
  if (noun === undefined || name === '') return null
  const [at, zone] = [address.get('at') ?? '', address.get('zone') ?? '']
  return { noun, name, at, zone }
}

export function reachLink(asked: Pick<AskedReach, 'noun' | 'name'> & Partial<AskedReach>): string {
  const { noun, name, at = '', zone = '' } = asked
  const when = at === '' ? {} : { at, ...(zone === '' ? {} : { zone }) }
  return `/policy/reach?${new URLSearchParams({ [noun]: name, ...when }).toString()}`
}

/** The moment that is asked about: undefined for now, null where it is none, or there is no such zone. */
export function momentAsked({ at, zone }: AskedReach): string | undefined | null {
  if (at === '') return undefined
  if (zone !== '' && !isZone(zone)) return null
  return momentIn(at, zone === '' ? ownZone() : zone)
}

function isZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text })
    return true
  } catch {
    return false
  }
}
