import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tagout as runTagout } from '../../support/cli.ts'
import { startTestVault, type TestVault } from '../../support/vault.ts'

/** The custodians' ceremonies through the program that people use, on a vault that runs. */

let vault: TestVault
let folder: string
beforeAll(async () => {
  vault = await startTestVault()
  folder = await mkdtemp(join(tmpdir(), 'tagout-custody-'))
})
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const tagout = (args: readonly string[], stdin?: string) =>
  runTagout(args, {
    env: { TAGOUT_DATA: vault.dataDir, HOME: folder },
    cwd: folder,
    ...(stdin === undefined ? {} : { stdin }),
  })
async function must(args: readonly string[], stdin?: string): Promise<string> {
  const { code, out, err } = await tagout(args, stdin)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}
async function refused(args: readonly string[], stdin?: string): Promise<string> {
  const { code, out, err } = await tagout(args, stdin)
  expect(code, `${args.join(' ')}: ${out}`).not.toBe(0)
  return err
}
const json = async (args: readonly string[], stdin?: string) =>
  JSON.parse(await must([...args, '--json'], stdin))
const share = (name: string, set = 'first') => join(folder, set, `${name}.share`)
const three = ['--threshold', '2', '--custodian', 'anna,bob,carl']

test('a rehearsal of making custodians makes none', async () => {
  const said = await must(['custody', 'init', ...three, '--dry-run'])
  expect(said).toContain('no custodians were made')
  expect((await json(['keys', 'list'])).map((seal: { kind: string }) => seal.kind)).toEqual([
    'key-file',
    'recovery',
  ])
})

test('what cannot be is refused in a sentence', async () => {
  expect(
    await refused(['custody', 'init', '--threshold', '4', '--custodian', 'a,b,c', '--out', 'x']),
  ).toMatch(/4 of 3 custodians cannot be had/)
  expect(await refused(['custody', 'init', '--threshold', '1', '--custodian', 'a,b', '--out', 'x'])).toMatch(
    /--threshold: two at least/,
  )
  expect(await refused(['custody', 'init', '--threshold', '2', '--custodian', 'a,A', '--out', 'x'])).toMatch(
    /custodian A is named twice/,
  )
  expect(await refused(['custody', 'init', ...three])).toMatch(/say where the shares go/)
  expect(await refused(['custody', 'change', ...three, '--out', 'x'])).toMatch(/has no custodians/)
  expect(await refused(['unseal', '--share-stdin', '--dry-run'], 'nonsense')).toMatch(/no whole share/)
})

test('shares are written one to a file, for their custodian alone, and are in no answer, table or log', async () => {
  const made = await json(['custody', 'init', ...three, '--out', 'first'])
  expect(made).toMatchObject({ threshold: 2, custodians: ['anna', 'bob', 'carl'] })
  expect((await readdir(join(folder, 'first'))).sort()).toEqual(['anna.share', 'bob.share', 'carl.share'])
  for (const name of made.custodians) {
    expect((await stat(share(name))).mode & 0o777).toBe(0o600)
    expect(await readFile(share(name), 'utf8')).toContain(`for ${name}`)
  }
  const rows = (await readFile(share('anna'), 'utf8')).split('\n').filter((line) => /^[0-9A-Z-]+$/.test(line))
  expect(rows.length).toBe(6)
  expect(JSON.stringify(made)).not.toContain(rows[3])
  expect(await refused(['custody', 'init', ...three, '--out', 'second'])).toMatch(/has custodians already/)
})

test('a rehearsal with shares proves that they open the vault, without sealing it', async () => {
  const first = await json(['unseal', '--share-file', share('carl'), '--dry-run'])
  expect(first).toMatchObject({ opened: false, shares: { given: [{ index: 3, name: 'carl' }] } })
  // Seen by administrators and auditors in the console, too.
  expect(await vault.ask('keys.status', {})).toMatchObject({
    rehearsal: { threshold: 2, given: [{ index: 3, name: 'carl' }], missing: ['anna', 'bob'] },
  })
  const waiting = await must(['custody', 'show'])
  expect(waiting).toMatch(/entered +none\n/)
  expect(waiting).toMatch(
    /rehearsed +1 of 2 shares entered; not yet: anna, bob; .*; nothing is opened by them/,
  )
  expect(await json(['custody', 'show'])).toMatchObject({
    entered: null,
    rehearsed: { missing: ['anna', 'bob'] },
  })
  // Who rehearses is told at no other door.
  await using api = await vault.connect('api')
  expect(await api.call('status', {})).toMatchObject({ ok: true, value: { shares: null, rehearsal: null } })
  const second = await must(['unseal', '--share-file', share('anna'), '--dry-run'])
  expect(await must(['custody', 'show'])).not.toContain('rehearsed')
  expect((await vault.ask('keys.status', {})).rehearsal).toBeNull()
  expect(second).toContain('the shares open this vault; nothing was changed')
  expect((await vault.ask('status', {})).sealed).toBe(false)
})

