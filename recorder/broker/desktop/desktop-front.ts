import type { EndReason } from '../../../vault/contract.ts'
import type { AccountId } from '../../../vault/kernel/id.ts'
import type { NoticeTopic } from '../../live/protocol.ts'

/** The user's end of a desktop: a browser. */
export type DesktopFront = {
  /** Sends whole instructions; `drawn` is called when the browser says that it has taken them. */
  readonly show: (bytes: Buffer, drawn: () => void) => void
  readonly notify: (text: string, about: NoticeTopic | undefined) => void
  readonly watchers: (names: readonly string[]) => void
  readonly ends: (endsAt: string, secondsLeft: number) => void
  /** The last thing that is said. */
  readonly tell: (text: string | undefined, reason: EndReason) => void
  /** From now on what the browser sends is heard. `taken` says so many bytes of it have been. */
  readonly listen: (heard: {
    readonly bytes: (bytes: Uint8Array) => void
    readonly gone: () => void
    /** They want a linked secret typed. */
    readonly typeIn: (account: AccountId, withEnter: boolean) => void
  }) => void
  readonly taken: (bytes: number) => void
}
