import sodium from 'libsodium-wrappers'
import sumo from 'libsodium-wrappers-sumo'
import { beforeAll, expect, test } from 'vitest'
import { argon2idOfNode } from '../../../../vault/auditors/argon2-node.ts'
import { argon2idOfSumo } from '../../../../vault/auditors/argon2-sumo.ts'
import {
  type AuditorChain,
  addAuditor,
  answerChallenge,
  chainFingerprint,
  fingerprint,
  forget,
  isAnswerTo,
  KeyFileError,
  makeFirstList,
  makeIdentity,
  openGroupKeys,
  pinOf,
  readIdentity,
  readPublic,
  readRecoveryFile,
  removeAuditor,
  rotateGroupKey,
  verifyChain,
  writeIdentity,
  writePublic,
} from '../../../../vault/auditors/index.ts'
import type { AuditorListLink } from '../../../../vault/contract.ts'
import { toBase64 } from '../../../../vault/kernel/encoding.ts'
import type { Outcome } from '../../../../vault/kernel/outcome.ts'

const cheap = { passes: 1, memoryKiB: 8 * 1024 }
const now = () => new Date('2026-11-24T08:00:00.000Z')

beforeAll(async () => {
  await sodium.ready
  await sumo.ready
})

function value<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.refusal.message)
  return outcome.value
}

async function verified(links: readonly AuditorListLink[]): Promise<AuditorChain> {
  return value(await verifyChain(sodium, links))
}

async function begin() {
  const ingrid = makeIdentity(sodium, 'ingrid')
  const { link, recoveryFile } = await makeFirstList(sodium, ingrid, now)
  return { ingrid, links: [link], recoveryFile, chain: await verified([link]) }
}

test('an identity file opens with its passphrase, in Node and in the browser build alike', async () => {
  const identity = makeIdentity(sodium, 'ingrid')
  const text = await writeIdentity(sodium, argon2idOfNode, identity, 'a long phrase', cheap)
  expect(await readIdentity(sodium, argon2idOfNode, text, 'a long phrase')).toEqual(identity)
  expect(await readIdentity(sumo, argon2idOfSumo(sumo), text, 'a long phrase')).toEqual(identity)
})

test('an identity file written by the browser build opens in Node', async () => {
  const identity = makeIdentity(sumo, 'ingrid')
  const text = await writeIdentity(sumo, argon2idOfSumo(sumo), identity, 'pässphräse', cheap)
  // The same letters, composed otherwise: keyboards differ.
  expect(await readIdentity(sodium, argon2idOfNode, text, 'pässphräse'.normalize('NFD'))).toEqual(identity)
})

test('a wrong passphrase and a changed line both leave an identity file shut', async () => {
  const text = await writeIdentity(sodium, argon2idOfNode, makeIdentity(sodium, 'ingrid'), 'right', cheap)
  await expect(readIdentity(sodium, argon2idOfNode, text, 'wrong')).rejects.toThrow(
    'the passphrase does not open this identity file',
  )
  for (const changed of [
    text.replace('name: ingrid', 'name: mallory'),
    text.replace('passes: 1', 'passes: 2'),
  ])
    await expect(readIdentity(sodium, argon2idOfNode, changed, 'right')).rejects.toThrow(KeyFileError)
})

test('an identity file that asks for all memory, or for hardly any, is refused before the work', async () => {
  const text = await writeIdentity(sodium, argon2idOfNode, makeIdentity(sodium, 'ingrid'), 'right', cheap)
  const never = async () => {
    throw new Error('was asked to derive')
  }
  for (const cost of ['999999999', '8', '-1', '1e9', '0x10'])
    await expect(
      readIdentity(sodium, never, text.replace(/memory-kib: \d+/, `memory-kib: ${cost}`), 'right'),
    ).rejects.toThrow('memory-kib')
})

test('neither the public file nor the identity file holds a private key in clear', async () => {
  const identity = makeIdentity(sodium, 'ingrid')
  const files =
    (await writePublic(identity)) + (await writeIdentity(sodium, argon2idOfNode, identity, 'right', cheap))
  for (const secret of [identity.signPrivate, identity.signPrivate.subarray(0, 32), identity.boxPrivate])
    expect(files).not.toContain(toBase64(secret).slice(0, 40))
})

test('a public file whose fingerprint is of other keys is refused', async () => {
  const text = await writePublic(makeIdentity(sodium, 'ingrid'))
  const other = await fingerprint(makeIdentity(sodium, 'ingrid'))
  expect((await readPublic(text)).name).toBe('ingrid')
  await expect(readPublic(text.replace(/fingerprint: .*/, `fingerprint: ${other}`))).rejects.toThrow(
    KeyFileError,
  )
})

