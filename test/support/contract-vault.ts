import { generateKeyPairSync, type KeyObject, sign as signWith } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import type {
  Action,
  AuditorListLink,
  ElevationKind,
  EndReason,
  ForwardRule,
  InputPolicy,
  LegacyAlgorithm,
  Permit,
  DesktopSettings,
  Mask,
  Protocol,
  VerbAnswer,
  VerbInput,
  WatchTicket,
} from '../../vault/contract.ts'
import { carriesFiles, fileActions } from '../../vault/contract.ts'
import { findForward } from '../../vault/checkout/forward.ts'
import { type Caller, openDoor } from '../../vault/doors.ts'
import { parsePublicKeyBlob } from '../../vault/identity/ssh-key.ts'
import { verifySshSignature } from '../../vault/identity/ssh-signature.ts'
import { parseUserauthRequest } from '../../vault/identity/userauth.ts'
import { type Id, newId } from '../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { PlaneIdentity } from '../../vault/plane.ts'

/** One login on one target, as the fake vault hands it out. */
export type FakeAccount = {
  readonly target: string
  readonly login: string
  readonly host: string
  readonly port: number
  pins: readonly { readonly type: string; readonly fingerprint: string }[]
  readonly credential:
    | { readonly kind: 'password'; readonly password: string }
    | {
        readonly kind: 'ssh-key'
        readonly publicKey: string
        readonly sign: (data: Buffer, algorithm: string) => Buffer
      }
  actions?: readonly Action[]
  forwards?: readonly ForwardRule[]
  lengthMs?: number
  quotaBytes?: number
  legacy?: readonly LegacyAlgorithm[]
  elevation?: { readonly kind: ElevationKind; readonly secret: string }
  readonly inputPolicy?: InputPolicy
  /** What may be typed into its desktop, by the name of the account whose it is. */
  typeIns?: readonly { readonly account: Id<'acc'>; readonly name: string; readonly secret: string }[]
  /** By whose login files go beside its desktop: an account of SSH. */
  files?: FakeAccount
  /** Default: ssh. */
  readonly protocol?: Protocol
  readonly desktop?: DesktopSettings
  readonly mask?: Mask
  readonly fileMegabytes?: number
}

export type FakeUser = {
  readonly name: string
  /** Public key blobs, base64. */
  readonly keys?: readonly string[]
  readonly password?: string
  readonly tickets?: Set<string>
}

/**
 * A vault that answers the recorder's verbs from memory, behind the real door. A fake, for tests of the broker alone:
 * it checks signatures with the vault's own code and decides by a list.
 */
export class ContractVault implements AsyncDisposable {
  readonly dataDir: string
  readonly recorder: PlaneIdentity
  /** Tickets of the console that were not used yet. */
  readonly liveTickets = new Map<
    string,
    { readonly login: string; readonly user: string; readonly target: string; readonly account: string }
  >()
  /** Tickets to watch that were not used yet. */
  readonly watchTickets = new Map<string, { readonly login: string; readonly answer: WatchTicket }>()
  /** A ticket is taken when this has resolved. */
  /** Connections that forwardings are given, all sessions of a grant together. */
  connectionsLeft: number | undefined
  beforeRedeem: Promise<unknown> = Promise.resolve()
  readonly users = new Map<string, FakeUser>()
  readonly accounts: FakeAccount[] = []
  readonly calls: { readonly verb: string; readonly input: unknown }[] = []
  readonly callers = new Set<Caller>()
  readonly permits = new Map<string, { readonly permit: Permit; readonly account: FakeAccount }>()
  /** What the next session is told when its target has let it in. */
  freeze: { readonly by: string; readonly reason: string; readonly waits: boolean } | null = null
  refuseOpen: Outcome<never> | undefined
  refuseElevation: Outcome<never> | undefined
  refuseFiles: Outcome<never> | undefined
  /** Seconds for which files may go. */
  filesFor = 3600
  /** How the vault stands: what is asked of one that is not open is answered as the real one does. */
  state: 'open' | 'sealed' | 'uninitialised' | 'without its database' = 'open'
  #vault: PlaneIdentity
  #links: readonly AuditorListLink[]
  #box: { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array }
  #proofs = new Map<string, string>()
  /** A rule wants a code of whoever is proven, before they open a session. */
  wantsFactor = false
  readonly #shown = new Set<string>()
  #server: Awaited<ReturnType<typeof openDoor>> | undefined

