import type { AuditorListLink } from '../contract.ts'
import { fingerprintText, sameBytes, sha256 } from '../kernel/digest.ts'
import { type Canonical, canonicalBytes, encodeParts, fromBase64, toBase64 } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { ListError, parseBody } from './list-body.ts'
import type { Sodium } from './sodium.ts'

export type ListedAuditor = {
  readonly name: string
  readonly signKey: Uint8Array
  readonly boxKey: Uint8Array
  /** The group's private key, sealed to `boxKey`. */
  readonly wrappedGroupKey: Uint8Array
}

/** The offline key of recordings: it opens them, and may sign a list when every auditor's key is lost. */
export type RecoveryPublic = {
  readonly signKey: Uint8Array
  readonly boxKey: Uint8Array
  readonly wrappedGroupKey: Uint8Array
}

/** Who signed a list: the one-time key of the first ceremony, an auditor of the list before, or the recovery key. */
export type ListSigner =
  | { readonly kind: 'ceremony'; readonly key: Uint8Array }
  | { readonly kind: 'auditor'; readonly name: string }
  | { readonly kind: 'recovery' }

export type ListBody = {
  readonly version: number
  /** SHA-256 of the body before; null in the first. */
  readonly previous: Uint8Array | null
  readonly signer: ListSigner
  readonly groupKey: Uint8Array // X25519
  readonly recovery: RecoveryPublic
  readonly auditors: readonly ListedAuditor[]
  /** The private group keys of earlier lists, each sealed to this list's group key. */
  readonly earlierGroupKeys: readonly { readonly groupKey: Uint8Array; readonly wrapped: Uint8Array }[]
  readonly at: string
}

/** A list and the SHA-256 of its body. */
export type AuditorList = ListBody & { readonly hash: Uint8Array }

/** A verified chain, first list first; `current` is the last. */
export type AuditorChain = { readonly lists: readonly AuditorList[]; readonly current: AuditorList }

/** What a recorder or client remembers of a chain: it accepts only chains that go through here. */
export type ChainPin = { readonly version: number; readonly hash: Uint8Array }

const purpose = 'tagout/v1/auditor-list'
const maxLinks = 10_000

/**
 * Verifies a chain of auditor lists: every link signed by its signer, nothing left out, no fork from `pin`.
 * Refuses with `no_auditors` (an empty chain) or `invalid`, naming the link.
 *
 * SECURITY: without a pin the first list vouches for itself alone. Whoever has none compares `chainFingerprint` with
 * what the ceremony printed.
 */
export async function verifyChain(
  sodium: Sodium,
  links: readonly AuditorListLink[],
  pin?: ChainPin,
): Promise<Outcome<AuditorChain>> {
  if (links.length === 0) return refuse('no_auditors', 'there are no auditors yet', 'enrol the first auditor')
  if (links.length > maxLinks) return refuse('invalid', 'the chain of auditor lists is too long')
  const lists: AuditorList[] = []
  try {
    for (const link of links) lists.push(await verifyLink(sodium, link, lists.at(-1)))
  } catch (error) {
    if (!(error instanceof ListError)) throw error
    return refuse('invalid', `auditor list ${lists.length + 1} is not genuine: ${error.message}`)
  }
  const current = lists.at(-1) as AuditorList
  if (pin !== undefined) {
    const pinned = lists[pin.version - 1]
    if (pinned === undefined)
      return refuse('invalid', `the chain of auditor lists ends before the pinned list ${pin.version}`)
    if (!sameBytes(pinned.hash, pin.hash))
      return refuse('invalid', `the chain of auditor lists forks off before the pinned list ${pin.version}`)
  }
  return done({ lists, current })
}

/** `SHA256:…` of the first list, which names the chain: people compare it once. */
export function chainFingerprint(chain: AuditorChain): string {
  return fingerprintText((chain.lists[0] as AuditorList).hash)
}

export function pinOf(chain: AuditorChain): ChainPin {
  return { version: chain.current.version, hash: chain.current.hash }
}

/** The bytes that a list's signature signs. */
export function signedBytes(body: Uint8Array): Uint8Array {
  return encodeParts(purpose, body)
}

