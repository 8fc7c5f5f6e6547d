import { execFileSync } from 'node:child_process'
import { copyFile, readFile, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { measure } from '../../../recorder/store/index.ts'
import { tombstonePath } from '../../../recorder/store/store.ts'
import { Destroyer, type DestroyerPorts } from '../../../recorder/supervision/destroyer.ts'
import type { Tombstone, VerbInput, VerbName } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { fromBase64 } from '../../../vault/kernel/encoding.ts'
import type { RecordingId } from '../../../vault/kernel/id.ts'
import { tagout as runTagout } from '../../support/cli.ts'
import { spawnRecorder } from '../../support/recorder-process.ts'
import { recordingRoom, type RecordingRoom, valueOf } from '../../support/recordings.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

/** Recordings are destroyed by two people, or by nobody; and whoever takes one away is found out. */

const day = 24 * 3600_000
let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let room: RecordingRoom
let superuser: pg.Client
let ann: TestPerson
let adam: TestPerson
let ingrid: TestPerson
const recordings: RecordingId[] = []
const startedAt = new Map<RecordingId, string>()
const forgotten: RecordingId[] = []

const id = (at: number) => recordings[at] as RecordingId
const pathOf = (at: number) => room.store.pathOf(id(at), startedAt.get(id(at)) ?? '')
const isThere = async (at: number) => (await room.store.stat(id(at))).ok
const destroyer = (call: DestroyerPorts['link']['call'] = recorder.call.bind(recorder)) =>
  new Destroyer({
    store: room.store,
    link: { call },
    log: () => undefined,
    forget: (recording) => forgotten.push(recording),
  })
const ask = (who: TestPerson, ...which: readonly number[]) =>
  api.call(
    'destruction.ask',
    { recordings: which.map(id), reason: 'works agreement', totpCode: who.code() },
    who.token,
  )
async function approve(who: TestPerson, destruction: string, digest?: string) {
  const asked = (await vault.ask('destruction.list', { state: 'all' })).find((one) => one.id === destruction)
  const input = { destruction, digest: digest ?? asked?.digest, totpCode: who.code() }
  return api.call('destruction.approve', input as VerbInput<'destruction.approve'>, who.token)
}
/** Two people have these destroyed: nothing of it is done yet. */
async function condemn(...which: readonly number[]): Promise<void> {
  must(await approve(ingrid, must(await ask(ann, ...which)).id))
}
/** Who was written to about it lately, and what. */
async function told(kind: string): Promise<readonly string[]> {
  const { latest } = await vault.ask('notification.status', {})
  return latest
    .filter((one) => one.kind === kind)
    .map(({ user, text }) => `${user}: ${text}`)
    .sort()
}
const shown = (at: number) => vault.ask('recording.show', { recording: id(at) })
const tagout = (...args: readonly string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir } })

