import type { AuditorListLink } from '../contract.ts'
import { sameBytes } from '../kernel/digest.ts'
import { encodeParts, toBase64 } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { AuditorIdentity, AuditorPublic } from './identity.ts'
import { type AuditorChain, type ListBody, type ListSigner, signList } from './list.ts'
import { makeRecoveryKey, type RecoveryKey, writeRecoveryFile } from './recovery.ts'
import type { Sodium } from './sodium.ts'

/** A key pair that recordings are sealed to. */
export type BoxPair = { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
/** Private keys that open recordings, by the base64 of their public half. */
export type GroupKeys = ReadonlyMap<string, BoxPair>
/** Tells the time of a change; a port, so that a ceremony can be repeated. */
export type Clock = () => Date
/** Who may change the list: an auditor on it, or the holder of the recordings recovery key. */
export type Authority = AuditorIdentity | RecoveryKey

type People = readonly AuditorPublic[]

/**
 * Makes the first list, and the text of the recordings recovery key file, which nobody else ever sees. The group key
 * and the one-time key that signs the list are forgotten here. Needs nothing private of the auditor.
 */
export async function makeFirstList(
  sodium: Sodium,
  first: AuditorPublic,
  now: Clock,
): Promise<{ readonly link: AuditorListLink; readonly recoveryFile: string }> {
  const recovery = makeRecoveryKey(sodium)
  const ceremony = sodium.crypto_sign_keypair()
  const group = sodium.crypto_box_keypair()
  const link = signList(
    sodium,
    {
      version: 1,
      previous: null,
      signer: { kind: 'ceremony', key: ceremony.publicKey },
      ...wrap(sodium, group, [first], recovery),
      earlierGroupKeys: [],
      at: now().toISOString(),
    },
    ceremony.privateKey,
  )
  const recoveryFile = writeRecoveryFile(recovery)
  for (const secret of [ceremony.privateKey, group.privateKey, recovery.signPrivate, recovery.boxPrivate])
    sodium.memzero(secret)
  return { link, recoveryFile }
}

/** Adds an auditor, who can then read what was recorded before as well. */
export async function addAuditor(
  sodium: Sodium,
  authority: Authority,
  chain: AuditorChain,
  added: AuditorPublic,
  now: Clock,
): Promise<Outcome<AuditorListLink>> {
  const { auditors } = chain.current
  if (auditors.some(({ name }) => name === added.name))
    return refuse(
      'conflict',
      `there is an auditor ${added.name} already`,
      'remove that one first, or use another name',
    )
  if (auditors.some((one) => sameBytes(one.signKey, added.signKey) || sameBytes(one.boxKey, added.boxKey)))
    return refuse('conflict', 'another auditor has this key already')
  return nextList(sodium, authority, chain, [...auditors, added], false, now)
}

/** Removes an auditor and rotates the group key. What was recorded before stays readable to those who remain. */
export async function removeAuditor(
  sodium: Sodium,
  authority: Authority,
  chain: AuditorChain,
  name: string,
  now: Clock,
): Promise<Outcome<AuditorListLink>> {
  const remaining = chain.current.auditors.filter((auditor) => auditor.name !== name)
  if (remaining.length === chain.current.auditors.length)
    return refuse('not_found', `there is no auditor ${name}`)
  if (remaining.length === 0)
    return refuse('conflict', `the auditor ${name} is the last`, 'add another auditor first')
  return nextList(sodium, authority, chain, remaining, true, now)
}

/** Puts a new group key in place of the present one: recordings from then on need it. */
export async function rotateGroupKey(
  sodium: Sodium,
  authority: Authority,
  chain: AuditorChain,
  now: Clock,
): Promise<Outcome<AuditorListLink>> {
  return nextList(sodium, authority, chain, chain.current.auditors, true, now)
}

/** Opens every group key that this auditor (or the recovery key) can open, those of earlier lists too. */
export function openGroupKeys(sodium: Sodium, authority: Authority, chain: AuditorChain): Outcome<GroupKeys> {
  const keys = new Map<string, BoxPair>()
  if ('kind' in authority) keep(keys, { publicKey: authority.boxKey, privateKey: authority.boxPrivate })
  // From the newest list that names this key backwards: a removed auditor keeps what was readable then.
  const last = chain.lists.findLast((list) => wrappedFor(authority, list) !== undefined)
  const wrapped = last && wrappedFor(authority, last)
  if (last === undefined || wrapped === undefined)
    return refuse('forbidden', 'this key is on no list of auditors', 'ask an auditor to add it')
  const group = open(sodium, wrapped, last.groupKey, authority.boxKey, authority.boxPrivate)
  if (group === undefined)
    return refuse('invalid', `auditor list ${last.version} holds a group key that does not open`)
  keep(keys, group)
  for (const { groupKey, wrapped: earlier } of last.earlierGroupKeys) {
    const pair = open(sodium, earlier, groupKey, group.publicKey, group.privateKey)
    if (pair === undefined)
      return refuse('invalid', `auditor list ${last.version} holds an earlier group key that does not open`)
    keep(keys, pair)
  }
  return done(keys)
}

/** Answers the challenge of `auditor.login`. `name` is the auditor's on the list, where the identity file has another. */
export function answerChallenge(
  sodium: Sodium,
  identity: AuditorIdentity,
  challenge: Uint8Array,
  name: string = identity.name,
): Uint8Array {
  return sodium.crypto_sign_detached(challengeBytes(name, challenge), identity.signPrivate)
}

/** Whether `signature` is this auditor's answer to `challenge`. */
export function isAnswerTo(
  sodium: Sodium,
  auditor: Pick<AuditorPublic, 'name' | 'signKey'>,
  challenge: Uint8Array,
  signature: Uint8Array,
): boolean {
  return (
    signature.length === 64 &&
    sodium.crypto_sign_verify_detached(signature, challengeBytes(auditor.name, challenge), auditor.signKey)
  )
}

function challengeBytes(name: string, challenge: Uint8Array): Uint8Array {
  return encodeParts('tagout/v1/auditor-login', name, challenge)
}

function nextList(
  sodium: Sodium,
  authority: Authority,
  chain: AuditorChain,
  people: People,
  rotate: boolean,
  now: Clock,
): Outcome<AuditorListLink> {
  const { current } = chain
  const signer = signerOn(authority, chain)
  if (signer === undefined)
    return refuse('forbidden', 'this key is not on the present list of auditors', 'ask an auditor who is')
  const opened = openGroupKeys(sodium, authority, chain)
  if (!opened.ok) return opened
  const present = opened.value.get(toBase64(current.groupKey))
  if (present === undefined) return refuse('invalid', 'the present group key does not open')

  const group = rotate ? sodium.crypto_box_keypair() : present
  const earlier = [
    ...current.earlierGroupKeys.map(({ groupKey }) => groupKey),
    ...(rotate ? [current.groupKey] : []),
  ]
  const carried: ListBody['earlierGroupKeys'][number][] = []
  for (const groupKey of earlier) {
    const pair = opened.value.get(toBase64(groupKey))
    if (pair === undefined) return refuse('invalid', 'an earlier group key does not open')
    carried.push({ groupKey, wrapped: sodium.crypto_box_seal(pair.privateKey, group.publicKey) })
  }
  const body = {
    version: current.version + 1,
    previous: current.hash,
    signer,
    ...wrap(sodium, group, people, current.recovery),
    earlierGroupKeys: carried,
    at: now().toISOString(),
  }
  return done(signList(sodium, body, authority.signPrivate))
}

function signerOn(authority: Authority, { current }: AuditorChain): ListSigner | undefined {
  if ('kind' in authority)
    return sameBytes(authority.signKey, current.recovery.signKey) ? { kind: 'recovery' } : undefined
  // By key, not by name: the list may call an auditor otherwise than the identity file does.
  const listed = current.auditors.find(({ signKey }) => sameBytes(signKey, authority.signKey))
  return listed && { kind: 'auditor', name: listed.name }
}

function wrappedFor(authority: Authority, list: ListBody): Uint8Array | undefined {
  if ('kind' in authority)
    return sameBytes(list.recovery.boxKey, authority.boxKey) ? list.recovery.wrappedGroupKey : undefined
  return list.auditors.find(({ boxKey }) => sameBytes(boxKey, authority.boxKey))?.wrappedGroupKey
}

/** The part of a body that depends on the group key. */
function wrap(
  sodium: Sodium,
  group: BoxPair,
  people: People,
  recovery: Pick<RecoveryKey, 'signKey' | 'boxKey'>,
): Pick<ListBody, 'groupKey' | 'recovery' | 'auditors'> {
  const sealTo = (boxKey: Uint8Array) => sodium.crypto_box_seal(group.privateKey, boxKey)
  return {
    groupKey: group.publicKey,
    recovery: {
      signKey: recovery.signKey,
      boxKey: recovery.boxKey,
      wrappedGroupKey: sealTo(recovery.boxKey),
    },
    auditors: people.map(({ name, signKey, boxKey }) => ({
      name,
      signKey,
      boxKey,
      wrappedGroupKey: sealTo(boxKey),
    })),
  }
}

/** Opens a sealed private key and proves that it belongs to `publicKey`. */
function open(
  sodium: Sodium,
  wrapped: Uint8Array,
  publicKey: Uint8Array,
  boxKey: Uint8Array,
  boxPrivate: Uint8Array,
): BoxPair | undefined {
  try {
    const privateKey = sodium.crypto_box_seal_open(wrapped, boxKey, boxPrivate)
    if (privateKey.length === 32 && sameBytes(sodium.crypto_scalarmult_base(privateKey), publicKey))
      return { publicKey, privateKey }
  } catch {
    // libsodium throws where the seal does not open.
  }
  return undefined
}

function keep(keys: Map<string, BoxPair>, pair: BoxPair): void {
  keys.set(toBase64(pair.publicKey), pair)
}