  private constructor(
    dataDir: string,
    links: readonly AuditorListLink[],
    identities: readonly PlaneIdentity[],
  ) {
    this.dataDir = dataDir
    this.#links = links
    const [vault, recorder] = identities
    if (vault === undefined || recorder === undefined) throw new Error('two identities')
    this.#vault = vault
    this.recorder = recorder
    this.#box = sodium.crypto_box_keypair()
  }

  static async start(dataDir: string, links: readonly AuditorListLink[]): Promise<ContractVault> {
    await sodium.ready
    mkdirSync(join(dataDir, 'run'), { recursive: true })
    const vault = new ContractVault(dataDir, links, makeIdentities())
    await vault.listen()
    return vault
  }

  async listen(): Promise<void> {
    this.#server = await openDoor({
      path: join(this.dataDir, 'run', 'planes.sock'),
      door: 'planes',
      identity: this.#vault,
      mode: 0o600,
      answer: async (caller, verb, params) => {
        this.callers.add(caller)
        const { input } = params as { input: never }
        this.calls.push({ verb, input })
        if (verb === 'ticket.redeem') await this.beforeRedeem
        return this.#answer(verb, input)
      },
      onFault: (verb, error) => console.error('fake vault', verb, error),
      onClosed: (caller) => this.callers.delete(caller),
    })
  }

  /** Closes the door and every connection, as a vault that was killed. */
  async goAway(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const { peer } of this.callers) peer.close()
    await server?.[Symbol.asyncDispose]()
  }

  inputsOf<Name extends keyof Calls>(verb: Name): Calls[Name][] {
    return this.calls.filter((call) => call.verb === verb).map((call) => call.input as Calls[Name])
  }

  /** Asks every connected worker to cut a session. */
  async cut(session: string, reason: EndReason, message: string): Promise<void> {
    for (const { peer } of this.callers) await peer.call('session.cut', { session, reason, message })
  }

  /** Gives a session another end. */
  async extend(session: string, endsAt: string): Promise<void> {
    for (const { peer } of this.callers) await peer.call('session.extend', { session, endsAt })
  }

  /** Tells every connected worker whether a session's input is held. */
  async setFrozen(session: string, frozen: boolean, by = 'sue', reason = '', waits = false): Promise<void> {
    for (const { peer } of this.callers)
      await peer.call('session.freeze', { session, frozen, by, reason, waits })
  }

  /** Hands a session to a watcher, or takes it back from them: its input is held either way. */
  async hand(session: string, hands: string | null, by = 'sue'): Promise<void> {
    for (const { peer } of this.callers)
      await peer.call('session.freeze', {
        session,
        frozen: true,
        by,
        reason: 'taken over',
        waits: false,
        ...(hands === null ? {} : { hands }),
      })
  }

  /** Ends a watch at every connected worker. */
  async cutWatch(watch: string, message: string): Promise<void> {
    for (const { peer } of this.callers) await peer.call('watch.cut', { watch, message })
  }

  /** Has a line shown in a session's terminals. */
  async message(session: string, by: string, text: string): Promise<unknown> {
    const [caller] = this.callers
    return caller?.peer.call('session.message', { session, by, text })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goAway()
  }

  async #answer(verb: string, input: never): Promise<Outcome<unknown>> {
    if (this.state === 'without its database')
      return refuse('unavailable', 'the database is away', 'try again in a moment')
    if (verb.startsWith('ssh.') && this.state === 'sealed')
      return refuse('sealed', 'the vault is sealed: nothing can be opened')
    if (verb.startsWith('ssh.') && this.state === 'uninitialised')
      return refuse('not_initialised', 'this vault is not initialised')
    switch (verb) {
      case 'status':
        return done({
          initialised: this.state !== 'uninitialised',
          sealed: this.state !== 'open',
          intakeKey: Buffer.from(this.#box.publicKey).toString('base64'),
        })
      case 'recorder.hello':
        return done({ end: [] })
      case 'ssh.publickey':
        return this.#publicKey(input)
      case 'ssh.password':
        return this.#password(input)
      case 'ssh.ticket':
        return this.#ticket(input)
      case 'ssh.factor':
        return this.#factor(input)
      case 'ticket.redeem':
        return this.#redeem(input)
      case 'session.open':
        return this.#open(input)
      case 'session.start':
        return this.#start(input)
      case 'session.elevate':
        return this.#elevate(input)
      case 'session.type-in':
        return this.#typeIn(input)
      case 'session.files':
        return this.#files(input)
      case 'session.sign':
        return this.#sign(input)
      case 'recording.authorise':
        return this.#authorise(input)
      case 'watch.end':
        return done(null)
      case 'session.connected':
        return done({ freeze: this.freeze })
      case 'session.forwarding':
        return this.connectionsLeft === undefined ||
          (input as VerbInput<'session.forwarding'>).open <= this.connectionsLeft
          ? done(null)
          : refuse('held', 'no more connections')
      case 'recorder.space':
      case 'session.checkpoint':
      case 'session.file':
      case 'session.clipboard':
      case 'session.files-login':
      case 'session.forwarded':
      case 'session.event':
      case 'session.end':
        return done(null)
      default:
        return refuse('invalid', `the fake vault has no ${verb}`)
    }
  }

  #authorise(input: VerbInput<'recording.authorise'>): Outcome<unknown> {
    if (input.token !== 'an auditor')
      return refuse('forbidden', 'there is no such recording, or you may not read it')
    return done({ id: input.recording, reader: 'ingrid' })
  }

  #prove(user: string): Outcome<unknown> {
    const proof = newId('lgn')
    this.#proofs.set(proof, user)
    return done({ proof, user })
  }

  #publicKey(input: VerbInput<'ssh.publickey'>): Outcome<unknown> {
    const no = refuse('unauthenticated', 'no')
    const user = this.users.get(input.name)
    if (user?.keys?.includes(input.key) !== true) return no
    if (input.signature === undefined || input.signed === undefined)
      return done({ proof: null, user: user.name })
    const key = parsePublicKeyBlob(Buffer.from(input.key, 'base64'))
    const signed = Buffer.from(input.signed, 'base64')
    const request = parseUserauthRequest(signed)
    if (!key.ok || request === undefined) return no
    const isBound =
      request.sessionId.toString('base64') === input.connection && request.user.split('@')[0] === input.name
    const holds = verifySshSignature(
      key.value,
      input.algorithm,
      signed,
      Buffer.from(input.signature, 'base64'),
    )
    return isBound && holds ? this.#prove(user.name) : no
  }

  #password(input: VerbInput<'ssh.password'>): Outcome<unknown> {
    const opened = sodium.crypto_box_seal_open(
      Buffer.from(input.sealedPassword, 'base64'),
      this.#box.publicKey,
      this.#box.privateKey,
    )
    const payload = JSON.parse(Buffer.from(opened).toString()) as {
      purpose: string
      name: string
      password: string
    }
    const user = this.users.get(input.name)
    const isRight =
      payload.purpose === 'login-password' &&
      payload.name === input.name &&
      user?.password === payload.password &&
      input.totpCode === '123456'
    return isRight ? this.#prove(input.name) : refuse('unauthenticated', 'no')
  }

  #factor({ proof, totpCode }: VerbInput<'ssh.factor'>): Outcome<unknown> {
    if (totpCode === undefined) return done({ isWanted: this.wantsFactor && !this.#shown.has(proof) })
    if (totpCode !== '123456') return refuse('invalid', 'totpCode: the code is wrong or was used')
    this.#shown.add(proof)
    return done({ isWanted: false })
  }

  #redeem(input: VerbInput<'ticket.redeem'>): Outcome<unknown> {
    const watch = this.watchTickets.get(input.ticket)
    this.watchTickets.delete(input.ticket)
    if (watch?.login === input.login) return done(watch.answer)
    const ticket = this.liveTickets.get(input.ticket)
    this.liveTickets.delete(input.ticket)
    if (ticket === undefined || ticket.login !== input.login)
      return refuse('unauthenticated', 'this ticket is unknown, used or too old', 'connect again')
    const proof = newId('lgn')
    this.#proofs.set(proof, ticket.user)
    const { user, target, account } = ticket
    const protocol = this.accounts.find((one) => one.target === target)?.protocol ?? 'ssh'
    return done({ kind: 'connect', proof, user, target, protocol, account })
  }

  #ticket(input: VerbInput<'ssh.ticket'>): Outcome<unknown> {
    const isGood = this.users.get(input.name)?.tickets?.delete(input.ticket) === true
    return isGood ? this.#prove(input.name) : refuse('unauthenticated', 'no')
  }

  #open(input: VerbInput<'session.open'>): Outcome<unknown> {
    if (this.wantsFactor && !this.#shown.has(input.proof))
      return refuse('stale_factor', 'the rule “lately” wants your second factor within 5m', 'connect again')
    if (this.refuseOpen !== undefined) return this.refuseOpen
    const user = this.#proofs.get(input.proof)
    const account = this.accounts.find(
      (one) => one.target === input.target && (input.account === undefined || one.login === input.account),
    )
    const actions = account?.actions ?? ['shell', 'exec', 'sftp-read', 'sftp-write']
    if (user === undefined || account === undefined || !actions.includes(input.wants))
      return refuse('forbidden', 'there is no such machine, or you may not use it so', 'ask for a grant')
    const forward =
      input.forward === undefined
        ? undefined
        : findForward(account.forwards ?? [], input.forward.host, input.forward.port)
    if ((input.wants === 'forward') !== (forward !== undefined))
      return refuse('forbidden', 'your grant does not allow this forwarding', 'ask for a grant')
    const now = Date.now()
    const permit: Permit = {
      session: newId('ses'),
      recording: newId('rec'),
      user: { id: newId('usr'), name: user },
      account: { id: newId('acc'), name: `${account.target}/${account.login}`, login: account.login },
      target: {
        id: newId('tgt'),
        name: account.target,
        protocol: account.protocol ?? 'ssh',
        ...(account.desktop === undefined ? {} : { desktop: account.desktop }),
        ...(account.mask === undefined ? {} : { mask: account.mask }),
        ...(account.fileMegabytes === undefined ? {} : { fileMegabytes: account.fileMegabytes }),
        host: account.host,
        port: account.port,
        pins: account.pins,
        legacy:
          account.legacy === undefined
            ? null
            : { algorithms: account.legacy, until: new Date(now + 86_400_000).toISOString() },
      },
      ...(account.elevation === undefined
        ? {}
        : { elevation: { kind: account.elevation.kind, isGranted: actions.includes('elevate') } }),
      ...(account.typeIns === undefined || !actions.includes('type-in')
        ? {}
        : { typeIns: account.typeIns.map(({ account: id, name }) => ({ account: id, name })) }),
      ...(account.files === undefined || !carriesFiles(actions)
        ? {}
        : { files: { account: newId('acc'), name: `${account.files.target}/${account.files.login}` } }),
      safe: { id: newId('saf'), name: 'line-3' },
      grant: newId('grt'),
      lease: newId('lse'),
      actions,
      ...(forward === undefined ? {} : { forward }),
      inputPolicy: account.inputPolicy ?? 'echoed',
      startedAt: new Date(now).toISOString(),
      endsAt: new Date(now + (account.lengthMs ?? 3600_000)).toISOString(),
      policyDigest: 'ab'.repeat(32),
      quotaBytes: account.quotaBytes ?? 1024 ** 3,
      source: input.source,
      auditorLists: this.#links,
      auditCheckpoint: 'tagout-audit 1 17 aGFzaA==',
      credential:
        account.credential.kind === 'password'
          ? { kind: 'password' }
          : { kind: 'ssh-key', publicKey: account.credential.publicKey },
    }
    this.permits.set(permit.session, { permit, account })
    return done(permit)
  }

  #start(input: VerbInput<'session.start'>): Outcome<unknown> {
    const credential = this.permits.get(input.session)?.account.credential
    if (credential === undefined) return refuse('forbidden', 'no such session')
    if (credential.kind === 'ssh-key') return done({ kind: 'ssh-key' })
    const sealed = sodium.crypto_box_seal(
      new TextEncoder().encode(credential.password),
      Buffer.from(input.boxKey, 'base64'),
    )
    return done({ kind: 'password', sealed: Buffer.from(sealed).toString('base64') })
  }

  #elevate({ session }: VerbInput<'session.elevate'>): Outcome<unknown> {
    const elevation = this.permits.get(session)?.account.elevation
    if (this.refuseElevation !== undefined) return this.refuseElevation
    if (elevation === undefined) return refuse('forbidden', 'no elevation')
    return done({ kind: elevation.kind, sealed: this.#sealTo(session, elevation.secret) })
  }

  #typeIn({ session, account }: VerbInput<'session.type-in'>): Outcome<unknown> {
    const linked = this.permits.get(session)?.account.typeIns?.find((one) => one.account === account)
    if (linked === undefined) return refuse('forbidden', 'no such secret')
    return done({ name: linked.name, sealed: this.#sealTo(session, linked.secret) })
  }

  #files({ session }: VerbInput<'session.files'>): Outcome<VerbAnswer<'session.files'>> {
    const { permit, account } = this.permits.get(session) ?? {}
    const files = account?.files
    if (this.refuseFiles !== undefined) return this.refuseFiles
    if (permit === undefined || files === undefined) return refuse('forbidden', 'no files')
    const { target: name, host, port, pins, login, credential } = files
    return done({
      target: { name, host, port, pins, legacy: null },
      account: { name: `${name}/${login}`, login },
      ways: fileActions.filter((way) => permit.actions.includes(way)),
      secondsLeft: this.filesFor,
      credential:
        credential.kind === 'password'
          ? { kind: 'password', sealed: this.#sealTo(session, credential.password) }
          : { kind: 'ssh-key', publicKey: credential.publicKey },
    })
  }

  #sealTo(session: string, secret: string): string {
    const start = this.calls.find(
      (call) => call.verb === 'session.start' && (call.input as { session: string }).session === session,
    )?.input as { readonly boxKey: string }
    const sealed = sodium.crypto_box_seal(
      new TextEncoder().encode(secret),
      Buffer.from(start.boxKey, 'base64'),
    )
    return Buffer.from(sealed).toString('base64')
  }

  #sign(input: VerbInput<'session.sign'>): Outcome<unknown> {
    const account = this.permits.get(input.session)?.account
    const credential = (input.files === true ? account?.files : account)?.credential
    if (credential?.kind !== 'ssh-key') return refuse('forbidden', 'no key')
    const signature = credential.sign(Buffer.from(input.data, 'base64'), input.algorithm)
    return done({ signature: signature.toString('base64') })
  }
}

