import { Fault } from '../../../vault/kernel/fault.ts'
import { ShownFilter } from './desktop-policy.ts'
import type { GuacdConnection } from './guacd-connection.ts'
import type { Instruction } from './instruction.ts'

type Joined = Pick<GuacdConnection, 'instructions' | 'close'>

export type KeyframePorts = {
  /** Joins the running connection, to look only. */
  readonly join: () => Promise<Joined>
  /** Has the recording take a keyframe, after all that it took so far. False: there is no room for one now. */
  readonly keep: (bytes: Uint8Array, width: number, height: number) => boolean
  /** Why there was none, once for each time. */
  readonly failed: (error: unknown) => void
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
}

/** A whole picture may have so many bytes, and what is drawn meanwhile so many. */
const mostPicture = 8 * 1024 * 1024
const mostMeanwhile = 2 * 1024 * 1024
/** A keyframe is due after so many bytes of instructions, or twice what the last one cost. */
const leastBytes = 256 * 1024
/** Or after so many images, where keyframes cost no more than this by the minute: images take a reader time each. */
const manyImages = 600
const costPerMinute = 60_000
/** Milliseconds in which one is made. */
const within = 15_000
/** Milliseconds between two, after one that came amid what cannot be told apart, and after a failure: then longer each time. */
const between = 15_000
const afterBusy = { first: 5_000, most: 60_000 }
const afterFailure = { first: 30_000, most: 600_000 }

type Attempt = {
  /** guacd's time of the frame that ended right before it began. */
  readonly begunAt: string
  /** What the session was shown since. */
  readonly meanwhile: Instruction[]
  meanwhileBytes: number
  /** What who joined was shown, up to the end of a frame; undefined until then. */
  picture: readonly Instruction[] | undefined
  desktop: Joined | undefined
  readonly timer: NodeJS.Timeout
}

/**
 * Keyframes of a desktop's recording: now and then the running connection is joined, to look only, for its whole picture.
 *
 * INVARIANT: a keyframe shows exactly what the instructions before it in the recording have drawn, or there is none. Who
 * joins sees the picture of some moment after this asked for it, then all that is drawn from some later moment on. So the
 * keyframe is that picture, and all that the session was shown since it was asked for. What is drawn twice by this looks
 * as if drawn once where it only covers what was there; where it does not (a part of the screen was copied, as it scrolled) it is
 * given up, and tried again later.
 *
 * It never slows the session: who joins is always read, and leaves after one picture. A failure costs the keyframe alone.
 */
export class DesktopKeyframes implements Disposable {
  readonly #ports: KeyframePorts
  #bytes = 0
  #images = 0
  #cost = 0
  #since: number
  #notBefore = 0
  #misses = 0
  /** guacd's time of the last frame, where nothing came after it. */
  #frame: string | undefined
  #attempt: Attempt | undefined
  #isOver = false

  constructor(ports: KeyframePorts) {
    this.#ports = ports
    this.#since = ports.now()
  }

