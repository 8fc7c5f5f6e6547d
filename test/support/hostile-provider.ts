import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OidcSettings } from '../../vault/contract.ts'
import { makeDirectoryCertificates } from './directory-certificates.ts'

/** What a hostile provider says otherwise than it should. */
export type ProviderLies = {
  /** Claims of the ID token; `undefined` takes one away. */
  claims?: Readonly<Record<string, unknown>>
  header?: Readonly<Record<string, unknown>>
  /** Signs with this key instead of its own. */
  key?: KeyObject
  /** The whole answer of the token endpoint. */
  answer?: (idToken: string) => {
    readonly status?: number
    readonly headers?: Record<string, string>
    readonly body: string
  }
  metadata?: Readonly<Record<string, unknown>>
}

export type HostileProvider = AsyncDisposable & {
  readonly issuer: string
  readonly settings: OidcSettings
  lies: ProviderLies
  /** Codes and verifiers that its token endpoint was sent. */
  readonly sent: URLSearchParams[]
  /** Takes the state and the nonce out of the address to which a browser is sent. */
  readonly meet: (url: string) => void
}

/** A provider of OpenID Connect over TLS that says what a test has it say. Every code is good. */
export async function startHostileProvider(
  console = 'https://gateway.plant.example',
): Promise<HostileProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'tagout-hostile-oidc-'))
  const { ca, files } = makeDirectoryCertificates(folder)
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'own', use: 'sig', alg: 'RS256' }
  const sent: URLSearchParams[] = []
  let nonce = ''
  const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const issuer = `https://localhost:${(server.address() as AddressInfo).port}`
  const settings: OidcSettings = {
    kind: 'oidc',
    issuer,
    clientId: 'tagout',
    certificates: ca,
    console,
    groupsClaim: 'groups',
    loginClaim: 'preferred_username',
    scopes: [],
    acrValues: [],
    maxAgeSeconds: null,
    stepUp: null,
    keysSeconds: 3600,
  }
  const hostile: HostileProvider = {
    issuer,
    settings,
    lies: {},
    sent,
    meet: (url) => {
      nonce = new URL(url).searchParams.get('nonce') ?? ''
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
  const idToken = () => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: issuer,
      aud: 'tagout',
      sub: 'subject-of-bob',
      nonce,
      iat: now,
      exp: now + 300,
      preferred_username: 'bob',
      groups: ['operators'],
      ...hostile.lies.claims,
    }
    return signToken(
      claims,
      { alg: 'RS256', kid: 'own', ...hostile.lies.header },
      hostile.lies.key ?? own.privateKey,
      own.publicKey,
    )
  }
  const answer = async (asked: IncomingMessage, response: ServerResponse) => {
    const json = (body: unknown) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(body))
    }
    if (asked.url === '/.well-known/openid-configuration')
      return json({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        ...hostile.lies.metadata,
      })
    if (asked.url === '/jwks') return json({ keys: [jwk] })
    if (asked.url !== '/token') {
      response.statusCode = 404
      return response.end()
    }
    const chunks: Buffer[] = []
    for await (const chunk of asked) chunks.push(chunk as Buffer)
    sent.push(new URLSearchParams(Buffer.concat(chunks).toString()))
    const token = idToken()
    const said = hostile.lies.answer?.(token)
    if (said === undefined)
      return json({ access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: token })
    response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers })
    response.end(said.body)
  }
  server.on('request', (asked, response) => void answer(asked, response))
  return hostile
}

function signToken(
  claims: object,
  header: Readonly<Record<string, unknown>>,
  key: KeyObject,
  publicKey: KeyObject,
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part(header)}.${part(claims)}`
  if (header['alg'] === 'none') return `${text}.`
  // The oldest confusion: a MAC whose key is the public one.
  if (header['alg'] === 'HS256') {
    const pem = publicKey.export({ format: 'pem', type: 'spki' })
    return `${text}.${createHash('sha256').update(`${pem}${text}`).digest('base64url')}`
  }
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}
