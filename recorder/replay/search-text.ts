import type { Frame, Mark } from './frame.ts'
import { Plainer } from './plain.ts'

/** Where a text comes from. The order is that of the numbers in an index: new ones go to the end. */
export const searchSources = ['screen', 'command', 'title', 'file', 'clipboard', 'message', 'opened'] as const
export type SearchSource = (typeof searchSources)[number]

/** A text that a recording holds, and when: nanoseconds from its start. */
export type SearchEntry = {
  readonly at: number
  readonly channel: number
  readonly source: SearchSource
  readonly text: string
}

/** Characters of all texts of one recording, at most: what comes after them is found by opening it. */
export const maxSearchText = 512 * 1024
const maxEntry = 4096
/** Lines that were shown a moment ago are not taken again: a screen that is drawn anew each second says nothing new. */
const remembered = 4096

/**
 * Gathers what can be searched for in a recording: lines that terminals and commands printed, commands, titles, names of files,
 * texts of the clipboard where they are recorded, messages. Runs where the recording is made, and in browsers.
 *
 * SECURITY: nothing that was typed is taken, only what the target showed and what is among the marks: a line typed without echo
 * is in neither. Of desktops, whose output is pictures, the marks alone: nothing that a mask hides can be among them.
 */
export class SearchText {
  readonly #streams = new Map<string, Plainer>()
  readonly #silent = new Set<number>()
  readonly #shown = new Set<string>()
  #entries: SearchEntry[] = []
  #size = 0
  #fullAt: number | null = null
  readonly #most: number

  /** `most`: characters of all texts together. */
  constructor(most = maxSearchText) {
    this.#most = most
  }

  /** When there was no more room, in nanoseconds; null: there is. */
  get fullAt(): number | null {
    return this.#fullAt
  }

  /** Takes note of a frame. Its bytes are borrowed. */
  add(frame: Frame): void {
    if (frame.kind === 'mark') this.#mark(frame.mark, frame.channel, frame.at)
    else if ((frame.kind === 'output' || frame.kind === 'stderr') && !this.#silent.has(frame.channel))
      this.#printed(`${frame.channel}${frame.kind}`, frame.channel, frame.bytes, frame.at)
  }

  /** What was gathered since it was taken last; with `last`, lines that never ended too. */
  take(last?: { readonly at: number }): readonly SearchEntry[] {
    if (last !== undefined)
      for (const [name, stream] of this.#streams)
        this.#line(Number.parseInt(name, 10), stream.rest(), last.at)
    return this.#entries.splice(0)
  }

  #printed(name: string, channel: number, bytes: Uint8Array, at: number): void {
    if (this.#fullAt !== null) return
    let stream = this.#streams.get(name)
    if (stream === undefined) {
      stream = new Plainer('search')
      this.#streams.set(name, stream)
    }
    for (const line of stream.add(bytes)) this.#line(channel, line, at)
  }

  #line(channel: number, line: string, at: number): void {
    const text = line.trim()
    if (text.length < 3 || this.#shown.has(text)) return
    this.#shown.add(text)
    if (this.#shown.size > remembered)
      for (const oldest of this.#shown) {
        this.#shown.delete(oldest)
        break
      }
    this.#keep({ at, channel, source: 'screen', text })
  }

  #mark(mark: Mark, channel: number, at: number): void {
    const keep = (source: SearchSource, text: string | undefined) => {
      if (text !== undefined && text.trim() !== '') this.#keep({ at, channel, source, text: text.trim() })
    }
    switch (mark.kind) {
      case 'open':
        // What sftp and a forwarding carry is no text of anybody's screen.
        if (mark.type === 'desktop' || mark.type === 'subsystem' || mark.type === 'forward')
          this.#silent.add(channel)
        keep('opened', mark.command)
        return
      case 'close':
        for (const kind of ['output', 'stderr'] as const) {
          this.#line(channel, this.#streams.get(`${channel}${kind}`)?.rest() ?? '', at)
          this.#streams.delete(`${channel}${kind}`)
        }
        return
      case 'command':
        keep('command', mark.line)
        return
      case 'title':
        keep('title', mark.title)
        return
      case 'file':
        keep('file', mark.name)
        return
      case 'clipboard':
        keep('clipboard', mark.text)
        return
      case 'message':
        keep('message', mark.text)
    }
  }

  #keep(entry: SearchEntry): void {
    if (this.#fullAt !== null) return
    const text = entry.text.slice(0, maxEntry).toWellFormed()
    this.#size += text.length
    if (this.#size > this.#most) this.#fullAt = entry.at
    else this.#entries.push({ ...entry, text })
  }
}

/** A text as it is compared: in small letters, any white space as one blank. */
export function searchForm(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim()
}

/** The trigrams of a text: each three characters that follow one another in it. */
export function trigramsOf(text: string): Set<string> {
  const characters = [...searchForm(text)]
  const found = new Set<string>()
  for (let at = 0; at + 3 <= characters.length; at += 1)
    found.add(`${characters[at]}${characters[at + 1]}${characters[at + 2]}`)
  return found
}
