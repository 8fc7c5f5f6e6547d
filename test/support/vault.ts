import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { makeFirstList, makeIdentity, type AuditorIdentity } from '../../vault/auditors/index.ts'
import { startVault, type VaultPlane } from '../../vault/compose.ts'
import type { Action, Role, VerbAnswer, VerbInput, VerbName } from '../../vault/contract.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import { matchTotp, totpCode, totpStep } from '../../vault/identity/totp.ts'
import { connectAdmin, connectPlane, type VaultClient } from '../../vault/index.ts'
import {
  makeSealedAccountPassphrase,
  makeSealedAccountSecret,
  makeSealedDirectorySecret,
  makeSealedLoginPassword,
} from '../../vault/intake.ts'
import type { Outcome, Refusal } from '../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../vault/kernel/rpc.ts'
import type { MachineTime } from '../../vault/steady-clock.ts'
import { noSealers } from '../../vault/keys/sealers.ts'
import { ed25519PublicKey, type Plane, type PlaneIdentity } from '../../vault/plane.ts'
import { enrolmentBox } from './enrolment.ts'
import { startTestPostgres, type TestPostgres } from './postgres.ts'
import { fromBase32 } from './totp.ts'

export type TestVaultOptions = {
  /** A cluster of several tests; otherwise the vault has its own. */
  readonly postgres?: TestPostgres
  /** Added to the vault's clock; change it with `advance`. */
  readonly clock?: () => Date
  /** What the machine says of time, in place of the vault's clock: the vault makes its own of it. `advance` has time pass there. */
  readonly machine?: MachineTime
  readonly initialised?: boolean
  /** Enrol an auditor (`ingrid`), without whom there are no sessions. Default true. */
  readonly withAuditor?: boolean
  readonly quotaBytes?: number
  readonly loginIdleSeconds?: number
}

/** A person with what proves them. */
export type TestPerson = {
  readonly name: string
  readonly token: string
  readonly password: string
  /** A code that was not used before: it waits for none, the vault's clock is moved on instead. */
  readonly code: () => string
  /** The code of a step, whether or not it was used. */
  readonly codeOf: (step: number) => string
  /** Sealed to the box key that was given at the enrolment. */
  readonly sealedRecoveryCodes?: string
}

/** A vault of its own: real doors, a real database, a clock that tests move. */
export type TestVault = AsyncDisposable & {
  readonly dataDir: string
  readonly plane: VaultPlane
  readonly postgres: TestPostgres
  readonly admin: VaultClient
  readonly identities: Readonly<Record<Plane, PlaneIdentity>>
  /** What the vault said to its operator. */
  readonly faults: readonly { readonly what: string; readonly error: unknown }[]
  readonly auditor: AuditorIdentity | undefined
  readonly recoveryKey: string
  readonly firstAdminToken: string
  readonly advance: (ms: number) => void
  readonly now: () => Date
  /** Asks as the machine's administrator; throws what was refused. */
  readonly ask: <Name extends VerbName>(verb: Name, input: VerbInput<Name>) => Promise<VerbAnswer<Name>>
  readonly connect: (plane: 'recorder' | 'rotation' | 'api', dispatch?: Dispatch) => Promise<VaultClient>
  /** A recorder's worker that has said hello. */
  readonly worker: (name?: string, dispatch?: Dispatch) => Promise<VaultClient>
  readonly sealLogin: (name: string, password: string) => Promise<string>
  /** Seals a password for an account of this full name. */
  readonly sealPassword: (
    account: string,
    password: string,
  ) => Promise<VerbInput<'account.add'>['credential']>
  readonly sealKey: (
    account: string,
    file: string,
    passphrase?: string,
  ) => Promise<VerbInput<'account.add'>['credential']>
  readonly sealDirectory: (
    directory: string,
    settings: VerbInput<'directory.add'>['settings'],
    secret: string,
  ) => Promise<string>
  /** Adds a user and enrols them through the api's door: with password, second factor and an open login. */
  readonly person: (name: string, roles: readonly Role[]) => Promise<TestPerson>
  /** Uses an enrolment link. */
  readonly enrol: (
    token: string,
    password?: string,
    termsDigest?: string,
    boxKey?: string,
  ) => Promise<TestPerson>
  /** A target with a pinned key and an account with a password. */
  readonly account: (options?: {
    readonly target?: string
    readonly login?: string
    readonly safe?: string
    readonly address?: string
    readonly pin?: string
    readonly password?: string
  }) => Promise<VerbAnswer<'account.add'>>
  readonly grant: (
    user: string,
    account: string,
    more?: Partial<VerbInput<'grant.add'>>,
  ) => Promise<VerbAnswer<'grant.add'>>
  /** Stops this vault's process state and starts another over the same data. */
  readonly restart: () => Promise<void>
}