test('shares come one by one from different places, progress is seen, and the vault opens', async () => {
  await must(['keys', 'remove', await idOf('key-file')])
  await must(['seal'])
  const first = await must(['unseal', '--share-file', share('bob')])
  expect(first).toContain('the share of bob is right')
  expect(first).toContain('1 of 2 shares entered; not yet: anna, carl')
  const status = await tagout(['status'])
  expect(status.out).toContain('1 of 2 shares entered')
  expect(await must(['custody', 'show'])).toContain('1 of 2 shares entered')
  expect(await must(['unseal', '--share-file', share('bob')])).toContain('had been entered before')

  // A wrong share is named, and the right ones stay.
  const text = await readFile(share('carl'), 'utf8')
  const mistyped = text.replace(
    /^([0-9A-Z]{4}-)([0-9A-Z])/m,
    (_, head, letter) => head + (letter === '7' ? '8' : '7'),
  )
  expect(await refused(['unseal', '--share-stdin'], mistyped)).toMatch(/row 1 of the share was mistyped/)
  expect((await vault.ask('status', {})).shares?.given.length).toBe(1)

  expect(await must(['unseal', '--share-file', share('carl')])).toContain('unsealed by the custodians')
  const state = await vault.ask('status', {})
  expect(state).toMatchObject({ sealed: false, shares: null })
  const entries = (await vault.ask('audit.list', { limit: 200 })).map(({ text: line }) => line)
  for (const line of [
    /made shares of set .* for anna, bob, carl \(any 2 open the vault\)/,
    /added a way to unseal the vault: custodians .*: any 2 of anna, bob, carl/,
    /rehearsed unsealing by custodians/,
    /took away a way to unseal the vault: key file/,
    /entered share 2 \(bob\) of set .*: 1 of 2/,
    /entered share 3 \(carl\) of set .*: 2 of 2/,
    /unsealed the vault by custodians/,
  ])
    expect(entries.join('\n')).toMatch(line)
})

test('shares that wait are forgotten when asked, in time, and when the vault opens another way', async () => {
  await must(['keys', 'add', '--passphrase-stdin'], 'correct horse battery staple')
  expect(await refused(['unseal', '--ask', '--dry-run'])).toContain('--passphrase-stdin')
  await must(['seal'])
  await must(['unseal', '--share-file', share('anna')])
  expect(await json(['unseal', '--forget'])).toEqual({ forgotten: 1 })
  expect((await vault.ask('status', {})).shares).toBeNull()

  await must(['unseal', '--share-file', share('anna')])
  vault.advance(31 * 60_000)
  expect((await vault.ask('status', {})).shares).toBeNull()
  const late = await json(['unseal', '--share-file', share('bob')])
  expect(late).toMatchObject({ opened: false, shares: { given: [{ name: 'bob' }] } })

  await must(['unseal', '--passphrase-stdin'], 'correct horse battery staple')
  expect((await vault.ask('status', {})).shares).toBeNull()
  const entries = (await vault.ask('audit.list', { limit: 200 })).map(({ text }) => text).join('\n')
  expect(entries).toContain('forgot 1 entered share: asked for')
  expect(entries).toContain('forgot 1 entered share: the others did not come')
  expect(entries).toContain('forgot 1 entered share: the vault was unsealed by another way')
})

