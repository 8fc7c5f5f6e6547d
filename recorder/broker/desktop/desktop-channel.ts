import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { EndReason } from '../../../vault/contract.ts'
import type { AccountId } from '../../../vault/kernel/id.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { NoticeTopic } from '../../live/protocol.ts'
import type { AppendedFrame, Mark } from '../../recording/index.ts'
import type { BrokerPorts } from '../ssh/ports.ts'
import type { Hands } from '../ssh/relayed-channel.ts'
import { watchedBy } from '../../../vault/ssh/sentence.ts'
import type { BrokeredSession } from '../ssh/session.ts'
import { DesktopClipboard } from './desktop-clipboard.ts'
import { DesktopDrawing } from './desktop-drawing.ts'
import { endOf } from './desktop-end.ts'
import type { DesktopFront } from './desktop-front.ts'
import { mayCarry } from './desktop-login.ts'
import { ShownFilter, type Used, understand } from './desktop-policy.ts'
import { GuacdConnection } from './guacd-connection.ts'
import { DesktopMarks } from './desktop-marks.ts'
import { DesktopRoom } from './desktop-room.ts'
import { encodeInstruction, type Instruction, InstructionParser } from './instruction.ts'
import { DesktopKeyframes } from './keyframes.ts'
import { type Lite, openLite } from './lite.ts'
import { DesktopMask } from './mask/desktop-mask.ts'
import type { Tap } from './tap.ts'
import { DesktopTypeIn } from './type-in.ts'

/** Bytes that an end has not read, above which it is sent no text and no answer. */
const mostUnread = 512 * 1024
/** While frozen, how often input is answered. */
const noticeEveryMs = 5_000
/** Milliseconds for guacd to show a running connection. */
const joinWithin = 10_000

/**
 * A desktop between guacd and its user: recorded, filtered both ways, held while it is frozen.
 *
 * INVARIANT: no instruction reaches the browser that the recording has not accepted. A recording that is slow, or a
 * browser, keeps guacd waiting; nothing is kept here without bound.
 */
export class DesktopChannel {
  readonly closed: Promise<void>
  readonly hasFinished = false
  readonly hasTerminal = true
  readonly #session: BrokeredSession
  readonly #number: number
  readonly #desktop: GuacdConnection
  readonly #front: DesktopFront
  readonly #tap: Tap
  readonly #keyframes: DesktopKeyframes
  readonly #typeIn: DesktopTypeIn
  readonly #clipboard: DesktopClipboard
  /** Where a region of the screen is not recorded. */
  readonly #mask: DesktopMask | undefined
  readonly #marks: DesktopMarks
  readonly #room: DesktopRoom
  readonly #drawing: DesktopDrawing
  readonly #fromUser = new InstructionParser()
  readonly #pressed = new Set<number>()
  #mouse = { x: 0, y: 0, mask: 0 }
  #lite: Lite | undefined
  #socket: Socket | undefined
  #frozen: string | undefined
  /** Who uses it in its user's place, and what of theirs has gone on. */
  #hands: Hands | undefined
  #fromHands = new InstructionParser()
  #handed: Promise<void> = Promise.resolve()
  #noticedAt = 0
  /** guacd's clock at its last frame, and ours then. */
  #frame = { at: 0, heard: 0 }
  #isOver = false
  #resolveClosed: () => void = () => undefined

