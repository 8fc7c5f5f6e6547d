import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toBase64 } from '../../../vault/kernel/encoding.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { combineShares } from '../../../vault/keys/custodians.ts'
import { parseShare } from '../../../vault/keys/share.ts'
import { BoxKeyPair } from '../../../vault/crypto/sealed-box.ts'
import { openKit, readKit } from '../../../vault/kits/kit-file.ts'
import { startKeepingKits } from '../../../vault/kits/keeper.ts'
import type { KitId } from '../../../vault/kernel/id.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { until } from '../../support/vault-ssh.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'

/** Whoever has the kit, the database, or the machine alone does not have the secrets of the kit. */

const password = 'k1t-canary-7f3a9c'
let vault: TestVault
let api: VaultClient
let sue: TestPerson
let superuser: pg.Client
let shares: readonly string[]
let sharesOfFour: readonly string[]
let file: string
let kit: KitId
beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  sue = await vault.person('sue', ['admin'])
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  await vault.account({ password })
  const prepared = await prepare()
  shares = prepared.shares.map(({ text }) => text)
  kit = prepared.kit
  must(await api.call('kit.confirm', { kit, totpCode: sue.code() }, sue.token))
  file = (await vault.ask('kit.write', { safe: 'line-3' })).file
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const prepare = () =>
  vault.ask('kit.prepare', { safe: 'line-3', custodians: ['anna', 'bob', 'carl'], threshold: 2 })
const combined = (texts: readonly string[]) =>
  combineShares(texts.map((text) => must(parseShare(text)).value))

test('two shares open it, one does not, and nothing of a secret is readable in it', async () => {
  const read = must(readKit(file))
  using right = await combined(shares.slice(0, 2))
  const [only] = must(openKit(read, right))
  expect(only?.secret.expose((bytes) => Buffer.from(bytes).toString())).toBe(password)
  using alone = must(parseShare(shares[0] ?? '')).value
  using short = new Secret(alone.expose((bytes) => bytes.slice(0, 32)))
  expect(refusalOf(openKit(read, short)).message).toMatch(/shares are of another kit/)
  const everything = Buffer.concat([
    Buffer.from(file),
    ...[...file.matchAll(/^[a-z-]+:\n((?:[A-Za-z0-9+/=]+\n)+)/gm)].map(([, text = '']) =>
      Buffer.from(text.replaceAll('\n', ''), 'base64'),
    ),
  ])
  for (const shown of [
    password,
    Buffer.from(password).toString('base64'),
    Buffer.from(password).toString('hex'),
  ])
    expect(everything.includes(shown)).toBe(false)
  expect(everything.includes('press-3')).toBe(false) // nor which machines there are
})

test('every letter that is changed, and every line that is cut or moved, is noticed', () => {
  const lines = file.split('\n')
  const isNoticed = (text: string) => !readKit(text).ok
  let tried = 0
  for (let at = 0; at < file.length; at += 1) {
    const letter = file[at] ?? ''
    const line = lines[file.slice(0, at).split('\n').length - 1] ?? ''
    if (line.startsWith('#') || letter === '\n') continue
    const other = letter === 'A' ? 'B' : 'A'
    // The last letter of base64 holds bits that mean nothing: two spellings of the same bytes are the same kit.
    const changed = `${file.slice(0, at)}${other}${file.slice(at + 1)}`
    tried += 1
    if (!isNoticed(changed)) expect(bytesOf(changed)).toEqual(bytesOf(file))
  }
  for (let at = 0; at < lines.length; at += 1) {
    if (lines[at] === '' || lines[at]?.startsWith('#')) continue
    expect(isNoticed([...lines.slice(0, at), ...lines.slice(at + 1)].join('\n'))).toBe(true)
    expect(isNoticed(lines.slice(0, at).join('\n'))).toBe(true)
    tried += 2
  }
  expect(tried).toBeGreaterThan(1000)
})

function bytesOf(text: string): string {
  return text
    .split(/^[a-z-]+:$/m)
    .slice(1)
    .map((part) => Buffer.from(part.replaceAll('\n', ''), 'base64').toString('hex'))
    .join()
}

test('a kit that somebody else made says that it is signed by another', async () => {
  const other = await startTestVault()
  try {
    await other.account({ password: 'planted' })
    const prepared = await other.ask('kit.prepare', {
      safe: 'line-3',
      custodians: ['anna', 'bob'],
      threshold: 2,
    })
    const { code, token } = await other.person('eve', ['admin'])
    const their = await other.connect('api')
    must(await their.call('kit.confirm', { kit: prepared.kit, totpCode: code() }, token))
    const planted = must(readKit((await other.ask('kit.write', { safe: 'line-3' })).file))
    expect(planted.signedBy).not.toBe(must(readKit(file)).signedBy)
    using right = await combined(shares.slice(0, 2))
    expect(refusalOf(openKit(planted, right)).message).toMatch(/of another kit/)
  } finally {
    await other[Symbol.asyncDispose]()
  }
}, 60_000)

test('whoever hands the shares out cannot put the kit in force, nor can an administrator without a code', async () => {
  const prepared = await prepare()
  const confirm = { kit: prepared.kit, totpCode: sue.code() }
  expect(refusalOf(await vault.admin.call('kit.confirm', confirm)).code).toBe('forbidden')
  const { totpCode: _, ...without } = confirm
  expect(refusalOf(await api.call('kit.confirm', without, sue.token)).message).toMatch(/needs a code/)
  expect(refusalOf(await api.call('kit.prepare' as never, {} as never, sue.token)).code).toBe('forbidden')
  // What is written meanwhile is sealed to those whom somebody confirmed.
  expect((await vault.ask('kit.write', { safe: 'line-3' })).kit).toBe(kit)
  await vault.ask('kit.end', { kit: prepared.kit, reason: 'not handed out' })
})

