import { request as httpsRequest } from 'node:https'
import type { TLSSocket } from 'node:tls'
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  clockTolerance,
  type Configuration,
  type CustomFetch,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
} from 'openid-client'
import type { OidcSettings } from '../contract.ts'

/** How a provider is to ask somebody: as one of these values says, no longer ago than so many seconds, or anew. */
export type OidcAsking = {
  readonly acrValues: readonly string[]
  readonly maxAge: number | null
  readonly anew: boolean
}

/**
 * OpenID Connect, in the process that speaks with a directory. Nothing of it is loaded by the vault.
 *
 * Traps of openid-client, each with a test: it believes an ID token that came over TLS without a signature unless it is
 * told to look (`enableNonRepudiationChecks`); it follows what the metadata names.
 */
export type OidcQuestion = {
  readonly settings: OidcSettings
  readonly secret: string
  readonly redirectUri: string
} & (
  | {
      readonly do: 'begin'
      readonly state: string
      readonly nonce: string
      readonly challenge: string
      readonly asking: OidcAsking
    }
  | {
      readonly do: 'exchange'
      readonly code: string
      readonly iss: string | null
      readonly state: string
      readonly nonce: string
      readonly verifier: string
      /** Seconds, as openid-client looks at them; the vault looks again. */
      readonly maxAge: number | null
    }
  | { readonly do: 'test' }
)

export const oidcWhys = [
  'away', // it cannot be reached
  'tls', // it is not the one that it should be
  'metadata', // what it says of itself is not of this issuer, or not enough
  'client', // it does not know Tagout, or not by this secret
  'code', // the code is none of its, was used, or is another's
  'token', // the ID token is not one that proves somebody to us, now
  'failed', // anything else
] as const
export type OidcWhy = (typeof oidcWhys)[number]

export type OidcAnswer =
  | { readonly ok: false; readonly why: OidcWhy; readonly detail: string }
  | { readonly ok: true; readonly url: string }
  | { readonly ok: true; readonly claims: Readonly<Record<string, unknown>> }
  | ({ readonly ok: true } & OidcFound)

/** What a provider says of itself. Null: it does not say. */
export type OidcFound = {
  readonly certificateUntil: string | null
  /** How many keys it signs with, of those that are believed. */
  readonly keys: number
  /** Of what it signs ID tokens by, what is believed. */
  readonly algorithms: readonly string[]
  readonly takesPkce: boolean | null
  /** Which of the values and scopes that it is asked for it does not name. */
  readonly unknownAcr: readonly string[] | null
  readonly unknownScopes: readonly string[] | null
  /** Does it know this client, by this secret? */
  readonly knowsClient: boolean | null
}

/** Signatures of ID tokens that are believed: none by a shared secret, and no `none`. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
const longestAnswer = 1024 * 1024
const answerMs = 8_000
/** Seconds that the provider's clock may be off. */
const clockOff = 60

class Refused extends Error {
  readonly why: OidcWhy

  constructor(why: OidcWhy, detail: string) {
    super(detail)
    this.why = why
  }
}

export async function speakOidc(question: OidcQuestion): Promise<OidcAnswer> {
  try {
    const config = await discover(question)
    switch (question.do) {
      case 'begin':
        return { ok: true, url: addressFor(config, question).href }
      case 'exchange':
        return { ok: true, claims: await exchange(config, question) }
      case 'test':
        return { ok: true, ...(await find(config, question)) }
    }
  } catch (error) {
    return reason(error)
  }
}

async function discover({ settings, secret }: OidcQuestion): Promise<Configuration> {
  const fetch = fetchBy(settings.certificates)
  const config = await discovery(
    new URL(settings.issuer),
    settings.clientId,
    { [clockTolerance]: clockOff },
    secret === '' ? None() : ClientSecretPost(secret),
    { [customFetch]: fetch, timeout: 0 },
  ).catch((error: unknown) => {
    const known = reason(error)
    throw known.ok || known.why === 'away' || known.why === 'tls'
      ? error
      : new Refused('metadata', known.detail)
  })
  const said = config.serverMetadata()
  // SECURITY: the issuer is the one that was entered, sign for sign, and what it names is behind TLS.
  if (said.issuer !== settings.issuer) throw new Refused('metadata', 'issuer')
  for (const endpoint of [said.authorization_endpoint, said.token_endpoint, said.jwks_uri])
    if (endpoint === undefined || !isBehindTls(endpoint)) throw new Refused('metadata', 'endpoint')
  enableNonRepudiationChecks(config)
  return config
}

