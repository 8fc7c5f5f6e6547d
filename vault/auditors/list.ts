import type { AuditorListLink } from '../contract.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { Sodium } from './sodium.ts'

export type ListedAuditor = {
  readonly name: string
  readonly signKey: Uint8Array
  readonly boxKey: Uint8Array
  readonly wrappedGroupKey: Uint8Array
}
export type AuditorList = {
  readonly version: number
  /** SHA-256 of this list's body. */
  readonly hash: Uint8Array
  readonly previous: Uint8Array | null
  readonly groupKey: Uint8Array // X25519
  readonly recoveryKey: Uint8Array // X25519
  readonly auditors: readonly ListedAuditor[]
  /** Private group keys of earlier lists, each sealed to this list's group key. */
  readonly earlierGroupKeys: readonly { readonly groupKey: Uint8Array; readonly wrapped: Uint8Array }[]
  readonly at: string
}
/** A verified chain, first list first; `current` is the last. */
export type AuditorChain = { readonly lists: readonly AuditorList[]; readonly current: AuditorList }
/** What a recorder or client remembers of the chain: it accepts only chains that continue from here. */
export type ChainPin = { readonly version: number; readonly hash: Uint8Array }

/** Refuses (`invalid`) a chain with a bad signature, a gap, a fork from `pin`, or a signer not on the list before. */
export declare function verifyChain(
  sodium: Sodium,
  links: readonly AuditorListLink[],
  pin?: ChainPin,
): Promise<Outcome<AuditorChain>>
/** `SHA256:…` of the first list: what people compare, once. */
export declare function chainFingerprint(chain: AuditorChain): string
