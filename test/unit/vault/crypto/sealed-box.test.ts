import { expect, test } from 'vitest'
import { BoxKeyPair, sealToBox } from '../../../../vault/crypto/sealed-box.ts'
import { isSignatureOf, signBytes, signingKeyOf, verifyingKeyOf } from '../../../../vault/crypto/signing.ts'
import { Secret } from '../../../../vault/kernel/secret.ts'

const seed = (byte: number) => new Uint8Array(32).fill(byte)

test('what is sealed to a box key opens for its holder alone', () => {
  using ours = new BoxKeyPair(seed(1))
  using theirs = new BoxKeyPair(seed(2))
  using secret = Secret.fromText('hunter2')
  const sealed = sealToBox(ours.publicKey, secret)
  const opened = ours.open(sealed)
  if (!opened.ok) throw new Error('it did not open')
  opened.value.expose((bytes) => expect(Buffer.from(bytes).toString()).toBe('hunter2'))
  expect(theirs.open(sealed).ok).toBe(false)
})

test('bytes that were not sealed to a key are a refusal, whatever they are', () => {
  using ours = new BoxKeyPair(seed(1))
  for (const length of [0, 1, 47, 48, 49, 500]) expect(ours.open(new Uint8Array(length)).ok).toBe(false)
})

test('a signing key is the one of RFC 8032 §7.1, test 1', () => {
  const key = signingKeyOf(
    Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
  )
  expect(Buffer.from(key.publicKey).toString('hex')).toBe(
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  )
  const signature = signBytes(key, new Uint8Array(0))
  expect(Buffer.from(signature).toString('hex')).toMatch(/^e5564300c360ac729086e2cc806e828a/)
  expect(isSignatureOf(verifyingKeyOf(key.publicKey), new Uint8Array(0), signature)).toBe(true)
  expect(isSignatureOf(verifyingKeyOf(key.publicKey), new Uint8Array(1), signature)).toBe(false)
})
