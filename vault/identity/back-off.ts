/**
 * Slows down guessing, per source and per user, without a lock-out that somebody could use against another.
 *
 * A source that failed waits: 1 s after its third failure, doubling to 5 minutes; a success forgives it. A user under
 * attack from many sources is not locked: only sources from which that user has never signed in wait, so that the
 * user gets in from where they usually do.
 */
export type BackOff = {
  /** Seconds to wait before this attempt is looked at, or 0. */
  readonly wait: (source: string, name: string) => number
  readonly failed: (source: string, name: string) => void
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

  return {
    wait(source, name) {
      const ofSource = waitOf(sources.get(source))
      const ofUser = known.has(pair(source, name)) ? 0 : waitOf(users.get(name.toLowerCase()))
      return Math.ceil(Math.max(ofSource, ofUser) / 1000)
    },
    failed(source, name) {
      punish(sources, source, freeFailures)
      punish(users, name.toLowerCase(), freeFailuresOfUser)
    },
    succeeded(source, name) {
      sources.delete(source)
      users.delete(name.toLowerCase())
      known.delete(pair(source, name))
      known.set(pair(source, name), now())
      trim(known)
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
