import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Client } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { liveFolder, liveSocketPath } from '../../recorder/live/live-path.ts'
import type { VaultClient } from '../../vault/index.ts'
import type { SessionId } from '../../vault/kernel/id.ts'
import type { PolicyDocument } from '../../vault/policy/document.ts'
import { type Brokered, startBrokered } from '../bench/brokered.ts'
import { makeSshUser, until } from '../support/gateway.ts'
import { type LiveEnd, openLive } from '../support/live.ts'
import { atTarget, keepsStream, measured, streamTo } from '../support/scenario.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { must, refusalOf, type TestPerson } from '../support/vault.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`permission that is gone, at a real target, is left out: ${why}`)

const limitMs = 3_000

describe.skipIf(why !== undefined)('a permission that is gone, measured at the target', () => {
  const stack = new AsyncDisposableStack()
  let brokered: Brokered
  let target: TestSshd
  let api: VaultClient
  let at: ReturnType<typeof atTarget>
  const account = () => `press-3/${target.user}`

  beforeAll(async () => {
    brokered = stack.use(await startBrokered(0))
    const { vault } = brokered
    target = stack.use(await startSshd())
    at = atTarget(target.home)
    api = await vault.connect('api')
    await vault.account({
      target: 'press-3',
      login: target.user,
      address: `ssh://127.0.0.1:${target.port}`,
      pin: target.pins[0]?.fingerprint ?? '',
      password: target.password,
    })
  }, 120_000)
  afterAll(() => stack.disposeAsync())

  /** OpenSSH's client of somebody with this key, up to the command. */
  const gateway = (user: ReturnType<typeof makeSshUser>, name: string) => {
    const { port } = brokered.recorder.ready().address
    return [...user.ssh(['-p', String(port)]), `${name}@${target.user}@press-3@127.0.0.1`]
  }
  const withKey = async (name: string) => {
    const { vault, recorder } = brokered
    const { knownHosts, address } = recorder.ready()
    const user = makeSshUser(vault.dataDir, name, knownHosts, address.port)
    await vault.ask('user.key.add', { user: name, publicKey: user.publicLine })
    return user
  }
  const operator = async (name: string) => {
    await brokered.vault.ask('user.add', { name, roles: ['operator'] })
    return withKey(name)
  }
  const arrives = (...names: readonly string[]) =>
    until(() => names.every((name) => at.bytes(name) > 1_000), 60_000)
  const over = (user: string) =>
    until(
      async () =>
        (await brokered.vault.ask('session.list', { live: true })).every((one) => one.user !== user),
      30_000,
    )
  /** A command that takes what is typed; it ends with the test. */
  const streams = (user: ReturnType<typeof makeSshUser>, name: string, stream = name) => {
    const child = streamTo(gateway(user, name), keepsStream(stream))
    stack.defer(() => void child.kill('SIGKILL'))
    return child
  }
  const loginOf = async (person: TestPerson) => must(await api.call('live.open', {}, person.token)).login
  /** A terminal in somebody's browser, in which they type without pause. */
  const terminal = async (person: TestPerson, stream: string): Promise<LiveEnd> => {
    const [socket = ''] = readdirSync(liveFolder(brokered.vault.dataDir))
    const { ticket } = must(
      await api.call('ticket.issue', { account: account(), for: 'connect' }, person.token),
    )
    const live = await openLive(join(liveFolder(brokered.vault.dataDir), socket), {
      login: await loginOf(person),
    })
    stack.defer(() => live.socket.terminate())
    live.say({ kind: 'ticket', ticket, columns: 100, rows: 30 })
    await live.hear('started')
    live.type(`stty -echo; ${keepsStream(stream)}\n`)
    await until(() => existsSync(join(target.home, `stream-${stream}`)), 30_000)
    types(live)
    return live
  }
  const types = (live: LiveEnd) => {
    const timer = setInterval(() => live.type('0123456789abcde\n'), 20)
    void live.closed.then(() => clearInterval(timer))
    stack.defer(() => clearInterval(timer))
  }
  const within = (what: string, ms: number) => {
    expect(measured(what, ms, limitMs), what).toBeLessThan(limitMs)
    // What was over before it was asked to end was not ended by it.
    expect(ms, what).toBeGreaterThanOrEqual(0)
  }

  test('a company is taken off: a shell, a command, an upload, a forwarding and a terminal in the browser have ended', async () => {
    const { vault, recorder } = brokered
    const sponsor = await vault.person('sponsor', ['approver'])
    await vault.ask('company.add', {
      name: 'acme',
      contractEndsAt: new Date(Date.now() + 24 * 3600_000).toISOString(),
      sponsor: sponsor.name,
      mailDomains: ['acme.com'],
    })
    const { enrolment } = await vault.ask('company.invite', {
      company: 'acme',
      name: 'vera',
      mail: 'vera@acme.com',
    })
    const person = await vault.enrol(enrolment.token)
    const vera = await withKey('vera')
    let closedAt = 0
    let arrived = 0
    const beyond = createServer((socket) => {
      socket.on('data', (bytes) => (arrived += bytes.length))
      socket.on('error', () => undefined)
      socket.on('close', () => (closedAt = Date.now()))
    }).listen(0, '127.0.0.1')
    stack.defer(() => void beyond.close())
    await until(() => beyond.address() !== null)
    const to = beyond.address()
    if (to === null || typeof to === 'string') throw new Error('there is no port')
    await vault.grant('vera', account(), {
      actions: ['shell', 'exec', 'sftp-write', 'sftp-read', 'forward'],
      forwards: [{ host: '127.0.0.1', port: to.port }],
    })

    streams(vera, 'vera', 'command')
    const args = gateway(vera, 'vera')
    const shell = streamTo(['-tt', ...args.slice(0, -1)], args.at(-1) ?? '')
    shell.stdin?.write(`stty -echo; ${keepsStream('shell')}\n`)
    stack.defer(() => void shell.kill('SIGKILL'))
    await terminal(person, 'browser')
    const client = new Client()
    client.on('error', () => undefined)
    stack.defer(() => void client.destroy())
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve).once('error', reject)
      client.connect({
        host: '127.0.0.1',
        port: recorder.ready().address.port,
        username: `vera@${target.user}@press-3`,
        privateKey: readFileSync(vera.keyFile),
        hostVerifier: () => true,
        readyTimeout: 60_000,
      })
    })
    const upload = await new Promise<NodeJS.WritableStream>((resolve, reject) => {
      client.sftp((error, sftp) => {
        if (error) reject(error)
        else resolve(sftp.createWriteStream(join(target.home, 'stream-upload')))
      })
    })
    const tunnel = await new Promise<NodeJS.WritableStream>((resolve, reject) => {
      client.forwardOut('127.0.0.1', 0, '127.0.0.1', to.port, (error, channel) => {
        if (error) reject(error)
        else resolve(channel)
      })
    })
    for (const stream of [upload, tunnel]) {
      stream.on('error', () => undefined)
      const timer = setInterval(() => stream.write(Buffer.alloc(64, 0x61)), 20)
      stack.defer(() => clearInterval(timer))
    }
    await arrives('command', 'shell', 'browser', 'upload')
    await until(() => arrived > 1_000, 60_000)

    const offAt = Date.now()
    const report = await vault.ask('company.off', { company: 'acme', reason: 'the contract ended' })
    expect(report.sessions.length).toBeGreaterThanOrEqual(5)
    for (const name of ['command', 'shell', 'browser'])
      within(`a company taken off, ${name}`, (await at.endedAt(name)) - offAt)
    await until(() => closedAt !== 0, 30_000)
    within('a company taken off, forwarding', closedAt - offAt)
    await over('vera')
    const size = at.bytes('upload')
    const lastAt = statSync(join(target.home, 'stream-upload')).mtimeMs
    expect(measured('a company taken off, upload', lastAt - offAt, limitMs)).toBeLessThan(limitMs)
    expect(at.bytes('upload')).toBe(size)
  }, 180_000)

  const rule = (name: string, who: object): PolicyDocument['rules'][number] => ({
    name,
    effect: 'allow',
    actions: ['exec', 'shell'],
    who,
    what: { safes: ['line-3'] },
  })
  const rules = {
    'by-name': rule('by-name', { users: ['policy-changed'] }),
    'by-role': rule('by-role', { roles: ['approver'] }),
  }
  const apply = async (...names: readonly (keyof typeof rules)[]) => {
    const { digest } = await brokered.vault.ask('policy.show', {})
    const document: PolicyDocument = { version: 1, rules: names.map((name) => rules[name]) }
    await brokered.vault.ask('policy.apply', { document, expected: digest })
  }

  test('a command at the target ends when its user is switched off, their grant, key, role or rule is gone, or it is checked in by force', async () => {
    const { vault } = brokered
    const causes: Readonly<Record<string, (user: string) => Promise<unknown>>> = {
      disabled: (user) => vault.ask('user.disable', { user }),
      'taken-off': (user) => vault.ask('user.off', { user, reason: 'left' }),
      'grant-revoked': async (user) => {
        for (const { id } of await vault.ask('grant.list', { user }))
          await vault.ask('grant.revoke', { grant: id })
      },
      'key-removed': async (user) => {
        for (const { id } of await vault.ask('user.key.list', { user }))
          await vault.ask('user.key.remove', { user, key: id })
      },
      terminated: async (user) => {
        const [session] = (await vault.ask('session.list', { live: true })).filter((one) => one.user === user)
        await vault.ask('session.terminate', { session: session?.id as SessionId })
      },
      'checked-in': async (user) => {
        const [lease] = (await vault.ask('lease.list', {})).filter((one) => one.user === user)
        await vault.ask('lease.checkIn', { lease: lease?.id as never, reason: 'needed elsewhere' })
      },
    }
    const byRule: typeof causes = {
      'role-taken': (user) => vault.ask('user.roles', { user, roles: ['operator'] }),
      'policy-changed': () => apply('by-role'),
    }
    const all = { ...byRule, ...causes }
    const users = new Map<string, ReturnType<typeof makeSshUser>>()
    for (const name of Object.keys(all)) users.set(name, await operator(name))
    await apply('by-name', 'by-role')
    await vault.ask('user.roles', { user: 'role-taken', roles: ['operator', 'approver'] })
    for (const name of Object.keys(causes)) await vault.grant(name, account())
    for (const [name, user] of users) streams(user, name)
    await arrives(...Object.keys(all))
    // Some seconds after the policy was changed it is looked at now and then alone: as it is on any other day.
    const steady = Date.now() + 6_000
    await until(() => Date.now() > steady && arrivesStill(Object.keys(all)), 30_000)
    for (const [name, act] of Object.entries(all)) {
      const from = Date.now()
      await act(name)
      within(`a command, its user ${name}`, (await at.endedAt(name)) - from)
      await over(name)
    }
  }, 240_000)
  const arrivesStill = (names: readonly string[]) =>
    names.every((name) => Date.now() - at.lastByteAt(name) < 1_000)

  test('a terminal in the browser ends when its sign-in is revoked, its user signs out, signs in nowhere any more or is switched off', async () => {
    const { vault } = brokered
    const causes: Readonly<Record<string, (person: TestPerson) => Promise<unknown>>> = {
      'sign-in-revoked': async (person) => vault.ask('login.revoke', { login: await loginOf(person) }),
      'all-revoked': (person) => vault.ask('login.revokeAll', { user: person.name }),
      'signed-out': async (person) => must(await api.call('login.end', {}, person.token)),
      'switched-off': (person) => vault.ask('user.disable', { user: person.name }),
    }
    for (const [name, act] of Object.entries(causes)) {
      const person = await vault.person(name, ['operator'])
      await vault.grant(name, account())
      const live = await terminal(person, name)
      await arrives(name)
      const from = Date.now()
      await act(person)
      within(`a terminal in the browser, its user ${name}, at the target`, (await at.endedAt(name)) - from)
      await live.closed
      within(`a terminal in the browser, its user ${name}, in the browser`, Date.now() - from)
      await over(name)
    }
  }, 240_000)

  test('the picture of who watches stops when they may not watch any more', async () => {
    const { vault } = brokered
    const watched = await operator('watched')
    await vault.grant('watched', account())
    const [last = '', ...options] = gateway(watched, 'watched').reverse()
    const child = streamTo(
      ['-tt', ...options.reverse(), last],
      'stty -echo; while :; do date; sleep 0.05; done',
    )
    stack.defer(() => void child.kill('SIGKILL'))
    await until(() => child.said().length > 1_000, 60_000)
    const [session] = (await vault.ask('session.list', { live: true })).filter(
      (one) => one.user === 'watched',
    )
    if (session === undefined) throw new Error('there is no session')
    const permit = (user: string, permissions: readonly 'supervise'[]) =>
      vault.ask('safe.member.set', { safe: 'line-3', user, permissions: [...permissions] })
    const causes: Readonly<Record<string, (person: TestPerson) => Promise<unknown>>> = {
      'out-of-the-safe': ({ name }) => permit(name, []),
      'no-supervisor': ({ name }) => vault.ask('user.roles', { user: name, roles: ['operator'] }),
      'w-revoked': async (person) => vault.ask('login.revoke', { login: await loginOf(person) }),
      'w-signed-out': async (person) => must(await api.call('login.end', {}, person.token)),
      'w-switched-off': ({ name }) => vault.ask('user.disable', { user: name }),
    }
    for (const [name, act] of Object.entries(causes)) {
      const person = await vault.person(name, ['supervisor'])
      await permit(name, ['supervise'])
      const { ticket, worker } = must(await api.call('session.watch', { session: session.id }, person.token))
      const live = await openLive(liveSocketPath(vault.dataDir, worker), { login: await loginOf(person) })
      stack.defer(() => live.socket.terminate())
      let lastAt = 0
      live.socket.on('message', (_data, isBinary) => {
        if (isBinary) lastAt = Date.now()
      })
      live.say({ kind: 'ticket', ticket, columns: 100, rows: 30 })
      await until(() => live.bytes() > 1_000, 30_000)
      const from = Date.now()
      await act(person)
      await live.closed
      within(`a watch, its watcher ${name}, last byte shown`, Math.max(lastAt - from, 0))
    }
    // Whoever is watched has lost nothing by it.
    const before = child.said().length
    await until(() => child.said().length > before + 500, 30_000)
    await vault.ask('session.terminate', { session: session.id })
    await over('watched')
  }, 240_000)

  test('what ends no session by design: the right to ask, which let nobody in; an account and a machine go when nobody is at them', async () => {
    const { vault } = brokered
    const user = await operator('stays')
    await vault.ask('safe.member.set', { safe: 'line-3', user: 'stays', permissions: ['use'] })
    await vault.grant('stays', account())
    streams(user, 'stays')
    await arrives('stays')
    await vault.ask('safe.member.set', { safe: 'line-3', user: 'stays', permissions: [] })
    expect(refusalOf(await vault.admin.call('account.remove', { account: account() }))).toMatchObject({
      code: 'held',
      message: 'the user stays is connected with it',
      next: 'terminate the session first',
    })
    expect(refusalOf(await vault.admin.call('target.remove', { target: 'press-3' })).code).toBe('conflict')
    const before = at.bytes('stays')
    await until(() => at.bytes('stays') > before + 5_000, 30_000)
    const [session] = (await vault.ask('session.list', { live: true })).filter((one) => one.user === 'stays')
    const from = Date.now()
    await vault.ask('session.terminate', { session: session?.id as SessionId })
    within('a command, terminated so that the account can be removed', (await at.endedAt('stays')) - from)
    await over('stays')
    await vault.ask('account.remove', { account: account() })
    await vault.ask('target.remove', { target: 'press-3' })
  }, 120_000)
})
