/** Options of Telnet (RFC 857, 858): the machine echoes, and nobody says go ahead. Everything else is declined. */
const taken = [1, 3]
const [will, wont, doIt, dont, iac] = [251, 252, 253, 254, 255]

/**
 * What is answered to a command of Telnet by an end that wants nothing but text (RFC 1143, without its queue: it asks for
 * nothing by itself, so what it answers is answered once). Undefined: nothing is.
 */
export class TelnetOptions {
  readonly #on = new Set<number>()
  readonly #declined = new Set<string>()

  answer(command: Uint8Array): Buffer | undefined {
    const [, what, option] = command
    if (what === undefined || option === undefined) return undefined
    switch (what) {
      case will:
        if (!taken.includes(option)) return this.#once(dont, option)
        if (this.#on.has(option)) return undefined
        this.#on.add(option)
        return Buffer.from([iac, doIt, option])
      case wont:
        return this.#on.delete(option) ? Buffer.from([iac, dont, option]) : undefined
      case doIt:
        return this.#once(wont, option)
      default:
        return undefined
    }
  }

  /** A machine that asks again and again is answered once: two ends would go on for ever. */
  #once(what: number, option: number): Buffer | undefined {
    const key = `${what} ${option}`
    if (this.#declined.has(key)) return undefined
    this.#declined.add(key)
    return Buffer.from([iac, what, option])
  }
}

/** Text as Telnet sends it: what would be a command is doubled (RFC 854). */
export function telnetText(bytes: Uint8Array): Buffer {
  const doubled: number[] = []
  for (const byte of bytes) doubled.push(...(byte === iac ? [iac, iac] : [byte]))
  return Buffer.from(doubled)
}
