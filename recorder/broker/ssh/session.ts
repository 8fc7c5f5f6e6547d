import type { Socket } from 'node:net'
import type { Client as SshClient } from 'ssh2'
import type { EndReason, Permit, VerbInput } from '../../../vault/contract.ts'
import { fromBase64 } from '../../../vault/kernel/encoding.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import type { AccountId, WatchId } from '../../../vault/kernel/id.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { whoText } from '../../../vault/kernel/who.ts'
import type { NoticeTopic } from '../../live/protocol.ts'
import type { Mark, RecordingWriter } from '../../recording/index.ts'
import { QuotaReached } from '../../recording/index.ts'
import { ChannelLink } from './channel-link.ts'
import type { ChannelRequest } from './channel-request.ts'
import { Denials } from './denials.ts'
import type { SessionBox } from './elevation-key.ts'
import { FileRoom } from './file-room.ts'
import { makeTap, type Tap } from './file-tap.ts'
import { ForwardedChannel, type ForwardRequest } from './forwarded-channel.ts'
import type { FrontChannel } from './front-channel.ts'
import { DesktopChannel } from '../desktop/desktop-channel.ts'
import type { DesktopFront } from '../desktop/desktop-front.ts'
import { DesktopFiles, type FilesFront } from '../desktop/desktop-files.ts'
import type { GuacdConnection } from '../desktop/guacd-connection.ts'
import type { ReleasedSecret } from '../desktop/type-in.ts'
import type { BrokerPorts, Limits } from './ports.ts'
import { RelayedChannel } from './relayed-channel.ts'
import { printable, watchedBy } from '../../../vault/ssh/sentence.ts'
import { startClock } from './session-clock.ts'
import { endSentences, type Freeze, minuteOf, whileFrozen } from './session-words.ts'
import { changePassword } from '../../../vault/ssh/target-failure.ts'
import type { Transport } from './transport.ts'

/** Milliseconds that a refusal has to reach its user. */
const refusalMs = 10_000

type SessionEvent = VerbInput<'session.event'>['event']

/** Somebody who watches this session, and whom it may be handed to. */
export type Seat = {
  readonly by: string
  /** Told whether what they type reaches the session. */
  readonly told: (may: boolean) => void
}

/** What a session is connected by: an SSH connection that is logged in, or a desktop. */
export type TargetLink =
  | { readonly kind: 'ssh'; readonly client: SshClient; readonly socket: Socket }
  | { readonly kind: 'desktop'; readonly desktop: GuacdConnection }

/** A channel into which a person types. */
type TypedChannel = RelayedChannel | DesktopChannel

function isTyped(channel: TypedChannel | ForwardedChannel): channel is TypedChannel {
  return !(channel instanceof ForwardedChannel)
}

