import type { TermsView, VerbAnswer } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask } from '../api.ts'
import { loadSodium } from './sodium.ts'

/** What a one-time link is for, with the second factor that its person is to set up. */
export type Begun = {
  readonly name: string
  readonly expiresAt: string
  /** The directory that knows them; null: they choose a password here. */
  readonly directory: VerbAnswer<'enrolment.begin'>['directory']
  /** For an authenticator: the secret in base32, and the address that it scans. */
  readonly secret: string
  readonly uri: string
  /** What they have to accept with it, if anything. */
  readonly terms: TermsView | null
}

/**
 * Opens a one-time link. The second factor comes sealed to a key made here for this one answer, which nobody else
 * holds: not the console's server either.
 */
export async function beginEnrolment(token: string): Promise<Begun> {
  const sodium = await loadSodium()
  const own = sodium.crypto_box_keypair()
  try {
    const answer = await ask<VerbAnswer<'enrolment.begin'>>('POST', '/api/enrolment/begin', {
      token,
      boxKey: toBase64(own.publicKey),
    })
    const opened = sodium.crypto_box_seal_open(fromBase64(answer.sealedTotp), own.publicKey, own.privateKey)
    const { secret, uri } = JSON.parse(new TextDecoder().decode(opened)) as Pick<Begun, 'secret' | 'uri'>
    sodium.memzero(opened)
    const { name, expiresAt, directory, terms } = answer
    return { name, expiresAt, directory, terms, secret, uri }
  } finally {
    sodium.memzero(own.privateKey)
  }
}