test('the custodians change: the shares of before are named as old and open nothing', async () => {
  const out = await must([
    'custody',
    'change',
    '--threshold',
    '2',
    '--custodian',
    'anna,dora',
    '--out',
    'second',
  ])
  expect(out).toContain('any 2 of anna, dora open this vault now')
  await must(['seal'])
  const old = await refused(['unseal', '--share-file', share('bob')])
  expect(old).toMatch(/that share is of set .*; this vault's custodians hold set/)
  await must(['unseal', '--share-file', share('anna', 'second')])
  expect(await refused(['unseal', '--share-file', share('anna')])).toMatch(/is of set/)
  expect((await vault.ask('status', {})).shares?.given.length).toBe(1)
  await must(['unseal', '--share-file', share('dora', 'second')])
  expect((await vault.ask('status', {})).sealed).toBe(false)
})

test('the last way to unseal is not taken away, and neither is the recovery key', async () => {
  await must(['keys', 'remove', await idOf('passphrase')])
  expect(await refused(['keys', 'remove', await idOf('custodians')])).toMatch(
    /is the last way|are the last way/,
  )
  expect(await refused(['keys', 'remove', await idOf('recovery')])).toMatch(/is not taken away/)
  expect(await refused(['keys', 'remove', 'wrp_00000000000000000000000000'])).toMatch(/no such way/)
  await must(['keys', 'add', '--key-file', join(folder, 'stick.key')])
  expect(await must(['keys', 'remove', await idOf('custodians'), '--dry-run'])).toContain(
    'nothing was changed',
  )
  expect((await json(['keys', 'list'])).length).toBe(3)
})

test('a new recovery key takes the place of the old one', async () => {
  const before = vault.recoveryKey
  const ways = await json(['keys', 'list'])
  expect(await must(['keys', 'recovery-key', '--dry-run'])).toContain('nothing was changed')
  expect(await json(['keys', 'list'])).toEqual(ways)
  expect(await must(['unseal', '--recovery-key-stdin', '--dry-run'], before)).toContain('it opens this vault')
  const [rehearsed] = await vault.ask('audit.list', { limit: 1, kind: 'seal.rehearsed' })
  expect(rehearsed?.text).toContain('rehearsed unsealing by recovery')
  // The list says when, of that way alone.
  const listed = await vault.ask('seal.list', {})
  expect(listed.filter(({ rehearsedAt }) => rehearsedAt === rehearsed?.at).map(({ kind }) => kind)).toEqual([
    'recovery',
  ])
  expect((await must(['keys', 'list'])).split('\n')[0]).toContain('LAST REHEARSED')
  const texts = (await vault.ask('audit.list', { limit: 500 })).map(({ text }) => text)
  expect(texts.join('\n')).toContain(
    'tried a new recovery key, before it is exchanged: it can unseal the vault',
  )
  expect(await refused(['keys', 'recovery-key'])).toContain('give --recovery-out FILE')
  await must(['keys', 'recovery-key', '--recovery-out', 'new.key'])
  expect(await refused(['unseal', '--recovery-key-stdin', '--dry-run'], before)).toMatch(/does not open/)
  const said = await must(['unseal', '--recovery-key-file', 'new.key', '--dry-run'])
  expect(said).toContain('it opens this vault')
  expect((await stat(join(folder, 'new.key'))).mode & 0o777).toBe(0o600)
})

test('a ceremony that is cut short before it is confirmed leaves everything as it was', async () => {
  const prepared = await vault.ask('custody.prepare', {
    custodians: ['eve', 'fred'],
    threshold: 2,
    change: true,
  })
  const before = await json(['keys', 'list'])
  await vault.restart()
  expect(await json(['keys', 'list'])).toEqual(before)
  const late = await vault.admin.call('seal.confirm', { prepared: prepared.prepared ?? '' })
  expect(late.ok ? '' : late.refusal.code).toBe('expired')
  // Shares of a set that was never confirmed open nothing.
  const [eve] = prepared.shares
  const entered = await vault.admin.call('custody.share', { share: eve?.text ?? '', rehearse: true })
  expect(entered.ok ? '' : entered.refusal.message).toContain(`that share is of set ${prepared.set}`)
  // Where a file cannot be written nothing is confirmed, and the shares written before it are taken away.
  await must(['custody', 'change', '--threshold', '2', '--custodian', 'anna,gus', '--out', 'third'])
  const kept = await json(['keys', 'list'])
  expect(
    await refused(['custody', 'change', '--threshold', '2', '--custodian', 'hal,anna', '--out', 'third']),
  ).toMatch(/anna.share exists already/)
  expect((await readdir(join(folder, 'third'))).sort()).toEqual(['anna.share', 'gus.share'])
  expect(await json(['keys', 'list'])).toEqual(kept)
})

async function idOf(kind: string): Promise<string> {
  const seals = await vault.ask('seal.list', {})
  return seals.find((seal) => seal.kind === kind)?.id ?? ''
}
