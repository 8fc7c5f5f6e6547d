import { X509Certificate } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../../vault/tls/fingerprint.ts'
import {
  startMariadb,
  startPostgresServer,
  type TestDatabase,
  whyNoMariadb,
} from '../../support/databases.ts'
import { startInflux, type TestInflux, whyNoInflux } from '../../support/influxdb.ts'
import { type Rotations, startRotations } from '../../support/rotations.ts'
import { startWebDevice, type WebDevice, webDigestRecipe, webFormRecipe } from '../../support/web-device.ts'

/**
 * Connectors of databases, against real servers that log every statement; and recipes over HTTP, against a real InfluxDB
 * and a simulator that says so.
 */

const why = whyNoMariadb()
if (why !== undefined) process.stderr.write(`rotation of databases is left out: ${why}\n`)

let rotations: Rotations
beforeAll(async () => {
  rotations = await startRotations()
}, 60_000)
afterAll(() => rotations[Symbol.asyncDispose]())

const whyNot = whyNoInflux()
if (whyNot !== undefined) process.stderr.write(`rotation of InfluxDB is left out: ${whyNot}\n`)

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

describe.skipIf(whyNot !== undefined)('influxdb-1 on a real InfluxDB', () => {
  let influx: TestInflux
  beforeAll(async () => {
    influx = await startInflux('keeper', first)
    const address = `https://127.0.0.1:${influx.port}`
    const pin = fingerprintOf(new X509Certificate(influx.certificate).raw)
    await rotations.vault.ask('target.add', { name: 'trends', safe: 'line-3', address, pin })
  }, 60_000)
  afterAll(() => influx?.[Symbol.asyncDispose]())

  async function account(login: string) {
    const name = `trends/${login}`
    const credential = await rotations.vault.sealPassword(name, first)
    await rotations.vault.ask('account.add', { target: 'trends', login, credential })
    await rotations.vault.ask('rotation.set', {
      ...{ account: name, connector: 'http-recipe', recipe: 'influxdb-1' },
    })
    return name
  }

  test('an administrator is changed and verified; one who is none is set by them; no log has a new one', async () => {
    await influx.query('keeper', first, `CREATE USER "trend" WITH PASSWORD '${first}'`)
    await influx.query('keeper', first, `CREATE USER "report" WITH PASSWORD '${first}'`)
    const [keeper, trend, report] = [await account('keeper'), await account('trend'), await account('report')]
    // It lets administrators alone set passwords, and says so to the others.
    expect(await rotations.rotate(report)).toMatchObject({ phase: 'failed', believes: 'current' })
    expect(await rotations.rotate(keeper)).toMatchObject({ phase: 'done', version: 2, why: '' })
    expect(await rotations.verify(keeper)).toMatchObject({ phase: 'done' })
    const second = await rotations.passwordOf(keeper)
    const [refused] = await influx.query('keeper', first, 'SHOW DATABASES')
    const [accepted] = await influx.query('keeper', second, 'SHOW DATABASES')
    expect([refused, accepted]).toEqual([401, 200])
    // Changed by hand, and set right by the administrator.
    await influx.query('keeper', second, `SET PASSWORD FOR "trend" = 'by-hand-1'`)
    expect((await rotations.verify(trend)).phase).not.toBe('done')
    await rotations.vault.ask('rotation.set', { account: trend, reconcileAccount: keeper })
    expect(await rotations.rotate(trend)).toMatchObject({ phase: 'done' })
    const third = await rotations.passwordOf(trend)
    expect((await influx.query('trend', third, 'SHOW DATABASES'))[0]).toBe(200)
    for (const password of [second, third]) expect(influx.log()).not.toContain(password)
  })
})

describe('a simulator of a device with a web page', () => {
  let device: WebDevice
  beforeAll(async () => {
    device = await startWebDevice()
    const { vault } = rotations
    const address = `https://127.0.0.1:${device.port}`
    await vault.ask('target.add', { name: 'press', safe: 'line-3', address, pin: device.pin })
    for (const recipe of [webFormRecipe, webDigestRecipe])
      await vault.ask('rotation.recipe.add', { document: JSON.stringify(recipe) })
  })
  afterEach(() => {
    device.mood = 'obeys'
    // Whoever logged in has left again.
    expect([...device.sessions.keys()]).toEqual([])
  })
  afterAll(() => device?.[Symbol.asyncDispose]())

  // What forms and JSON take for something else, they do not take so here.
  const old = 'Of "the" line&7411=+%41\\{x}é'
  async function account(login: string, recipe: string) {
    const name = `press/${login}`
    device.users.set(login, old)
    const credential = await rotations.vault.sealPassword(name, old)
    await rotations.vault.ask('account.add', { target: 'press', login, credential })
    await rotations.vault.ask('rotation.set', { account: name, connector: 'http-recipe', recipe })
    return name
  }
  const inUse = async (name: string) =>
    expect(device.users.get(name.slice('press/'.length))).toBe(await rotations.passwordOf(name))

  test('is changed by its form, with token and cookie; saved, others’ sessions ended, verified', async () => {
    const name = await account('oper', 'press-panel')
    const sessionOfOld = 'ab12'
    device.sessions.set(sessionOfOld, 'oper')
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 2, why: '' })
    expect(device.sessions.has(sessionOfOld)).toBe(false)
    expect(device.saved.get('oper')).toBe(device.users.get('oper'))
    await inUse(name)
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 3 })
    expect(await rotations.verify(name)).toMatchObject({ phase: 'done' })
    expect(device.refused).toBe(0)
    // Neither a path nor what a device logs of it has a secret.
    expect(device.asked.join()).not.toContain(encodeURIComponent(await rotations.passwordOf(name)))
    const settings = await rotations.vault.ask('rotation.settings', { account: name })
    expect(settings).toMatchObject({ recipe: 'press-panel@1', profile: 'web' })
  })

  test('is changed as Redfish has it, and set right by an administrator after a change by hand', async () => {
    const [name, admin] = [
      await account('op+er#2', 'redfish-openbmc'),
      await account('admin', 'redfish-openbmc'),
    ]
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 2, why: '' })
    await inUse(name)
    device.users.set('op+er#2', 'by-hand-1')
    await rotations.vault.ask('rotation.set', { account: name, reconcileAccount: admin })
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done' })
    await inUse(name)
    expect(device.users.get('admin')).toBe(old)
  })

  test('is changed by digest authentication, which shows it no password but the new one', async () => {
    const name = await account('oper-4', 'press-camera')
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done', version: 2, why: '' })
    expect(await rotations.verify(name)).toMatchObject({ phase: 'done' })
    await inUse(name)
  })

  test.each([
    ['refuses it', { phase: 'failed', believes: 'current' }],
    ['takes it and hangs up', { phase: 'done', version: 2 }],
    ['takes it and answers an error', { phase: 'done', version: 2 }],
    ['says so and does not', { phase: 'failed', believes: 'current' }],
  ] as const)('that %s is believed by a login alone', async (mood, end) => {
    const name = await account(mood.replaceAll(' ', '-'), 'press-panel')
    device.mood = mood
    const refused = device.refused
    expect(await rotations.rotate(name)).toMatchObject(end)
    await inUse(name)
    expect(device.refused - refused).toBeLessThanOrEqual(1)
    // A request that it hung up on leaves its session: the next one from there is over with the sessions of the page.
    device.sessions.clear()
  })
})
