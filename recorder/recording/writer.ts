import type { EndReason, InputPolicy } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import type { AppendedFrame, Frame } from '../replay/frame.ts'
import { FrameBuffer } from '../replay/frame-codec.ts'
import { flushLater } from './flusher.ts'
import type { MadeHeader } from './header.ts'
import { InputRule } from './input-policy.ts'
import { plainMark } from './mark-text.ts'
import type { ScreenNow, SealReport } from './seal-message.ts'
import { sealer } from './sealer.ts'

export type SignedCheckpoint = {
  readonly checkpoint: Uint8Array
  readonly signature: Uint8Array
  readonly sizeBytes: number
}

export type WriterEvents = {
  /** At most every 5 s, when something was recorded since: for `session.checkpoint`. */
  readonly onCheckpoint?: (checkpoint: SignedCheckpoint) => void
  /** Once, when the recording cannot go on: the session must end. `append` throws from then on. */
  readonly onFailed?: (fault: Fault) => void
  /** Once, at 90 % of the quota. At 100 % `append` throws `QuotaReached`. */
  readonly onQuotaWarning?: (usedBytes: number, quotaBytes: number) => void
}

export type FinishedRecording = {
  readonly state: 'complete' | 'incomplete'
  readonly sizeBytes: number
  readonly root?: Uint8Array
}

/** The recording is as long as it may get. The session ends; the recording can still be finished in order. */
export class QuotaReached extends Fault {
  constructor() {
    super('recording', 'the recording has reached its quota')
    this.name = 'QuotaReached'
  }
}

/** A chunk is sealed when it has this much, or `flushAfterMs` after its first frame. */
const chunkBytes = 256 * 1024
const frameBytes = 128 * 1024
/** Bytes taken and not yet written, per recording: the bounded buffer. A terminal needs less, and is read behind it. */
const boundBytes = 4 * 1024 * 1024
const terminalBoundBytes = 512 * 1024
const stalledAfterMs = 2000
/** So that the session has ended within 5 s of the store. */
const failedAfterMs = 4000
const finishWithinMs = 5000
/** Kept free under the quota for the end of the recording. */
const quotaMargin = 128 * 1024
/** Of the quota, the part that keyframes of desktops may be in: past it they would end the session sooner. */
const keyframeShare = 0.8

/** Told of a frame that the recording has taken. Input is never among them. */
export type Follower = (frame: Exclude<AppendedFrame, { readonly kind: 'input' }>) => void

type Waiter = { readonly resolve: () => void; readonly reject: (fault: Fault) => void }

/**
 * Takes a session's frames and has them sealed into its recording.
 *
 * INVARIANT: relay a frame only after `append` returned `undefined` or its promise resolved. The frame is then in the
 * bounded buffer, at most 250 ms from the disk. A slow store makes callers wait; one that does not answer for 4 s, or
 * fails, fails the recording, and no frame is taken any more.
 */
export class RecordingWriter implements AsyncDisposable {
  /** SHA-256 of the header: for `session.start`. */
  readonly headerHash: Uint8Array
  /** Ed25519, the session's own: for `session.start`. */
  readonly publicKey: Uint8Array
  readonly #id: number
  readonly #events: WriterEvents
  readonly #quota: number
  readonly #input: InputRule
  readonly #startedAt = performance.now()
  readonly #frames = new FrameBuffer()
  readonly #sent: { readonly plain: number; at: number }[] = []
  #sentHead = 0
  #outstanding = 0
  #isDue = false
  #waiters: Waiter[] = []
  #size: number
  #state: 'open' | 'finishing' | 'finished' | 'failed' = 'open'
  #fault: Fault | undefined
  #isStalled = false
  #isWarned = false
  #hasTerminal = false
  #finished: FinishedRecording | undefined
  readonly #followers = new Set<Follower>()
  readonly #requests = new Map<number, (screens: readonly ScreenNow[] | undefined) => void>()
  #nextRequest = 0
  #onFinished: ((finished: FinishedRecording) => void) | undefined