beforeAll(async () => {
  vault = await startTestVault({ loginIdleSeconds: 12 * 3600 })
  api = await vault.connect('api')
  recorder = await vault.worker()
  room = await recordingRoom()
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  await vault.account()
  await vault.person('bob', ['operator'])
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  for (let at = 0; at < 10; at += 1) {
    const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
    const { session, recording } = permit
    const writer = await room.record({ session, recording, startedAt: permit.startedAt })
    void writer.append({ kind: 'output', channel: 0, bytes: Buffer.from(`what bob saw, ${at}\r\n`) })
    await writer.finish('closed by the user')
    await endSession(recorder, session)
    recordings.push(recording)
    startedAt.set(recording, permit.startedAt)
  }
  await vault.ask('retention.set', { retentionClass: 'short', days: 30, reason: 'works agreement' })
  await vault.ask('safe.retention', { safe: 'line-3', retentionClass: 'short', reason: 'x', shortens: true })
  expect((await vault.ask('destruction.due', {})).recordings).toEqual([])
  vault.advance(31 * day)
  ann = await vault.person('ann', ['admin'])
  adam = await vault.person('adam', ['admin'])
  ingrid = await vault.enrol((await vault.ask('user.enrol', { user: 'ingrid' })).token)
  for (const user of ['ann', 'adam', 'ingrid'])
    await vault.ask('user.mail', { user, address: `${user}@plant.example` })
}, 120_000)
afterAll(async () => {
  await superuser.end()
  await room[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
})

test('one person destroys nothing: not by asking twice, by another user of theirs, nor with an administrator alone', async () => {
  expect((await vault.ask('destruction.due', {})).recordings.map((one) => one.id)).toEqual(recordings)
  const asked = must(await ask(ann, 0))
  // Whoever can say no hears of it at once.
  expect(await told('destruction.asked')).toEqual([
    'adam: ann asks to have 1 recording destroyed',
    'ingrid: ann asks to have 1 recording destroyed',
  ])
  expect(refusalOf(await ask(adam, 0)).message).toContain('is asked for already, or destroyed')
  expect(refusalOf(await approve(ann, asked.id)).message).toContain('another person approves it')
  expect(refusalOf(await approve(adam, asked.id)).message).toBe('one of the two must be an auditor')
  await vault.ask('user.samePerson', { user: 'ingrid', as: 'ann' })
  expect(refusalOf(await approve(ingrid, asked.id)).message).toContain('who is you')
  await vault.ask('user.samePerson', { user: 'ingrid', as: null })
  expect(refusalOf(await approve(ingrid, asked.id, 'f'.repeat(64))).message).toContain('digest')
  const hold = { kind: 'recording', of: id(0), matter: 'case 1', reason: 'x' } as const
  const { id: legalHold } = await vault.ask('legalhold.place', hold)
  expect(refusalOf(await approve(ingrid, asked.id)).message).toContain('a legal hold is on')
  for (const who of [ann, ingrid])
    must(await api.call('legalhold.lift', { legalHold, reason: 'x', totpCode: who.code() }, who.token))
  await vault.ask('retention.floor', { days: 60, basis: 'the law' })
  expect(refusalOf(await approve(ingrid, asked.id)).message).toContain('is kept until')
  await vault.ask('retention.floor', { days: 0, basis: 'none' })
  // Whom it shows has no say in it, under whichever name.
  await vault.ask('user.samePerson', { user: 'ingrid', as: 'bob' })
  expect(refusalOf(await approve(ingrid, asked.id)).message).toContain('is of a session of your own')
  await vault.ask('user.samePerson', { user: 'ingrid', as: null })
  await vault.ask('destruction.withdraw', { destruction: asked.id })
  expect(refusalOf(await approve(ingrid, asked.id)).message).toBe('this is withdrawn already')
  expect((await told('destruction.decided'))[0]).toContain('that ann asked for was withdrawn by ')
  await destroyer().destroyAll()
  for (const at of recordings.keys()) expect(await isThere(at)).toBe(true)
})

test('two people have a recording destroyed, and what is left says who, when, why and what was there', async () => {
  const whole = await readFile(pathOf(0))
  await condemn(0)
  const decided = 'the destruction of 1 recording that ann asked for was approved by ingrid'
  expect(await told('destruction.decided')).toEqual(
    expect.arrayContaining([`ann: ${decided}`, `ingrid: ${decided}`]),
  )
  await destroyer().destroyAll()
  expect(await isThere(0)).toBe(false)
  expect(forgotten).toContain(id(0))
  expect(await shown(0)).toMatchObject({
    state: 'destroyed',
    destroyed: { askedBy: 'ann', approvedBy: 'ingrid', reason: 'works agreement', retentionClass: 'short' },
  })
  expect((await vault.ask('recording.find', { state: 'destroyed' })).recordings.map((one) => one.id)).toEqual(
    [id(0)],
  )
  const { token } = await vault.ask('login.local', {})
  const authorised = await recorder.call('recording.authorise', {
    token,
    recording: id(0),
    purpose: 'verify',
  })
  expect(refusalOf(authorised).message).toMatch(/^this recording was destroyed on \d{4}-.* by ann and ingrid/)
  const stone = JSON.parse(await readFile(tombstonePath(pathOf(0)), 'utf8')) as Tombstone
  const content = JSON.parse(stone.content)
  expect(content).toMatchObject({
    recording: id(0),
    askedBy: 'ann',
    approvedBy: 'ingrid',
    file: { sizeBytes: whole.length, state: 'complete' },
  })
  expect(content.file.whole).toBe(execFileSync('sha256sum', { input: whole }).toString().slice(0, 64))
  const folder = room.folder
  await writeFile(join(folder, 'content'), stone.content)
  await writeFile(join(folder, 'signature'), fromBase64(stone.signature))
  execFileSync(
    'openssl',
    [
      'cms',
      '-verify',
      '-binary',
      '-inform',
      'DER',
      '-in',
      join(folder, 'signature'),
      '-content',
      join(folder, 'content'),
      '-noverify',
      '-out',
      '/dev/null',
    ],
    { stdio: 'pipe' },
  )
  const verified = await tagout('recording', 'verify', id(0))
  expect(verified).toMatchObject({ code: 0 })
  expect(verified.out).toContain('was destroyed by ann and ingrid')
  expect((await tagout('recording', 'show', id(0))).out).toMatch(/destroyed +.*by ann and ingrid/)
  const list = JSON.parse((await tagout('destruction', 'list', '--all', '--json')).out)
  expect(list[0]).toMatchObject({ state: 'done', destroyed: 1 })
})

test('a tombstone proves itself to whoever has it and the log, and a changed one does not', async () => {
  const file = join(room.folder, 'stone.tgx')
  const log = join(room.folder, 'audit.json')
  await copyFile(tombstonePath(pathOf(0)), file)
  expect((await tagout('audit', 'export', '--out', log)).code).toBe(0)
  const right = await tagout('verify', file, '--audit', log)
  expect(right).toMatchObject({ code: 0, out: expect.stringContaining('was destroyed by ann and ingrid') })
  const stone = JSON.parse(await readFile(file, 'utf8')) as Tombstone
  for (const changed of [
    { ...stone, content: stone.content.replace('works agreement', 'nobody asked') },
    { ...stone, content: stone.content.replace('"ann"', '"eve"') },
    { ...stone, signature: stone.signature.replace(/[A-Z]/, 'q') },
  ]) {
    await writeFile(file, JSON.stringify(changed))
    expect((await tagout('verify', file)).code).toBe(1)
  }
})

test('a crash at any step leaves the whole recording or its tombstone, and the next run ends it', async () => {
  const whole = async (at: number) => (await measure(room.store, id(at)))?.state === 'complete'
  const dies = (verb: VerbName): DestroyerPorts['link']['call'] => {
    const call = async (asked: VerbName, input: never) => {
      if (asked === verb) throw new Error('the power went')
      return recorder.call(asked, input)
    }
    return call as DestroyerPorts['link']['call']
  }
  const hasTombstone = async (at: number) =>
    (await vault.ask('audit.find', { kinds: 'recording.tombstone', limit: 100 })).entries.some(({ entry }) =>
      JSON.stringify(entry).includes(id(at)),
    )
  await condemn(1, 2)
  await expect(destroyer(dies('destruction.take')).destroyAll()).rejects.toThrow()
  await expect(destroyer(dies('destruction.sign')).destroyAll()).rejects.toThrow()
  expect([await whole(1), await whole(2)]).toEqual([true, true])
  await expect(destroyer(dies('destruction.done')).destroyAll()).rejects.toThrow()
  expect([await isThere(1), await hasTombstone(1)]).toEqual([false, true])
  expect(await shown(1)).toMatchObject({ state: 'destroyed', destroyed: { at: null } })
  // In the middle of the file: the keys are gone, the file is not.
  must(await recorder.call('destruction.sign', { recording: id(2), found: await measure(room.store, id(2)) }))
  await truncate(pathOf(2), 0)
  await destroyer().destroyAll()
  expect([await isThere(1), await isThere(2)]).toEqual([false, false])
  for (const at of [1, 2]) {
    expect((await shown(at)).destroyed?.at).not.toBeNull()
    expect(await hasTombstone(at)).toBe(true)
    expect(JSON.parse(await readFile(tombstonePath(pathOf(at)), 'utf8')).content).toContain('"complete"')
  }
})

test('a recording that somebody takes away is missed, and told from one that was destroyed', async () => {
  const kept = join(room.folder, 'kept')
  await copyFile(pathOf(3), kept)
  const gone = join(room.folder, 'gone')
  await copyFile(pathOf(4), gone)
  await condemn(4)
  await destroyer().destroyAll()
  await unlink(pathOf(3))
  expect(await destroyer().look()).toBe(true)
  expect(await shown(3)).toMatchObject({ state: 'missing', destroyed: null })
  const missed = await vault.ask('audit.find', { kinds: 'recording.missing', limit: 9 })
  expect(missed.entries).toHaveLength(1)
  expect(missed.entries[0]?.text).toContain('which nobody had destroyed')
  // Told once, and until it is back.
  await destroyer().look()
  expect(await told('recording.missing')).toEqual(
    ['adam', 'ann', 'ingrid'].map(
      (who) => `${who}: ALARM: 1 recording gone that nobody had destroyed: bob on press-3/engineer`,
    ),
  )
  expect((await vault.ask('audit.find', { kinds: 'recording.missing', limit: 9 })).entries).toHaveLength(1)
  await copyFile(kept, pathOf(3))
  await destroyer().look()
  expect(await shown(3)).toMatchObject({ state: 'complete' })
  expect(await told('recording.found-again')).toHaveLength(3)
  // What a copy brings back that two people had destroyed goes again.
  await copyFile(gone, pathOf(4))
  await destroyer().look()
  expect(await isThere(4)).toBe(false)
})

test('a hold that is placed after the approval keeps what is not signed yet', async () => {
  await condemn(7)
  const hold = { kind: 'person', of: 'bob', matter: 'case 2', reason: 'x' } as const
  const { id: legalHold } = await vault.ask('legalhold.place', hold)
  await destroyer().destroyAll()
  expect((await measure(room.store, id(7)))?.state).toBe('complete')
  for (const who of [ann, ingrid])
    must(await api.call('legalhold.lift', { legalHold, reason: 'x', totpCode: who.code() }, who.token))
  await destroyer().destroyAll()
  expect(await isThere(7)).toBe(false)
})

test('nobody has a recording destroyed, or said to be, by writing into the database', async () => {
  const asked = must(await ask(ann, 5))
  for (const statement of [
    `update destruction set state = 'approved', closed_by_name = 'ingrid', closed_at = now() where id = '${asked.id}'`,
    `update destruction set recordings = array['${id(6)}'] where id = '${asked.id}'`,
    `insert into tombstone select '${id(5)}', destruction_id, retention_class, due_at, approved_at, null, null, null, null, epoch, mac
       from tombstone limit 1`,
    `delete from tombstone where recording_id = '${id(0)}'`,
    `update tombstone set destroyed_at = null where recording_id = '${id(0)}'`,
  ]) {
    for (const table of ['destruction', 'tombstone'])
      await superuser.query(`create temporary table kept_${table} as select * from ${table}`)
    await superuser.query(statement)
    const everything = async () => {
      await vault.ask('destruction.list', { state: 'all' })
      must(await recorder.call('destruction.take', {}))
      await vault.ask('recording.find', {})
    }
    // What was written a moment ago may be on its way still.
    const found = () =>
      everything().then(
        () => 'as if it were true',
        () => 'a fault',
      )
    await expect.poll(found, { timeout: 20_000, message: statement }).toBe('a fault')
    await destroyer()
      .destroyAll()
      .catch(() => undefined)
    expect(await isThere(5)).toBe(true)
    expect(await isThere(6)).toBe(true)
    await superuser.query('delete from tombstone')
    await superuser.query('delete from destruction')
    for (const table of ['destruction', 'tombstone']) {
      await superuser.query(`insert into ${table} select * from kept_${table}`)
      await superuser.query(`drop table kept_${table}`)
    }
  }
  // One that is taken out of the tables is missed by the log.
  const { rows } = await superuser.query('delete from recording where id = $1 returning session_id', [id(6)])
  await destroyer().look()
  const missed = () => vault.ask('audit.find', { kinds: 'recording.row-missing', limit: 9 })
  await expect.poll(async () => (await missed()).entries.length, { timeout: 10_000 }).toBe(1)
  expect((await missed()).entries[0]?.text).toContain(rows[0].session_id)
  // A recorder gets no tombstone that nobody approved.
  const signed = await recorder.call('destruction.sign', { recording: id(9), found: null })
  expect(refusalOf(signed).message).toBe('nobody has this recording destroyed')
  expect(refusalOf(await recorder.call('destruction.done', { recording: id(9) })).code).toBe('forbidden')
  expect(valueOf(await room.store.stat(id(9))).sizeBytes).toBeGreaterThan(0)
})

test('the recorder itself destroys what was approved, and misses at its start what is gone', async () => {
  await unlink(pathOf(9))
  await using _running = await spawnRecorder(vault.dataDir, vault.identities.recorder, {
    storePath: room.folder,
  })
  await condemn(8)
  await expect.poll(() => isThere(8), { timeout: 60_000 }).toBe(false)
  await expect.poll(async () => (await shown(8)).destroyed?.at ?? null, { timeout: 60_000 }).not.toBeNull()
  expect(await shown(9)).toMatchObject({ state: 'missing' })
}, 180_000)
