import type { Action, EndReason } from '../../../vault/contract.ts'
import type { NoticeTopic } from '../../live/protocol.ts'
import type { AppendedFrame, Mark } from '../../recording/index.ts'
import { type BackChannel, openBackChannel, whyNotOpened } from './back-channel.ts'
import { ChangeDemand } from './change-demand.ts'
import type { ChannelLink } from './channel-link.ts'
import type { ChannelRequest } from './channel-request.ts'
import { Elevation } from './elevation.ts'
import type { FrontChannel, TerminalSize } from './front-channel.ts'
import { type Exit, roundTrip } from '../../../vault/ssh/library.ts'
import { Pump, type Step } from './relay.ts'
import { watchedBy } from '../../../vault/ssh/sentence.ts'
import type { BrokeredSession } from './session.ts'
import { SftpViolation } from './sftp-packets.ts'
import { changePassword } from '../../../vault/ssh/target-failure.ts'

/** Milliseconds that an exit status may come after the end of the output, before the end is passed on without it. */
const exitStatusMs = 2_000

/** Signals that a client may send to the program on the target (RFC 4254 §6.9). */
const signals = /^(?:SIG)?(ABRT|ALRM|FPE|HUP|ILL|INT|KILL|PIPE|QUIT|SEGV|TERM|USR1|USR2)$/

/** How long a channel may take to hand over its last bytes when its session ends. */
const lastBytesMs = 2_000

const ctrlC = 0x03
/** While frozen, how often typing is answered. */
const noticeEveryMs = 5_000

/** Who types in a session in place of its user. */
export type Hands = { readonly by: string }

/** One channel of a session: the user's end, the target's end, and the recording between them. */
export class RelayedChannel {
  readonly closed: Promise<void>
  readonly #session: BrokeredSession
  readonly #number: number
  readonly #front: FrontChannel
  readonly #request: ChannelRequest
  readonly #link: ChannelLink
  readonly #ways: readonly Action[] | undefined
  #back: BackChannel | undefined
  #pumps: Pump[] = []
  #output: Pump | undefined
  #input: Pump | undefined
  #isFrozen = false
  #dropped = 0
  #droppedNotice = ''
  #noticedAt = 0
  #heldSize: TerminalSize | undefined
  #elevation: Elevation | undefined
  /** Who types here in place of the user, what they sent and waits, and how to wait for it no more. */
  #hands: Hands | undefined
  #handed: Promise<void> = Promise.resolve()
  #handsLeft: () => void = () => undefined
  #isOver = false
  #hasFinished = false
  #hasSentEnd = false
  readonly #demand = new ChangeDemand()
  #outputsLeft = 2
  #isBackClosed = false
  #hasInputEnded = false
  #endOfOutput: NodeJS.Timeout | undefined
  #resolveClosed: () => void = () => undefined

