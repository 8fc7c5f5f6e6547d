import { expect, test } from 'vitest'
import { originOf, signCheckpoint } from '../../../../vault/audit/checkpoint.ts'
import { leafBytes } from '../../../../vault/audit/leaf.ts'
import { indexRow } from '../../../../vault/audit/index-row.ts'
import { leafHash, nodeHash } from '../../../../vault/audit/tree.ts'
import { verifyFound } from '../../../../vault/proof/found.ts'
import { isSignatureOf, signingKeyOf, verifyingKeyOf } from '../../../../vault/crypto/signing.ts'
import { toBase64 } from '../../../../vault/kernel/encoding.ts'

const key = signingKeyOf(new Uint8Array(32).fill(1))
const other = signingKeyOf(new Uint8Array(32).fill(2))
const first = leafBytes(0, undefined, Buffer.from('{"why":"one"}'), false)
const second = leafBytes(1, leafHash(first), Buffer.from('{"why":"two"}'), false)
const root = nodeHash(leafHash(first), leafHash(second))
const signed = (by = key) =>
  signCheckpoint(by, { origin: originOf('ins_1'), size: 2, root, time: '2026-11-30T06:00:00.000Z' })
const leaf = (seq: number, body: Uint8Array, beside: Uint8Array) => ({
  seq,
  body: toBase64(body),
  proof: [toBase64(leafHash(beside))],
})
const verdict = (checkpoint: string, ...leaves: ReturnType<typeof leaf>[]) =>
  verifyFound([{ checkpoint, leaves }], key.publicKey, (message, signature) =>
    isSignatureOf(verifyingKeyOf(key.publicKey), message, signature),
  )

test('entries with their proofs are in the log, by its signature alone', async () => {
  expect(await verdict(signed(), leaf(0, first, second), leaf(1, second, first))).toMatchObject({
    ok: true,
    leaves: 2,
  })
})

test.each([
  ['another entry', leaf(1, leafBytes(1, leafHash(first), Buffer.from('{"why":"zwo"}'), false), first)],
  ['another number', leaf(0, second, first)],
  ['another proof', leaf(1, second, second)],
  ['no entry at all', { seq: 1, body: '###', proof: [] }],
])('%s is not', async (_what, wrong) => {
  expect(await verdict(signed(), wrong)).toMatchObject({ ok: false, at: wrong.seq })
})

test('a checkpoint of another key vouches for nothing', async () => {
  expect((await verdict(signed(other), leaf(0, first, second))).ok).toBe(false)
})

const row = (entry: object) =>
  indexRow(
    7,
    Buffer.from(JSON.stringify({ actor: { kind: 'vault' }, at: '2026-11-30T06:00:00.000Z', ...entry })),
  )

test('an entry is found by the names in it, in small letters', () => {
  expect(
    row({
      kind: 'session.opened',
      session: 'ses_1',
      userName: 'Vera',
      accountName: 'Press-3/Engineer',
      targetName: 'Press-3',
      grant: 'grt_1',
      actor: { kind: 'user', id: 'usr_1', name: 'Vera' },
    }),
  ).toEqual({
    seq: 7,
    at: new Date('2026-11-30T06:00:00.000Z'),
    kind: 'session.opened',
    actor: 'vera',
    person: 'vera',
    target: 'press-3',
    account: 'press-3/engineer',
    company: null,
    safe: null,
    session: 'ses_1',
    grant_id: 'grt_1',
    request: null,
  })
  expect(row({ kind: 'session.refused', userName: 'bob', target: 'mill-9', account: '' })).toMatchObject({
    target: 'mill-9',
    account: null,
  })
  expect(row({ kind: 'session.refused', userName: 'bob', target: 'mill-9', account: 'root' })).toMatchObject({
    target: 'mill-9',
    account: 'mill-9/root',
  })
  // A file's name is nobody's.
  expect(row({ kind: 'session.file', session: 'ses_1', userName: 'bob', name: 'vera' }).person).toBe('bob')
  expect(row({ kind: 'target.added', targetName: 'a', safeName: 'line-3' }).safe).toBe(null)
  expect(row({ kind: 'safe.added', safeName: 'line-3' }).safe).toBe('line-3')
  expect(row({ kind: 'x', actor: { kind: 'local', uid: 0 } }).actor).toBe('local:0')
})

test.each([
  ['no JSON', Buffer.from('}{')],
  ['a list', Buffer.from('[]')],
  [
    'names of another type',
    Buffer.from('{"kind":"x","at":"x","actor":{"kind":"user","name":7},"userName":[],"session":{}}'),
  ],
])('%s is found by its number alone', (_what, body) => {
  expect(indexRow(7, body)).toMatchObject({
    seq: 7,
    at: new Date(0),
    actor: null,
    person: null,
    target: null,
  })
})