  constructor(
    session: BrokeredSession,
    number: number,
    desktop: GuacdConnection,
    front: DesktopFront,
    { guacd, tap }: NonNullable<BrokerPorts['desktops']>,
    log: BrokerPorts['log'],
  ) {
    this.#session = session
    this.#number = number
    this.#desktop = desktop
    this.#front = front
    this.#tap = tap
    const { mask } = session.permit.target
    this.#mask =
      mask === undefined
        ? undefined
        : new DesktopMask(mask, (detail) => {
            this.#mark({ kind: 'policy', event: 'masked', detail }).catch((error: unknown) =>
              session.recordingFailed(error),
            )
          })
    this.#keyframes = new DesktopKeyframes({
      join: () => GuacdConnection.begin(guacd, { kind: 'join', id: desktop.id }, joinWithin),
      keep: (bytes, width, height) =>
        session.writer.keyframe(number, this.#mask?.whole(bytes) ?? bytes, width, height),
      failed: (error) =>
        log('a desktop gave no keyframe: its recording is whole, and slower to look through', {
          session: session.permit.session,
          why: error instanceof Error ? error.message : String(error),
        }),
      now: () => performance.now(),
    })
    this.#room = new DesktopRoom((bytes) => desktop.write(bytes))
    this.#drawing = new DesktopDrawing({
      pause: () => this.#lite?.pause(),
      resume: () => this.#lite?.resume(),
      stalled: (text) => void session.end('closed by the user', text),
    })
    this.#marks = new DesktopMarks({
      mark: (mark) => this.#note(mark),
      now: () => performance.now(),
    })
    this.#typeIn = new DesktopTypeIn({
      mayType: () => !this.#isOver && this.#frozen === undefined,
      release: (account) => session.releaseTypeIn(account),
      letGo: () => this.#letGo(),
      write: (bytes) => desktop.write(bytes),
      typed: (detail) => this.#mark({ kind: 'policy', event: 'typed in', detail }),
      event: (event, detail) => session.event(event, detail),
      tell: (text) => this.notify(text, 'type-in'),
    })
    this.#clipboard = new DesktopClipboard({
      may: (way) => !this.#isOver && this.#frozen === undefined && mayCarry(session.permit.actions, way),
      mark: (mark) => this.#mark(mark),
      tell: (text) => session.clipboard(text),
      refused: (detail) => session.event('clipboard refused', detail),
      toMachine: (bytes) => desktop.write(bytes),
      toUser: (bytes) => {
        if (!this.#isOver) this.#socket?.write(bytes)
      },
      reads: (whom) => {
        const socket = whom === 'user' ? this.#socket : desktop.socket
        return socket !== undefined && socket.writableLength < mostUnread
      },
      ready: () => this.#drawing.done(),
      failed: (error) => session.recordingFailed(error),
      keepsText: session.permit.inputPolicy === 'full',
      now: () => performance.now(),
    })
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get number(): number {
    return this.#number
  }

  /** Relays until either end is gone. Rejects when the recording failed. */
  async run(): Promise<void> {
    await this.#mark({ kind: 'open', type: 'desktop' })
    this.#mask?.begin()
    const { ticket, brought } = this.#tap.offer()
    this.#lite = openLite(this.#tap.path, ticket, {
      send: (bytes) => this.#show(bytes),
      closed: () => this.#userGone(),
    })
    const socket = await brought
    this.#socket = socket
    if (this.#isOver) return void socket.destroy()
    const greetings = this.#session.takeGreetings()
    for (const text of greetings) this.#front.notify(text, undefined)
    const { watchers } = this.#session
    for (const name of watchers) this.#front.notify(watchedBy(name), 'watch')
    if (watchers.length > 0) this.#front.watchers(watchers)
    this.#front.listen({
      bytes: (bytes) => this.#hear(bytes),
      gone: () => this.#userGone(),
      typeIn: (account, withEnter) => this.#typeLinked(account, withEnter),
    })
    await Promise.all([this.#relayDown(socket), this.#relayUp(socket)])
  }

  async #relayDown(socket: Socket): Promise<void> {
    const filter = new ShownFilter()
    try {
      for await (const instructions of this.#desktop.instructions()) {
        if (this.#isOver) return
        const shown: Instruction[] = []
        for (const one of instructions) {
          if (one.opcode === 'error' || one.opcode === 'disconnect') {
            await this.#pass(shown, filter.isWhole, socket)
            return void this.#ended(one)
          }
          if (this.#clipboard.fromMachine(one, (stream) => filter.has(stream))) continue
          if (filter.passes(one)) shown.push(one)
          if (one.opcode === 'sync') this.#frame = { at: Number(one.args[0]) || 0, heard: performance.now() }
        }
        await this.#pass(shown, filter.isWhole, socket)
      }
      if (!this.#isOver) void this.#ended(undefined)
    } catch (error) {
      if (this.#isOver) return
      // What guacd says is no instruction, or it is gone; a fault of the recording is the session's to tell.
      if (error instanceof Fault && error.code !== 'protocol') throw error
      await (error instanceof Fault ? this.#session.end('protocol error') : this.#ended(undefined))
    }
  }

  #ended(last: Instruction | undefined): Promise<void> {
    const { reason, text } = endOf(last)
    return this.#session.end(reason, text)
  }

  async #pass(passing: readonly Instruction[], isWhole: boolean, socket: Socket): Promise<void> {
    // INVARIANT: of what a mask holds back nothing is shown before its recorded form is in the recording.
    const { shown, masked } = this.#mask?.take(passing) ?? { shown: passing, masked: undefined }
    const kept = shown.filter(({ opcode }) => opcode !== 'nop')
    if (kept.length > 0) {
      this.#marks.shown(kept)
      this.#room.shown(kept)
      const recorded = this.#record(masked ?? Buffer.concat(kept.map(({ bytes }) => bytes)))
      // INVARIANT: told with nothing between: a keyframe stands where it is what was drawn before it.
      if (!this.#isOver) this.#keyframes.passed(kept, isWhole)
      await recorded
    }
    if (shown.length === 0 || socket.destroyed || this.#isOver) return
    if (!socket.write(Buffer.concat(shown.map(({ bytes }) => bytes))))
      await Promise.race([once(socket, 'drain'), this.closed])
  }

  async #relayUp(socket: Socket): Promise<void> {
    const parser = new InstructionParser()
    try {
      for await (const chunk of socket as AsyncIterable<Uint8Array>)
        for (const instruction of parser.push(chunk)) {
          if (this.#isOver) return
          await this.#use(instruction)
          this.#front.taken(instruction.bytes.length)
        }
    } catch (error) {
      if (this.#isOver) return
      if (error instanceof Fault && error.code === 'recording') throw error
      await this.#session.end('protocol error')
    }
  }

  async #use(instruction: Instruction): Promise<void> {
    const understood = understand(instruction)
    if (understood === undefined) {
      // SECURITY: nobody works unseen: while a browser keeps the picture waiting, what it pastes waits, as its keys do.
      await this.#drawing.done()
      if (this.#isOver || (await this.#clipboard.fromUser(instruction))) return
      return this.#session.event('refused channel', `of the desktop: ${instruction.opcode.slice(0, 40)}`)
    }
    const { is, bytes } = understood
    if (is.kind === 'leave') return void this.#session.end('closed by the user')
    if (is.kind === 'flow') return this.#desktop.write(bytes)
    if (is.kind === 'room') {
      // It changes what is on the machine's screen: only who uses it has it changed.
      if (this.#mask?.leavesEnough(is.width, is.height) === false)
        return this.notify('the screen keeps its size: of a smaller one too little would be recorded')
      if (this.#mayPass(instruction)) this.#room.ask(is.width, is.height, bytes)
      return
    }
    // SECURITY: nobody works unseen: while a browser keeps the picture waiting, its keys wait too.
    await this.#drawing.done()
    await this.#press(is, bytes, () => this.#mayPass(instruction))
  }

  /** A key or the mouse: recorded, then done, if it still may be: a freeze can have come meanwhile. */
  async #press(
    is: Extract<Used, { kind: 'key' | 'mouse' }>,
    bytes: Buffer,
    may: () => boolean,
  ): Promise<void> {
    if (!may()) return
    const at = this.#frame.at + Math.round(performance.now() - this.#frame.heard)
    if (is.kind === 'mouse') {
      // SECURITY: where somebody points in a masked keypad spells what they enter.
      if (this.#mask?.hides(is.x, is.y) !== true)
        await this.#record(encodeInstruction('mouse', ...[is.x, is.y, is.mask, at].map(String)))
    }
    // SECURITY: keys spell passwords: what they did is on the screen. Only a safe that keeps all input keeps them.
    else if (this.#session.permit.inputPolicy === 'full')
      await this.#record(encodeInstruction('key', ...[is.keysym, Number(is.pressed), at].map(String)))
    // That one was pressed, and whether it was Enter.
    else if (is.pressed) await this.#session.writer.append(oneKey(this.#number, enter.includes(is.keysym)))
    if (this.#isOver || !may()) return
    this.#marks.happened()
    if (is.kind === 'mouse') this.#mouse = is
    else if (is.pressed) this.#pressed.add(is.keysym)
    else this.#pressed.delete(is.keysym)
    this.#desktop.write(bytes)
  }

  /** What the browser sent. SECURITY: nothing that is no instruction comes to guacamole-lite. */
  #hear(bytes: Uint8Array): void {
    if (this.#isOver) return
    try {
      const whole = this.#fromUser.push(bytes)
      const passing = whole.filter((one) => this.#mayPass(one))
      if (passing.length > 0) this.#lite?.hear(Buffer.concat(passing.map((one) => one.bytes)))
      // What passes is taken when it is done: a browser that sends faster waits.
      const dropped = lengthOf(whole) - lengthOf(passing)
      if (dropped > 0) this.#front.taken(dropped)
    } catch {
      void this.#session.end('protocol error')
    }
  }

  /** Whether input may go on now. Asked when it comes, so that what was sent while frozen never arrives later. */
  #mayPass(instruction: Instruction): boolean {
    const { opcode } = instruction
    if (opcode === 'clipboard' || opcode === 'blob' || opcode === 'end') {
      if (this.#frozen === undefined) return true
      this.#clipboard.whileHeld(instruction)
      return false
    }
    if (opcode !== 'key' && opcode !== 'mouse' && opcode !== 'size') return true
    // SECURITY: dropped here, whatever guacd was told of a look only.
    if (!this.#session.permit.actions.includes('interact')) return false
    if (this.#frozen !== undefined && opcode !== 'size') this.#sayFrozen(this.#frozen)
    // A key of theirs among those of a secret would make another one of it.
    return this.#frozen === undefined && (opcode === 'size' || !this.#typeIn.isTyping)
  }

  /** Types a linked secret: not while somebody holds the user's input, nor unseen. */
  #typeLinked(account: AccountId, withEnter: boolean): void {
    if (this.#isOver) return
    const { typeIns = [], actions } = this.#session.permit
    if (!actions.includes('interact') || !typeIns.some((one) => one.account === account)) {
      this.#session.event('type-in refused', 'of an account that is not linked for them')
      return this.notify('no such secret is linked to this desktop for you', 'type-in')
    }
    if (this.#frozen !== undefined) return this.notify(this.#frozen, 'freeze')
    this.#drawing
      .done()
      .then(() => this.#typeIn.type(account, withEnter))
      .catch((error: unknown) => this.#session.recordingFailed(error))
  }

  #show(bytes: Buffer): void {
    if (!this.#isOver) this.#front.show(bytes, this.#drawing.sent(bytes.length))
  }

  #sayFrozen(text: string): void {
    if (performance.now() - this.#noticedAt < noticeEveryMs) return
    this.#noticedAt = performance.now()
    this.notify(text, 'freeze')
  }

  /** Drops keys and mouse until `thaw`. What is pressed is let go: nothing stays down on the machine meanwhile. */
  freeze(text: string): void {
    this.#frozen = text
    this.#room[Symbol.dispose]()
    this.#letGo()
    this.#clipboard.hold()
  }

  #letGo(): void {
    for (const keysym of this.#pressed) this.#desktop.write(encodeInstruction('key', String(keysym), '0'))
    this.#pressed.clear()
    const { x, y, mask } = this.#mouse
    if (mask !== 0) this.#desktop.write(encodeInstruction('mouse', String(x), String(y), '0'))
    this.#mouse = { x, y, mask: 0 }
  }

  thaw(): void {
    this.giveBack()
    this.#frozen = undefined
  }

  /** Somebody else uses the desktop from here on, while its user's input is held. */
  takeOver(hands: Hands): void {
    if (this.#isOver || this.#frozen === undefined) return
    this.#hands = hands
    this.#fromHands = new InstructionParser()
  }

  /** They use it no more: what they sent and the recording has not taken yet is dropped, what they press is let go. */
  giveBack(): void {
    if (this.#hands === undefined) return
    this.#hands = undefined
    this.#letGo()
  }

  /**
   * Does what who has the session sent, in order and recorded first; `taken` when it is done, or was dropped. False where
   * they can do nothing here now.
   */
  typeFor(hands: Hands, bytes: Uint8Array, taken: () => void): boolean {
    // SECURITY: whoever takes a session over that only looks, only looks.
    if (this.#isOver || this.#hands !== hands || !this.#session.permit.actions.includes('interact')) {
      taken()
      return false
    }
    this.#handed = this.#handed.then(async () => {
      try {
        // INVARIANT: after `giveBack` nothing of theirs reaches the target.
        const has = () => this.#hands === hands && !this.#isOver
        for (const instruction of has() ? this.#fromHands.push(bytes) : []) {
          const understood = understand(instruction)
          const { is } = understood ?? {}
          if (understood === undefined || is === undefined)
            this.#session.event('refused channel', `of the desktop: ${instruction.opcode.slice(0, 40)}`)
          // That frames were drawn is answered where they watch.
          else if (is.kind === 'key' || is.kind === 'mouse') await this.#press(is, understood.bytes, has)
        }
      } catch (error) {
        if (error instanceof Fault && error.code === 'protocol') this.#ungrasp(hands)
        else this.#session.recordingFailed(error)
      } finally {
        taken()
      }
    })
    return true
  }

  /** What they send is none of the protocol: no more of it is heard, and the session stays held. */
  #ungrasp(hands: Hands): void {
    if (this.#hands !== hands) return
    this.giveBack()
    this.#session.event('refused channel', 'of the desktop: no instruction, of who has taken it over')
  }

  notify(text: string, about?: NoticeTopic): void {
    if (!this.#isOver) this.#front.notify(text, about)
  }

  watchers(names: readonly string[]): void {
    if (!this.#isOver) this.#front.watchers(names)
  }

  ends(endsAt: string, secondsLeft: number): void {
    if (!this.#isOver) this.#front.ends(endsAt, secondsLeft)
  }

  async cut(text: string | undefined, reason: EndReason): Promise<void> {
    if (this.#isOver) return
    this.#front.tell(text, reason)
    this.#close()
  }

  #userGone(): void {
    if (!this.#isOver) void this.#session.leave()
  }

  #close(): void {
    this.#isOver = true
    this.#drawing[Symbol.dispose]()
    this.#room[Symbol.dispose]()
    this.#keyframes[Symbol.dispose]()
    this.#clipboard[Symbol.dispose]()
    this.#lite?.[Symbol.dispose]()
    this.#socket?.destroy()
    this.#marks.happened()
    this.#note({ kind: 'close' })
    this.#resolveClosed()
  }

  async #record(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return
    await this.#session.writer.append({ kind: 'output', channel: this.#number, bytes })
  }

  /** Marks what the session does not wait for. */
  #note(mark: Mark): void {
    this.#mark(mark).catch((error: unknown) => this.#session.recordingFailed(error))
  }

  async #mark(mark: Mark): Promise<void> {
    await this.#session.writer.append({ kind: 'mark', channel: this.#number, mark })
  }
}

/** The keysyms of Enter. */
const enter: readonly number[] = [0xff0d, 0xff8d]

function oneKey(channel: number, isEnter: boolean): AppendedFrame {
  return { kind: 'input', channel, bytes: Uint8Array.of(isEnter ? 0x0d : 0) }
}

function lengthOf(instructions: readonly Instruction[]): number {
  return instructions.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