/** The address, as a fingerprint, of a key that does not exist: for pins of targets that nobody connects to. */
export const somePin = `SHA256:${createHash('sha256').update('some host key').digest('base64').replace(/=+$/, '')}`
export const allActions: readonly Action[] = ['shell', 'exec', 'sftp-read', 'sftp-write']
export const testPassword = 'correct horse 7 battery'

/** Unwraps an outcome; throws with the refusal's words. */
export function must<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const { code, message } = outcome.refusal
  throw new Error(`refused (${code}): ${message}`)
}

/** The refusal of an outcome; throws when it was not refused. */
export function refusalOf(outcome: Outcome<unknown>): Refusal {
  if (outcome.ok) throw new Error('this was not refused')
  return outcome.refusal
}

/** Starts a vault, initialised and unsealed by a key file, on a database of its own. It takes two seconds or so. */
export async function startTestVault(options: TestVaultOptions = {}): Promise<TestVault> {
  await using stack = new AsyncDisposableStack()
  const postgres = options.postgres ?? stack.use(await startTestPostgres())
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-vault-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  await mkdir(join(dataDir, 'vault'), { mode: 0o700 })
  const identities = makeIdentities(postgres)
  const faults: { what: string; error: unknown }[] = []
  let offset = 0
  const base = options.clock ?? (() => new Date())
  const { machine } = options
  const now = (): Date =>
    machine === undefined ? new Date(base().getTime() + offset) : running.plane.world.vault.clock()
  const start = () =>
    startVault({
      config: {
        sealers: noSealers,
        dataDir,
        quotaBytes: options.quotaBytes ?? 1024 ** 3,
        longestSessionSeconds: 12 * 3600,
        loginIdleSeconds: options.loginIdleSeconds ?? 15 * 60,
        loginLongestSeconds: 12 * 3600,
        consoleNames: ['localhost', 'gateway.plant.example'],
      },
      identity: identities.vault,
      version: '0.0.0',
      ...(machine === undefined
        ? { clock: now }
        : { machine: { wall: () => machine.wall() + offset, elapsed: () => machine.elapsed() + offset } }),
      onFault: (what, error) => {
        faults.push({ what, error })
        if (process.env['TAGOUT_TEST_FAULTS'] !== undefined)
          process.stderr.write(`${what}: ${inspect(error)}\n`)
      },
    })
  const running = { plane: await start(), admin: undefined as VaultClient | undefined }
  stack.defer(() => running.plane[Symbol.asyncDispose]())
  running.admin = await connectAdmin(dataDir)
  stack.defer(() => running.admin?.close())
  const clients: VaultClient[] = []
  stack.defer(() => {
    for (const client of clients) client.close()
  })

  const ask = async <Name extends VerbName>(
    verb: Name,
    input: VerbInput<Name>,
  ): Promise<VerbAnswer<Name>> => {
    if (running.admin === undefined) throw new Error('the vault is not running')
    return must(await running.admin.call(verb, input))
  }
  const intakeKey = async () => {
    const key = (await ask('status', {})).intakeKey
    if (key === null) throw new Error('the vault is not initialised')
    return key
  }
  const connect = async (plane: 'recorder' | 'rotation' | 'api', dispatch: Dispatch = () => undefined) => {
    const client = await connectPlane(join(dataDir, 'run', 'planes.sock'), identities[plane], dispatch)
    clients.push(client)
    return client
  }

  let recoveryKey = ''
  let firstAdminToken = ''
  let auditor: AuditorIdentity | undefined
  if (options.initialised !== false) {
    const made = await ask('vault.initialise', {
      provider: { kind: 'key-file', path: join(dataDir, 'vault', 'seal.key') },
    })
    recoveryKey = made.recoveryKey
    firstAdminToken = made.firstAdmin.token
    if (options.withAuditor !== false) {
      auditor = makeIdentity(sodium, 'ingrid')
      const { link } = await makeFirstList(sodium, auditor, now)
      await ask('auditor.append', { body: link.body, signature: link.signature, newAuditorUser: 'ingrid' })
    }
  }

  const sealLogin = async (name: string, password: string) =>
    makeSealedLoginPassword(sodium, await intakeKey(), name, password, now())

  const enrol: TestVault['enrol'] = async (token, password = testPassword, termsDigest, boxKey) => {
    const api = await connect('api')
    const box = await enrolmentBox()
    const begun = must(await api.call('enrolment.begin', { token, boxKey: box.boxKey, source: '192.0.2.10' }))
    const secret = fromBase32(box.open(begun.sealedTotp).secret)
    let used = 0
    const code = () => {
      if (totpStep(now().getTime()) <= used) offset += (used + 1) * 30_000 - now().getTime()
      used = totpStep(now().getTime())
      return totpCode(secret, used)
    }
    const first = code()
    if (matchTotp(secret, first, now().getTime(), 0) === null) throw new Error('the code does not match')
    const login = must(
      await api.call('enrolment.finish', {
        token,
        sealedPassword: await sealLogin(begun.name, password),
        totpCode: first,
        ...(termsDigest === undefined ? {} : { termsDigest }),
        ...(boxKey === undefined ? {} : { boxKey }),
        source: '192.0.2.10',
      }),
    )
    api.close()
    const { sealedRecoveryCodes } = login
    return {
      name: begun.name,
      token: login.token,
      password,
      code,
      codeOf: (step) => totpCode(secret, step),
      ...(sealedRecoveryCodes === undefined ? {} : { sealedRecoveryCodes }),
    }
  }

  const sealPassword: TestVault['sealPassword'] = async (account, password) => ({
    kind: 'password',
    sealed: makeSealedAccountSecret(sodium, await intakeKey(), account, Buffer.from(password)),
  })
  const moved = stack.move()
  return {
    dataDir,
    get plane() {
      return running.plane
    },
    postgres,
    get admin() {
      if (running.admin === undefined) throw new Error('the vault is not running')
      return running.admin
    },
    identities,
    faults,
    auditor,
    recoveryKey,
    firstAdminToken,
    advance: (ms) => {
      offset += ms
    },
    now,
    ask,
    connect,
    worker: async (name = 'w1', dispatch) => {
      const client = await connect('recorder', dispatch)
      must(await client.call('recorder.hello', { node: 'node-1', worker: name, live: [] }))
      return client
    },
    sealLogin,
    sealPassword,
    sealDirectory: async (directory, settings, secret) =>
      makeSealedDirectorySecret(sodium, await intakeKey(), directory, settings, secret),
    sealKey: async (account, file, passphrase) => ({
      kind: 'ssh-key',
      sealed: makeSealedAccountSecret(sodium, await intakeKey(), account, Buffer.from(file)),
      ...(passphrase === undefined
        ? {}
        : {
            sealedPassphrase: makeSealedAccountPassphrase(
              sodium,
              await intakeKey(),
              account,
              Buffer.from(passphrase),
            ),
          }),
    }),
    enrol,
    person: async (name, roles) => {
      const { enrolment } = await ask('user.add', { name, roles: [...roles] })
      return enrol(enrolment.token)
    },
    account: async (given = {}) => {
      const { target = 'press-3', login = 'engineer', safe = 'line-3' } = given
      const safes = await ask('safe.list', {})
      if (!safes.some((known) => known.name === safe)) await ask('safe.add', { name: safe })
      const targets = await ask('target.list', {})
      if (!targets.some((known) => known.name === target))
        await ask('target.add', {
          name: target,
          safe,
          address: given.address ?? 'ssh://127.0.0.1:2201',
          pin: given.pin ?? somePin,
        })
      const credential = await sealPassword(`${target}/${login}`, given.password ?? 'S3cret-of-the-press')
      return ask('account.add', { target, login, credential })
    },
    grant: (user, account, more = {}) =>
      ask('grant.add', { user, account, actions: [...allActions], forSeconds: 4 * 3600, ...more }),
    restart: async () => {
      running.admin?.close()
      await running.plane[Symbol.asyncDispose]()
      running.plane = await start()
      running.admin = await connectAdmin(dataDir)
      await ask('vault.unseal', { kind: 'stored-key-file' })
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}

/** A session id as an SSH connection has one (exchange hash), in base64. */
export function someConnection(): string {
  return randomBytes(32).toString('base64')
}

function makeIdentities(postgres: TestPostgres): Record<Plane, PlaneIdentity> {
  const pairs = {
    vault: generateKeyPairSync('ed25519'),
    recorder: generateKeyPairSync('ed25519'),
    rotation: generateKeyPairSync('ed25519'),
    api: generateKeyPairSync('ed25519'),
  }
  const raw = (plane: Plane) => pairs[plane].publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const peers = {
    vault: ed25519PublicKey(raw('vault')),
    recorder: ed25519PublicKey(raw('recorder')),
    rotation: ed25519PublicKey(raw('rotation')),
    api: ed25519PublicKey(raw('api')),
  }
  const identity = (plane: Plane): PlaneIdentity => ({
    plane,
    privateKey: pairs[plane].privateKey,
    peers,
    databaseUrl: postgres.urls[plane],
  })
  return {
    vault: identity('vault'),
    recorder: identity('recorder'),
    rotation: identity('rotation'),
    api: identity('api'),
  }
}