test.each([
  ['sealed to another key', `update emergency_kit set box_key = $2 where id = $1`],
  [
    'given other custodians',
    `update emergency_kit set custodians = replace(custodians, 'carl', 'mallory') where id = $1 or $2::bytea is null`,
  ],
  [
    'put in force by hand',
    `update emergency_kit set confirmed_by = 'mallory' where id = $1 or $2::bytea is null`,
  ],
  [
    'taken away today',
    `update emergency_kit set taken_by = 'x', taken_at = now() where id = $1 or $2::bytea is null`,
  ],
])('a kit that the database was made to say is %s is not written', async (_, statement) => {
  using mallory = new BoxKeyPair(new Uint8Array(32).fill(7))
  await superuser.query('begin')
  const { rows } = await superuser.query('select * from emergency_kit where id = $1', [kit])
  await superuser.query(statement, [kit, Buffer.from(mallory.publicKey)])
  await superuser.query('commit')
  try {
    const outcome = await vault.admin.call('kit.write', { safe: 'line-3' }).catch((error: unknown) => error)
    expect(JSON.stringify(outcome)).not.toContain(toBase64(mallory.publicKey))
    expect(outcome).not.toMatchObject({ ok: true })
  } finally {
    const [row] = rows as readonly Record<string, unknown>[]
    await superuser.query(
      'update emergency_kit set box_key = $2, custodians = $3, confirmed_by = $4, taken_by = $5, taken_at = $6 where id = $1',
      [
        kit,
        row?.['box_key'],
        row?.['custodians'],
        row?.['confirmed_by'],
        row?.['taken_by'],
        row?.['taken_at'],
      ],
    )
  }
  expect((await vault.ask('kit.write', { safe: 'line-3' })).kit).toBe(kit)
})

test('what is forged in one safe leaves the kits that are kept of others as they should be', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-kits-'))
  const keeping = startKeepingKits(vault.plane.world, folder)
  try {
    await vault.account({ safe: 'line-4', target: 'press-4' })
    const prepared = await vault.ask('kit.prepare', {
      ...{ safe: 'line-4', custodians: ['anna', 'bob'], threshold: 2 },
    })
    must(await api.call('kit.confirm', { kit: prepared.kit, totpCode: sue.code() }, sue.token))
    sharesOfFour = prepared.shares.map(({ text }) => text)
    const forge = (column: string) =>
      superuser.query(
        `update account set login = ${column} from target where target.id = target_id and target.name = 'press-3'`,
      )
    await forge(`'root'`)
    await keeping.look()
    expect(await readdir(join(folder, 'vault', 'kits'))).toEqual(['line-4.kit'])
    expect(vault.faults.at(-1)).toMatchObject({ what: 'the emergency kit of line-3' })
    await forge(`'engineer'`)
    await keeping.look()
    expect(await readdir(join(folder, 'vault', 'kits'))).toEqual(['line-3.kit', 'line-4.kit'])
    // The name of a file is none that the database alone gives.
    await superuser.query(`update safe set name = '../planted' where name = 'line-4'`)
    await keeping.look()
    expect(await readdir(join(folder, 'vault'))).toEqual(['kits'])
    expect(await readdir(join(folder, 'vault', 'kits'))).toEqual(['line-3.kit', 'line-4.kit'])
  } finally {
    await superuser.query(`update safe set name = 'line-4' where name = '../planted'`)
    await keeping[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  }
}, 30_000)

test('a kit has what a rotation in doubt may have set as well: the vault can burn just then', async () => {
  const account = 'press-4/engineer'
  await vault.ask('rotation.set', { account, connector: 'linux-password' })
  const before = readKit((await vault.ask('kit.write', { safe: 'line-4' })).file)
  const run = await vault.ask('rotation.start', { account })
  const worker = await vault.connect('rotation')
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  must(await worker.call('rotation.step', { run: run.id, boxKey }))
  const read = must(readKit((await vault.ask('kit.write', { safe: 'line-4' })).file))
  using right = await combined(sharesOfFour)
  const secrets = must(openKit(read, right))
  expect(secrets.map((one) => [one.account.account, one.account.state, one.account.version])).toEqual([
    [account, 'current', 1],
    [account, 'candidate', 2],
  ])
  expect(must(before).header.holds).not.toBe(read.header.holds)
})

test('a kit, or an opening of one, that is taken out of the database is missed', async () => {
  const opened = {
    ...{ kit, custodians: ['anna', 'bob'], drill: false, reason: 'the server burnt' },
    ...{ madeAt: must(readKit(file)).header.madeAt, openedAt: vault.now().toISOString() },
  }
  must(await vault.admin.call('kit.report', opened))
  const { rows } = await superuser.query('select * from kit_opening')
  expect(rows).toHaveLength(1)
  await superuser.query('delete from kit_opening')
  // What was written within the last seconds may be missing to a statement that began before.
  await until(async () =>
    vault.admin.call('kit.list', {}).then(
      () => undefined,
      () => true,
    ),
  )
  const [row] = rows as readonly Record<string, unknown>[]
  const columns = Object.keys(row ?? {})
  await superuser.query(
    `insert into kit_opening (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(row ?? {}),
  )
  // What was in it is to be another one: a machine that can change it does, once its days are over.
  const account = 'press-3/engineer'
  await vault.ask('rotation.set', { account, connector: 'linux-password' })
  vault.advance(400 * 24 * 3600_000)
  const [run] = await until(async () => {
    const runs = await vault.ask('rotation.list', { account })
    return runs.length > 0 ? runs : undefined
  })
  expect(run?.cause).toBe('exposure')
}, 30_000)
