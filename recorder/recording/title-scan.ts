const maxTitle = 512
const maxKept = 1024
const escape = 0x1b

/**
 * Finds the titles that a target sets (OSC 0 and 2, ECMA-48 §8.3.89 and xterm) without showing its output to a
 * terminal. Sequences may be split over outputs.
 */
export class TitleScan {
  readonly #text = new TextDecoder()
  #kept: Uint8Array = new Uint8Array()
  #last: string | undefined

  /** Takes output; returns the titles in it that differ from the one before. */
  scan(output: Uint8Array): readonly string[] {
    if (this.#kept.length === 0 && !output.includes(escape)) return []
    const bytes = this.#kept.length === 0 ? output : Buffer.concat([this.#kept, output])
    this.#kept = new Uint8Array()
    const titles: string[] = []
    for (let at = bytes.indexOf(escape); at >= 0; at = bytes.indexOf(escape, at + 1)) {
      const end = endOfTitle(bytes, at)
      if (end === 'more') {
        if (bytes.length - at <= maxKept) this.#kept = bytes.slice(at)
        break
      }
      if (end !== undefined) this.#add(this.#text.decode(bytes.subarray(at + 4, end)), titles)
    }
    return titles
  }

  #add(text: string, titles: string[]): void {
    const title = text.slice(0, maxTitle).toWellFormed()
    if (title === this.#last || titles.length >= 64) return
    this.#last = title
    titles.push(title)
  }
}

/** Where the title that begins at `at` ends; undefined for anything else, `more` where the rest is still to come. */
function endOfTitle(bytes: Uint8Array, at: number): number | 'more' | undefined {
  const begin = [escape, 0x5d, undefined, 0x3b]
  for (let place = 0; place < 4; place += 1) {
    const byte = bytes[at + place]
    if (byte === undefined) return 'more'
    if (place === 2 ? byte !== 0x30 && byte !== 0x32 : byte !== begin[place]) return undefined
  }
  for (let place = at + 4; place < bytes.length; place += 1) {
    const byte = bytes[place] as number
    if (byte === 0x07 || byte === escape) return place
    if (byte < 0x20) return undefined
  }
  return 'more'
}
