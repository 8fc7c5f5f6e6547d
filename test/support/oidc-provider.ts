import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer, request as requestTls, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Provider from 'oidc-provider'
import type { OidcSettings } from '../../vault/contract.ts'
import { makeDirectoryCertificates } from './directory-certificates.ts'

export const clientSecret = 'canary-client-secret-of-the-console'
const clientId = 'tagout'

export type ProviderPerson = {
  readonly sub: string
  readonly name: string
  groups: unknown
}

/** A real provider of OpenID Connect over TLS, whose people sign in by their name alone. */
export type TestProvider = AsyncDisposable & {
  readonly issuer: string
  readonly ca: string
  readonly people: Map<string, ProviderPerson>
  readonly settings: OidcSettings
  /** Goes where a browser is sent, signs in as this person, and answers what the browser comes back with. */
  readonly signIn: (
    url: string,
    who: string,
    how?: { readonly acr?: string; readonly deny?: boolean },
  ) => Promise<{
    readonly state: string
    readonly code?: string
    readonly iss?: string
    readonly error?: string
  }>
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

/** `console`: where people reach the console. `host`: by another name than the console's, it is another site. */
export async function startProvider(
  options: {
    readonly console?: string
    readonly host?: '127.0.0.1' | 'localhost'
    /** What it takes for now (ms) where it says when it asked somebody. */
    readonly now?: () => number
  } = {},
): Promise<TestProvider> {
  const folder = mkdtempSync(join(tmpdir(), 'tagout-oidc-'))
  const { ca, files } = makeDirectoryCertificates(folder)
  const people = new Map<string, ProviderPerson>()
  const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) })
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const issuer = `https://${options.host ?? 'localhost'}:${port}`
  const console = options.console ?? 'https://gateway.plant.example'
  const provider = makeProvider(issuer, `${console}/sign-in/return`, people)
  const answer = provider.callback()
  server.on('request', (asked: IncomingMessage, response: ServerResponse) => {
    if (asked.url?.startsWith('/interaction/') === true)
      void interact(provider, people, asked, response, options.now)
    else answer(asked, response)
  })
  const settings: OidcSettings = {
    kind: 'oidc',
    issuer,
    clientId,
    certificates: ca,
    console,
    groupsClaim: 'groups',
    loginClaim: 'preferred_username',
    scopes: ['profile'],
    acrValues: [],
    maxAgeSeconds: null,
    stepUp: null,
    keysSeconds: 12 * 3600,
  }
  const stop = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  return {
    issuer,
    ca,
    people,
    settings,
    signIn: (url, who, how = {}) => walk(url, console, ca, who, how),
    stop,
    start: () => listen(server, port),
    async [Symbol.asyncDispose]() {
      if (server.listening) await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}

function makeProvider(
  issuer: string,
  redirectUri: string,
  people: ReadonlyMap<string, ProviderPerson>,
): Provider {
  return new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    claims: { openid: ['sub', 'acr', 'auth_time'], profile: ['preferred_username', 'groups'] },
    acrValues: ['password', 'two-factors'],
    conformIdTokenClaims: false,
    cookies: { keys: ['a key of a test'] },
    features: { devInteractions: { enabled: false } },
    findAccount: async (_context: unknown, sub: string) => {
      const person = [...people.values()].find((one) => one.sub === sub)
      return person === undefined
        ? undefined
        : {
            accountId: sub,
            claims: async () => ({ sub, preferred_username: person.name, groups: person.groups }),
          }
    },
    interactions: {
      url: (_context: unknown, { uid }: { readonly uid: string }) => `/interaction/${uid}`,
    },
    pkce: { required: () => true },
    loadExistingGrant: async (context: {
      readonly oidc: {
        readonly provider: Provider
        readonly client: { readonly clientId: string }
        readonly session: { readonly accountId: string }
      }
    }) => {
      const { provider, client, session } = context.oidc
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid profile')
      await grant.save()
      return grant
    },
    ttl: {
      Session: 3600,
      Interaction: 600,
      AuthorizationCode: 60,
      IdToken: 300,
      AccessToken: 300,
      Grant: 600,
    },
  })
}

const page = (uid: string) => `<!doctype html><html lang="en"><title>Plant login</title>
<h1>Plant login</h1><form method="post" action="/interaction/${uid}">
<label>Name <input name="who"></label><input type="hidden" name="acr" value="">
<button name="do" value="in">Sign in</button><button name="do" value="deny">Cancel</button></form></html>`

/** The page on which people say who they are. */
async function interact(
  provider: Provider,
  people: ReadonlyMap<string, ProviderPerson>,
  asked: IncomingMessage,
  response: ServerResponse,
  now: () => number = Date.now,
): Promise<void> {
  try {
    const { uid } = await provider.interactionDetails(asked, response)
    if (asked.method !== 'POST') {
      response.setHeader('content-type', 'text/html; charset=utf-8')
      response.end(page(uid))
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of asked) chunks.push(chunk as Buffer)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    const person = people.get(form.get('who') ?? '')
    const result =
      form.get('do') === 'deny' || person === undefined
        ? { error: 'access_denied', error_description: 'they said no' }
        : {
            login: {
              accountId: person.sub,
              ts: Math.floor(now() / 1000),
              ...(form.get('acr') ? { acr: form.get('acr') } : {}),
            },
          }
    await provider.interactionFinished(asked, response, result, { mergeWithLastSubmission: false })
  } catch (error) {
    response.statusCode = 500
    response.end(String(error))
  }
}

/** A browser without a screen: follows redirections with its cookies, fills in the form, and stops at the console. */
async function walk(
  url: string,
  console: string,
  ca: string,
  who: string,
  how: { readonly acr?: string; readonly deny?: boolean },
) {
  const jar = new Map<string, string>()
  let at = new URL(url)
  let body: string | undefined
  for (let steps = 0; steps < 12; steps += 1) {
    if (at.origin === console) {
      const { state = '', code, iss, error } = Object.fromEntries(at.searchParams)
      return {
        state,
        ...(code === undefined ? {} : { code }),
        ...(iss === undefined ? {} : { iss }),
        ...(error === undefined ? {} : { error }),
      }
    }
    const { status, location, text } = await ask(at, ca, jar, body)
    body = undefined
    if (location !== undefined) at = new URL(location, at)
    else if (status === 200 && text.includes('Plant login')) {
      const action = /action="([^"]+)"/.exec(text)?.[1] ?? ''
      at = new URL(action, at)
      body = new URLSearchParams({
        who,
        acr: how.acr ?? '',
        do: how.deny === true ? 'deny' : 'in',
      }).toString()
    } else throw new Error(`the provider answered ${status}: ${text.slice(0, 300)}`)
  }
  throw new Error('the provider sends a browser around in circles')
}

function ask(
  at: URL,
  ca: string,
  jar: Map<string, string>,
  body: string | undefined,
): Promise<{ readonly status: number; readonly location: string | undefined; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = (at.protocol === 'https:' ? requestTls : request)(
      at,
      {
        method: body === undefined ? 'GET' : 'POST',
        ca,
        headers: {
          cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
          ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        },
      },
      (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
          if (value === '') jar.delete(name)
          else jar.set(name, value)
        }
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, location: response.headers.location, text }),
        )
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}
