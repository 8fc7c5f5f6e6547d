import { once } from 'node:events'
import { type ClientChannel, Client } from 'ssh2'
import { generateKeyPair } from '../../vault/ssh/library.ts'
import { answerChallenge, makeFirstList, makeIdentity } from '../../vault/auditors/index.ts'
import {
  type Permission,
  type Role,
  type ServiceScope,
  serviceScopes,
  type VerbAnswer,
  type VerbInput,
  type VerbName,
} from '../../vault/contract.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import { connectAdmin, type VaultClient } from '../../vault/index.ts'
import { makeSealedAccountSecret, makeSealedDirectorySecret } from '../../vault/intake.ts'
import { newId } from '../../vault/kernel/id.ts'
import { startTestInstallation, type TestInstallation, until } from './installation.ts'
import { type HttpPerson, type PlantHttp, plantHttp } from './plant-http.ts'
import { addToken } from './service.ts'
import { startSshd, type TestSshd } from './sshd.ts'
import { must } from './vault.ts'
import { ldapSettings } from './vendor-asks.ts'

/** Two safes: `here` is where most of the people of the matrix are, `there` is somebody else's. */
export type Safe = 'line-3' | 'line-9'

/** Somebody of the matrix: what they carry, and how they stand to things, as the table reads it. */
export type Asker = {
  readonly name: string
  /** What goes into the cookie; null: no cookie. */
  readonly token: string | readonly string[] | null
  /** `nobody`: whatever is asked, they have not signed in. `service`: a program, whose token goes into its own header. */
  readonly kind: 'nobody' | 'person' | 'replays' | 'owes terms' | 'service'
  readonly scopes?: readonly ServiceScope[]
  readonly roles: readonly Role[]
  readonly permissions: Readonly<Partial<Record<Safe, readonly Permission[]>>>
  /** Targets whose account they may use now. */
  readonly granted: readonly string[]
}

/** A thing that is asked about, and how people can stand to it. */
export type Thing = {
  /** What the address or the body calls it. */
  readonly ref: string
  /** `none`: well formed, and there is no such thing. `malformed`: no name or id at all. */
  readonly is: 'there' | 'none' | 'malformed'
  readonly safe?: Safe
  /** Whose it is, by name. */
  readonly own?: string
  /** Whose it is too. */
  readonly alsoOwn?: string
  /** By a grant for this target's account it is theirs to use. */
  readonly target?: string
}

export type Kind =
  | 'user'
  | 'company'
  | 'safe'
  | 'target'
  | 'account'
  | 'grant'
  | 'request'
  | 'lease'
  | 'session'
  | 'recording'
  | 'hold'
  | 'break-glass'
  | 'offboarding'
  | 'login'
  | 'switch'
  | 'token'
  | 'directory'
  | 'policy-request'
  | 'wait'
  | 'hand-over'

export type MatrixWorld = AsyncDisposable & {
  readonly installation: TestInstallation
  readonly http: PlantHttp
  /** Asks as the machine's administrator; throws what was refused. */
  readonly local: <Name extends VerbName>(verb: Name, input: VerbInput<Name>) => Promise<VerbAnswer<Name>>
  readonly askers: readonly Asker[]
  readonly people: ReadonlyMap<string, HttpPerson>
  readonly things: Readonly<Record<Kind, Readonly<Record<string, Thing>>>>
  readonly sshd: TestSshd
  /** The account's login name, the same on each target. */
  readonly login: string
}

