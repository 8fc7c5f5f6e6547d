import { setTimeout as wait } from 'node:timers/promises'
import type { ElevationKind } from '../../../vault/contract.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { EchoBlank } from './elevation-echo.ts'
import { ElevationEscape, type Typed } from './elevation-escape.ts'
import { PromptWatch, prompts } from './elevation-prompt.ts'
import { sentenceOf } from '../../../vault/ssh/sentence.ts'

export type ElevationPorts = {
  /** False while the session is frozen: nothing of the user's reaches the target then. */
  readonly mayType: () => boolean
  /** Asks the vault for the secret, for this one act. */
  readonly release: () => Promise<Outcome<Secret>>
  /** Resolves when the target has answered something that was sent after all the rest. */
  readonly roundTrip: () => Promise<void>
  /** Types at the target. The bytes are the callee's, which wipes them when they are sent. */
  readonly type: (bytes: Buffer) => void
  /** Writes output of the target that was held back on: recorded, then relayed. */
  readonly print: (bytes: Buffer) => void
  /** Into the recording: resolves when it is taken. */
  readonly typed: (kind: ElevationKind) => Promise<void>
  /** Into recording and audit log. */
  readonly event: (event: 'elevation refused' | 'elevation echoed', detail: string) => void
  /** To the user's terminal. */
  readonly tell: (text: string) => void
}

/** Is never at the end of a password: what is typed to see whether a prompt echoes. */
const probe = 'x'
/** An echo is on its way so long (milliseconds) after the target answered, at most; and the answer so long. */
const echoWithin = 300
const answerWithin = 10_000
/** After a secret was typed, so much output is looked through for it, for so long. */
const blankedBytes = 256 * 1024
const blankedFor = 30_000
const heldFor = 500

/**
 * Elevates one terminal: on the user's act (`~e` and Enter on a line of its own) the vault's secret is typed at the
 * prompt of sudo, su or enable.
 *
 * SECURITY: nothing is typed but at a prompt that stands alone on the cursor's line and does not echo, which is tried
 * with a character that is taken back. Whether the program behind it is sudo the recorder cannot know: see THREATS.md.
 */
export class Elevation implements Disposable {
  readonly #kind: ElevationKind
  readonly #isGranted: boolean
  readonly #ports: ElevationPorts
  readonly #escape = new ElevationEscape()
  readonly #screen: PromptWatch
  #printedBytes = 0
  #printedStars = 0
  #blank: EchoBlank | undefined
  #blankedLeft = 0
  #timer: NodeJS.Timeout | undefined
  #isActing = false
  #isOver = false

  constructor(
    elevation: { readonly kind: ElevationKind; readonly isGranted: boolean },
    size: { readonly cols: number; readonly rows: number },
    ports: ElevationPorts,
  ) {
    this.#kind = elevation.kind
    this.#isGranted = elevation.isGranted
    this.#screen = new PromptWatch(size.cols, size.rows)
    this.#ports = ports
  }

  /** Takes what the user typed; says what goes on, and whether it was the act. */
  fromUser(bytes: Buffer): Typed {
    return this.#escape.typed(bytes)
  }

  /** Takes what the target printed; gives back what may be shown and recorded of it. */
  fromTarget(bytes: Buffer): Buffer {
    this.#printedBytes += bytes.length
    this.#printedStars += bytes.filter((byte) => byte === 0x2a).length
    const blank = this.#blank
    if (blank === undefined) {
      this.#screen.printed(bytes)
      return bytes
    }
    const shown = blank.filter(bytes)
    this.#screen.printed(shown)
    this.#blankedLeft -= bytes.length
    if (this.#blankedLeft <= 0) this.#endBlank()
    else if (blank.isHolding) this.#holdBriefly(blank)
    return shown
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows)
  }

