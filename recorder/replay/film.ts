import type { FilmPage, FilmWords } from './film-page.ts'
import { desktopChannels } from './guac.ts'
import type { RecordingHeader } from './header.ts'
import type { Replay } from './replay.ts'
import { WebmWriter } from './webm.ts'

/** Milliseconds between two pictures of a film at least, and at most where nothing changes. */
const leastMs = 100
const mostMs = 10_000

export type FilmPiece =
  | { readonly kind: 'append'; readonly bytes: Uint8Array }
  /** To be written over what is at that place of the file. */
  | { readonly kind: 'over'; readonly offset: number; readonly bytes: Uint8Array }

export type FilmOptions = {
  /** Nanoseconds. */
  readonly duration: number
  /** 0 to 1. */
  readonly onProgress?: (done: number) => void
  readonly signal?: AbortSignal
}

/** What the film says of itself: under the picture, and where the recording holds nothing. */
export function filmWords(header: RecordingHeader): FilmWords {
  const { createdAt, target } = header
  return {
    line: filmLine(header),
    startedAt: Date.parse(createdAt),
    ...(target.mask === undefined ? {} : { mask: target.mask }),
  }
}

/** What stands under the picture all the time, and in the file as its title. */
function filmLine({ recording, user, account, source }: RecordingHeader): string {
  return `${user.name} on ${account.name} from ${source}  ${recording}`
}

/** Films a desktop as WebM. The page is where it is drawn: in this browser, or in one that `tagout` started. */
export async function* filmDesktop(
  replay: Replay,
  page: Pick<FilmPage, 'step' | 'finish'> & {
    readonly size: () => ReturnType<FilmPage['size']> | Promise<ReturnType<FilmPage['size']>>
  },
  { duration, onProgress, signal }: FilmOptions,
): AsyncGenerator<FilmPiece> {
  const [desktop] = await desktopChannels(replay)
  if (desktop === undefined) return
  const writer = new WebmWriter()
  const end = duration / 1e6
  let isBegun = false
  let shownAt = Number.NEGATIVE_INFINITY
  let pending: { text: string; at: number } | undefined
  let begun = ''
  const decoder = new TextDecoder()

  async function* show(text: string, at: number): AsyncGenerator<FilmPiece> {
    signal?.throwIfAborted()
    const chunks = await page.step(text, at)
    shownAt = at
    onProgress?.(Math.min(1, at / Math.max(1, end)))
    yield* written(chunks)
  }
  async function* written(chunks: Awaited<ReturnType<FilmPage['step']>>): AsyncGenerator<FilmPiece> {
    for (const chunk of chunks) {
      if (!isBegun) {
        const size = await page.size()
        if (size === undefined) continue
        isBegun = true
        yield {
          kind: 'append',
          bytes: writer.begin({ ...size, duration: end, title: filmLine(replay.header) }),
        }
      }
      yield { kind: 'append', bytes: writer.add(chunk) }
    }
  }
  /** What is seen up to a moment that has come. */
  async function* until(at: number): AsyncGenerator<FilmPiece> {
    if (pending !== undefined && at >= Math.max(pending.at, shownAt + leastMs)) {
      const { text, at: drawnAt } = pending
      pending = undefined
      yield* show(text, Math.max(drawnAt, shownAt + leastMs))
    }
    while (pending === undefined && Number.isFinite(shownAt) && at - shownAt > mostMs)
      yield* show('', shownAt + mostMs)
  }

  for await (const frame of replay.frames()) {
    if (frame.kind !== 'output' || frame.channel !== desktop) continue
    const at = frame.at / 1e6
    yield* until(at)
    begun += decoder.decode(frame.bytes, { stream: true })
    // What is drawn is seen when its frame ends; a picture that is begun and not ended yet is none.
    const ends = endOfFrames(begun)
    if (ends === 0) continue
    pending = { text: (pending?.text ?? '') + begun.slice(0, ends), at }
    begun = begun.slice(ends)
  }
  const last = pending
  pending = undefined
  if (last !== undefined) yield* show(last.text, Math.max(last.at, shownAt + leastMs))
  yield* until(end)
  if (end - shownAt >= 1) yield* show('', end)
  yield* written(await page.finish())
  if (!isBegun) return
  const { last: index, over } = writer.finish()
  yield { kind: 'append', bytes: index }
  yield { kind: 'over', ...over }
}

/** Where the last whole frame of these instructions ends. */
function endOfFrames(text: string): number {
  const sync = text.lastIndexOf('4.sync,')
  const end = sync < 0 ? -1 : text.indexOf(';', sync)
  if (end >= 0 || sync <= 0) return end + 1
  // The last one is not all there yet.
  return endOfFrames(text.slice(0, sync))
}