/** One connection of a user to one target, by an SSH client or in the browser: the unit that is granted, recorded and ended. */
export class BrokeredSession {
  readonly permit: Permit
  readonly writer: RecordingWriter
  /** Resolves when the session is over and its recording closed. */
  readonly ended: Promise<void>
  readonly #ports: BrokerPorts
  readonly #link: TargetLink
  readonly #ssh: ChannelLink | undefined
  /** The files beside its desktop. */
  readonly #files: DesktopFiles
  readonly #channels = new Set<RelayedChannel | ForwardedChannel | DesktopChannel>()
  readonly #openedAt: number
  #endsAt: string
  #clock: Disposable
  readonly #fileRoom: FileRoom
  readonly #denials = new Denials('refused file requests', (detail) =>
    this.#writeEvent('refused channel', detail),
  )
  /** Events that a user can cause at will, over and over. */
  readonly #repeated = new Map<SessionEvent, Denials>()
  /** Sentences for the first terminal that opens. */
  #greetings: string[] = []
  /** What the machine said before it let the session in, for the first terminal that opens. */
  banner: readonly string[] = []
  /** Where further secrets come sealed to; only where it may be elevated, or have some typed in. */
  secretBox: SessionBox | undefined
  #nextChannel = 0
  /** Connections of a forwarding that are being opened. */
  #connecting = 0
  #said: Promise<unknown> = Promise.resolve()
  readonly #carried = { connections: 0, up: 0, down: 0 }
  /** Did what ran in the channel that closed last end by itself? */
  #hasFinished = false
  #isEnding = false
  #freeze: Freeze | null = null
  /** Those who watch, and the one of them who types in the user's place. */
  readonly #seats = new Map<WatchId, Seat>()
  #hands: { readonly watch: WatchId; readonly seat: Seat } | null = null
  /** Who waits for the freeze to change. */
  #waiting: (() => void)[] = []
  /** Who watches now, of those whom the user is told of: once for each window. */
  readonly #watchers: string[] = []
  #resolveEnded: () => void = () => undefined

  constructor(
    ports: BrokerPorts,
    limits: Limits,
    permit: Permit,
    writer: RecordingWriter,
    link: TargetLink,
    openedAt: number,
  ) {
    this.permit = permit
    this.#fileRoom = new FileRoom(permit)
    this.writer = writer
    this.#link = link
    this.#ports = ports
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    if (link.kind === 'ssh') {
      const silent = () => void this.end('target unreachable')
      this.#ssh = new ChannelLink(link.client, link.socket, permit, limits, ports.log, silent)
      link.client.on('close', () => void this.end('closed by the target'))
    } else link.desktop.socket.on('close', () => void this.end('closed by the target'))
    this.#files = new DesktopFiles({
      ask: ports.ask,
      log: ports.log,
      permit,
      limits,
      box: () => this.secretBox,
      held: () => (this.#freeze === null ? undefined : whileFrozen(this.#freeze)),
      isEnding: () => this.#isEnding,
      makeChannel: (front, channelLink, ways) => {
        const request = { kind: 'sftp', env: {}, terminal: undefined } as const
        return this.#keep(new RelayedChannel(this, this.#nextChannel, front, request, channelLink, ways))
      },
      refused: (detail) => this.event('files refused', detail),
    })
    this.#openedAt = openedAt
    this.#endsAt = permit.endsAt
    this.#clock = this.#startClock()
  }

  #startClock(from?: number): Disposable {
    const { startedAt, breakGlass } = this.permit
    const times = { startedAt, endsAt: this.#endsAt }
    const act = {
      warn: (text: string) => {
        this.notify(breakGlass === undefined ? `${text}. To ask for more time: My access` : text, 'time')
        this.event('time warning', text)
      },
      end: () => void this.end('time is up'),
    }
    return startClock(times, this.#openedAt, act, from)
  }

  /**
   * Moves its end, on the vault's word: what was said of the old one is taken back, and said anew of this one. Said
   * twice, it is done once.
   */
  extend(endsAt: string): void {
    if (this.#isEnding || endsAt === this.#endsAt) return
    const was = this.#endsAt
    this.#endsAt = endsAt
    this.#clock[Symbol.dispose]()
    this.#clock = this.#startClock(performance.now())
    this.notify(
      `more time was granted: this session ends at ${minuteOf(endsAt)}, and not at ${minuteOf(was)}`,
      'time',
    )
    const length = Date.parse(endsAt) - Date.parse(this.permit.startedAt)
    const left = Math.max(0, Math.round((this.#openedAt + length - performance.now()) / 1000))
    for (const channel of this.#channels) channel.ends(endsAt, left)
  }

  get isEnding(): boolean {
    return this.#isEnding
  }

  /** The connection to an SSH target. */
  get link(): ChannelLink {
    if (this.#ssh === undefined) throw new Fault('protocol', 'a desktop has no SSH connection')
    return this.#ssh
  }

  /** The desktop that the session shows; undefined for a session of SSH. */
  get desktop(): GuacdConnection | undefined {
    return this.#link.kind === 'desktop' ? this.#link.desktop : undefined
  }

  get liveChannels(): number {
    return this.#channels.size
  }

  /** Who watches now, of those whom the user is told of. */
  get watchers(): readonly string[] {
    // Somebody may watch in two windows.
    return [...new Set(this.#watchers)]
  }

  /** Opens what the user asked for on the target, and relays it. */
  async open(request: ChannelRequest, front: FrontChannel): Promise<void> {
    if (this.#freeze !== null && !this.#freeze.waits) {
      // SECURITY: a channel is input too: the command of an exec, the shell's start-up.
      return front.tell(whileFrozen(this.#freeze), 'terminated', refusalMs)
    }
    const channel = this.#keep(new RelayedChannel(this, this.#nextChannel, front, request, this.link))
    void channel.closed.then(() => {
      this.#hasFinished = channel.hasFinished
    })
    try {
      await channel.run()
    } catch (error) {
      this.recordingFailed(error)
    }
  }

  /** Shows the session's desktop to its user, until either is gone. */
  async show(front: DesktopFront): Promise<void> {
    const { desktop } = this
    const { desktops } = this.#ports
    if (desktop === undefined || desktops === undefined)
      throw new Fault('protocol', 'this session has no desktop')
    const channel = this.#keep(
      new DesktopChannel(this, this.#nextChannel, desktop, front, desktops, this.#ports.log),
    )
    try {
      if (this.#freeze !== null) channel.freeze(whileFrozen(this.#freeze))
      if (this.#hands !== null) channel.takeOver(this.#hands.seat)
      await channel.run()
    } catch (error) {
      this.recordingFailed(error)
    }
  }

  /** Opens the files beside the session's desktop for its user, until either end closes. */
  async openFiles(front: FilesFront): Promise<void> {
    try {
      await this.#files.open(front)
    } catch (error) {
      this.recordingFailed(error)
    }
  }

  /** Counts a channel among the session's until it is closed. */
  #keep<Kind extends RelayedChannel | DesktopChannel>(channel: Kind): Kind {
    this.#nextChannel += 1
    this.#channels.add(channel)
    void channel.closed.then(() => this.#channels.delete(channel))
    return channel
  }

  /** Does something hold the user's input now? */
  get isHeld(): boolean {
    return this.#freeze !== null
  }

  /** Resolves when nothing holds the user's input any more, or the session ends; says once what is waited for. */
  async present(tell: (text: string) => void): Promise<void> {
    if (this.#freeze !== null)
      tell(`this session ${printable(this.#freeze.reason)}. It begins then; Ctrl+C gives up`)
    while (this.#freeze !== null && !this.#isEnding)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Carries one connection to the session's destination beyond the target, and resolves when it is over. */
  async forward(request: ForwardRequest, frontTransport: Transport): Promise<void> {
    const rule = this.permit.forward
    // INVARIANT: a forwarding session goes where the vault allowed it to go, and a session of another kind nowhere.
    if (rule === undefined) throw new Fault('protocol', 'this session is not a forwarding')
    if (this.#freeze !== null) return request.reject(whileFrozen(this.#freeze))
    if (this.#channels.size + this.#connecting >= rule.connections) {
      const why = `more than ${rule.connections} connections at a time`
      this.event('forwarding refused', why)
      return request.reject(why)
    }
    this.#connecting += 1
    const hasRoom = await this.#sayConnections()
    this.#connecting -= 1
    if (this.#isEnding) return request.reject('this forwarding was ended: connect again')
    if (!hasRoom || this.#freeze !== null) {
      const why = `more than ${rule.connections} connections at a time, all sessions together`
      if (!hasRoom) this.event('forwarding refused', why)
      void this.#sayConnections()
      return request.reject(this.#freeze === null ? why : whileFrozen(this.#freeze))
    }
    const channel = new ForwardedChannel(this, this.#nextChannel, rule, request, frontTransport)
    this.#nextChannel += 1
    this.#channels.add(channel)
    try {
      await channel.run()
    } catch (error) {
      this.recordingFailed(error)
    }
    await channel.closed
    this.#channels.delete(channel)
    this.#hasFinished = true
    void this.#sayConnections()
  }

  /**
   * Tells the vault how many connections this forwarding has, those that are being opened too: false where its grant has
   * no more of them. One word after the other, so that the last is the one that holds. A vault that is away is told at
   * the next change; until then the session's own bound holds.
   */
  #sayConnections(): Promise<boolean> {
    const said = this.#said.then(async () => {
      if (this.#isEnding) return false
      const open = this.#channels.size + this.#connecting
      const answer = await this.#ports
        .ask('session.forwarding', { session: this.permit.session, open })
        .catch(() => undefined)
      return answer === undefined || answer.ok || answer.refusal.code === 'unavailable'
    })
    this.#said = said
    return said
  }

  /** Counts what a forwarding carries, and ends a session that has carried all that it may. */
  carried(direction: 'up' | 'down', bytes: number): void {
    this.#carried[direction] += bytes
    const most = this.permit.forward?.megabytes ?? null
    if (most !== null && this.#carried.up + this.#carried.down > most * 1e6)
      void this.end('quota reached', `this forwarding ends: it has carried its ${most} MB`)
  }

  countConnection(): void {
    this.#carried.connections += 1
  }

  /** The watcher of a file transfer channel, where the request is one. */
  tap(request: ChannelRequest, channel: number, ways = this.permit.actions): Tap | undefined {
    return makeTap(request, {
      mayWrite: ways.includes('sftp-write'),
      mayRead: ways.includes('sftp-read'),
      room: this.#fileRoom,
      mark: (mark) => {
        this.writer.append({ kind: 'mark', channel, mark })?.catch((error) => this.recordingFailed(error))
      },
      file: (file) => void this.#tellVault('session.file', { session: this.permit.session, ...file }),
      refused: (detail) => this.denied(detail),
      record: (kind, bytes) => this.writer.append({ kind, channel, bytes }),
    })
  }

  /** Has a sentence shown in the first terminal that opens, as soon as it does. */
  greet(text: string): void {
    this.#greetings.push(text)
  }

  /** What the user reads in the last terminal that ends, where they are asked what they did. */
  closeOutNotice(): string | undefined {
    const { closeOut } = this.permit
    if (closeOut === undefined || this.#channels.size > 1) return undefined
    const text = `say what you did, ${closeOut === 'required' ? 'before you connect there again' : 'please'}: in the console, under Close-outs`
    this.#mark({ kind: 'warning', text })
    return text
  }

  /** What the terminal that opens now has to show. */
  takeGreetings(): readonly string[] {
    const texts = this.#greetings.splice(0)
    for (const text of texts) this.#mark({ kind: 'warning', text })
    return texts
  }

  /** The lines of the machine's banner that the terminal that opens now has to show. */
  takeBanner(): readonly string[] {
    const lines = this.banner
    this.banner = []
    return lines
  }

  /** The machine lets nobody work before the password is changed. Nothing is typed; the session ends. */
  demandsNewPassword(): void {
    const { target, account } = this.permit
    this.event('password change demanded', `of ${account.login}, in place of the shell`)
    void this.end(
      'target refused the credential',
      `${target.name} wants the password of ${account.login} changed before anybody works, so this session ends and ` +
        `nothing was typed: ${changePassword(account.name)}`,
    )
  }

  /** Shows a sentence in the session's terminals, and marks it. */
  notify(text: string, about?: NoticeTopic): void {
    for (const channel of this.#channels) channel.notify(text, about)
    this.#mark({ kind: 'warning', text })
  }

  /**
   * Holds all that the user sends, or lets it go on. Said twice, it is done once. Whatever becomes of the vault, what is
   * held stays held until it is said otherwise or the session ends. `hands` types in their place while it is held.
   */
  setFrozen(frozen: boolean, order: Freeze, hands: WatchId | null = null): void {
    if (this.#isEnding) return
    // SECURITY: hands go before anything goes on, and come once everything is held.
    if (this.#hands !== null && (!frozen || this.#hands.watch !== hands)) this.#takeHands()
    this.#setFrozen(frozen, order)
    if (frozen && hands !== null) this.#giveHands(hands)
  }

  #setFrozen(frozen: boolean, order: Freeze): void {
    const before = this.#freeze
    if (frozen === (before !== null) && (!frozen || before?.waits === order.waits)) {
      if (frozen) this.#freeze = order
      return
    }
    const by = printable(order.by)
    const reason = printable(order.reason)
    const whoAndWhy = order.waits
      ? reason
      : `is frozen by ${whoText(by)}${reason === '' ? '' : `: ${reason}`}`
    if (frozen) {
      this.#freeze = order
      for (const channel of this.#channels)
        channel.freeze(`this session ${whoAndWhy}. What you type is dropped`)
    }
    this.#mark({ kind: 'freeze', by, frozen, ...(frozen && reason !== '' ? { reason } : {}) })
    const goesOn = before?.waits === true ? `${by} supervises it` : `unfrozen by ${whoText(by)}`
    const sentence = frozen
      ? `${order.waits ? `this session ${whoAndWhy}` : whoAndWhy.slice('is '.length)}. What you type is dropped until it goes on`
      : `this session goes on, ${goesOn}: look at the screen before you type`
    for (const channel of this.#channels) channel.notify(sentence, 'freeze')
    if (!frozen) {
      this.#freeze = null
      for (const channel of this.#channels) channel.thaw()
      this.#wake()
    }
  }

  /** Somebody watches who may be given the user's place; `leave` takes their seat, and what they type with it. */
  seat(watch: WatchId, seat: Seat): { readonly leave: () => void } {
    this.#seats.set(watch, seat)
    return {
      leave: () => {
        this.#seats.delete(watch)
        if (this.#hands?.watch === watch) this.#takeHands()
      },
    }
  }

  /** Types what a watcher sent into a terminal, where the session was handed to them. False: it reached nothing. */
  typeFor(watch: WatchId, channel: number, bytes: Uint8Array, taken: () => void): boolean {
    const found = [...this.#channels].find(
      (one): one is TypedChannel => isTyped(one) && one.number === channel,
    )
    if (this.#isEnding || this.#hands?.watch !== watch || found === undefined) {
      taken()
      return false
    }
    return found.typeFor(this.#hands.seat, bytes, taken)
  }

  #giveHands(watch: WatchId): void {
    const seat = this.#seats.get(watch)
    if (this.#hands !== null || seat === undefined) return
    this.#hands = { watch, seat }
    const by = printable(seat.by)
    this.#mark({ kind: 'take', by, taken: true })
    const [, reason] = /^taken over: (.+)$/su.exec(printable(this.#freeze?.reason ?? '')) ?? []
    const why = reason === undefined ? '' : ` (${reason})`
    for (const channel of this.#channels) {
      if (isTyped(channel)) channel.takeOver(seat)
      channel.notify(
        `${whoText(by)} has taken this session over${why}: what appears is typed by them. What you type is dropped`,
        'freeze',
      )
    }
    seat.told(true)
  }

  /** INVARIANT: the user's input stays held: whoever had the session leaves it frozen, never with its user. */
  #takeHands(): void {
    const hands = this.#hands
    if (hands === null) return
    this.#hands = null
    const by = printable(hands.seat.by)
    for (const channel of this.#channels) {
      if (isTyped(channel)) channel.giveBack()
      channel.notify(
        `${whoText(by)} types in this session no more. What you type is dropped until it goes on`,
        'freeze',
      )
    }
    this.#mark({ kind: 'take', by, taken: false })
    hands.seat.told(false)
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Shows a line of somebody's in the session's terminals, and marks it. Answers in how many. */
  message(by: string, text: string): number {
    if (this.#isEnding) return 0
    this.#mark({ kind: 'message', by: printable(by), text: printable(text) })
    const shown = [...this.#channels].filter((channel) => channel.hasTerminal)
    for (const channel of shown)
      channel.notify(`message from ${whoText(printable(by))}: ${printable(text)}`, 'message')
    return shown.length
  }

  /** Somebody begins or ends to watch: marked always, and told to the user where that is the safe's way. */
  watched(by: string, watching: boolean, notice: boolean): void {
    if (this.#isEnding) return
    const name = printable(by)
    this.#mark({ kind: 'watch', by: name, watching })
    if (!notice) return
    const at = this.#watchers.indexOf(name)
    if (watching) this.#watchers.push(name)
    else if (at >= 0) this.#watchers.splice(at, 1)
    for (const channel of this.#channels) {
      channel.notify(
        watching ? watchedBy(name) : `this session is no longer watched by ${whoText(name)}`,
        'watch',
      )
      channel.watchers(this.watchers)
    }
  }

  /** A file request that was refused, or a channel that was ended for one; a flood of them is counted. */
  denied(detail: string): void {
    this.#denials.add(detail)
  }

  /** The secret for one elevation. The caller owns it. */
  async releaseElevation(): Promise<Outcome<Secret>> {
    const box = this.secretBox
    if (box === undefined || this.#isEnding)
      return refuse('conflict', 'this session cannot be elevated', 'connect again')
    const released = await this.#ports.ask('session.elevate', { session: this.permit.session })
    return released.ok ? done(box.open(fromBase64(released.value.sealed))) : released
  }

  /** The secret of a linked account, to be typed into its desktop. The caller owns it. */
  async releaseTypeIn(account: AccountId): Promise<Outcome<ReleasedSecret>> {
    const box = this.secretBox
    if (box === undefined || this.#isEnding)
      return refuse(
        'conflict',
        'no secret is linked to this desktop for you',
        'ask for a grant that allows type-in',
      )
    const released = await this.#ports.ask('session.type-in', { session: this.permit.session, account })
    if (!released.ok) return released
    return done({ name: printable(released.value.name), secret: box.open(fromBase64(released.value.sealed)) })
  }

  /** A text went over the desktop's clipboard: into the audit log. */
  clipboard(text: Omit<VerbInput<'session.clipboard'>, 'session'>): void {
    void this.#tellVault('session.clipboard', { session: this.permit.session, ...text })
  }

  /** Something refused or odd: into the recording and the audit log. What is repeated without end is counted. */
  event(event: SessionEvent, detail: string): void {
    let repeated = this.#repeated.get(event)
    if (repeated === undefined) {
      repeated = new Denials(event, (text) => this.#writeEvent(event, text))
      this.#repeated.set(event, repeated)
    }
    repeated.add(detail)
  }

  #writeEvent(event: SessionEvent, detail: string): void {
    this.#mark({ kind: 'policy', event, detail })
    void this.#tellVault('session.event', {
      session: this.permit.session,
      event,
      detail: detail.slice(0, 500),
    })
  }

  /** The recording could not take something: nothing more is relayed. */
  recordingFailed(error: unknown): void {
    if (error instanceof QuotaReached) return void this.end('quota reached')
    const isRecording = error instanceof Fault && error.code === 'recording'
    if (!this.#isEnding && !isRecording)
      this.#ports.log('a session ends with a fault', { session: this.permit.session, error: String(error) })
    void this.end(isRecording ? 'recording failed' : 'protocol error')
  }

  /** The user's connection is gone: because there was nothing left to do, or under what still ran. */
  leave(): Promise<void> {
    return this.end(this.#channels.size === 0 && this.#hasFinished ? 'finished' : 'closed by the user')
  }

  /** Ends the session: its channels are told why, the recording is closed, the vault is told. Once. */
  async end(reason: EndReason, message?: string): Promise<void> {
    if (this.#isEnding) return this.ended
    this.#isEnding = true
    this.#wake()
    this.#clock[Symbol.dispose]()
    this.secretBox?.[Symbol.dispose]()
    this.secretBox = undefined
    // SECURITY: the reason is a person's words, and goes to a terminal.
    const sentence = message === undefined ? endSentences[reason] : printable(message)
    if (sentence !== undefined) this.#mark({ kind: 'warning', text: sentence })
    await Promise.all([...this.#channels].map((channel) => channel.cut(sentence, reason)))
    this.#denials.finish()
    for (const repeated of this.#repeated.values()) repeated.finish()
    this.#files[Symbol.dispose]()
    this.#ssh?.[Symbol.dispose]()
    if (this.#link.kind === 'desktop') this.#link.desktop.close()
    const finished = await this.writer.finish(reason)
    if (this.permit.forward !== undefined)
      await this.#tellVault('session.forwarded', {
        session: this.permit.session,
        connections: this.#carried.connections,
        bytesUp: this.#carried.up,
        bytesDown: this.#carried.down,
      })
    if (this.#link.kind === 'ssh') this.#link.client.destroy()
    await this.#ports.reportEnd(this.permit.recording, {
      session: this.permit.session,
      reason,
      recording: {
        state: finished.state,
        sizeBytes: finished.sizeBytes,
        ...(finished.root === undefined ? {} : { root: Buffer.from(finished.root).toString('base64') }),
      },
    })
    this.#resolveEnded()
  }

  #mark(mark: Mark): void {
    try {
      // As below: the writer tells the session of the first thing that it cannot write (`onFailed`).
      this.writer.append({ kind: 'mark', channel: -1, mark })?.catch(() => undefined)
    } catch {
      // The recording failed or is full; its own events end the session.
    }
  }

  async #tellVault<Name extends 'session.file' | 'session.clipboard' | 'session.event' | 'session.forwarded'>(
    verb: Name,
    input: VerbInput<Name>,
  ): Promise<void> {
    // Away or not, the recording has it too.
    await this.#ports.ask(verb, input).catch((error: unknown) => {
      this.#ports.log('the vault did not take an event', { verb, error: String(error) })
    })
  }
}
