import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { peoplesPassword, slapdReader, slapdSecret, startSlapd, type TestSlapd } from '../../support/slapd.ts'
import {
  must,
  refusalOf,
  someConnection,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'

// Whoever holds a stolen password, a link, the directory's names, or the database, is let in by none of them.

let vault: TestVault
let slapd: TestSlapd
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let bob: TestPerson
const failuresOf = (uid: string) => (slapd.read(slapd.dn(uid), '+').match(/^pwdFailureTime:/gm) ?? []).length

beforeAll(async () => {
  slapd = await startSlapd({ lockAfter: 5 })
  for (const uid of ['bob', 'carol']) slapd.addPerson(uid)
  slapd.group('operators', ['bob', 'carol'])
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker()
  await vault.ask('user.add', { name: 'mallory', roles: ['operator'] })
  await add('corp', slapd.settings())
  await vault.ask('directory.map', {
    directory: 'corp',
    group: slapd.groupDn('operators'),
    roles: ['operator'],
    policyGroup: 'line-3',
  })
  await sync()
  bob = await vault.enrol((await vault.ask('user.enrol', { user: 'bob' })).token, peoplesPassword)
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 90_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
  await slapd[Symbol.asyncDispose]()
})

async function add(name: string, settings: VerbInput<'directory.add'>['settings'], secret = slapdSecret) {
  return vault.ask('directory.add', {
    name,
    settings,
    sealedSecret: await vault.sealDirectory(name, settings, secret),
    syncMinutes: 0,
  })
}
const sync = async (directory = 'corp') => vault.ask('directory.sync', { directory })
const trySync = async (directory = 'corp') => vault.admin.call('directory.sync', { directory })
let sources = 0
const signIn = async (
  name: string,
  password: string,
  totpCode: string,
  source = `198.51.100.${++sources % 250}`,
) =>
  api.call('login.start', {
    name,
    sealedPassword: await vault.sealLogin(name, password),
    totpCode,
    source,
  })

test('a stolen password alone signs nobody in, asks the directory nothing, and locks nobody there', async () => {
  const before = failuresOf('bob')
  for (const password of [peoplesPassword, 'Summer2026!', 'Winter2026!', '1', '2', '3', '4', '5']) {
    expect((await signIn('bob', password, '000000')).ok).toBe(false)
    expect(
      (
        await recorder.call('ssh.password', {
          name: 'bob',
          connection: someConnection(),
          sealedPassword: await vault.sealLogin('bob', password),
          totpCode: '000000',
          source: `198.51.100.${++sources % 250}`,
        })
      ).ok,
    ).toBe(false)
  }
  expect(failuresOf('bob')).toBe(before)
  expect(slapd.binds('bob', peoplesPassword)).toBe(true)
})

test('with the code too, fewer wrong passwords reach the directory than lock the person there', async () => {
  vault.advance(3600_000)
  const told: string[] = []
  for (let at = 0; at < 8; at += 1) {
    vault.advance(5 * 60_000)
    if (at === 4) vault.advance(-at * 5 * 60_000)
    told.push(refusalOf(await signIn('bob', `wrong-${at}`, bob.code())).code)
  }
  expect(told.filter((code) => code === 'rate_limited').length).toBeGreaterThan(0)
  expect(slapd.binds('bob', peoplesPassword)).toBe(true)
  vault.advance(3600_000)
  must(await signIn('bob', peoplesPassword, bob.code()))
})

test('many at once pass the same few on', async () => {
  vault.advance(2 * 3600_000)
  slapd.change(`dn: ${slapd.dn('bob')}\nchangetype: modify\nreplace: description\ndescription: x\n`)
  const before = failuresOf('bob')
  const codes: string[] = []
  for (let at = 0; at < 6; at += 1) codes.push(bob.code())
  await Promise.all(codes.map((code, at) => signIn('bob', `wrong-${at}`, code)))
  expect(failuresOf('bob') - before).toBeLessThanOrEqual(3)
  vault.advance(2 * 3600_000)
})

test('an empty password is none, though the directory takes it for nobody’s bind and says yes', async () => {
  expect(slapd.binds('bob', '')).toBe(true)
  const refused = refusalOf(await signIn('bob', '', bob.code()))
  expect(refused.message).toBe('name, password or code is wrong')
  await expect(add('void', slapd.settings(), '')).rejects.toThrow('sealedSecret: it is empty')
})

test('names are no filters: what looks like one is nobody', async () => {
  for (const name of ['*', '*)(uid=*', 'bob)(objectClass=*', 'bob\0', 'uid=bob,ou=people', '(|(uid=bob))'])
    expect(refusalOf(await signIn(name, peoplesPassword, bob.code())).code).toMatch(/unauthenticated|invalid/)
  slapd.addPerson('star', peoplesPassword)
  slapd.change(
    `dn: ${slapd.dn('star')}\nchangetype: modrdn\nnewrdn: uid=bob\\29\\28uid\\3D\\2A\ndeleteoldrdn: 1\n`,
  )
  slapd.group('operators', ['bob', 'carol', `uid=bob\\29\\28uid\\3D\\2A,ou=people,dc=plant,dc=example`])
  expect((await sync()).changes).toMatchObject([
    { does: 'skip', what: expect.stringContaining('1 to 63 letters, digits') },
  ])
  slapd.group('operators', ['bob', 'carol'])
})

test('a local user’s name is not taken over by somebody of the directory', async () => {
  slapd.addPerson('Mallory')
  slapd.group('operators', ['bob', 'carol', 'Mallory'])
  expect((await sync()).changes).toEqual([
    {
      does: 'skip',
      user: 'Mallory',
      what: expect.stringContaining('somebody else is called that here already'),
    },
  ])
  expect(await vault.ask('user.show', { user: 'mallory' })).not.toHaveProperty('directory')
  slapd.group('operators', ['bob', 'carol'])
})

test('another entry under a known name is another person', async () => {
  slapd.removePerson('bob')
  slapd.addPerson('bob', 'attackers-own-password')
  expect(refusalOf(await signIn('bob', 'attackers-own-password', bob.code())).code).toBe('unauthenticated')
  const { changes } = await sync()
  expect(changes).toMatchObject([
    { does: 'skip', user: 'bob' },
    { does: 'off', user: 'bob' },
  ])
  expect(await vault.ask('user.show', { user: 'bob' })).toMatchObject({ state: 'disabled' })
})

test('a link does not let its finder in without the person’s password, and guesses are few', async () => {
  const { token } = await vault.ask('user.enrol', { user: 'carol' })
  await expect(vault.enrol(token, '')).rejects.toThrow('password: this is not your password of corp')
  for (const guess of ['a', 'b', 'c', 'd', 'e', 'f'])
    await expect(vault.enrol(token, guess)).rejects.toThrow()
  expect(failuresOf('carol')).toBeLessThanOrEqual(3)
  expect(slapd.binds('carol', peoplesPassword)).toBe(true)
  vault.advance(3600_000)
  await vault.enrol(token, peoplesPassword)
})

test('a password is sent to no directory that shows another certificate', async () => {
  await using other = await startSlapd()
  await add('moved', slapd.settings({ url: other.url }))
  expect(refusalOf(await vault.admin.call('directory.test', { directory: 'moved' })).message).toContain(
    'shows a certificate that the one kept of it does not vouch for',
  )
  // Its own certificate vouches for it alone.
  await add('pinned', slapd.settings({ certificates: slapd.certificates.certificate }))
  expect(await vault.ask('directory.test', { directory: 'pinned' })).toMatchObject({
    people: expect.any(Number),
  })
  await add('crossed', slapd.settings({ url: other.url, certificates: slapd.certificates.certificate }))
  expect((await vault.admin.call('directory.test', { directory: 'crossed' })).ok).toBe(false)
  for (const name of ['moved', 'pinned', 'crossed']) await vault.ask('directory.remove', { directory: name })
})

test('an administrator sends the password that is kept nowhere else', async () => {
  const settings = slapd.settings({ url: 'ldaps://attacker.example' })
  expect(refusalOf(await vault.admin.call('directory.change', { directory: 'corp', settings })).message).toBe(
    'sealedSecret: with another url the secret is given anew',
  )
  for (const more of [{ certificates: slapd.certificates.certificate }, { bindName: 'cn=other,dc=plant' }])
    expect(
      (await vault.admin.call('directory.change', { directory: 'corp', settings: slapd.settings(more) })).ok,
    ).toBe(false)
  expect(
    refusalOf(
      await vault.admin.call('directory.change', {
        directory: 'corp',
        settings,
        sealedSecret: await vault.sealDirectory('another', settings, slapdSecret),
      }),
    ).message,
  ).toBe('sealedSecret: it was sealed for another directory')
  // Nor one of the same directory that somebody kept: it was typed for where it went then.
  const kept = await vault.sealDirectory('corp', slapd.settings(), slapdSecret)
  for (const more of [
    { url: 'ldaps://attacker.example' },
    { certificates: slapd.certificates.certificate },
    { bindName: 'cn=other,dc=plant' },
  ])
    expect(
      refusalOf(
        await vault.admin.call('directory.change', {
          directory: 'corp',
          settings: slapd.settings(more),
          sealedSecret: kept,
        }),
      ).message,
    ).toBe('sealedSecret: it was sealed for another address, certificate or name')
  expect(
    refusalOf(
      await vault.admin.call('directory.add', { name: 'Corp', settings, sealedSecret: kept, syncMinutes: 0 }),
    ).message,
  ).toBe('sealedSecret: it was sealed for another address, certificate or name')
  must(await vault.admin.call('directory.change', { directory: 'corp', sealedSecret: kept }))
  expect(
    refusalOf(
      await vault.admin.call('directory.add', {
        name: 'plain',
        settings: slapd.settings({ url: 'ldap://127.0.0.1' }),
        sealedSecret: await vault.sealDirectory('plain', slapd.settings(), slapdSecret),
      }),
    ).message,
  ).toContain('write it as ldaps://host')
})

test('no directory makes an administrator or an auditor', async () => {
  for (const role of ['admin', 'auditor', 'vendor'])
    expect(
      refusalOf(
        await vault.admin.call('directory.map', {
          directory: 'corp',
          group: slapd.groupDn('operators'),
          roles: [role as 'operator'],
          policyGroup: null,
        }),
      ).code,
    ).toBe('invalid')
})

test('what the directory is read with lies nowhere in clear', async () => {
  const { rows } = await superuser.query('select d::text as text from directory d')
  for (const { text } of rows) {
    expect(text).toContain(slapdReader)
    expect(text).not.toContain(slapdSecret)
    expect(text).not.toContain(Buffer.from(slapdSecret).toString('hex'))
  }
  expect(JSON.stringify(await vault.ask('directory.list', {}))).not.toContain(slapdSecret)
  const leaves = JSON.stringify(await vault.ask('audit.list', { limit: 1000 }))
  for (const secret of [slapdSecret, peoplesPassword]) expect(leaves).not.toContain(secret)
})

test.each([
  [
    `update directory set settings = replace(settings, '127.0.0.1', '127.0.0.2') where removed_at is null`,
    'directory',
  ],
  [
    `update directory set mappings = replace(mappings, 'operator', 'approver') where removed_at is null`,
    'directory',
  ],
  [`update directory_user set subject = 'x' || subject`, 'directory_user'],
  [`update directory_user set state = 'present', seen_at = now()`, 'directory_user'],
  [
    `update directory_user set directory_id = (select id from directory order by id desc limit 1)`,
    'directory_user',
  ],
  ['delete from directory_user', 'directory_user'],
])('%s: it is found out', async (forge, table) => {
  const { rows } = await superuser.query(`select * from ${table}`)
  await superuser.query('begin')
  await superuser.query('set local session_replication_role = replica')
  const { rowCount } = await superuser.query(forge)
  await superuser.query('commit')
  expect(rowCount).toBeGreaterThan(0)
  await expect(
    table === 'directory' ? trySync() : signIn('carol', peoplesPassword, '000000'),
  ).rejects.toThrow()
  await superuser.query('begin')
  await superuser.query('set local session_replication_role = replica')
  await superuser.query(`delete from ${table}`)
  for (const row of rows) {
    const columns = Object.keys(row)
    await superuser.query(
      `insert into ${table} (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
      Object.values(row),
    )
  }
  await superuser.query('commit')
})

test('a group of the policy that the database empties or takes away lets nobody past its limits', async () => {
  await vault.account()
  await vault.ask('policy.apply', {
    document: {
      version: 1,
      groups: { 'line-3': [] },
      rules: [
        {
          name: 'supervised',
          effect: 'limit',
          who: { groups: ['line-3'] },
          what: { everything: true },
          longest: '10m',
        },
      ],
    },
    expected: null,
  })
  const explain = () =>
    vault.ask('policy.explain', { user: 'carol', account: 'press-3/engineer', action: 'shell' })
  await explain()
  const { rows } = await superuser.query('select * from directory_group')
  expect(rows).toHaveLength(1)
  for (const forge of [`update directory_group set members = '{}'`, 'delete from directory_group']) {
    await superuser.query(forge)
    await expect(explain()).rejects.toThrow()
    await superuser.query('delete from directory_group')
    await superuser.query('insert into directory_group (name, members, epoch, mac) values ($1, $2, $3, $4)', [
      rows[0].name,
      rows[0].members,
      rows[0].epoch,
      rows[0].mac,
    ])
  }
  await explain()
})
