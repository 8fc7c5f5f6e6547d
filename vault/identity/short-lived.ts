/** Things that live in the vault's memory for moments: proofs, tickets, challenges, scans. Bounded. */
export type ShortLived<T> = {
  readonly put: (key: string, value: T, lifeMs?: number) => void
  /** Puts a value in place of one that is there, which ends when that would have. */
  readonly replace: (key: string, value: T) => void
  readonly get: (key: string) => T | undefined
  /** Reads and forgets: of two who take at once, one gets it. */
  readonly take: (key: string) => T | undefined
  readonly forget: (isIt: (value: T) => boolean) => void
}

/** Makes a store whose entries live `lifeMs`; beyond `most` the oldest are forgotten. */
export function makeShortLived<T>(now: () => number, lifeMs: number, most = 100_000): ShortLived<T> {
  const entries = new Map<string, { readonly value: T; readonly until: number }>()
  const get = (key: string) => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    if (entry.until > now()) return entry.value
    entries.delete(key)
    return undefined
  }
  return {
    put(key, value, life = lifeMs) {
      entries.delete(key)
      entries.set(key, { value, until: now() + life })
      for (const [oldest, entry] of entries) {
        if (entries.size <= most && entry.until > now()) break
        entries.delete(oldest)
      }
    },
    replace(key, value) {
      const entry = entries.get(key)
      if (entry !== undefined) entries.set(key, { value, until: entry.until })
    },
    get,
    take(key) {
      const value = get(key)
      entries.delete(key)
      return value
    },
    forget(isIt) {
      for (const [key, entry] of entries) if (isIt(entry.value)) entries.delete(key)
    },
  }
}
