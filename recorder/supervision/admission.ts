/** How many connections may be there before their user is proven. */
export type AdmissionLimits = { readonly perSource: number; readonly total: number }

/** A source is a whole site where it sits behind one address, or an automation that opens many at once. */
export const defaultAdmission: AdmissionLimits = { perSource: 30, total: 400 }

/**
 * Counts connections whose user is not proven yet, per source and in all.
 *
 * SECURITY: they cost memory and key exchanges, and anybody can open them. The parent counts, so that the limits
 * hold over all workers.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #perSource = new Map<string, number>()
  #total = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Takes a connection in, and answers how to say that it is proven or gone; undefined where it is refused. */
  admit(address: string): (() => void) | undefined {
    const source = network(address)
    const present = this.#perSource.get(source) ?? 0
    if (present >= this.#limits.perSource || this.#total >= this.#limits.total) return undefined
    this.#perSource.set(source, present + 1)
    this.#total += 1
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      this.#total -= 1
      const left = (this.#perSource.get(source) ?? 1) - 1
      if (left > 0) this.#perSource.set(source, left)
      else this.#perSource.delete(source)
    }
  }
}

/** An IPv4 address, or the /64 of an IPv6 address: one machine has all of that. */
function network(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':')
}
