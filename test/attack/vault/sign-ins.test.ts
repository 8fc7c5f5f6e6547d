import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

// Whoever guesses keeps nobody out and learns no names; whoever writes the database makes no recovery code good; and two
// administrators at once do not shut each other out.

const box = await enrolmentBox()
let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let admin: TestPerson
let bob: TestPerson
let eve: TestPerson

beforeAll(async () => {
  // The clock stands still but for what the tests pass: a slow machine outwaits no back-off.
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  admin = await vault.enrol(vault.firstAdminToken)
  bob = await vault.person('bob', ['operator'])
  eve = await vault.person('eve', ['vendor'])
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const signIn = async (name: string, password: string, totpCode: string, source: string) =>
  api.call('login.start', {
    name,
    sealedPassword: await vault.sealLogin(name, password),
    totpCode,
    source,
  })
const codesOf = async (who: TestPerson): Promise<readonly string[]> =>
  box.open(
    must(await api.call('user.renewCodes', { boxKey: box.boxKey, totpCode: who.code() }, who.token))
      .sealedRecoveryCodes,
  ) as never
const guess = async (name: string, host: number) =>
  signIn(name, `guess number ${host}`, '000000', `198.51.100.${host}`)

test('an attack on a name does not keep its owner out of where they signed in before, after a restart neither', async () => {
  must(await signIn('bob', bob.password, bob.code(), '192.0.2.77'))
  await vault.restart()
  api = await vault.connect('api')
  // A code moves the clock on: it is made before.
  const code = bob.code()
  for (let host = 1; host <= 12; host += 1) await guess('bob', host)
  const elsewhere = await signIn('bob', bob.password, code, '198.51.100.200')
  expect(refusalOf(elsewhere).code).toBe('rate_limited')
  must(await signIn('bob', bob.password, code, '192.0.2.77'))
  // The attacker gains nothing by it: the place is bob's alone.
  const eves = eve.code()
  for (let tries = 0; tries < 4; tries += 1) await signIn('eve', 'guess', '000000', '192.0.2.77')
  expect(refusalOf(await signIn('eve', eve.password, eves, '192.0.2.77')).code).toBe('rate_limited')
}, 60_000)

test('nor does it keep somebody who is signed in from what takes a fresh code', async () => {
  await vault.restart()
  api = await vault.connect('api')
  const totpCode = eve.code()
  for (let host = 20; host <= 32; host += 1) await guess('eve', host)
  must(await api.call('user.mail', { user: 'eve', address: 'eve@maker.example', totpCode }, eve.token))
  vault.advance(3600_000)
  eve = { ...eve, token: must(await signIn('eve', eve.password, eve.code(), '192.0.2.10')).token }
  bob = { ...bob, token: must(await signIn('bob', bob.password, bob.code(), '192.0.2.10')).token }
}, 60_000)

test('neither words nor time tell a name that is known from one that is not, nor a recovery code that is', async () => {
  const [code = ''] = await codesOf(bob)
  const times = { known: [] as number[], unknown: [] as number[] }
  const words = new Set<string>()
  for (let round = 0; round < 12; round += 1)
    for (const kind of ['known', 'unknown'] as const) {
      const begun = performance.now()
      const refused = refusalOf(
        await signIn(kind === 'known' ? 'bob' : 'nobody', 'a wrong password', code, `203.0.113.${round}`),
      )
      times[kind].push(performance.now() - begun)
      if (refused.code !== 'rate_limited') words.add(JSON.stringify(refused))
      vault.advance(3600_000)
    }
  expect(words.size).toBe(1)
  const median = (of: number[]) => of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0
  // Without the work that is done for names of nobody, it is forty times as fast.
  expect(median(times.unknown) / median(times.known)).toBeGreaterThan(0.4)
  expect(median(times.unknown) / median(times.known)).toBeLessThan(2.5)
  eve = { ...eve, token: must(await signIn('eve', eve.password, eve.code(), '192.0.2.10')).token }
  bob = { ...bob, token: must(await signIn('bob', bob.password, bob.code(), '192.0.2.10')).token }
}, 60_000)

test.each([
  ['made another’s', `update recovery_code set user_id = (select id from app_user where name = 'eve')`],
  ['unused again', `update recovery_code set used_at = null`],
  ['used', `update recovery_code set used_at = now()`],
])('a recovery code that is %s in the table lets nobody in', async (how, statement) => {
  const [code = '', used = ''] = await codesOf(bob)
  must(await signIn('bob', bob.password, used, '192.0.2.10'))
  await superuser.query(`create table kept as select * from recovery_code`)
  await superuser.query(`${statement} where user_id = (select id from app_user where name = 'bob')`)
  const tried = how === 'unused again' ? used : code
  const who = how === 'made another’s' ? eve : bob
  const outcome = await signIn(who.name, who.password, tried, '192.0.2.10').catch(() => undefined)
  expect(outcome?.ok ?? false).toBe(false)
  await superuser.query(`delete from recovery_code`)
  await superuser.query(`insert into recovery_code select * from kept`)
  await superuser.query(`drop table kept`)
  must(await signIn('bob', bob.password, code, '192.0.2.10'))
})

test('of two administrators who shut each other out at once, one stays', async () => {
  const first = {
    ...admin,
    token: must(await signIn('admin', admin.password, admin.code(), '192.0.2.10')).token,
  }
  const other = await vault.person('ann', ['admin', 'approver'])
  await vault.ask('user.roles', { user: 'admin', roles: ['admin', 'approver'] })
  const active = async () =>
    (await vault.ask('user.list', {})).filter(
      (user) => user.roles.includes('admin') && user.state === 'active',
    )
  for (const how of ['disable', 'roles', 'both', 'disable', 'roles', 'both'] as const) {
    const act = (name: string, token: string, disables: boolean) =>
      disables
        ? api.call('user.disable', { user: name }, token)
        : api.call('user.roles', { user: name, roles: ['approver'] }, token)
    const outcomes = await Promise.all([
      act('ann', first.token, how !== 'roles'),
      act('admin', other.token, how === 'disable'),
    ])
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
    expect(await active()).toHaveLength(1)
    // Both are back, and signed in.
    const left = (await active())[0]?.name === 'admin' ? 'ann' : 'admin'
    const gone = await vault.ask('user.show', { user: left })
    if (gone.state === 'disabled') await vault.ask('user.enable', { user: left })
    if (!gone.roles.includes('admin'))
      await vault.ask('user.roles', { user: left, roles: ['admin', 'approver'] })
    for (const who of [first, other]) {
      const source = '192.0.2.10'
      Object.assign(who, { token: must(await signIn(who.name, who.password, who.code(), source)).token })
    }
  }
}, 60_000)

test('the last administrator goes by the machine’s administrator alone, who says that it is meant', async () => {
  const ann = await vault.person('amy', ['admin'])
  for (const user of ['admin', 'ann']) must(await vault.admin.call('user.disable', { user }))
  expect(refusalOf(await vault.admin.call('user.disable', { user: 'amy' }))).toMatchObject({
    code: 'conflict',
    message: 'the user amy is the last active administrator',
    next: expect.stringContaining('tagout user roles'),
  })
  await vault.ask('user.enable', { user: 'ann' })
  expect(refusalOf(await api.call('user.disable', { user: 'ann', evenLast: true }, ann.token)).code).toBe(
    'forbidden',
  )
  await vault.ask('user.disable', { user: 'ann' })
  expect((await vault.ask('user.disable', { user: 'amy', evenLast: true })).state).toBe('disabled')
  expect((await vault.ask('audit.list', { kind: 'user.disabled' })).at(-1)?.text).toContain(
    'disabled user amy, the last active administrator',
  )
  expect(refusalOf(await api.call('login.who', {}, ann.token)).code).toBe('unauthenticated')
})

test('a used recovery code is not put back', async () => {
  const [code = ''] = await codesOf(bob)
  await superuser.query(`create table kept as select * from recovery_code`)
  must(await signIn('bob', bob.password, code, '192.0.2.10'))
  await superuser.query(`delete from recovery_code`)
  await superuser.query(`insert into recovery_code select * from kept`)
  await superuser.query(`drop table kept`)
  // Either it does not open any more, or it takes the code for what it is.
  await vault.restart().catch(() => undefined)
  api = await vault.connect('api')
  const outcome = await signIn('bob', bob.password, code, '192.0.2.10').catch(() => undefined)
  expect(outcome?.ok ?? false).toBe(false)
})
