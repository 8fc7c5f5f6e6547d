import { type Canonical, canonicalBytes } from './encoding.ts'

/**
 * What a passkey signs: that this is done, and nothing else, once. Both sides make it of the vault's nonce and of the
 * whole input: the api, which carries both, moves a proof to no other act. Runs in browsers too.
 */
export async function actChallenge(nonce: string, verb: string, input: Canonical): Promise<Uint8Array> {
  const bytes = canonicalBytes({ purpose: 'tagout/v1/act', nonce, verb, input })
  return new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)))
}