type Calls = {
  readonly [Name in
    | 'session.open'
    | 'session.elevate'
    | 'session.type-in'
    | 'session.files'
    | 'session.files-login'
    | 'session.start'
    | 'session.end'
    | 'session.event'
    | 'session.file'
    | 'session.clipboard'
    | 'session.forwarding'
    | 'session.forwarded'
    | 'recorder.space'
    | 'session.checkpoint'
    | 'session.connected'
    | 'watch.end'
    | 'recorder.hello'
    | 'ssh.publickey'
    | 'ssh.password'
    | 'ssh.ticket']: VerbInput<Name>
}

/** Identities of the vault and the recorder that know each other. */
export function makeIdentities(): readonly [PlaneIdentity, PlaneIdentity] {
  const vault = generateKeyPairSync('ed25519')
  const recorder = generateKeyPairSync('ed25519')
  const api = generateKeyPairSync('ed25519')
  const rotation = generateKeyPairSync('ed25519')
  const peers = {
    vault: vault.publicKey,
    recorder: recorder.publicKey,
    rotation: rotation.publicKey,
    api: api.publicKey,
  }
  return [
    { plane: 'vault', privateKey: vault.privateKey, peers, databaseUrl: '' },
    { plane: 'recorder', privateKey: recorder.privateKey, peers, databaseUrl: '' },
  ]
}

