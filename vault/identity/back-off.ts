/**
 * Slows down guessing without a lock-out that somebody could use against another.
 *
 * Who has signed in from a source before is counted there by themselves: neither failures of others at that source (a
 * plant's people often share one gateway) nor an attack on their name from elsewhere keeps them out. All others
 * share a count per source and a count per name. Each wait begins at 1 s and doubles up to 5 minutes.
 *
 * Proofs that cannot be guessed (a signature) are neither counted nor kept waiting.
 */
export type BackOff = {
  /** Seconds to wait before this attempt is looked at, or 0. */
  readonly wait: (source: string, name: string) => number
  readonly failed: (source: string, name: string) => void
  readonly isKnown: (source: string, name: string) => boolean
  /** Notes that this person has signed in from this source before. */
  readonly learn: (source: string, name: string) => void
  readonly succeeded: (source: string, name: string) => void
}

type Entry = { failures: number; until: number; last: number }

const freeFailures = 3
const freeFailuresOfUser = 10
const longest = 5 * 60_000
const forgottenAfter = 30 * 60_000
const mostEntries = 50_000

export function makeBackOff(now: () => number): BackOff {
  const sources = new Map<string, Entry>()
  const users = new Map<string, Entry>()
  const pairs = new Map<string, Entry>()
  const known = new Map<string, number>()

  const waitOf = (entry: Entry | undefined) => (entry === undefined ? 0 : Math.max(0, entry.until - now()))
  const pair = (source: string, name: string) => `${source}\n${name.toLowerCase()}`
  const punish = (map: Map<string, Entry>, key: string, free: number) => {
    const before = map.get(key)
    const failures =
      before === undefined || now() - before.last > forgottenAfter ? 1 : Math.min(before.failures + 1, 64)
    const delay = failures < free ? 0 : Math.min(longest, 1000 * 2 ** (failures - free))
    map.delete(key)
    map.set(key, { failures, until: now() + delay, last: now() })
    trim(map)
  }

  const learn = (source: string, name: string) => {
    const own = pair(source, name)
    known.delete(own)
    known.set(own, now())
    trim(known)
  }

  return {
    wait(source, name) {
      const own = pair(source, name)
      const until = known.has(own)
        ? waitOf(pairs.get(own))
        : Math.max(waitOf(sources.get(source)), waitOf(users.get(name.toLowerCase())))
      return Math.ceil(until / 1000)
    },
    failed(source, name) {
      const own = pair(source, name)
      if (known.has(own)) return punish(pairs, own, freeFailures)
      punish(sources, source, freeFailures)
      punish(users, name.toLowerCase(), freeFailuresOfUser)
    },
    isKnown: (source, name) => known.has(pair(source, name)),
    learn,
    succeeded(source, name) {
      pairs.delete(pair(source, name))
      learn(source, name)
    },
  }
}

/** Forgets the oldest entries: an attacker with many addresses fills no memory. */
function trim(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    if (map.size <= mostEntries) return
    map.delete(key)
  }
}
