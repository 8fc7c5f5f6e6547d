import {
  browserSupportsWebAuthn,
  startAuthentication,
  startRegistration,
  WebAuthnError,
} from '@simplewebauthn/browser'
import type {
  PasskeyAsk,
  PasskeyProof,
  UserView,
  VerbAnswer,
  VerbInput,
  VerbName,
} from '../../vault/contract.ts'
import { actChallenge } from '../../vault/kernel/act-challenge.ts'
import { type Canonical, canonicalJson, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask, Refused } from '../api.ts'

/** Stands in a field for "not this code, the passkey". */
export const byPasskey = 'passkey'

/** Does this browser take passkeys at this address? None does at an address in numbers. */
export const hasPasskeys = browserSupportsWebAuthn() && !/^[\d.]+$|:/.test(window.location.hostname)

const toUrl = (bytes: Uint8Array) =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** What browsers say of what went wrong, in words that help. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof WebAuthnError && error.code === 'ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED')
    return said('this authenticator holds a passkey of yours already', 'use another one')
  if (error.name === 'NotAllowedError' || error.name === 'AbortError')
    return said('no passkey was shown, or it took too long', 'try again, or give a code')
  if (error.name === 'SecurityError')
    return said(
      'browsers take no passkey at this address',
      'open the console by a name and with a certificate that this browser trusts',
    )
  return error
}

function said(title: string, detail: string): Refused {
  return new Refused({ status: 400, code: 'invalid', title, detail })
}

async function prove(nonce: PasskeyAsk, verb: VerbName, input: Canonical): Promise<PasskeyProof> {
  const here = nonce.passkeys.filter(({ site }) => site === window.location.hostname)
  if (nonce.passkeys.length > 0 && here.length === 0)
    throw said(
      `your passkeys are good at ${nonce.passkeys.map(({ site }) => site).join(', ')}, not here`,
      'open the console there, or give a code',
    )
  try {
    const { id, response } = await startAuthentication({
      optionsJSON: {
        challenge: toUrl(await actChallenge(nonce.nonce, verb, input)),
        rpId: window.location.hostname,
        userVerification: 'required',
        timeout: 60_000,
        ...(here.length === 0
          ? {}
          : { allowCredentials: here.map(({ credential }) => ({ id: credential, type: 'public-key' })) }),
      },
    })
    const { clientDataJSON, authenticatorData, signature } = response
    return { nonce: nonce.nonce, credential: id, clientDataJSON, authenticatorData, signature }
  } catch (error) {
    throw refusalOf(error)
  }
}

/** Signs in by a passkey that the person chooses. */
export async function signInByPasskey(): Promise<UserView> {
  const { nonce } = await ask<VerbAnswer<'login.challenge'>>('POST', '/api/login/challenge')
  const proof = await prove({ nonce, passkeys: [] }, 'login.passkey', null)
  const { user } = await ask<{ readonly user: UserView }>('POST', '/api/login/passkey', { proof })
  return user
}

/** A proof by a passkey in place of the code of a sign-in: made for what else it brings. */
export async function signInProof(
  verb: 'login.start' | 'login.finish',
  input: Canonical,
): Promise<PasskeyProof> {
  const { nonce } = await ask<VerbAnswer<'login.challenge'>>('POST', '/api/login/challenge')
  return prove({ nonce, passkeys: [] }, verb, input)
}

type Read<T> = T extends readonly (infer One)[]
  ? readonly Read<One>[]
  : T extends object
    ? { readonly [Key in keyof T]: Read<T[Key]> }
    : T
type Part<Name extends VerbName> = Partial<Read<Omit<VerbInput<Name>, 'totpCode'>>>

function isCanonical(input: Canonical): boolean {
  try {
    canonicalJson(input)
    return true
  } catch {
    return false
  }
}

/**
 * The body of a request with what proves the person: the code that they typed, or a proof by their passkey, which is
 * made for this verb with this whole input. `members` are those of the address.
 */
export async function proven<Name extends VerbName, Body extends Part<Name>>(
  code: string,
  verb: Name,
  members: Part<Name>,
  body: Body,
): Promise<Body & { readonly totpCode: string | PasskeyProof }> {
  if (code !== byPasskey) return { ...body, totpCode: code }
  const input = { ...members, ...body } as unknown as Canonical
  // What is no number is the vault's to name, before it looks for a proof.
  if (!isCanonical(input)) return { ...body, totpCode: '' }
  const asked = await ask<PasskeyAsk>('POST', '/api/passkeys/challenge')
  return { ...body, totpCode: await prove(asked, verb, input) }
}

/** Makes a passkey at this address and registers it. */
export async function addPasskey(user: string, name: string, code: string): Promise<void> {
  const { nonce, handle, passkeys } = await ask<VerbAnswer<'passkey.begin'>>('POST', '/api/passkeys/begin')
  const { id, response } = await startRegistration({
    optionsJSON: {
      rp: { id: window.location.hostname, name: 'Tagout' },
      user: { id: handle, name: user, displayName: user },
      challenge: toUrl(await actChallenge(nonce, 'passkey.add', null)),
      // Ed25519, ES256, RS256.
      pubKeyCredParams: [-8, -7, -257].map((alg) => ({ alg, type: 'public-key' })),
      attestation: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: passkeys
        .filter(({ site }) => site === window.location.hostname)
        .map(({ credential }) => ({ id: credential, type: 'public-key' })),
      timeout: 300_000,
    },
  }).catch((error: unknown) => {
    throw refusalOf(error)
  })
  const { clientDataJSON, attestationObject } = response
  const body = { nonce, name, credential: id, clientDataJSON, attestationObject }
  await ask('POST', '/api/passkeys', await proven(code, 'passkey.add', {}, body))
}
