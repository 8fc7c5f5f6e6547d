import type { AuditorListLink } from '../contract.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { AuditorIdentity, AuditorPublic } from './identity.ts'
import type { AuditorChain } from './list.ts'
import type { Sodium } from './sodium.ts'

/** The private group keys, by the base64 of their public half. */
export type GroupKeys = ReadonlyMap<
  string,
  { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
>
/** Names the time of a change; a port, so that ceremonies are reproducible. */
export type Clock = () => Date

/** The first list and the text of the recordings recovery key file. Needs no private key of the auditor. */
export declare function makeFirstList(
  sodium: Sodium,
  first: AuditorPublic,
  now: Clock,
): Promise<{ readonly link: AuditorListLink; readonly recoveryFile: string }>
export declare function addAuditor(
  sodium: Sodium,
  identity: AuditorIdentity,
  chain: AuditorChain,
  added: AuditorPublic,
  now: Clock,
): Promise<Outcome<AuditorListLink>>
/** Removes an auditor and rotates the group key. What was recorded before stays readable to those who remain. */
export declare function removeAuditor(
  sodium: Sodium,
  identity: AuditorIdentity,
  chain: AuditorChain,
  name: string,
  now: Clock,
): Promise<Outcome<AuditorListLink>>
export declare function rotateGroupKey(
  sodium: Sodium,
  identity: AuditorIdentity,
  chain: AuditorChain,
  now: Clock,
): Promise<Outcome<AuditorListLink>>
/** Every group key that this auditor can open, old ones too. */
export declare function openGroupKeys(
  sodium: Sodium,
  identity: AuditorIdentity,
  chain: AuditorChain,
): Outcome<GroupKeys>
/** Reads a recordings recovery key file: the one key in it opens every recording's `recovery` recipient. */
export declare function readRecoveryFile(sodium: Sodium, text: string): Outcome<GroupKeys>
/** The signature that `auditor.login` asks for. */
export declare function answerChallenge(
  sodium: Sodium,
  identity: AuditorIdentity,
  challenge: Uint8Array,
): Uint8Array
/** True when `signature` is that auditor's answer to `challenge`. */
export declare function isAnswerTo(
  sodium: Sodium,
  auditor: AuditorPublic,
  challenge: Uint8Array,
  signature: Uint8Array,
): boolean
