/** What a device may have kept by us, and how much of it: it says more. */
const mostCookies = 20
const mostBytes = 8 * 1024

/** The cookies of one login at one machine. They go to that machine alone, and are gone with the login. */
export class Cookies {
  readonly #kept = new Map<string, string>()

  /** Takes what an answer sets. */
  take(headers: readonly string[]): void {
    for (const header of headers) {
      const [pair = '', ...attributes] = header.split(';').slice(0, 20)
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
      if (at < 1 || !/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || !/^[\x21-\x3a\x3c-\x7e]*$/.test(value))
        continue
      this.#kept.delete(name)
      if (value === '' || attributes.some(isOver)) continue
      const size = [...this.#kept].reduce((sum, [one, its]) => sum + one.length + its.length, 0)
      if (this.#kept.size < mostCookies && size + name.length + value.length <= mostBytes)
        this.#kept.set(name, value)
    }
  }

  get(name: string): string | undefined {
    return this.#kept.get(name)
  }

  /** As a request says them; undefined: there are none. */
  header(): string | undefined {
    return this.#kept.size === 0
      ? undefined
      : [...this.#kept].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}

function isOver(attribute: string): boolean {
  const [name = '', value = ''] = attribute.split('=').map((one) => one.trim().toLowerCase())
  return (name === 'max-age' && Number(value) <= 0) || (name === 'expires' && Date.parse(value) < Date.now())
}