/** Who there is: roles, and permissions in the two safes. */
const staff: readonly {
  readonly name: string
  readonly roles: readonly Role[]
  readonly here?: readonly Permission[]
  readonly there?: readonly Permission[]
}[] = [
  { name: 'ann', roles: ['admin'] },
  { name: 'sue', roles: ['approver'], here: ['approve'] },
  { name: 'eve', roles: ['approver'], there: ['approve'] },
  { name: 'apo', roles: ['approver'] },
  // Of one person who approves for others and works there: what is their own is not theirs to approve.
  { name: 'sam', roles: ['operator', 'approver'], here: ['use', 'approve'] },
  { name: 'oli', roles: ['operator'] },
  { name: 'exp', roles: ['operator'] },
  { name: 'rev', roles: ['operator'] },
  { name: 'lat', roles: ['operator'] },
  { name: 'udo', roles: ['operator'], here: ['use'] },
  { name: 'max', roles: ['operator'], here: ['manage'] },
  { name: 'rita', roles: ['operator'], here: ['reveal'] },
  { name: 'bert', roles: ['operator'], here: ['break-glass'] },
  { name: 'nils', roles: ['operator'] },
  { name: 'hank', roles: ['operator'] },
  // All that one can be, and nothing of it here.
  {
    name: 'els',
    roles: ['operator', 'approver'],
    there: ['use', 'manage', 'reveal', 'approve', 'break-glass'],
  },
  { name: 'sol', roles: ['security-officer'] },
  { name: 'sup', roles: ['supervisor'], here: ['supervise'] },
  { name: 'suz', roles: ['supervisor'], there: ['supervise'] },
  { name: 'obi', roles: ['observer'], here: ['observe'] },
  { name: 'dis', roles: ['operator'] },
]

const day = 24 * 3600_000

/** Of some hundred keys the library makes one that lacks a byte. */
function wholeKeys() {
  for (;;) {
    const keys = generateKeyPair('ed25519')
    if (Buffer.from(keys.public.split(' ')[1] ?? '', 'base64').length === 51) return keys
  }
}