/** Writes the recorder's `plane.json` of an installation, as the set-up does. */
export function writeRecorderIdentity(dataDir: string, identity: PlaneIdentity): void {
  writePlaneIdentity(dataDir, { ...identity, plane: 'recorder', databaseUrl: '' })
}

/** Writes a plane's file, for a process of it that reads who it is. */
export function writePlaneIdentity(dataDir: string, identity: PlaneIdentity): void {
  const raw = (key: KeyObject) => key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const { peers, privateKey, plane, databaseUrl } = identity
  mkdirSync(join(dataDir, plane), { recursive: true, mode: 0o700 })
  const text = JSON.stringify({
    plane,
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    publicKey: raw(peers[plane]),
    peers: {
      vault: raw(peers.vault),
      recorder: raw(peers.recorder),
      rotation: raw(peers.rotation),
      api: raw(peers.api),
    },
    databaseUrl,
  })
  writeFileSync(join(dataDir, plane, 'plane.json'), text, { mode: 0o600 })
}

/** An Ed25519 account key as the vault would hold it: public line, and a signer that answers as on the wire. */
export function makeAccountKey(): { readonly publicKey: string; readonly sign: (data: Buffer) => Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const string = (bytes: Uint8Array) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(bytes.length)
    return Buffer.concat([head, bytes])
  }
  const type = string(Buffer.from('ssh-ed25519'))
  return {
    publicKey: `ssh-ed25519 ${Buffer.concat([type, string(raw)]).toString('base64')} account`,
    sign: (data) => Buffer.concat([type, string(signWith(null, data, privateKey))]),
  }
}
