import { printable } from '../../vault/ssh/sentence.ts'
import type { Follower, RecordingWriter, ScreenNow } from '../recording/index.ts'
import { markLine } from '../replay/text.ts'
import type { WatchMessage } from './protocol.ts'

/** Where a watch is shown. `taken` is called when the bytes were drawn. */
export type Viewer = {
  readonly send: (message: WatchMessage) => void
  readonly write: (bytes: Uint8Array, taken: () => void) => void
}

/** Bytes sent and not drawn above which a watcher is behind: what follows is left out, and the screen shown anew. */
const behindAbove = 1024 * 1024
/** Below so many the screen is shown anew. */
const againBelow = 64 * 1024
/** Milliseconds between two screens shown anew: a flood must not have the sealing thread draw and nothing else. */
const syncEvery = 250

/**
 * Shows a session to one watcher, from its present screen on.
 *
 * INVARIANT: a watcher never slows a session. What they do not draw in time is left out, and they go on from the screen
 * as it is then. SECURITY: what is shown is what the target printed, and marks; of what is typed nothing comes here.
 */
export class Watch implements Disposable {
  readonly #writer: Pick<RecordingWriter, 'follow' | 'screens'>
  readonly #viewer: Viewer
  readonly #following: Disposable
  readonly #terminals = new Set<number>()
  #state: 'syncing' | 'live' | 'behind' | 'over' = 'syncing'
  #waiting: Parameters<Follower>[0][] = []
  #waitingBytes = 0
  #undrawn = 0
  #shown: number | undefined
  #timer: NodeJS.Timeout | undefined
  #syncedAt = 0
  /** How often the watcher was behind. */
  skips = 0

  constructor(writer: Pick<RecordingWriter, 'follow' | 'screens'>, viewer: Viewer) {
    this.#writer = writer
    this.#viewer = viewer
    this.#following = writer.follow((frame) => this.#take(frame))
    void this.#sync()
  }

  /** Shows the screen anew, now or as soon as that may be again. */
  #syncSoon(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        if (this.#state === 'behind' && this.#undrawn < againBelow) void this.#sync()
      },
      Math.max(0, this.#syncedAt + syncEvery - performance.now()),
    )
  }

  async #sync(): Promise<void> {
    this.#state = 'syncing'
    this.#syncedAt = performance.now()
    this.#waiting = []
    this.#waitingBytes = 0
    const screens = await this.#writer.screens()
    if (this.#state !== 'syncing' || screens === undefined) return
    if (this.#waitingBytes > behindAbove) return this.#fallBehind()
    this.#show(screens)
    this.#state = 'live'
    for (const frame of this.#waiting.splice(0)) this.#pass(frame)
  }

  #show(screens: readonly ScreenNow[]): void {
    this.#terminals.clear()
    for (const { channel, columns, rows, bytes } of screens) {
      this.#terminals.add(channel)
      this.#viewer.send({ kind: 'screen', channel, columns, rows })
      this.#shown = channel
      if (bytes !== null) this.#write(bytes)
    }
  }

  #take(frame: Parameters<Follower>[0]): void {
    if (this.#state === 'over') return
    // Marks are few and small: a watcher who is behind reads them all the same.
    if (frame.kind === 'mark' && frame.mark.kind !== 'open' && frame.mark.kind !== 'close')
      return this.#tell(frame.channel, frame.mark)
    if (this.#state === 'live') return this.#pass(frame)
    if (this.#state === 'behind') return
    const isBytes = frame.kind === 'output' || frame.kind === 'stderr'
    if (isBytes) this.#waitingBytes += frame.bytes.length
    if (this.#waitingBytes > behindAbove) this.#waiting = []
    else this.#waiting.push(isBytes ? { ...frame, bytes: frame.bytes.slice() } : frame)
  }

  #pass(frame: Parameters<Follower>[0]): void {
    if (this.#state !== 'live') return
    const { channel } = frame
    switch (frame.kind) {
      case 'output':
      case 'stderr':
        // Of a channel without a terminal the bytes are files or whatever a command reads: its marks say what they are.
        if (!this.#terminals.has(channel)) return
        if (this.#shown !== channel) this.#viewer.send({ kind: 'channel', channel })
        this.#shown = channel
        this.#write(frame.bytes.slice())
        return
      case 'resize':
        if (this.#terminals.has(channel))
          this.#viewer.send({ kind: 'resize', channel, columns: frame.columns, rows: frame.rows })
        return
      case 'mark': {
        const { mark } = frame
        if (mark.kind === 'open') {
          if (mark.columns !== undefined && mark.rows !== undefined) {
            this.#terminals.add(channel)
            this.#shown = channel
            this.#viewer.send({ kind: 'screen', channel, columns: mark.columns, rows: mark.rows })
          }
        } else if (mark.kind === 'close' && this.#terminals.delete(channel))
          this.#viewer.send({ kind: 'closed', channel })
        this.#tell(channel, mark)
      }
    }
  }

  #tell(channel: number, mark: Parameters<typeof markLine>[0]): void {
    this.#viewer.send({ kind: 'mark', channel, text: printable(markLine(mark)).slice(0, 1_000) })
  }

  #write(bytes: Uint8Array): void {
    this.#undrawn += bytes.length
    this.#viewer.write(bytes, () => {
      this.#undrawn -= bytes.length
      if (this.#state === 'behind' && this.#undrawn < againBelow) this.#syncSoon()
    })
    if (this.#undrawn > behindAbove && this.#state === 'live') this.#fallBehind()
  }

  #fallBehind(): void {
    this.skips += 1
    this.#state = 'behind'
    this.#waiting = []
    if (this.#undrawn < againBelow) this.#syncSoon()
  }

  [Symbol.dispose](): void {
    this.#state = 'over'
    clearTimeout(this.#timer)
    this.#waiting = []
    this.#following[Symbol.dispose]()
  }
}