/** Starts an installation with two safes full of people, machines, sessions and papers. It takes a minute or so. */
export async function startMatrixWorld(): Promise<MatrixWorld> {
  await using stack = new AsyncDisposableStack()
  const sshd = stack.use(await startSshd())
  const installation = stack.use(await startTestInstallation({ withDatabase: true }))
  const admin: VaultClient = await connectAdmin(installation.dataDir)
  stack.defer(() => admin.close())
  const http = stack.use(await plantHttp(installation))
  const local: MatrixWorld['local'] = async (verb, input) => must(await admin.call(verb, input))
  const people = new Map<string, HttpPerson>()
  const clients: Client[] = []
  stack.defer(() => {
    for (const client of clients) client.destroy()
  })

  const enrolled = async (path: string) => {
    const person = await http.enrol(path)
    people.set(person.name, person)
    return person
  }
  const person = (name: string) => {
    const found = people.get(name)
    if (found === undefined) throw new TypeError(`nobody is called ${name}`)
    return found
  }

  // ---- people
  const ingrid = makeIdentity(sodium, 'ingrid')
  const { link } = await makeFirstList(sodium, ingrid, () => new Date())
  const appended = await local('auditor.append', {
    body: link.body,
    signature: link.signature,
    newAuditorUser: 'ingrid',
  })
  await enrolled(appended.enrolment?.path ?? '')
  for (const { name, roles } of staff)
    await enrolled((await local('user.add', { name, roles: [...roles] })).enrolment.path)
  const newt = await local('user.add', { name: 'newt', roles: ['operator'] })
  const contractEndsAt = new Date(Date.now() + 90 * day).toISOString()
  for (const [company, name] of [
    ['acme', 'vera'],
    ['hydra', 'tess'],
    ['globex', 'mallory'],
    ['initech', 'milton'],
  ] as const) {
    await local('company.add', {
      name: company,
      contractEndsAt,
      sponsor: company === 'acme' ? 'sue' : 'ann',
      mailDomains: [`${company}.com`],
    })
    const invited = await local('company.invite', { company, name, mail: `${name}@${company}.com` })
    await enrolled(invited.enrolment.path)
  }

  // ---- places
  const { intakeKey } = await local('status', {})
  const login = sshd.user
  const accountOf = (target: string) => `${target}/${login}`
  for (const safe of ['line-3', 'line-9'] as const) await local('safe.add', { name: safe })
  for (const [target, safe] of [
    ['press-3', 'line-3'],
    ['spare-3', 'line-3'],
    ['mill-9', 'line-9'],
  ] as const) {
    await local('target.add', {
      name: target,
      safe,
      address: `ssh://127.0.0.1:${sshd.port}`,
      pin: sshd.pins[0]?.fingerprint ?? '',
    })
    const sealed = makeSealedAccountSecret(
      sodium,
      intakeKey ?? '',
      accountOf(target),
      Buffer.from(sshd.password),
    )
    await local('account.add', { target, login, credential: { kind: 'password', sealed } })
  }
  for (const { name, here, there } of staff)
    for (const [safe, permissions] of [
      ['line-3', here],
      ['line-9', there],
    ] as const)
      if (permissions !== undefined)
        await local('safe.member.set', { safe, user: name, permissions: [...permissions] })
  await local('switch.add', { name: 'hall-3', safes: ['line-3'], act: 'freeze' })
  await local('directory.add', {
    name: 'corp',
    settings: ldapSettings,
    sealedSecret: makeSealedDirectorySecret(sodium, intakeKey ?? '', 'corp', ldapSettings, 'x'),
    syncMinutes: 0,
  })

  // ---- who may what, now
  const grant = (user: string, target: string, more: Partial<VerbInput<'grant.add'>> = {}) =>
    local('grant.add', { user, account: accountOf(target), actions: ['shell', 'exec'], ...more })
  const grants = {
    oli: await grant('oli', 'press-3'),
    sam: await grant('sam', 'press-3'),
    hank: await grant('hank', 'press-3'),
    vera: await grant('vera', 'press-3'),
    tess: await grant('tess', 'press-3'),
    els: await grant('els', 'mill-9'),
    mallory: await grant('mallory', 'mill-9'),
    rev: await grant('rev', 'press-3'),
  }
  await local('grant.revoke', { grant: grants.rev.id })
  await grant('exp', 'press-3', { forSeconds: 1 })
  await grant('lat', 'press-3', { notBefore: new Date(Date.now() + day).toISOString() })

  // ---- sessions
  const openSession = async (name: string, target: string) => {
    const keys = wholeKeys()
    await local('user.key.add', { user: name, publicKey: keys.public })
    const client = new Client()
    clients.push(client)
    client.connect({
      host: installation.ssh.host,
      port: installation.ssh.port,
      username: `${name}@${login}@${target}`,
      privateKey: keys.private,
      hostVerifier: () => true,
      readyTimeout: 60_000,
    })
    await once(client, 'ready')
    await new Promise<ClientChannel>((resolve, reject) =>
      client.exec('cat', (error, channel) => (error === undefined ? resolve(channel) : reject(error))),
    )
    client.on('error', () => undefined)
    return until(
      async () =>
        (await local('session.list', { live: true })).find(
          (one) => one.user === name && one.state === 'live',
        ),
      30_000,
    )
  }
  const ended = await openSession('hank', 'press-3')
  await local('session.terminate', { session: ended.id, reason: 'x', holdSeconds: 12 * 3600 })
  const endedThere = await openSession('els', 'mill-9')
  await local('session.terminate', { session: endedThere.id, reason: 'x' })
  await until(
    async () => ((await local('session.list', { live: true })).length === 0 ? true : undefined),
    30_000,
  )
  const sessions = {
    oli: await openSession('oli', 'press-3'),
    sam: await openSession('sam', 'press-3'),
    vera: await openSession('vera', 'press-3'),
    els: await openSession('els', 'mill-9'),
    mallory: await openSession('mallory', 'mill-9'),
  }
  await grant('nils', 'mill-9')
  const stopped = await openSession('nils', 'mill-9')
  await local('session.terminate', { session: stopped.id, reason: 'x', holdSeconds: 12 * 3600 })
  for (const { id } of await local('grant.list', { user: 'nils' })) await local('grant.revoke', { grant: id })
  const holds = await local('hold.list', {})
  const holdOf = (user: string) => holds.find((one) => one.user === user)?.id ?? newId('hld')

  // ---- papers
  const ask = async <T>(name: string, method: string, path: string, body: object = {}): Promise<T> => {
    const answer = await http.ask(method, path, { token: person(name).token, body })
    if (answer.status !== 200) throw new Error(`${name}: ${method} ${path}: ${answer.text}`)
    return JSON.parse(answer.text)
  }
  type Made = { readonly id: string }
  const request = (name: string, target: string) =>
    ask<Made>(name, 'POST', '/api/requests', {
      account: accountOf(target),
      actions: ['shell'],
      forSeconds: 3600,
      reason: 'the press stops by itself',
    })
  const requests = {
    withdrawn: await request('udo', 'press-3'),
    udo: { id: '' },
    sam: await request('sam', 'spare-3'),
    els: await request('els', 'mill-9'),
  }
  await ask('udo', 'POST', `/api/requests/${requests.withdrawn.id}/withdraw`)
  requests.udo = await request('udo', 'press-3')
  const leases = {
    oli: await ask<Made>('oli', 'POST', '/api/leases', { account: accountOf('press-3'), exclusive: false }),
    vera: await ask<Made>('vera', 'POST', '/api/leases', { account: accountOf('press-3'), exclusive: false }),
    els: await ask<Made>('els', 'POST', '/api/leases', { account: accountOf('mill-9'), exclusive: false }),
    ended: await ask<Made>('hank', 'POST', '/api/leases', {
      account: accountOf('press-3'),
      exclusive: false,
    }),
  }
  await ask('hank', 'DELETE', `/api/leases/${leases.ended.id}`)
  const waits = await ask<Made>('sam', 'POST', '/api/queue', {
    account: accountOf('press-3'),
    exclusive: true,
  })
  const offered = await ask<Made>('oli', 'POST', '/api/hand-overs', { lease: leases.oli.id, user: 'sam' })
  for (const name of ['ann', 'eve'])
    await local('user.mail', { user: name, address: `${name}@plant.example` })
  for (const safe of ['line-3', 'line-9'])
    await local('safe.breakGlass', { safe, minutes: 24 * 60, alarms: ['ann', 'eve'] })
  const glass = async (name: string, target: string) =>
    ask<Made>(name, 'POST', '/api/break-glass', {
      account: accountOf(target),
      reason: 'oil on the floor',
      totpCode: await person(name).code(),
    })
  const glasses = { bert: await glass('bert', 'spare-3'), els: await glass('els', 'mill-9') }

  // ---- who is nobody
  const nobodies = new Map<string, Asker['token']>([
    ['no cookie', null],
    ['an invented token', 'a'.repeat(43)],
    ['two cookies', [person('ann').token, person('ann').token]],
    ['a link not used', new URL(newt.enrolment.path, http.origin).hash.slice(1)],
    ['the machine administrator’s token', (await local('login.local', {})).token],
    ['turned off', person('dis').token],
    ['of a company taken off', person('milton').token],
  ])
  await local('user.disable', { user: 'dis' })
  const off = await local('company.off', { company: 'initech', reason: 'x' })
  await local('company.change', { company: 'hydra', terms: 'Wear a helmet.' })
  for (const [name, ends] of [
    ['signed out', '/api/login'],
    ['revoked', undefined],
  ] as const) {
    const one = await enrolled(
      (await local('user.add', { name: `gone-${people.size}`, roles: ['admin'] })).enrolment.path,
    )
    if (ends !== undefined) await ask(one.name, 'DELETE', ends)
    else await local('login.revokeAll', { user: one.name })
    nobodies.set(name, one.token)
  }
  nobodies.set(
    'a ticket',
    (await ask<{ ticket: string }>('oli', 'POST', '/api/tickets', { account: accountOf('press-3') })).ticket,
  )

  // A policy that two people change: there are administrators enough only now.
  const twoPeople = { version: 1, applyBy: 'two' } as const
  await local('policy.apply', { document: { ...twoPeople, rules: [] }, expected: null })
  const expected = (await local('policy.show', {})).digest ?? ''
  const askPolicy = (contact: string) =>
    local('policy.ask', { document: { ...twoPeople, contact, rules: [] }, expected })
  const policies = { open: await askPolicy('ring 1'), withdrawn: await askPolicy('ring 2') }
  await local('policy.withdraw', { request: policies.withdrawn.id })

  const { challenge } = await local('auditor.challenge', { auditor: 'ingrid' })
  const replay = await local('auditor.login', {
    auditor: 'ingrid',
    challenge,
    signature: Buffer.from(answerChallenge(sodium, ingrid, Buffer.from(challenge, 'base64'))).toString(
      'base64',
    ),
    source: 'local',
  })
  const services = { ask: local, now: () => new Date() }
  const tokens = {
    audit: await addToken(services, { service: 'siem', scopes: ['audit.read'] }),
    all: await addToken(services, { service: 'historian', scopes: [...serviceScopes] }),
    revoked: await addToken(services, { service: 'siem', scopes: [...serviceScopes] }),
    elsewhere: await addToken(services, {
      service: 'siem',
      scopes: [...serviceScopes],
      networks: ['192.0.2.0/24'],
    }),
  }
  await local('token.revoke', { token: tokens.revoked.id })
  const logins = await local('login.list', {})
  const loginOf = (user: string) => logins.find((one) => one.user === user)?.id ?? newId('lgn')

  const granted: Readonly<Record<string, readonly string[]>> = {
    oli: ['press-3'],
    sam: ['press-3'],
    hank: ['press-3'],
    vera: ['press-3'],
    tess: ['press-3'],
    els: ['mill-9'],
    mallory: ['mill-9'],
    bert: ['spare-3'],
  }
  const askers: Asker[] = [
    ...[...nobodies].map(
      ([name, token]): Asker => ({ name, token, kind: 'nobody', roles: [], permissions: {}, granted: [] }),
    ),
    ...staff
      .filter(({ name }) => name !== 'dis')
      .map(
        ({ name, roles, here, there }): Asker => ({
          name,
          token: person(name).token,
          kind: 'person',
          roles,
          permissions: { 'line-3': here ?? [], 'line-9': there ?? [] },
          granted: granted[name] ?? [],
        }),
      ),
    ...['vera', 'mallory', 'tess'].map(
      (name): Asker => ({
        name,
        token: person(name).token,
        kind: name === 'tess' ? 'owes terms' : 'person',
        roles: ['vendor'],
        permissions: {},
        granted: granted[name] ?? [],
      }),
    ),
    {
      name: 'ingrid',
      token: person('ingrid').token,
      kind: 'person',
      roles: ['auditor'],
      permissions: {},
      granted: [],
    },
    ...(
      [
        ['siem', tokens.audit.secret, 'service', ['audit.read']],
        ['historian', tokens.all.secret, 'service', serviceScopes],
        ['a revoked service', tokens.revoked.secret, 'nobody', []],
        ['a service from elsewhere', tokens.elsewhere.secret, 'nobody', []],
      ] as const
    ).map(
      ([name, token, kind, scopes]): Asker => ({
        name,
        token,
        kind,
        scopes,
        roles: [],
        permissions: {},
        granted: [],
      }),
    ),
    {
      name: 'ingrid by key',
      token: replay.token,
      kind: 'replays',
      roles: ['auditor'],
      permissions: {},
      granted: [],
    },
  ]

  const named = (there: Readonly<Record<string, Omit<Thing, 'is'>>>, none = 'nobody-9') => ({
    ...Object.fromEntries(
      Object.entries(there).map(([key, thing]): [string, Thing] => [key, { is: 'there', ...thing }]),
    ),
    none: { ref: none, is: 'none' } as const,
    malformed: { ref: 'x'.repeat(161), is: 'malformed' } as const,
  })
  const byId = (kind: string, there: Readonly<Record<string, Omit<Thing, 'is'>>>) => ({
    ...named(there, newId(kind)),
    malformed: { ref: `${kind}_x`, is: 'malformed' } as const,
  })
  const here = 'line-3'
  const elsewhere = 'line-9'
  const things: MatrixWorld['things'] = {
    user: named(
      Object.fromEntries([
        ...['oli', 'vera', 'mallory', 'dis', 'ann'].map((name) => [name, { ref: name, own: name }]),
      ]),
    ),
    company: named({
      acme: { ref: 'acme', own: 'sue' },
      globex: { ref: 'globex', own: 'ann' },
      initech: { ref: 'initech', own: 'ann' },
    }),
    safe: named({ here: { ref: here, safe: here }, there: { ref: elsewhere, safe: elsewhere } }),
    target: named({
      press: { ref: 'press-3', safe: here, target: 'press-3' },
      spare: { ref: 'spare-3', safe: here, target: 'spare-3' },
      mill: { ref: 'mill-9', safe: elsewhere, target: 'mill-9' },
    }),
    account: named(
      {
        press: { ref: accountOf('press-3'), safe: here, target: 'press-3' },
        spare: { ref: accountOf('spare-3'), safe: here, target: 'spare-3' },
        mill: { ref: accountOf('mill-9'), safe: elsewhere, target: 'mill-9' },
      },
      `nothing-9/${login}`,
    ),
    grant: byId('grt', {
      oli: { ref: grants.oli.id, own: 'oli', safe: here },
      vera: { ref: grants.vera.id, own: 'vera', safe: here },
      els: { ref: grants.els.id, own: 'els', safe: elsewhere },
      mallory: { ref: grants.mallory.id, own: 'mallory', safe: elsewhere },
      revoked: { ref: grants.rev.id, own: 'rev', safe: here },
    }),
    request: byId('req', {
      udo: { ref: requests.udo.id, own: 'udo', safe: here },
      sam: { ref: requests.sam.id, own: 'sam', safe: here },
      els: { ref: requests.els.id, own: 'els', safe: elsewhere },
      answered: { ref: requests.withdrawn.id, own: 'udo', safe: here },
    }),
    lease: byId('lse', {
      oli: { ref: leases.oli.id, own: 'oli', safe: here },
      vera: { ref: leases.vera.id, own: 'vera', safe: here },
      els: { ref: leases.els.id, own: 'els', safe: elsewhere },
      ended: { ref: leases.ended.id, own: 'hank', safe: here },
    }),
    session: byId('ses', {
      oli: { ref: sessions.oli.id, own: 'oli', safe: here },
      sam: { ref: sessions.sam.id, own: 'sam', safe: here },
      vera: { ref: sessions.vera.id, own: 'vera', safe: here },
      els: { ref: sessions.els.id, own: 'els', safe: elsewhere },
      mallory: { ref: sessions.mallory.id, own: 'mallory', safe: elsewhere },
      ended: { ref: ended.id, own: 'hank', safe: here },
      'ended there': { ref: endedThere.id, own: 'els', safe: elsewhere },
    }),
    recording: byId('rec', {
      oli: { ref: sessions.oli.recording, own: 'oli', safe: here },
      vera: { ref: sessions.vera.recording, own: 'vera', safe: here },
      mallory: { ref: sessions.mallory.recording, own: 'mallory', safe: elsewhere },
      ended: { ref: ended.recording, own: 'hank', safe: here },
      'ended there': { ref: stopped.recording, own: 'nils', safe: elsewhere },
    }),
    hold: byId('hld', {
      hank: { ref: holdOf('hank'), own: 'hank', safe: here },
      nils: { ref: holdOf('nils'), own: 'nils', safe: elsewhere },
    }),
    'break-glass': byId('bgl', {
      bert: { ref: glasses.bert.id, own: 'bert', safe: here },
      els: { ref: glasses.els.id, own: 'els', safe: elsewhere },
    }),
    offboarding: byId('off', { initech: { ref: off.id, own: 'ann' } }),
    login: byId('lgn', {
      oli: { ref: loginOf('oli'), own: 'oli' },
      ann: { ref: loginOf('ann'), own: 'ann' },
      mallory: { ref: loginOf('mallory'), own: 'mallory' },
    }),
    switch: named({ hall: { ref: 'hall-3' } }, 'hall-99'),
    'policy-request': byId('plr', {
      open: { ref: policies.open.id },
      withdrawn: { ref: policies.withdrawn.id },
    }),
    directory: named({ corp: { ref: 'corp' } }, 'corp-9'),
    wait: byId('wai', { sam: { ref: waits.id, own: 'sam', safe: here } }),
    'hand-over': byId('hov', { oli: { ref: offered.id, own: 'oli', alsoOwn: 'sam' } }),
    token: byId('tok', {
      siem: { ref: tokens.audit.id },
      revoked: { ref: tokens.revoked.id },
    }),
  }
  const moved = stack.move()
  return {
    installation,
    http,
    local,
    askers,
    people,
    things,
    sshd,
    login,
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}
