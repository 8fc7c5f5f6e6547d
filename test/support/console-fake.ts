import { randomBytes } from 'node:crypto'
import sodium from 'libsodium-wrappers'
import type { ContentPorts } from '../../api/content.ts'
import { type AppPorts, makeApp } from '../../api/http/app.ts'
import type { Limits } from '../../api/http/limit.ts'
import { type Listening, listen } from '../../api/http/server.ts'
import type { AskVault } from '../../api/vault-link.ts'
import type {
  AuditorListLink,
  Role,
  UserView,
  VaultStatus,
  VerbAnswer,
  VerbName,
} from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { Input } from '../../vault/world.ts'

/** What the fake vault was asked, in order. */
export type Asked = { readonly verb: string; readonly input: unknown; readonly token: string | undefined }

/** What verbs answer, in the shape that the vault's answers have. */
export type FakeAnswers = {
  readonly set: <Name extends VerbName>(
    verb: Name,
    answer: (input: Input<Name>, user: UserView) => VerbAnswer<Name> | Outcome<never>,
  ) => void
  readonly delete: (verb: VerbName) => void
  readonly clear: () => void
}

export type FakeConsole = AsyncDisposable &
  Listening & {
    readonly ask: AskVault
    readonly asked: Asked[]
    /** Answers a verb otherwise than from the table of `fakeAnswers`: with a value, or a refusal. */
    readonly answers: FakeAnswers
    /** Tokens that are signed in. */
    readonly tokens: Map<string, UserView>
    readonly signIn: (name: string, role: Role) => string
  }

/**
 * The api's real HTTP edge over a vault that answers from memory: for tests of the edge alone, and for pages that need a state
 * that is hard to come by. Never the only test of anything.
 */
export async function startFakeConsole(
  options: {
    readonly consoleDir?: string
    readonly limits?: Limits
    readonly links?: readonly AuditorListLink[]
    readonly open?: ContentPorts['open']
    readonly stamper?: AppPorts['stamper']
    readonly names?: readonly string[]
  } = {},
): Promise<FakeConsole> {
  await sodium.ready
  const box = sodium.crypto_box_keypair()
  const asked: Asked[] = []
  const answers = new Map<string, (input: never, user: UserView) => unknown>()
  const tokens = new Map<string, UserView>()
  const status: VaultStatus = {
    initialised: true,
    sealed: false,
    intakeKey: Buffer.from(box.publicKey).toString('base64'),
    fingerprint: 'SHA256:Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmE',
    sealProviders: [{ kind: 'key-file' }],
    shares: null,
    rehearsal: null,
    auditors: null,
    users: 3,
    version: '0.1.0',
  }
  const signIn = (name: string, role: Role) => {
    const token = randomBytes(24).toString('base64url')
    tokens.set(token, userView(name, [role]))
    return token
  }
  const ask: AskVault = async (verb, input, token) => {
    asked.push({ verb, input, token })
    if (verb === 'status') return done(status) as never
    if (verb === 'login.providers') return done([]) as never
    if (verb === 'login.start') return startLogin(input as { name: string }, signIn, tokens) as never
    const user = token === undefined ? undefined : tokens.get(token)
    if (user === undefined) return refuse('unauthenticated', 'the sign-in is over', 'sign in again')
    if (verb === 'login.stepUp') return done({ url: 'https://login.example/', browser: 'kept-here' }) as never
    if (verb === 'login.who') return done(user) as never
    if (verb === 'login.end' && token !== undefined) tokens.delete(token)
    const answer = answers.get(verb)
    if (answer !== undefined) {
      const given = answer(input as never, user)
      return (isRefusal(given) ? given : done(given)) as never
    }
    if (verb === 'auditor.lists') return done(options.links ?? []) as never
    return done(verb.endsWith('.list') ? [] : null) as never
  }
  const app = makeApp(
    {
      ask,
      open: options.open ?? (async () => refuse('not_found', 'there is no such recording')),
      ...(options.stamper === undefined ? {} : { stamper: options.stamper }),
      now: Date.now,
      onFault: ({ error }) => console.error('fault in the api', error),
    },
    {
      tls: false,
      names: options.names ?? [],
      sshPort: 2222,
      consoleDir: options.consoleDir ?? '/nonexistent',
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    },
  )
  const listening = await listen(app, { host: '127.0.0.1', port: 0, transport: { kind: 'insecurePlain' } })
  // Each is asked with what its own verb is given.
  return { ...listening, ask, asked, answers: answers as unknown as FakeAnswers, tokens, signIn }
}

function isRefusal(given: unknown): boolean {
  return typeof given === 'object' && given !== null && Reflect.get(given, 'ok') === false
}

function startLogin(
  { name }: { readonly name: string },
  signIn: (name: string, role: Role) => string,
  tokens: ReadonlyMap<string, UserView>,
): Outcome<unknown> {
  const roles: Readonly<Record<string, Role>> = { alice: 'admin', bob: 'operator', ingrid: 'auditor' }
  const role = Object.hasOwn(roles, name) ? roles[name] : undefined
  if (role === undefined) return refuse('unauthenticated', 'name, password or code is wrong')
  const token = signIn(name, role)
  return done({ token, user: tokens.get(token), expiresAt: new Date(Date.now() + 3600_000).toISOString() })
}

export function userView(name: string, roles: readonly Role[]): UserView {
  return {
    id: newId('usr'),
    name,
    roles,
    state: 'active',
    hasPassword: true,
    hasTotp: true,
    keys: 1,
    passkeys: 0,
    recoveryCodes: 10,
    mail: null,
    createdAt: new Date(Date.now() - 86_400_000).toISOString(),
    lastLoginAt: new Date().toISOString(),
  }
}