/** Looks at what it says of itself, at its keys, and at whether it knows this client: by a code that is none. */
async function find(
  config: Configuration,
  { settings, secret, redirectUri }: OidcQuestion,
): Promise<OidcFound> {
  const said = config.serverMetadata()
  const lacking = (wanted: readonly string[], known: unknown) =>
    Array.isArray(known) ? wanted.filter((one) => !known.includes(one)) : null
  let certificateUntil: string | null = null
  const fetch = fetchBy(settings.certificates, (until) => {
    certificateUntil = until
  })
  const asked = async (address: string, form?: Readonly<Record<string, string>>) => {
    const answer = await fetch(address, {
      method: form === undefined ? 'GET' : 'POST',
      headers: form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' },
      body: form === undefined ? undefined : new URLSearchParams(form),
      redirect: 'manual',
    } as Parameters<CustomFetch>[1])
    const value: unknown = await answer.json().catch(() => null)
    return (name: string): unknown =>
      typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  }
  const keys = (await asked(said.jwks_uri ?? ''))('keys')
  const refusal = (
    await asked(said.token_endpoint ?? '', {
      grant_type: 'authorization_code',
      code: 'a-test-by-tagout',
      redirect_uri: redirectUri,
      code_verifier: 'a-test-by-tagout-that-is-as-long-as-a-verifier-is',
      client_id: settings.clientId,
      ...(secret === '' ? {} : { client_secret: secret }),
    })
  )('error')
  if (refusal === 'invalid_client' || refusal === 'unauthorized_client') throw new Refused('client', refusal)
  const signs = said.id_token_signing_alg_values_supported
  const pkce = said.code_challenge_methods_supported
  return {
    certificateUntil,
    keys: Array.isArray(keys) ? Math.min(keys.length, 1000) : 0,
    algorithms: algorithms.filter((one) => Array.isArray(signs) && signs.includes(one)),
    takesPkce: Array.isArray(pkce) ? pkce.includes('S256') : null,
    unknownAcr: lacking(
      [...settings.acrValues, ...(settings.stepUp?.acrValues ?? [])],
      said['acr_values_supported'],
    ),
    unknownScopes: lacking(settings.scopes, said.scopes_supported),
    knowsClient: refusal === 'invalid_grant' ? true : null,
  }
}

function isBehindTls(address: string): boolean {
  return URL.canParse(address) && new URL(address).protocol === 'https:'
}

function addressFor(config: Configuration, question: OidcQuestion & { readonly do: 'begin' }): URL {
  const { settings, asking } = question
  return buildAuthorizationUrl(config, {
    redirect_uri: question.redirectUri,
    response_type: 'code',
    scope: [...new Set(['openid', ...settings.scopes])].join(' '),
    state: question.state,
    nonce: question.nonce,
    code_challenge: question.challenge,
    code_challenge_method: 'S256',
    ...(asking.acrValues.length === 0 ? {} : { acr_values: asking.acrValues.join(' ') }),
    ...(asking.maxAge === null ? {} : { max_age: String(asking.maxAge) }),
    ...(asking.anew ? { prompt: 'login' } : {}),
  })
}

