import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readKit } from '../../../vault/kits/kit-file.ts'
import { startKeepingKits } from '../../../vault/kits/keeper.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { KitView } from '../../../vault/contract.ts'
import { tagout as runTagout } from '../../support/cli.ts'
import {
  refusalOf,
  must as granted,
  startTestVault,
  type TestPerson,
  type TestVault,
} from '../../support/vault.ts'

/** A safe's emergency kit, through the program that people use: made, taken away, opened without any vault, reported. */

let vault: TestVault
let api: VaultClient
let sue: TestPerson
let folder: string
beforeAll(async () => {
  vault = await startTestVault()
  folder = await mkdtemp(join(tmpdir(), 'tagout-kit-'))
  api = await vault.connect('api')
  sue = await vault.person('sue', ['admin'])
  await vault.account({ password: 'first secret of press-3' })
  await vault.account({ target: 'saw-1', login: 'root', password: 'it is another one' })
}, 60_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const tagout = (args: readonly string[], data = vault.dataDir) =>
  runTagout(args, { env: { TAGOUT_DATA: data, HOME: folder }, cwd: folder })
async function must(args: readonly string[], data?: string): Promise<string> {
  const { code, out, err } = await tagout(args, data)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}
async function refused(args: readonly string[], data?: string): Promise<string> {
  const { code, out, err } = await tagout(args, data)
  expect(code, `${args.join(' ')}: ${out}`).not.toBe(0)
  return err
}
const json = async (args: readonly string[], data?: string) =>
  JSON.parse(await must([...args, '--json'], data))
/** Where there is no installation: the vault's machine has burnt. */
const nowhere = '/nonexistent'
const shares = (set: string, ...names: readonly string[]) =>
  names.flatMap((name) => ['--share-file', join(set, `${name}.share`)])
const three = ['--threshold', '2', '--custodian', 'anna,bob,carl']
const safeOf = async () => (await vault.ask('safe.list', {})).find(({ accounts }) => accounts > 0)?.name ?? ''
const kits = () => vault.ask('kit.list', {})

test('a kit is in force once an administrator has confirmed that its custodians have their shares', async () => {
  const safe = await safeOf()
  expect(await refused(['kit', 'init', safe, ...three])).toMatch(/say where the shares go/)
  expect(await refused(['kit', 'init', 'nowhere', ...three, '--out', 'x'])).toMatch(
    /there is no safe nowhere/,
  )
  expect(await refused(['kit', 'write', safe, '--out', 'x.kit'])).toMatch(/has no emergency kit in force/)

  const made = await json(['kit', 'init', safe, ...three, '--out', 'first'])
  expect(made).toMatchObject({ threshold: 2, custodians: ['anna', 'bob', 'carl'] })
  expect((await stat(join(folder, 'first', 'anna.share'))).mode & 0o777).toBe(0o600)
  expect(await readFile(join(folder, 'first', 'anna.share'), 'utf8')).toContain(
    `any 2 of these shares open the emergency kit of the safe ${safe}`,
  )
  expect(await kits()).toMatchObject([{ state: 'waiting', safe }])
  expect(await refused(['kit', 'write', safe, '--out', 'x.kit'])).toMatch(/has no emergency kit in force/)
  expect(refusalOf(await api.call('kit.confirm', { kit: made.kit }, sue.token)).message).toMatch(
    /needs a code/,
  )
  const confirmed = granted(await api.call('kit.confirm', { kit: made.kit, totpCode: sue.code() }, sue.token))
  expect(confirmed).toMatchObject({
    state: 'in force',
    confirmedBy: 'sue',
    accounts: 2,
    due: expect.stringMatching(/never taken away/),
  })
  const again = await api.call('kit.confirm', { kit: made.kit, totpCode: sue.code() }, sue.token)
  expect(refusalOf(again).message).toMatch(/in force already/)
})

test('custodians open what was taken away, without a vault; fewer, and others, do not', async () => {
  const safe = await safeOf()
  expect(await must(['kit', 'write', safe, '--out', 'line.kit'])).toMatch(/2 secrets/)
  expect(await refused(['kit', 'write', safe, '--out', 'line.kit'])).toMatch(/exists already/)
  const open = ['kit', 'open', 'line.kit', '--print', '--reason', 'the server burnt']
  const opened = await json([...open, ...shares('first', 'carl', 'anna')], nowhere)
  expect(opened).toMatchObject([
    { account: 'press-3/engineer', secret: 'first secret of press-3', login: 'engineer', kind: 'password' },
    { account: 'saw-1/root', secret: 'it is another one' },
  ])
  expect(
    await must([...open, '--account', 'saw-1/root', ...shares('first', 'bob', 'anna')], nowhere),
  ).toMatch(/password {2}it is another one/)
  expect(await refused([...open, ...shares('first', 'anna')], nowhere)).toMatch(/no terminal to ask/)
  expect(await refused([...open, ...shares('first', 'anna', 'anna')], nowhere)).toMatch(/given already/)
  expect(
    await refused([...open, '--account', 'press-4/x', ...shares('first', 'anna', 'bob')], nowhere),
  ).toMatch(/no account press-4\/x in this kit/)
  expect(
    await refused([...open, '--signed-by', 'SHA256:x', ...shares('first', 'anna', 'bob')], nowhere),
  ).toMatch(/signed by SHA256:/)
  expect(await refused(['kit', 'open', 'line.kit', '--print'], nowhere)).toMatch(/say why it is opened/)
  expect(await refused(['kit', 'open', join('first', 'anna.share'), '--drill'], nowhere)).toMatch(
    /no emergency kit/,
  )
})

test('a drill shows no secret, and its note is how the vault hears of it', async () => {
  const drill = await json(['kit', 'open', 'line.kit', '--drill', ...shares('first', 'bob', 'carl')], nowhere)
  expect(drill).toMatchObject({ accounts: 2, drill: true, custodians: ['bob', 'carl'] })
  expect(JSON.stringify(drill)).not.toMatch(/secret of press|another one/)
  vault.advance(1000)
  expect(await must(['kit', 'report', drill.note])).toMatch(/was practised/)
  expect(await kits()).toMatchObject([{ openings: [], drilledAt: expect.any(String) }])
})

test('what was in an opened kit is a task until each secret is another one', async () => {
  const notes = (await readdir(folder)).filter((name) => name.endsWith('.opened')).sort()
  const first = notes[0] ?? ''
  const said = await must(['kit', 'report', first])
  expect(said).toMatch(/to rotate {2}by .*: press-3\/engineer, saw-1\/root/)
  const [kit] = await kits()
  expect(kit?.openings).toMatchObject([{ left: ['press-3/engineer', 'saw-1/root'], isOverdue: false }])
  expect(await must(['kit', 'list'])).toMatch(/2 secrets to rotate by/)

  const account = 'press-3/engineer'
  await vault.ask('account.secret', {
    account,
    credential: await vault.sealPassword(account, 'second secret'),
  })
  const [after] = await kits()
  expect(after).toMatchObject({ changedSince: 1, openings: [{ left: ['saw-1/root'] }] })
  vault.advance(31 * 24 * 3600_000)
  const [late] = await kits()
  expect(late).toMatchObject({
    due: expect.stringMatching(/1 secret has changed since it was taken away/),
    openings: [{ isOverdue: true }],
  })
  expect(await must(['audit', 'list', '--limit', '200'])).toMatch(
    /noted that .* opened the emergency kit of safe .*: 2 secrets to be rotated.*the server burnt/,
  )
})

test('what cannot have been is not noted', async () => {
  const [kit] = (await kits()) as readonly KitView[]
  if (kit === undefined) throw new Error('there is a kit')
  const ask = async (more: object) => {
    const note = JSON.parse(
      await readFile(
        join(folder, (await readdir(folder)).find((name) => name.endsWith('.opened')) ?? ''),
        'utf8',
      ),
    )
    await writeFile(join(folder, 'note'), JSON.stringify({ ...note, ...more }))
    return await refused(['kit', 'report', 'note'])
  }
  expect(await ask({ madeAt: '2001-01-01T00:00:00Z' })).toMatch(/was not in force then/)
  expect(await ask({ openedAt: '2001-01-01T00:00:00Z' })).toMatch(/it was made after that/)
  expect(await ask({ openedAt: '2101-01-01T00:00:00Z' })).toMatch(/that is not yet/)
  expect(await ask({ custodians: ['anna'] })).toMatch(/it takes 2 of them/)
  expect(await ask({ custodians: ['anna', 'mallory'] })).toMatch(/mallory holds no share/)
  expect(await ask({ custodians: 'anna' })).toMatch(/not the note of an opening/)
})

test('the copy in the data folder is that of today, and is gone when the kit is', async () => {
  const keeping = startKeepingKits(vault.plane.world, folder)
  try {
    await keeping.look()
    const path = join(folder, 'vault', 'kits', `${await safeOf()}.kit`)
    const before = readKit(await readFile(path, 'utf8'))
    if (!before.ok) throw new Error(before.refusal.message)
    vault.advance(1000)
    await keeping.look()
    expect((await readFile(path, 'utf8')).includes(before.value.header.madeAt)).toBe(true)
    const account = 'saw-1/root'
    await vault.ask('account.secret', { account, credential: await vault.sealPassword(account, 'third') })
    await keeping.look()
    await cp(path, join(folder, 'kept.kit'))
    const opened = await json(
      ['kit', 'open', 'kept.kit', '--print', '--reason', 'x', ...shares('first', 'anna', 'bob')],
      nowhere,
    )
    expect(opened).toMatchObject([{ secret: 'second secret' }, { secret: 'third' }])

    // A rotation whose worker is gone in the middle: the machine may take the one, or the other.
    const other = 'press-3/engineer'
    await vault.ask('rotation.set', { account: other, connector: 'linux-password' })
    const run = await vault.ask('rotation.start', { account: other })
    const worker = await vault.connect('rotation')
    const boxKey = Buffer.alloc(32, 9).toString('base64')
    granted(await worker.call('rotation.step', { run: run.id, boxKey }))
    await keeping.look()
    await cp(path, join(folder, 'doubt.kit'))
    const doubted = await json(
      ['kit', 'open', 'doubt.kit', '--print', '--reason', 'x', ...shares('first', 'anna', 'bob')],
      nowhere,
    )
    expect(doubted).toMatchObject([
      { account: other, state: 'current', secret: 'second secret' },
      { account: other, state: 'candidate', version: 3 },
      { account: 'saw-1/root', secret: 'third' },
    ])

    // Another set of custodians: the shares of the first open nothing that is written from then on.
    const next = await json([
      'kit',
      'init',
      await safeOf(),
      '--threshold',
      '2',
      '--custodian',
      'dora,emil',
      '--out',
      'next',
    ])
    // A month has passed: nobody is signed in any more.
    const ann = await vault.person('ann', ['admin'])
    granted(await api.call('kit.confirm', { kit: next.kit, totpCode: ann.code() }, ann.token))
    await keeping.look()
    await cp(path, join(folder, 'next.kit'))
    const open = ['kit', 'open', 'next.kit', '--drill']
    expect(await refused([...open, ...shares('first', 'anna', 'bob')], nowhere)).toMatch(
      /no share of this kit/,
    )
    await must([...open, ...shares('next', 'dora', 'emil')], nowhere)

    await must(['kit', 'end', next.kit, '--reason', 'the safe is given up'])
    await keeping.look()
    expect(await readdir(join(folder, 'vault', 'kits'))).toEqual([])
  } finally {
    await keeping[Symbol.asyncDispose]()
  }
})
