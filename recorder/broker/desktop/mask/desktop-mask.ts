import type { Mask } from '../../../../vault/contract.ts'
import { regionsText } from '../../../../vault/kernel/mask-region.ts'
import { type Instruction, InstructionParser } from '../instruction.ts'
import { MaskedStream } from './masked-stream.ts'
import { withoutAll } from './place.ts'

/** Milliseconds after which the same thing that cannot be kept is said again. */
const sayAgainAfter = 60_000

/** The mask of one session: its stream, its keyframes, and the marks that tell auditors of it. */
export class DesktopMask {
  readonly #mask: Mask
  readonly #say: (detail: string) => void
  readonly #stream: MaskedStream
  readonly #saidAt = new Map<string, number>()

  /** `say` has the recording take a mark. */
  constructor(mask: Mask, say: (detail: string) => void) {
    this.#mask = mask
    this.#say = say
    this.#stream = new MaskedStream(mask.regions)
  }

  /** Says at the recording's beginning what is not in it, and why. */
  begin(): void {
    const { regions, reason } = this.#mask
    this.#say(
      `${regionsText(regions)} of the screen ${regions.length === 1 ? 'is' : 'are'} not recorded: ${reason}`,
    )
  }

  /** What may be shown now of all that came, and as what it is recorded. */
  take(instructions: readonly Instruction[]): {
    readonly shown: readonly Instruction[]
    readonly masked: Uint8Array
  } {
    const { shown, recorded, missed } = this.#stream.take(instructions)
    for (const sentence of missed) {
      const now = performance.now()
      if (now - (this.#saidAt.get(sentence) ?? -sayAgainAfter) < sayAgainAfter) continue
      this.#saidAt.set(sentence, now)
      this.#say(sentence)
    }
    return { shown, masked: recorded }
  }

  /** Whether a place of the screen is not recorded. */
  hides(x: number, y: number): boolean {
    return this.#stream.hides(x, y)
  }

  /**
   * Whether at least a third of a screen of that size would be recorded. SECURITY: a region in pixels is most of a small screen: who
   * works there chooses the size of their window, and not what is recorded of them.
   */
  leavesEnough(width: number, height: number): boolean {
    const seen = withoutAll({ x: 0, y: 0, width, height }, this.#stream.places({ width, height }))
    return seen.reduce((sum, one) => sum + one.width * one.height, 0) * 3 >= width * height
  }

  /** A whole picture of the desktop, as it is recorded. */
  whole(bytes: Uint8Array): Uint8Array {
    return new MaskedStream(this.#mask.regions, this.#stream.largest).take(
      new InstructionParser().push(bytes),
    ).recorded
  }
}