async function exchange(
  config: Configuration,
  question: OidcQuestion & { readonly do: 'exchange' },
): Promise<Readonly<Record<string, unknown>>> {
  const { settings, code, iss, state, maxAge } = question
  const back = new URL(question.redirectUri)
  back.search = new URLSearchParams({ code, state, ...(iss === null ? {} : { iss }) }).toString()
  const tokens = await authorizationCodeGrant(config, back, {
    pkceCodeVerifier: question.verifier,
    expectedState: state,
    expectedNonce: question.nonce,
    idTokenExpected: true,
    ...(maxAge === null ? {} : { maxAge }),
  })
  const { id_token: text } = tokens
  const claims = tokens.claims()
  if (text === undefined || claims === undefined) throw new Refused('token', 'missing')
  if (!algorithms.includes(algorithmOf(text))) throw new Refused('token', 'algorithm')
  const wanted = ['iss', 'aud', 'sub', 'nonce', 'iat', 'acr', 'auth_time', 'azp']
  const named = [...wanted, settings.loginClaim, settings.groupsClaim]
  return Object.fromEntries(
    named.flatMap((name) => (Object.hasOwn(claims, name) ? [[name, claims[name]] as const] : [])),
  )
}

function algorithmOf(token: string): string {
  const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8'))
  return typeof header === 'object' && header !== null && 'alg' in header ? String(header.alg) : ''
}

/** The fetch of this process: over TLS alone, by these certificates, no redirection, bounded in time and bytes. */
function fetchBy(
  certificates: string | null,
  onCertificate: (until: string) => void = () => {},
): CustomFetch {
  return (address, { method, headers, body }) =>
    new Promise((resolve, reject) => {
      const asked = httpsRequest(
        address,
        {
          method,
          headers,
          agent: false,
          minVersion: 'TLSv1.2',
          rejectUnauthorized: true,
          signal: AbortSignal.timeout(answerMs),
          ...(certificates === null ? {} : { ca: certificates }),
        },
        (response) => {
          const { socket } = response
          const until =
            'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().valid_to : ''
          if (typeof until === 'string') onCertificate(until)
          const chunks: Buffer[] = []
          let bytes = 0
          response.on('error', reject)
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length
            if (bytes > longestAnswer) response.destroy(new Refused('failed', 'too long'))
            else chunks.push(chunk)
          })
          response.on('end', () => {
            const given = new Headers()
            for (const [name, value] of Object.entries(response.headers))
              if (typeof value === 'string') given.set(name, value)
            const status = response.statusCode ?? 500
            const empty = status === 204 || status === 304
            resolve(new Response(empty ? null : Buffer.concat(chunks), { status, headers: given }))
          })
        },
      )
      asked.on('error', reject)
      // What it sends are forms.
      asked.end(body instanceof URLSearchParams ? body.toString() : body)
    })
}

const tlsCode = /CERT|^ERR_TLS|^EPROTO|^ERR_SSL|SELF_SIGNED|UNABLE_TO/
const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'ABORT_ERR',
])

/** Why it came to nothing. What the provider wrote goes nowhere: its codes are RFC 6749's, or nobody's. */
function reason(error: unknown): Extract<OidcAnswer, { ok: false }> {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof Refused) return { ok: false, why: at.why, detail: at.message }
    if ('error' in at && typeof at.error === 'string') {
      const detail = /^[a-z_]{1,40}$/.test(at.error) ? at.error : 'error'
      const why = ['invalid_client', 'unauthorized_client'].includes(detail) ? 'client' : 'code'
      return { ok: false, why, detail }
    }
    const code = 'code' in at && typeof at.code === 'string' ? at.code : ''
    if (tlsCode.test(code)) return { ok: false, why: 'tls', detail: code }
    if (awayCodes.has(code) || at.name === 'TimeoutError' || at.name === 'AbortError')
      return { ok: false, why: 'away', detail: code }
    if (
      code.startsWith('OAUTH_JWT') ||
      code === 'OAUTH_KEY_SELECTION_FAILED' ||
      code === 'OAUTH_MISSING_SERVER_METADATA'
    )
      return { ok: false, why: 'token', detail: code }
    if (
      code === 'OAUTH_INVALID_RESPONSE' ||
      code === 'OAUTH_UNSUPPORTED_OPERATION' ||
      code === 'OAUTH_PARSE_ERROR'
    )
      return { ok: false, why: 'token', detail: code }
  }
  return { ok: false, why: 'failed', detail: '' }
}