  /** `link`: the connection that it is opened on. `ways`: in which files go, where fewer than the session may. */
  constructor(
    session: BrokeredSession,
    number: number,
    front: FrontChannel,
    request: ChannelRequest,
    link: ChannelLink,
    ways?: readonly Action[],
  ) {
    this.#session = session
    this.#link = link
    this.#ways = ways
    this.#number = number
    this.#front = front
    this.#request = request
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Did what ran on the target end by itself? */
  get hasFinished(): boolean {
    return this.#hasFinished
  }

  get hasTerminal(): boolean {
    return this.#request.terminal !== undefined
  }

  get number(): number {
    return this.#number
  }

  /** Opens the target's end and relays until either end closes. */
  async run(): Promise<void> {
    const request = this.#request
    const { terminal } = request
    await this.#mark({
      kind: 'open',
      type: request.kind === 'sftp' ? 'subsystem' : request.kind,
      ...(request.kind === 'exec' ? { command: request.command } : {}),
      ...(request.kind === 'sftp' ? { command: 'sftp' } : {}),
      ...(terminal === undefined ? {} : { term: terminal.term, columns: terminal.cols, rows: terminal.rows }),
    })
    // SECURITY: a channel is input too: nothing of it reaches the target until a supervisor is there.
    if (this.#session.isHeld) await this.#whenPresent()
    if (this.#isOver) return
    try {
      this.#back = await openBackChannel(this.#link.client, request, () => {
        void this.#session.end('protocol error', 'the target sent more than it was asked for')
      })
    } catch (error) {
      return this.#refuse(whyNotOpened(error, request.kind, this.#session))
    }
    const { channel: back } = this.#back
    if (this.#isOver) return back.close()
    this.#relay(back)
    if (this.hasTerminal) {
      const banner = this.#session.takeBanner()
      if (banner.length > 0) void this.#print(Buffer.from(`${banner.join('\r\n')}\r\n`))
      for (const text of this.#session.takeGreetings()) this.notify(text)
      const { watchers } = this.#session
      for (const name of watchers) this.notify(watchedBy(name), 'watch')
      if (watchers.length > 0) this.watchers(watchers)
    }
    // Frozen while the target opened it.
    if (this.#isFrozen) this.#input?.freeze(this.hasTerminal ? (length) => this.#drop(length) : undefined)
    if (this.#hands !== undefined) this.#lend()
    this.#front.listen({
      resize: (size) => {
        if (!this.hasTerminal || this.#isOver) return
        if (this.#isFrozen) this.#heldSize = size
        else this.#resize(size)
      },
      signal: (text) => {
        const name = signals.exec(text)?.[1]
        if (name === undefined || this.#isOver || this.#isFrozen) return false
        back.signal(name)
        return true
      },
      elevate: () => this.#elevate(),
      gone: () => this.#frontGone(),
    })
  }

  #relay(back: BackChannel['channel']): void {
    const front = this.#front
    const { transport: targetTransport } = this.#link
    const step =
      (kind: 'output' | 'stderr' | 'input') =>
      (bytes: Buffer): Step => ({
        accepted: this.#session.writer.append({ kind, channel: this.#number, bytes }),
        pass: [bytes],
      })
    const onFailed = (error: unknown) => {
      if (!(error instanceof SftpViolation)) return this.#session.recordingFailed(error)
      this.#session.denied(error.message)
      void this.cut(error.message)
    }
    const onOutputDone = () => {
      this.#outputsLeft -= 1
      if (this.#outputsLeft > 0) return
      if (this.#isBackClosed) return this.#finish()
      // A client with both ends at end of file closes at once, and would never hear the exit status that follows.
      this.#endOfOutput = setTimeout(() => {
        if (this.#isOver || this.#hasInputEnded) return
        this.#hasSentEnd = true
        front.sendEof()
      }, exitStatusMs)
    }
    const taps = this.#session.tap(this.#request, this.#number, this.#ways)
    this.#elevation = this.#makeElevation(back)
    this.#output = new Pump({
      from: back,
      to: front.output,
      transport: front.flow,
      step:
        taps === undefined
          ? this.#overheard(this.#watched(step('output')), 'output')
          : (bytes) => taps.fromTarget(bytes),
      onDone: onOutputDone,
      onFailed,
    })
    const errors: Pump = new Pump({
      from: back.stderr,
      to: front.errors,
      transport: front.flow,
      step: this.#overheard(step('stderr'), 'stderr'),
      onDone: onOutputDone,
      onFailed,
    })
    const input = new Pump({
      from: front.input,
      to: back,
      transport: targetTransport,
      step: taps === undefined ? this.#escaped(step('input')) : (bytes) => taps.fromUser(bytes),
      onDone: () => {
        this.#hasInputEnded = true
        back.end()
      },
      onFailed,
    })
    this.#input = input
    taps?.answerUser((bytes) => this.#output?.inject(bytes))
    this.#pumps = [this.#output, errors, input]
    back.on('close', () => {
      this.#isBackClosed = true
      if (this.#outputsLeft === 0) this.#finish()
    })
    this.#onOver = () => {
      taps?.finish()
      this.#elevation?.[Symbol.dispose]()
    }
  }

  /** What the user types `~e` for, where the account is elevated in some way. */
  #makeElevation(back: BackChannel['channel']): Elevation | undefined {
    const { terminal } = this.#request
    const { elevation } = this.#session.permit
    if (terminal === undefined || elevation === undefined) return undefined
    return new Elevation(elevation, terminal, {
      mayType: () => !this.#isFrozen,
      release: () => this.#session.releaseElevation(),
      roundTrip: () => roundTrip(this.#link.client),
      // ssh2 may keep the bytes until the window opens: wiped when they are gone.
      type: (bytes) => void back.write(bytes, () => bytes.fill(0)),
      print: (bytes) => void this.#print(bytes),
      typed: (kind) => this.#mark({ kind: 'policy', event: 'elevation typed', detail: kind }),
      event: (event, detail) => this.#session.event(event, detail),
      tell: (text) => this.notify(text),
    })
  }

  /** Notices where the machine only wants a new password. */
  #overheard(record: (bytes: Buffer) => Step, kind: 'output' | 'stderr'): (bytes: Buffer) => Step {
    const { permit } = this.#session
    const isShell = this.#request.kind === 'shell' && this.hasTerminal
    return (bytes) => {
      if (kind === 'output' && isShell && this.#demand.printed(bytes, permit.account.login))
        // What it printed is shown and recorded first.
        setImmediate(() => this.#session.demandsNewPassword())
      const step = record(bytes)
      // With the complaint itself: where the machine hangs up at once, nothing that comes later is passed on.
      return kind === 'stderr' && !this.hasTerminal && this.#demand.complained(bytes)
        ? { ...step, pass: [...step.pass, this.#complaint()] }
        : step
    }
  }

  /** It may come from a machine further on, to which the user's command went: nothing is ended. */
  #complaint(): Buffer {
    const { target, account, login } = this.#link.names
    this.#session.event('password change demanded', `of ${login}, in the answer to a command`)
    const text = `if it is ${target} that wants the password of ${login} changed, ${changePassword(account)}`
    return Buffer.from(`tagout: ${text}\n`)
  }

  /** While it is under way nothing further is read of the user, as where it is typed. */
  #elevate(): void {
    const elevation = this.#elevation
    if (elevation === undefined || this.#isOver) return
    this.#input?.during(() => elevation.press())
  }

  #watched(record: (bytes: Buffer) => Step): (bytes: Buffer) => Step {
    const elevation = this.#elevation
    if (elevation === undefined) return record
    return (bytes) => {
      const shown = elevation.fromTarget(bytes)
      return shown.length === 0 ? { accepted: undefined, pass: [] } : record(shown)
    }
  }

  /** While an elevation is under way nothing further is read of the user. */
  #escaped(record: (bytes: Buffer) => Step): (bytes: Buffer) => Step {
    const elevation = this.#elevation
    return (bytes) => {
      this.#demand.entered(bytes)
      if (elevation === undefined) return record(bytes)
      const { pass, isAct } = elevation.fromUser(bytes)
      if (isAct) return { accepted: elevation.act(), pass: [] }
      return pass.length === 0 ? { accepted: undefined, pass: [] } : record(pass)
    }
  }

  /** Output of the target that was held back: recorded, then relayed. */
  async #print(bytes: Buffer): Promise<void> {
    try {
      await this.#session.writer.append({ kind: 'output', channel: this.#number, bytes })
      this.#output?.inject(bytes)
    } catch (error) {
      this.#session.recordingFailed(error)
    }
  }

  #onOver: () => void = () => undefined

  /**
   * Holds what the user sends: keys typed into a terminal are dropped and counted, other input is not read any more.
   * The output goes on. Who types into a terminal reads `dropped`. INVARIANT: until `thaw` nothing of the user's reaches the
   * target, signals and sizes neither.
   */
  freeze(dropped: string): void {
    if (this.#isOver || this.#isFrozen) return
    this.#isFrozen = true
    this.#droppedNotice = dropped
    this.#dropped = 0
    this.#noticedAt = Number.NEGATIVE_INFINITY
    this.#input?.freeze(this.hasTerminal ? (length) => this.#drop(length) : undefined)
  }

  /** Lets the user's input go on, and gives the target the size that the terminal has come to. */
  thaw(): void {
    if (this.#isOver || !this.#isFrozen) return
    this.#isFrozen = false
    this.giveBack()
    if (this.#dropped > 0) {
      const detail = `${this.#dropped} bytes typed while frozen reached nothing`
      this.#append({
        kind: 'mark',
        channel: this.#number,
        mark: { kind: 'policy', event: 'input dropped', detail },
      })
    }
    const size = this.#heldSize
    this.#heldSize = undefined
    if (size !== undefined) this.#resize(size)
    this.#input?.thaw()
  }

  /**
   * Somebody else types into this terminal from here on, while its user's input is held: what the user typed and what
   * waited of it reaches nothing.
   */
  takeOver(hands: Hands): void {
    if (this.#isOver || !this.#isFrozen || !this.hasTerminal) return
    this.#hands = hands
    this.#lend()
  }

  /** They type no more. What they sent before and the recording has not taken yet is dropped. */
  giveBack(): void {
    if (this.#hands === undefined) return
    this.#hands = undefined
    this.#input?.takeBack()
  }

  #lend(): boolean {
    const dropped = this.#input?.lend()
    if (dropped !== undefined) this.#dropped += dropped
    return dropped !== undefined
  }

  /**
   * Types for whom the session was handed to, recorded first and in order; `taken` when it has gone on, or was dropped.
   * False where nothing can be typed here now.
   */
  typeFor(hands: Hands, bytes: Uint8Array, taken: () => void): boolean {
    const back = this.#back?.channel
    if (this.#isOver || back === undefined || this.#hands !== hands || !this.#lend()) {
      taken()
      return false
    }
    this.#demand.entered(Buffer.from(bytes))
    this.#handed = this.#handed.then(async () => {
      try {
        if (this.#hands !== hands) return
        await this.#session.writer.append({ kind: 'input', channel: this.#number, bytes })
        // INVARIANT: after `giveBack` nothing of theirs reaches the target.
        if (this.#hands !== hands || this.#isOver) return
        await new Promise<void>((resolve) => {
          this.#handsLeft = resolve
          back.write(bytes, () => resolve())
        })
      } catch (error) {
        this.#session.recordingFailed(error)
      } finally {
        taken()
      }
    })
    return true
  }

  #drop(length: number): void {
    this.#dropped += length
    const now = performance.now()
    if (now - this.#noticedAt < noticeEveryMs) return
    this.#noticedAt = now
    this.notify(this.#droppedNotice, 'freeze')
  }

  #resize(size: TerminalSize): void {
    this.#append({ kind: 'resize', channel: this.#number, columns: size.cols, rows: size.rows })
    this.#elevation?.resize(size.cols, size.rows)
    this.#back?.channel.setWindow(size.rows, size.cols, size.height, size.width)
  }

  /** The target's end is closed and everything of it delivered. */
  #finish(): void {
    if (this.#isOver) return
    this.#hasFinished = true
    if (this.hasTerminal && !this.#hasSentEnd) this.#askToCloseOut()
    this.#close(this.#back?.exit())
  }

  /** The last line of the last terminal: its pump is done, so that this goes past it. */
  #askToCloseOut(): void {
    const text = this.#session.closeOutNotice()
    if (text === undefined) return
    try {
      this.#front.notify(text, 'message', (bytes) => void this.#front.output.write(bytes, () => undefined))
    } catch {
      // The connection below is gone: the console asks.
    }
  }

  #frontGone(): void {
    if (this.#isOver) return
    const exit = this.#back?.exit()
    this.#hasFinished = exit !== undefined
    this.#close(exit)
  }

  #close(exit: Exit | undefined): void {
    this.#isOver = true
    this.#handsLeft()
    clearTimeout(this.#endOfOutput)
    this.#onOver()
    for (const pump of this.#pumps) pump.stop()
    this.#append({
      kind: 'mark',
      channel: this.#number,
      mark: {
        kind: 'close',
        ...(exit !== undefined && 'code' in exit ? { exitCode: exit.code } : {}),
        ...(exit !== undefined && 'signal' in exit ? { signal: exit.signal } : {}),
      },
    })
    try {
      this.#front.finish(exit)
      this.#back?.channel.close()
    } catch {
      // The connection below is gone: there is nobody to tell.
    }
    this.#resolveClosed()
  }

  /** Waits until nothing holds the user's input. What is typed into a terminal meanwhile is dropped; Ctrl+C gives up. */
  async #whenPresent(): Promise<void> {
    const { input } = this.#front
    const drop = () => {
      for (let bytes = input.read(); bytes !== null; bytes = input.read())
        if ((bytes as Buffer).includes(ctrlC) && !this.#isOver) this.#frontGone()
    }
    if (this.hasTerminal) input.on('readable', drop)
    await this.#session.present((text) => this.#tellWaiting(text))
    input.off('readable', drop)
    // Node settles in the next tick how a stream flows whose last listener of this kind went: not under a pump.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Says what is waited for before anything is relayed: to terminals, and beside the output of what has none. */
  #tellWaiting(text: string): void {
    const { output, errors } = this.#front
    if (this.hasTerminal)
      this.#front.notify(text, 'freeze', (bytes) => void output.write(bytes, () => undefined))
    else if (this.#request.kind === 'exec') errors.write(Buffer.from(`tagout: ${text}\n`), () => undefined)
  }

  /** Shows a sentence to the user, where they have a terminal. */
  notify(text: string, about?: NoticeTopic): void {
    if (!this.hasTerminal || this.#isOver) return
    this.#front.notify(text, about, (bytes) => this.#output?.inject(bytes))
  }

  /** Shows who watches now, where the user's terminal has a place for it. */
  watchers(names: readonly string[]): void {
    if (this.hasTerminal && !this.#isOver) this.#front.watchers?.(names)
  }

  /** Says when the session ends, where the user's terminal shows it. */
  ends(endsAt: string, secondsLeft: number): void {
    if (this.hasTerminal && !this.#isOver) this.#front.ends?.(endsAt, secondsLeft)
  }

  /** Ends the channel with a sentence for its user, and resolves when that is delivered or cannot be. */
  async cut(text: string | undefined, reason: EndReason = 'protocol error'): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#handsLeft()
    clearTimeout(this.#endOfOutput)
    this.#onOver()
    for (const pump of this.#pumps) pump.stop()
    try {
      this.#back?.channel.close()
    } catch {
      // Gone already.
    }
    await this.#front.tell(text, reason, lastBytesMs)
    this.#resolveClosed()
  }

  async #refuse(text: string): Promise<void> {
    await this.cut(text)
  }

  async #mark(mark: Mark): Promise<void> {
    await this.#session.writer.append({ kind: 'mark', channel: this.#number, mark })
  }

  #append(frame: AppendedFrame): void {
    try {
      this.#session.writer.append(frame)?.catch((error: unknown) => this.#session.recordingFailed(error))
    } catch (error) {
      this.#session.recordingFailed(error)
    }
  }
}
