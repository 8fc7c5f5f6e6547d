import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../../vault/tls/fingerprint.ts'
import {
  startMariadb,
  startPostgresServer,
  type TestDatabase,
  whyNoMariadb,
} from '../../support/databases.ts'
import { type Rotations, startRotations } from '../../support/rotations.ts'

/** Connectors of databases, against real servers that log every statement. */

const why = whyNoMariadb()
if (why !== undefined) process.stderr.write(`rotation of databases is left out: ${why}\n`)

let rotations: Rotations
beforeAll(async () => {
  rotations = await startRotations()
}, 60_000)
afterAll(() => rotations[Symbol.asyncDispose]())

type Kind = {
  readonly target: string
  readonly scheme: string
  readonly connector: string
  readonly start: () => Promise<TestDatabase>
  /** Makes a login with this password. */
  readonly add: (login: string, password: string) => string
  readonly set: (login: string, password: string) => string
  /** Makes one that may set passwords of others. */
  readonly addPrivileged: (login: string, password: string) => string
  /** Has the server refuse every new password of a login. */
  readonly forbid: (login: string) => string
  readonly forbidden: string
  /** What its log has of a change. */
  readonly logged: string
}

const kinds: readonly Kind[] = [
  {
    target: 'historian',
    scheme: 'postgresql',
    connector: 'postgresql-role',
    start: startPostgresServer,
    add: (login, password) => `create role "${login}" login password '${password}'`,
    set: (login, password) => `alter role "${login}" password '${password}'`,
    addPrivileged: (login, password) => `create role "${login}" login superuser password '${password}'`,
    forbid: (login) => `alter role "${login}" set default_transaction_read_only = on`,
    logged: `ALTER ROLE "trend" PASSWORD 'SCRAM-SHA-256$4096:`,
    forbidden: 'historian did not take the new password: it is read-only, or this role is',
  },
  {
    target: 'mes',
    scheme: 'mysql',
    connector: 'mysql-user',
    start: () => startMariadb(),
    add: (login, password) => `create user '${login}'@'%' identified by '${password}'`,
    set: (login, password) => `set password for '${login}'@'%' = password('${password}')`,
    addPrivileged: (login, password) =>
      `create user '${login}'@'%' identified by '${password}'; grant all on *.* to '${login}'@'%' with grant option`,
    forbid: () => 'install soname "simple_password_check"',
    logged: "SET PASSWORD = '*",
    forbidden:
      'mes did not take the new password: its rules do not allow it: it is read-only, or checks passwords that it must see in clear',
  },
]

const first = 'Of-the-line-7411'

describe.skipIf(why !== undefined).each(kinds)('$connector on a real server', (kind) => {
  let server: TestDatabase
  const pinOf = () => fingerprintOf(new X509Certificate(server.certificate()).raw)
  const { target } = kind
  beforeAll(async () => {
    server = await kind.start()
    const address = `${kind.scheme}://${server.host}`
    await rotations.vault.ask('target.add', { name: target, safe: 'line-3', address, pin: pinOf() })
  }, 60_000)
  afterAll(() => server?.[Symbol.asyncDispose]())

  async function account(login: string, isPrivileged = false) {
    await server.run(isPrivileged ? kind.addPrivileged(login, first) : kind.add(login, first))
    const name = `${target}/${login}`
    const credential = await rotations.vault.sealPassword(name, first)
    await rotations.vault.ask('account.add', { target, login, credential })
    await rotations.vault.ask('rotation.set', { account: name, connector: kind.connector })
    return name
  }

  test('it is changed twice and verified; the old one is refused, and no log has a new one', async () => {
    const name = await account('trend')
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 2, why: '' })
    const second = await rotations.passwordOf(name)
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 3, why: '' })
    const third = await rotations.passwordOf(name)
    expect(await rotations.verify(name)).toMatchObject({ phase: 'done' })
    expect([
      await server.accepts('trend', first),
      await server.accepts('trend', second),
      await server.accepts('trend', third),
    ]).toEqual([false, false, true])
    const log = server.log()
    expect(log).toContain(kind.logged)
    for (const password of [second, third]) expect(log).not.toContain(password)
  })

  test('drift is found, and a privileged account sets it right', async () => {
    const name = await account('report')
    await server.run(kind.set('report', 'by-hand-at-night-1'))
    expect((await rotations.verify(name)).phase).not.toBe('done')
    const admin = await account('keeper', true)
    await rotations.vault.ask('rotation.set', { account: name, reconcileAccount: admin })
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done' })
    expect(await server.accepts('report', await rotations.passwordOf(name))).toBe(true)
    // It was not the privileged one that was changed.
    expect(await server.accepts('keeper', first)).toBe(true)
  })

  test('another certificate is told nothing, and a server that is away changes nothing', async () => {
    const name = await account('panel')
    await server.renew()
    expect(await rotations.rotate(name)).toMatchObject({
      phase: 'failed',
      believes: 'current',
      why: expect.stringContaining('that is not the pinned one, so nothing was sent') as string,
    })
    await rotations.vault.ask('target.pin', { target, fingerprint: pinOf() })
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', why: '' })
    await server.stop()
    expect(await rotations.rotate(name)).toMatchObject({
      phase: 'failed',
      why: `${target} refuses connections`,
    })
    await server.start()
    expect(await rotations.verify(name)).toMatchObject({ phase: 'done' })
  }, 60_000)

  test('a password that the server does not take leaves the present one', async () => {
    const name = await account('watcher')
    await server.run(kind.forbid('watcher'))
    expect(await rotations.rotate(name)).toMatchObject({
      phase: 'failed',
      believes: 'current',
      why: kind.forbidden,
    })
    expect(await server.accepts('watcher', first)).toBe(true)
  })
})