  /** As `act`, where the user asks for it beside the terminal: what they have begun to type would be part of it. */
  async press(): Promise<void> {
    if (this.#isOver || !this.#escape.isLineBegun) return this.act()
    this.#refuse(
      'nothing was typed, since you have begun to type at the prompt: take that back with Ctrl+C first',
    )
  }

  /** Does what the user asked for. Never rejects; what stood in the way is said to the user. */
  async act(): Promise<void> {
    if (this.#isActing || this.#isOver) return
    this.#isActing = true
    try {
      await this.#elevate()
    } catch {
      this.#refuse('nothing was typed: the target did not answer')
    } finally {
      this.#isActing = false
    }
  }

  async #elevate(): Promise<void> {
    const kind = this.#kind
    if (!this.#isGranted)
      return this.#refuse('your grant does not allow elevation: ask for a grant that allows elevate')
    const prompt = this.#ports.mayType() ? this.#screen.at(kind) : undefined
    if (prompt === undefined)
      return this.#refuse(
        `nothing was typed, since this is not the password prompt of ${kind}: type ~e and Enter when it asks`,
      )
    if (await this.#doesEcho())
      return this.#refuse(
        'nothing was typed, since this prompt shows what is typed: it is not the one it looks like',
      )
    const isThere = () => !this.#isOver && this.#ports.mayType() && this.#screen.at(kind) === prompt
    if (!isThere()) return this.#refuse('nothing was typed, since the prompt went away')
    const released = await this.#ports.release()
    if (!released.ok) return this.#refuse(sentenceOf(released.refusal))
    using secret = released.value
    // INVARIANT: recorded before it is typed; and looked at once more, since it took a moment.
    await this.#ports.typed(kind)
    if (!isThere()) return this.#refuse('nothing was typed, since the prompt went away')
    this.#watchEcho(secret)
    this.#ports.type(secret.expose((bytes) => Buffer.concat([bytes, Buffer.from('\r')])))
  }

  /** Types a character and takes it back. Stars for typed characters are no echo. */
  async #doesEcho(): Promise<boolean> {
    const { roundTrip, type } = this.#ports
    const [bytes, stars] = [this.#printedBytes, this.#printedStars]
    type(Buffer.from(probe))
    await Promise.race([
      roundTrip(),
      wait(answerWithin, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer'))),
    ])
    await wait(echoWithin)
    const doesEcho = this.#printedBytes - bytes > this.#printedStars - stars
    type(Buffer.from(prompts[this.#kind].erase))
    if (!doesEcho && this.#printedStars > stars) await wait(echoWithin)
    return doesEcho
  }

  #watchEcho(secret: Secret): void {
    this.#endBlank()
    this.#blank = new EchoBlank(secret.expose((bytes) => new Secret(Uint8Array.from(bytes))))
    this.#blankedLeft = blankedBytes
    this.#timer = setTimeout(() => this.#endBlank(), blankedFor)
    this.#timer.unref()
  }

  #holdBriefly(blank: EchoBlank): void {
    const before = this.#printedBytes
    setTimeout(() => {
      if (this.#blank !== blank || this.#printedBytes !== before || this.#isOver) return
      const held = blank.flush()
      if (held.length > 0) this.#ports.print(held)
    }, heldFor).unref()
  }

  #endBlank(): void {
    clearTimeout(this.#timer)
    const blank = this.#blank
    if (blank === undefined) return
    this.#blank = undefined
    const held = blank.flush()
    if (held.length > 0 && !this.#isOver) this.#ports.print(held)
    if (blank.hasBlanked && !this.#isOver) {
      this.#ports.event('elevation echoed', 'the target echoed the secret, which was taken out')
      this.#ports.tell('the machine showed the secret, which was taken out: have an administrator change it')
    }
    blank[Symbol.dispose]()
  }

  #refuse(text: string): void {
    if (this.#isOver) return
    this.#ports.event('elevation refused', `${this.#kind}: ${text}`)
    this.#ports.tell(text)
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#endBlank()
  }
}