test('a forgotten identity holds no private key any more', () => {
  const identity = makeIdentity(sodium, 'ingrid')
  forget(sodium, identity)
  expect(
    identity.signPrivate.every((byte) => byte === 0) && identity.boxPrivate.every((byte) => byte === 0),
  ).toBe(true)
})

test('the first auditor and the recovery file open the group key, and a stranger does not', async () => {
  const { ingrid, chain, recoveryFile } = await begin()
  const group = toBase64(chain.current.groupKey)
  expect(value(openGroupKeys(sodium, ingrid, chain)).has(group)).toBe(true)
  expect(value(openGroupKeys(sodium, readRecoveryFile(sodium, recoveryFile), chain)).has(group)).toBe(true)
  expect(openGroupKeys(sodium, makeIdentity(sodium, 'ingrid'), chain)).toMatchObject({
    ok: false,
    refusal: { code: 'forbidden' },
  })
})

test('an auditor who is added opens the past, one who is removed loses the future and keeps the past', async () => {
  const { ingrid, links, chain } = await begin()
  const otto = makeIdentity(sodium, 'otto')
  links.push(value(await addAuditor(sodium, ingrid, chain, otto, now)))
  const withOtto = await verified(links)
  expect([...value(openGroupKeys(sodium, otto, withOtto)).keys()]).toEqual([toBase64(chain.current.groupKey)])

  links.push(value(await rotateGroupKey(sodium, otto, withOtto, now)))
  links.push(value(await removeAuditor(sodium, otto, await verified(links), 'ingrid', now)))
  const after = await verified(links)
  const groups = after.lists.map((list) => toBase64(list.groupKey))
  expect(new Set(groups).size).toBe(3)
  expect(new Set(value(openGroupKeys(sodium, otto, after)).keys())).toEqual(new Set(groups))
  expect(value(openGroupKeys(sodium, ingrid, after)).has(groups.at(-1) ?? '')).toBe(false)
  expect(value(openGroupKeys(sodium, ingrid, after)).has(groups[0] ?? '')).toBe(true)
  expect(await rotateGroupKey(sodium, ingrid, after, now)).toMatchObject({
    ok: false,
    refusal: { code: 'forbidden' },
  })
})

test('after every passphrase is lost, the recovery file opens the past and enrols a new auditor', async () => {
  const { links, chain, recoveryFile } = await begin()
  const recovery = readRecoveryFile(sodium, recoveryFile)
  const heir = makeIdentity(sodium, 'heir')
  links.push(value(await addAuditor(sodium, recovery, chain, heir, now)))
  links.push(value(await removeAuditor(sodium, heir, await verified(links), 'ingrid', now)))
  const after = await verified(links)
  expect(value(openGroupKeys(sodium, heir, after)).size).toBe(2)
  // Rotated since, and the recovery key still opens everything.
  expect(value(openGroupKeys(sodium, recovery, after)).size).toBe(3)
})

test('names and keys are on a list once, and the last auditor stays', async () => {
  const { ingrid, chain } = await begin()
  expect(await addAuditor(sodium, ingrid, chain, makeIdentity(sodium, 'ingrid'), now)).toMatchObject({
    refusal: { code: 'conflict' },
  })
  expect(await addAuditor(sodium, ingrid, chain, { ...ingrid, name: 'other' }, now)).toMatchObject({
    refusal: { code: 'conflict' },
  })
  expect(await removeAuditor(sodium, ingrid, chain, 'ingrid', now)).toMatchObject({
    refusal: { code: 'conflict' },
  })
  expect(await removeAuditor(sodium, ingrid, chain, 'nobody', now)).toMatchObject({
    refusal: { code: 'not_found' },
  })
})

test('an answer to a challenge is good for its auditor, its name and its challenge only', async () => {
  const ingrid = makeIdentity(sodium, 'ingrid')
  const challenge = sodium.randombytes_buf(32)
  const answer = answerChallenge(sodium, ingrid, challenge)
  expect(isAnswerTo(sodium, ingrid, challenge, answer)).toBe(true)
  expect(isAnswerTo(sodium, ingrid, sodium.randombytes_buf(32), answer)).toBe(false)
  expect(isAnswerTo(sodium, { ...ingrid, name: 'otto' }, challenge, answer)).toBe(false)
  expect(isAnswerTo(sodium, makeIdentity(sodium, 'ingrid'), challenge, answer)).toBe(false)
  expect(isAnswerTo(sodium, ingrid, challenge, answer.subarray(1))).toBe(false)
})

test('the fingerprint of a chain is that of its first list and stays', async () => {
  const { ingrid, links, chain } = await begin()
  links.push(value(await rotateGroupKey(sodium, ingrid, chain, now)))
  const after = await verified(links)
  expect(chainFingerprint(after)).toBe(chainFingerprint(chain))
  expect(chainFingerprint(chain)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
  expect(value(await verifyChain(sodium, links, pinOf(chain))).current.version).toBe(2)
})