/** Writes a body and signs it. */
export function signList(sodium: Sodium, body: ListBody, signPrivate: Uint8Array): AuditorListLink {
  const bytes = canonicalBytes(bodyOnPaper(body))
  return {
    version: body.version,
    body: toBase64(bytes),
    signature: toBase64(sodium.crypto_sign_detached(signedBytes(bytes), signPrivate)),
  }
}

async function verifyLink(
  sodium: Sodium,
  link: AuditorListLink,
  before: AuditorList | undefined,
): Promise<AuditorList> {
  const bytes = decode(link.body, 'body')
  const body = parseBody(bytes)
  const version = (before?.version ?? 0) + 1
  if (body.version !== version || link.version !== version)
    throw new ListError(`its version is not ${version}`)
  if (before === undefined ? body.previous !== null : !isSame(body.previous, before.hash))
    throw new ListError('it does not continue the list before')
  const key = signerKey(body, before)
  const signature = decode(link.signature, 'signature')
  if (signature.length !== 64 || !sodium.crypto_sign_verify_detached(signature, signedBytes(bytes), key))
    throw new ListError('its signature is not of whom it names')
  if (before !== undefined) checkChange(before, body)
  else if (body.earlierGroupKeys.length > 0) throw new ListError('a first list has no earlier group keys')
  return { ...body, hash: await sha256(bytes) }
}

function signerKey(body: ListBody, before: AuditorList | undefined): Uint8Array {
  const { signer } = body
  if (before === undefined) {
    if (signer.kind !== 'ceremony') throw new ListError('the first list is not signed by its ceremony')
    return signer.key
  }
  if (signer.kind === 'recovery') return before.recovery.signKey
  const auditor =
    signer.kind === 'auditor' ? before.auditors.find(({ name }) => name === signer.name) : undefined
  if (auditor === undefined) throw new ListError('its signer is not on the list before')
  return auditor.signKey
}

/** What one list may change of the one before. */
function checkChange(before: AuditorList, after: ListBody): void {
  if (
    !sameBytes(before.recovery.boxKey, after.recovery.boxKey) ||
    !sameBytes(before.recovery.signKey, after.recovery.signKey)
  )
    throw new ListError('it names another recovery key')
  const rotated = !sameBytes(before.groupKey, after.groupKey)
  const stays = (gone: ListedAuditor) => after.auditors.some(({ boxKey }) => sameBytes(boxKey, gone.boxKey))
  if (!rotated && !before.auditors.every(stays))
    throw new ListError('it removes an auditor and keeps the group key')
  const expected = [
    ...before.earlierGroupKeys.map(({ groupKey }) => groupKey),
    ...(rotated ? [before.groupKey] : []),
  ]
  const carried = after.earlierGroupKeys.map(({ groupKey }) => groupKey)
  if (carried.length !== expected.length || !expected.every((key, at) => isSame(carried[at] ?? null, key)))
    throw new ListError('it does not carry on the earlier group keys')
}

function isSame(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && sameBytes(a, b)
}

function decode(text: string, what: string): Uint8Array {
  try {
    return fromBase64(text)
  } catch {
    throw new ListError(`its ${what} is not base64`)
  }
}

function bodyOnPaper(body: ListBody): Canonical {
  const { signer } = body
  return {
    format: 'tagout-auditor-list',
    version: body.version,
    previous: body.previous === null ? null : toBase64(body.previous),
    signer: signer.kind === 'ceremony' ? { kind: 'ceremony', key: toBase64(signer.key) } : signer,
    groupKey: toBase64(body.groupKey),
    recovery: {
      signKey: toBase64(body.recovery.signKey),
      boxKey: toBase64(body.recovery.boxKey),
      wrappedGroupKey: toBase64(body.recovery.wrappedGroupKey),
    },
    auditors: body.auditors.map((auditor) => ({
      name: auditor.name,
      signKey: toBase64(auditor.signKey),
      boxKey: toBase64(auditor.boxKey),
      wrappedGroupKey: toBase64(auditor.wrappedGroupKey),
    })),
    earlierGroupKeys: body.earlierGroupKeys.map(({ groupKey, wrapped }) => ({
      groupKey: toBase64(groupKey),
      wrapped: toBase64(wrapped),
    })),
    at: body.at,
  }
}
