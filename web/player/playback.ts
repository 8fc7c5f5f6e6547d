import type { Frame } from '../../recorder/replay/frame.ts'

/** Where frames are shown. */
export type Screen = {
  /** A fresh terminal of this size. Resolves when nothing that was written before can appear on it any more. */
  readonly reset: (columns: number, rows: number) => void | Promise<void>
  readonly resize: (columns: number, rows: number) => void
  /** Resolves when the terminal has room for more. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** Resolves when all that was written is seen: asked where a jump has come to its place. */
  readonly settle?: () => Promise<void>
}

export type PlaybackState = {
  /** Nanoseconds from the start. */
  readonly position: number
  readonly playing: boolean
  readonly speed: number
  readonly skipIdle: boolean
  readonly channel: number
  readonly ended: boolean
  /** Looking for the place, or waiting for bytes. */
  readonly seeking: boolean
  readonly error: unknown
  /** Nanoseconds that were just skipped because nothing happened, or 0. */
  readonly skipped: number
}

export const speeds = [0.5, 1, 2, 4, 8, 16] as const

/** A pause longer than this (nanoseconds, at normal speed) is idle. */
const idleAfter = 2e9
const beforeNext = 0.4e9

export type Frames = { readonly seek: (at: number) => AsyncIterable<Frame> }
type Waiting = { readonly until: number; readonly resolve: () => void }

/**
 * Plays one channel of a recording on a screen.
 *
 * Frames are pulled one by one, so memory does not grow with the recording. The position advances only while the next frame is
 * known and still to come: a slow network or terminal holds the clock, and nothing is shown early or left out.
 */
export class Playback {
  readonly duration: number
  readonly #frames: Frames
  readonly #screen: Screen
  readonly #listeners = new Set<() => void>()
  #state: PlaybackState
  /** Where it stands; the state that listeners see follows once a picture. */
  #position = 0
  /** Time that passed and has not been played yet: several frames can fall into one picture. */
  #budget = 0
  /** Counts seeks: a run that finds another number here is over. */
  #run = 0
  #waiting: Waiting | undefined
  #lastTick: number | undefined
  #timer: number | undefined

  constructor(frames: Frames, screen: Screen, duration: number, channel: number) {
    this.#frames = frames
    this.#screen = screen
    this.duration = duration
    this.#state = {
      position: 0,
      playing: false,
      speed: 1,
      skipIdle: true,
      channel,
      ended: false,
      seeking: false,
      error: null,
      skipped: 0,
    }
  }

  readonly state = (): PlaybackState => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  play(): void {
    if (this.#state.ended) this.seek(0)
    this.#set({ playing: true })
    this.#lastTick = undefined
    this.#schedule()
  }

  pause(): void {
    this.#set({ playing: false })
  }

  toggle(): void {
    if (this.#state.playing) this.pause()
    else this.play()
  }

  setSpeed(speed: number): void {
    this.#set({ speed })
  }

  faster(steps: number): void {
    const now = speeds.findIndex((speed) => speed >= this.#state.speed)
    const next = speeds[Math.min(speeds.length - 1, Math.max(0, now + steps))]
    if (next !== undefined) this.setSpeed(next)
  }

  setSkipIdle(skipIdle: boolean): void {
    this.#set({ skipIdle })
  }

  setChannel(channel: number): void {
    this.#set({ channel })
    this.seek(this.#position)
  }

  /** Goes to `position` (nanoseconds): the screen is built from the keyframe before it. */
  seek(position: number): void {
    const to = Math.min(Math.max(0, position), this.duration)
    this.#run += 1
    this.#waiting?.resolve()
    this.#waiting = undefined
    this.#position = to
    this.#budget = 0
    this.#set({ ended: false, seeking: true, error: null, skipped: 0 })
    void this.#play(this.#run, to)
  }

  dispose(): void {
    this.#run += 1
    this.#waiting?.resolve()
    this.#waiting = undefined
    if (this.#timer !== undefined) cancelAnimationFrame(this.#timer)
    this.#listeners.clear()
  }

  async #play(run: number, from: number): Promise<void> {
    const { channel } = this.#state
    let begun = false
    try {
      await this.#screen.reset(80, 24)
      if (run !== this.#run) return
      for await (const frame of this.#frames.seek(from)) {
        if (run !== this.#run) return
        if (frame.at > this.#position) {
          if (this.#state.seeking) {
            await this.#screen.settle?.()
            if (run !== this.#run) return
            this.#set({ seeking: false })
          }
          await this.#until(frame.at)
          if (run !== this.#run) return
        }
        if (frame.channel !== channel) continue
        // Keyframes repeat what the screen shows already, except at the place where this run began.
        if (frame.kind !== 'keyframe') begun = true
        else if (begun) continue
        await this.#show(run, frame)
        if (run !== this.#run) return
      }
      await this.#screen.settle?.()
      if (run !== this.#run) return
      this.#set({ seeking: false })
      await this.#until(this.duration)
      if (run !== this.#run) return
      this.#position = this.duration
      this.#set({ playing: false, ended: true })
    } catch (error) {
      if (run === this.#run) this.#set({ playing: false, seeking: false, error })
    }
  }

  async #show(run: number, frame: Frame): Promise<void> {
    switch (frame.kind) {
      case 'output':
      case 'stderr':
        await this.#screen.write(frame.bytes)
        return
      case 'resize':
        this.#screen.resize(frame.columns, frame.rows)
        return
      case 'keyframe':
        await this.#screen.reset(frame.columns, frame.rows)
        if (run !== this.#run) return
        await this.#screen.write(frame.bytes)
        return
      case 'mark':
        if (frame.mark.kind === 'open' && frame.mark.columns !== undefined)
          this.#screen.resize(frame.mark.columns, frame.mark.rows ?? 24)
        return
      default:
    }
  }

  /** Resolves when the position has come to `until`. */
  #until(until: number): Promise<void> {
    const reach = this.#position + this.#budget
    if (until <= reach) {
      this.#budget = Math.max(0, reach - Math.max(until, this.#position))
      this.#position = Math.max(until, this.#position)
      return Promise.resolve()
    }
    this.#position = reach
    this.#budget = 0
    return new Promise((resolve) => {
      this.#waiting = { until, resolve }
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#timer !== undefined || !this.#state.playing) return
    this.#timer = requestAnimationFrame((now) => {
      this.#timer = undefined
      this.#tick(now)
      this.#schedule()
    })
  }

  #tick(now: number): void {
    // A tab that was in the background does not jump ahead when it comes back.
    const passed = this.#lastTick === undefined ? 0 : Math.min(now - this.#lastTick, 250)
    this.#lastTick = now
    this.#budget = 0
    const waiting = this.#waiting
    const { playing, speed, skipIdle } = this.#state
    if (waiting === undefined || !playing) return
    let next = this.#position + passed * 1e6 * speed
    let { skipped } = this.#state
    if (skipIdle && waiting.until - next > idleAfter) {
      skipped = waiting.until - beforeNext - next
      next = waiting.until - beforeNext
    }
    if (next < waiting.until) {
      this.#position = next
      this.#set({ skipped })
      return
    }
    this.#waiting = undefined
    this.#position = waiting.until
    this.#budget = next - waiting.until
    this.#set({ skipped: 0 })
    waiting.resolve()
  }

  #set(change: Partial<PlaybackState>): void {
    this.#state = { ...this.#state, ...change, position: this.#position }
    for (const listener of this.#listeners) listener()
  }
}