  constructor(
    header: MadeHeader,
    recording: string,
    fd: number,
    rules: {
      readonly inputPolicy: InputPolicy
      readonly quotaBytes: number
      /** Where the search index goes; missing: none is made. */
      readonly indexPath?: string
    },
    events: WriterEvents,
  ) {
    this.headerHash = header.hash
    this.publicKey = header.publicKey
    this.#events = events
    this.#quota = rules.quotaBytes
    this.#input = new InputRule(rules.inputPolicy)
    this.#size = header.bytes.length
    this.#id = sealer.add({
      report: (report) => this.#report(report),
      watch: (now, heardAt, grace) => this.#watch(now, heardAt, grace),
    })
    const { recordingKey, signKey, hash: headerHash } = header
    sealer.send({
      op: 'open',
      id: this.#id,
      fd,
      size: this.#size,
      keys: { recording, headerHash, recordingKey, signKey },
      ...(rules.indexPath === undefined
        ? {}
        : { search: { path: rules.indexPath, recipients: header.recipients } }),
    })
  }

  /** Bytes of the file, as far as they are written. */
  get sizeBytes(): number {
    return this.#size
  }

  get isFailed(): boolean {
    return this.#state === 'failed'
  }

  /** Milliseconds since the recording began, on its own clock. */
  get elapsed(): number {
    return performance.now() - this.#startedAt
  }

  /**
   * Takes a frame. Returns `undefined` when it is accepted and there is room for more; a promise when callers have to
   * wait before they relay it and read more. Throws (or the promise rejects with) `Fault('recording')` when the
   * recording failed, `QuotaReached` when it is full. `bytes` are copied.
   */
  append(frame: AppendedFrame): Promise<void> | undefined {
    if (this.#state !== 'open')
      throw this.#fault ?? new Fault('recording', 'the recording is finished already')
    if (this.#size + this.#outstanding > this.#quota - quotaMargin) throw new QuotaReached()
    const at = Math.round(this.elapsed * 1e6)
    switch (frame.kind) {
      case 'output':
      case 'stderr':
        this.#addAll(this.#input.output(frame.channel, frame.bytes, at))
        this.#addBytes(frame.kind, frame.channel, frame.bytes, at)
        break
      case 'input':
        for (const kept of this.#input.input(frame.channel, frame.bytes, at))
          if (kept.kind === 'input') this.#addBytes('input', kept.channel, kept.bytes, at)
          else this.#frames.add(kept)
        break
      case 'resize':
        this.#frames.add({ ...frame, at })
        break
      case 'mark':
        this.#mark(frame, at)
        break
    }
    if (this.#followers.size > 0 && frame.kind !== 'input')
      for (const follower of this.#followers) follower(frame)
    this.#flushWhenDue()
    return this.#isFull() ? this.#wait() : undefined
  }

  /**
   * Takes a desktop's whole picture, as it is after all that was taken so far. False where there is no room for it: it
   * keeps nobody waiting, and brings no quota nearer that is near. `bytes` are copied.
   */
  keyframe(channel: number, bytes: Uint8Array, width: number, height: number): boolean {
    if (this.#state !== 'open' || this.#isFull()) return false
    const ahead = this.#size + this.#outstanding + this.#frames.length + bytes.length
    if (ahead > this.#quota * keyframeShare) return false
    const at = Math.round(this.elapsed * 1e6)
    const mark = { kind: 'keyframe', bytes: bytes.length, width, height } as const
    // It begins a chunk, and with it a segment: a reader comes to it without reading what was before.
    this.#seal()
    this.#frames.add({ kind: 'mark', channel, mark: plainMark(mark), at })
    // INVARIANT: nothing of the channel comes between its parts.
    for (let from = 0; from < bytes.length; from += frameBytes) {
      const part = bytes.subarray(from, from + frameBytes)
      this.#frames.add({ kind: 'keyframe', channel, columns: width, rows: height, bytes: part, at })
      if (this.#frames.length >= chunkBytes) this.#seal()
    }
    this.#flushWhenDue()
    return true
  }

  /**
   * Has `follower` told of everything that is recorded from here on but input, which nobody is shown. `bytes` are
   * borrowed. It follows until disposed of.
   */
  follow(follower: Follower): Disposable {
    this.#followers.add(follower)
    if (this.#followers.size === 1 && this.#state === 'open')
      sealer.send({ op: 'follow', id: this.#id, on: true })
    return {
      [Symbol.dispose]: () => {
        if (!this.#followers.delete(follower) || this.#followers.size > 0 || this.#state !== 'open') return
        sealer.send({ op: 'follow', id: this.#id, on: false })
      },
    }
  }

  /**
   * The terminals of all channels after everything that was taken so far: what a follower is told from this call on
   * continues them. Undefined when the recording is over.
   */
  screens(): Promise<readonly ScreenNow[] | undefined> {
    if (this.#state !== 'open') return Promise.resolve(undefined)
    this.#seal()
    const request = this.#nextRequest++
    return new Promise((resolve) => {
      this.#requests.set(request, resolve)
      sealer.send({ op: 'screens', id: this.#id, request })
    })
  }

  /** Resolves when all that was taken so far is written; rejects when the recording failed. */
  async flush(): Promise<void> {
    this.#seal()
    while (this.#outstanding > 0 && this.#state !== 'failed') await this.#wait()
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Writes the signed end and makes it durable. Never throws: a recording that failed is reported `incomplete`. */
  async finish(reason: EndReason): Promise<FinishedRecording> {
    if (this.#finished !== undefined) return this.#finished
    if (this.#state === 'open') {
      this.#addAll(this.#input.closeAll(Math.round(this.elapsed * 1e6)))
      this.#seal()
      this.#state = 'finishing'
      sealer.send({ op: 'finish', id: this.#id, reason })
    }
    if (this.#state === 'failed') return { state: 'incomplete', sizeBytes: this.#size }
    return new Promise((resolve) => {
      const before = this.#onFinished
      const timer = setTimeout(
        () => this.#fail(new Fault('recording', 'the store did not take the end')),
        finishWithinMs,
      )
      this.#onFinished = (finished) => {
        clearTimeout(timer)
        before?.(finished)
        resolve(finished)
      }
    })
  }

  /** Finishes a recording that nobody finished: something went wrong around it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish('protocol error')
  }

  #wait(): Promise<void> {
    const waiting = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }))
    // A caller whose session ended meanwhile does not look any more: that must not end the process.
    waiting.catch(() => undefined)
    return waiting
  }

  #mark(frame: AppendedFrame & { readonly kind: 'mark' }, at: number): void {
    const mark = plainMark(frame.mark)
    if (mark.kind === 'open') {
      const isTerminal = mark.columns !== undefined && mark.rows !== undefined
      this.#hasTerminal ||= isTerminal
      // A desktop's keys are no text of the channel: without a rule of their own only their times are kept, or all.
      if (mark.type !== 'desktop') this.#input.open(frame.channel, isTerminal, mark.type === 'forward')
    } else if (mark.kind === 'close') this.#addAll(this.#input.close(frame.channel, at))
    this.#frames.add({ kind: 'mark', channel: frame.channel, mark, at })
  }

  #addAll(frames: readonly Frame[]): void {
    for (const frame of frames) this.#frames.add(frame)
  }

  #addBytes(kind: 'output' | 'stderr' | 'input', channel: number, bytes: Uint8Array, at: number): void {
    for (let from = 0; from < bytes.length; from += frameBytes) {
      const part = bytes.length <= frameBytes ? bytes : bytes.subarray(from, from + frameBytes)
      // The first frames of a flood grow the small buffer; from then on it comes from the pool.
      this.#frames.addBytes(kind, channel, at, part)
      if (this.#frames.length >= chunkBytes) this.#seal()
    }
  }

  #flushWhenDue(): void {
    if (this.#frames.length >= chunkBytes) this.#seal()
    else if (!this.#isDue && this.#frames.length > 0) {
      this.#isDue = true
      flushLater(() => {
        this.#isDue = false
        if (this.#state === 'open') this.#seal()
      })
    }
  }

  #seal(): void {
    if (this.#frames.length === 0 || this.#state === 'failed') return
    const isBulk = this.#frames.length >= chunkBytes
    const taken = isBulk
      ? this.#frames.take(sealer.bulkBuffer(chunkBytes + frameBytes + 4096))
      : this.#frames.takeCopy()
    if (this.#outstanding === 0) sealer.setWaiting(this.#id, true)
    this.#outstanding += taken.length
    this.#sent.push({ plain: taken.length, at: performance.now() })
    sealer.send({ op: 'chunk', id: this.#id, plain: taken })
  }

  #isFull(): boolean {
    const bound = this.#hasTerminal ? terminalBoundBytes : boundBytes
    return this.#isStalled || this.#outstanding + this.#frames.length > bound
  }

  #report(report: SealReport): void {
    switch (report.op) {
      case 'written':
        this.#size = report.size
        this.#outstanding -= report.plain
        this.#sentHead += 1
        if (this.#outstanding === 0) {
          this.#sent.length = 0
          this.#sentHead = 0
          sealer.setWaiting(this.#id, false)
        } else if (this.#sentHead > 256) {
          this.#sent.splice(0, this.#sentHead)
          this.#sentHead = 0
        }
        this.#isStalled = false
        this.#warnOfQuota()
        if (!this.#isFull() || this.#outstanding === 0) this.#release()
        return
      case 'checkpoint':
        this.#size = report.size
        this.#events.onCheckpoint?.({
          checkpoint: report.body,
          signature: report.signature,
          sizeBytes: report.size,
        })
        return
      case 'screens':
        this.#requests.get(report.request)?.(report.screens)
        this.#requests.delete(report.request)
        return
      case 'command': {
        const { channel, line } = report
        for (const follower of this.#followers)
          follower({ kind: 'mark', channel, mark: { kind: 'command', line } })
        return
      }
      case 'finished':
        this.#state = 'finished'
        this.#size = report.size
        this.#conclude({ state: 'complete', sizeBytes: report.size, root: report.root })
        return
      case 'failed':
        this.#fail(new Fault('recording', failureText(report.code)))
    }
  }

  #watch(now: number, heardAt: number, grace: number): void {
    const oldest = this.#sent[this.#sentHead]
    if (oldest === undefined) return
    if (grace > 0) for (const sent of this.#sent) sent.at += grace
    const lag = now - oldest.at
    // A thread that answers others is slow, and slows this session; a silent one hangs in a write.
    if (lag > failedAfterMs && now - heardAt > failedAfterMs) {
      sealer.send({ op: 'abandon', id: this.#id })
      this.#fail(new Fault('recording', 'the recording store does not answer'))
    } else this.#isStalled = lag > stalledAfterMs
  }

  #warnOfQuota(): void {
    if (this.#isWarned || this.#size < this.#quota * 0.9) return
    this.#isWarned = true
    this.#events.onQuotaWarning?.(this.#size, this.#quota)
  }

  #release(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const { resolve } of waiters) resolve()
  }

  #fail(fault: Fault): void {
    if (this.#state === 'failed' || this.#state === 'finished') return
    this.#state = 'failed'
    this.#fault = fault
    this.#outstanding = 0
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(fault)
    this.#conclude({ state: 'incomplete', sizeBytes: this.#size })
    this.#events.onFailed?.(fault)
  }

  #conclude(finished: FinishedRecording): void {
    this.#finished = finished
    for (const answer of this.#requests.values()) answer(undefined)
    this.#requests.clear()
    this.#followers.clear()
    sealer.remove(this.#id)
    this.#onFinished?.(finished)
  }
}

function failureText(code: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return 'the recording store is full'
  return `the recording store failed (${code})`
}