  /**
   * Takes what the recording has just taken, before anything else goes into it. `isWhole`: no picture is begun and not
   * ended.
   */
  passed(instructions: readonly Instruction[], isWhole: boolean): void {
    if (this.#isOver) return
    const attempt = this.#attempt
    for (const one of instructions) {
      this.#bytes += one.bytes.length
      if (one.opcode === 'img') this.#images += 1
      if (attempt === undefined) continue
      attempt.meanwhile.push(one)
      attempt.meanwhileBytes += one.bytes.length
    }
    const last = instructions.at(-1)
    if (last !== undefined) this.#frame = last.opcode === 'sync' && isWhole ? last.args[0] : undefined
    if (attempt === undefined) {
      if (this.#frame !== undefined && this.#isDue()) this.#begin(this.#frame)
    } else if (attempt.meanwhileBytes > mostMeanwhile) this.#missed(afterBusy)
    else this.#complete()
  }

  #isDue(): boolean {
    const now = this.#ports.now()
    if (now < this.#notBefore) return false
    if (this.#bytes >= Math.max(leastBytes, this.#cost * 2)) return true
    return this.#images >= manyImages && this.#cost * 60_000 <= costPerMinute * (now - this.#since)
  }

  #begin(begunAt: string): void {
    const attempt: Attempt = {
      begunAt,
      meanwhile: [],
      meanwhileBytes: 0,
      picture: undefined,
      desktop: undefined,
      timer: setTimeout(() => {
        if (this.#attempt === attempt) this.#failed(new Fault('timeout', 'the picture did not come in time'))
      }, within),
    }
    this.#attempt = attempt
    this.#look(attempt).catch((error: unknown) => {
      if (this.#attempt !== attempt || attempt.picture !== undefined) return
      // guacd lets somebody in between two pieces of an instruction too, while much is drawn: what comes then is none.
      if (error instanceof Fault && error.code === 'protocol') this.#missed(afterBusy)
      else this.#failed(error)
    })
  }

  async #look(attempt: Attempt): Promise<void> {
    const desktop = await this.#ports.join()
    if (this.#attempt !== attempt) return desktop.close()
    attempt.desktop = desktop
    const filter = new ShownFilter()
    const picture: Instruction[] = []
    let bytes = 0
    // Read to its end, so that guacd waits for nobody.
    for await (const instructions of desktop.instructions())
      for (const one of instructions) {
        if (attempt.picture !== undefined || one.opcode === 'nop' || !filter.passes(one)) continue
        bytes += one.bytes.length
        if (bytes > mostPicture) {
          desktop.close()
          throw new Fault('recording', `the picture has more than ${mostPicture} bytes`)
        }
        picture.push(one)
        if (one.opcode !== 'sync' || !filter.isWhole) continue
        attempt.picture = picture
        desktop.close()
        if (this.#attempt === attempt) this.#complete()
      }
    if (attempt.picture === undefined) throw new Fault('closed', 'guacd closed the connection')
  }

  /** Makes the keyframe if both have seen the frame after which who joined left. */
  #complete(): void {
    const { picture, meanwhile, begunAt } = this.#attempt ?? {}
    if (picture === undefined || meanwhile === undefined || this.#frame === undefined) return
    const frame = picture.at(-1)?.args[0]
    const isFrame = ({ opcode, args }: Instruction) => opcode === 'sync' && args[0] === frame
    const end = frame === begunAt ? 0 : meanwhile.findIndex(isFrame)
    // It comes to the session later, or never: then the time is over.
    if (end < 0) return
    const shared = sharedEnd(picture.slice(0, -1), meanwhile.slice(0, end))
    const drawn = wholePart(picture, picture.length - 1 - shared)
    const twice = [...meanwhile.slice(0, end - shared), ...drawn.slice(picture.length - 1 - shared)]
    if (!twice.every(onlyCovers)) return this.#missed(afterBusy)
    const size = drawn.findLast(({ opcode, args }) => opcode === 'size' && args[0] === '0')
    if (size === undefined) return this.#failed(new Fault('protocol', 'the picture has no size'))
    const bytes = Buffer.concat([...drawn, ...meanwhile].map((one) => one.bytes))
    const [, width, height] = size.args.map(Number)
    this.#stop()
    this.#notBefore = this.#ports.now() + between
    if (!this.#ports.keep(bytes, width ?? 0, height ?? 0)) return
    this.#misses = 0
    this.#cost = bytes.length
    this.#bytes = 0
    this.#images = 0
    this.#since = this.#ports.now()
  }

  #failed(error: unknown): void {
    this.#missed(afterFailure)
    this.#ports.failed(error)
  }

  #missed({ first, most }: { readonly first: number; readonly most: number }): void {
    this.#stop()
    this.#notBefore = this.#ports.now() + Math.min(most, first * 2 ** Math.min(this.#misses, 16))
    this.#misses += 1
  }

  #stop(): void {
    clearTimeout(this.#attempt?.timer)
    this.#attempt?.desktop?.close()
    this.#attempt = undefined
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#stop()
  }
}

/** How many instructions the ends of both have in common. */
function sharedEnd(one: readonly Instruction[], other: readonly Instruction[]): number {
  let count = 0
  while (count < Math.min(one.length, other.length)) {
    const [a, b] = [one.at(-1 - count), other.at(-1 - count)]
    if (a === undefined || b === undefined || !Buffer.from(a.bytes).equals(b.bytes)) break
    count += 1
  }
  return count
}

/** The first `length` instructions, and what ends the pictures that are begun among them. */
function wholePart(picture: readonly Instruction[], length: number): readonly Instruction[] {
  const filter = new ShownFilter()
  for (const [at, one] of picture.entries()) {
    if (at >= length && filter.isWhole) return picture.slice(0, at)
    filter.passes(one)
  }
  return picture
}

/** Whether an instruction, done again over what came of it, changes nothing: it covers, and reads nothing that it covers. */
function onlyCovers({ opcode, args }: Instruction): boolean {
  switch (opcode) {
    case 'img':
    case 'blob':
    case 'end':
    case 'sync':
    case 'mouse':
    case 'cursor':
    case 'rect':
      return true
    case 'cfill':
      return args[5] === '255'
    default:
      return false
  }
}
