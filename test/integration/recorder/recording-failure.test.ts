import { execFileSync } from 'node:child_process'
import { constants, statSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import { QuotaReached } from '../../../recorder/recording/index.ts'
import { verifyRecording } from '../../../recorder/replay/index.ts'
import { openStore } from '../../../recorder/store/index.ts'
import { makeFirstList, makeIdentity, rotateGroupKey } from '../../../vault/auditors/index.ts'
import type { Fault } from '../../../vault/kernel/fault.ts'
import { framesOf, joined, recordingRoom, replayOf, valueOf, writerOver } from '../../support/recordings.ts'

const block = Buffer.alloc(64 * 1024, 'x')

test('a full disk fails the recording once, and nothing is taken any more', async () => {
  const { writer, failures } = await writerOver('/dev/full', constants.O_WRONLY)
  void writer.append({ kind: 'output', channel: 0, bytes: block })
  await expect.poll(() => writer.isFailed, { timeout: 5000 }).toBe(true)
  expect(failures.map(({ message }) => message)).toEqual(['the recording store is full'])
  expect(() => writer.append({ kind: 'output', channel: 0, bytes: block })).toThrow(
    'the recording store is full',
  )
  await expect(writer.flush()).rejects.toThrow('the recording store is full')
  expect(await writer.finish('recording failed')).toMatchObject({ state: 'incomplete' })
})

test('whoever waits for room learns of the failure', async () => {
  const { writer } = await writerOver('/dev/full', constants.O_WRONLY)
  let failed: unknown
  for (let sent = 0; sent < 10_000 && failed === undefined; sent += 1)
    try {
      await writer.append({ kind: 'output', channel: 0, bytes: block })
    } catch (error) {
      failed = error
    }
  expect(failed).toMatchObject({ code: 'recording' })
})

test('a disk that fills up in the middle leaves a recording that opens up to there', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('mounting a small file system needs root')
  const mount = await mkdtemp(join(tmpdir(), 'tagout-full-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', mount], { stdio: 'pipe' })
  } catch {
    await rm(mount, { recursive: true })
    return context.skip('this machine lets nobody mount')
  }
  try {
    await using room = await recordingRoom(mount)
    const failures: Fault[] = []
    const writer = await room.record({}, { onFailed: (fault) => failures.push(fault) })
    const line = (at: number) => Buffer.from(`${String(at).padStart(9)} ${Math.random()} ${Math.random()}\n`)
    const started = Date.now()
    let taken = 0
    try {
      for (; ; taken += 1) {
        await writer.append({ kind: 'output', channel: 0, bytes: line(taken) })
        if (taken % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    } catch (error) {
      expect(error).toMatchObject({ code: 'recording' })
    }
    expect(Date.now() - started).toBeLessThan(5000)
    expect(failures).toHaveLength(1)
    await using source = valueOf(await room.store.read(writer.permit.recording))
    expect(await verifyRecording(sodium, source)).toMatchObject({ state: 'incomplete' })
    const output = joined(await framesOf(await replayOf(source, room.keys)), 'output').toString()
    expect(output.length).toBeGreaterThan(100_000)
    expect(
      output
        .split('\n')
        .slice(0, 3)
        .map((text) => text.slice(0, 9).trim()),
    ).toEqual(['0', '1', '2'])
  } finally {
    execFileSync('umount', ['-l', mount], { stdio: 'pipe' })
    await rm(mount, { recursive: true, force: true })
  }
})

test('the quota is warned of before its end, reached, and the recording is then finished in order', async () => {
  await using room = await recordingRoom()
  const warned: number[] = []
  const quotaBytes = 2_000_000
  const writer = await room.record({ quotaBytes }, { onQuotaWarning: (used) => warned.push(used) })
  const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(20_000)))
  let refused: unknown
  for (let sent = 0; sent < 200 && refused === undefined; sent += 1)
    try {
      await writer.append({ kind: 'output', channel: 0, bytes })
      await writer.flush()
    } catch (error) {
      refused = error
    }
  expect(refused).toBeInstanceOf(QuotaReached)
  expect(warned).toHaveLength(1)
  expect(warned[0]).toBeLessThan(quotaBytes)
  const { state, sizeBytes } = await writer.finish('quota reached')
  expect(state).toBe('complete')
  expect(sizeBytes).toBeLessThanOrEqual(quotaBytes)
})

test('a session is refused when free space is below the floor, and the reserve gives it back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-floor-'))
  const store = await openStore({ folder, floorBytes: 2 ** 60, reserveBytes: 0 })
  expect(await store.hasRoom()).toMatchObject({ ok: false, refusal: { code: 'no_space' } })
  const kept = await openStore({ folder, floorBytes: 0, reserveBytes: 300_000 })
  expect(statSync(join(folder, 'reserve')).size).toBe(300_000)
  expect((await kept.hasRoom()).ok).toBe(true)
  await kept.releaseReserve()
  expect(() => statSync(join(folder, 'reserve'))).toThrow()
  await rm(folder, { recursive: true })
})

test('recordings are readable by their owner alone and never written over', async () => {
  await using room = await recordingRoom()
  const writer = await room.record()
  await writer.finish('closed by the user')
  const { path } = valueOf(await room.store.stat(writer.permit.recording))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(path).toContain(`/recordings/${writer.permit.startedAt.slice(0, 10)}/`)
  const before = await readFile(path)
  await expect(room.record({ recording: writer.permit.recording })).rejects.toMatchObject({
    code: 'recording',
  })
  expect(await readFile(path)).toEqual(before)
  expect((await room.store.list()).map(({ recording }) => recording)).toEqual([writer.permit.recording])
})

test('an id that is a path is no recording', async () => {
  await using room = await recordingRoom()
  for (const hostile of ['../../etc/passwd', 'rec_/../x', '', 'rec_' + 'a'.repeat(25) + '/'])
    expect(await room.store.stat(hostile as never)).toMatchObject({ ok: false })
})

test('the recorder seals to no list that does not continue from its pin', async () => {
  await using room = await recordingRoom()
  const mallory = await makeFirstList(sodium, makeIdentity(sodium, 'ingrid'), () => new Date())
  expect(await room.store.acceptLists([mallory.link])).toMatchObject({ ok: false })
  expect(await room.store.acceptLists([])).toMatchObject({ ok: false, refusal: { code: 'no_auditors' } })
  const next = valueOf(await rotateGroupKey(sodium, room.ingrid, room.chain, () => new Date()))
  const otherWorker = await openStore({ folder: room.folder, floorBytes: 0, reserveBytes: 0 })
  for (let time = 0; time < 2; time += 1) expect((await otherWorker.acceptLists(room.links)).ok).toBe(true)
  expect((await room.store.acceptLists([...room.links, next])).ok).toBe(true)
  // The pin moved on: the chain as it was before is a roll-back now.
  expect(await room.store.acceptLists(room.links)).toMatchObject({ ok: false })
  expect(await otherWorker.acceptLists(room.links)).toMatchObject({ ok: false })
  const reopened = await openStore({ folder: room.folder, floorBytes: 0, reserveBytes: 0 })
  expect(await reopened.acceptLists(room.links)).toMatchObject({ ok: false })
  await writeFile(join(room.folder, 'auditors.pin'), 'tagout-auditors-pin 1\n')
  await expect(reopened.acceptLists([...room.links, next])).rejects.toMatchObject({ code: 'recording' })
})

test('workers that see lists of different age at once never move the pin back', async () => {
  await using room = await recordingRoom()
  const second = valueOf(await rotateGroupKey(sodium, room.ingrid, room.chain, () => new Date()))
  const chain = valueOf(await room.store.acceptLists([...room.links, second]))
  const third = valueOf(await rotateGroupKey(sodium, room.ingrid, chain, () => new Date()))
  const pin = join(room.folder, 'auditors.pin')
  await rm(pin)
  const first = valueOf(await room.store.acceptLists(room.links))
  expect(first.current.version).toBe(1)
  const atFirst = await readFile(pin)
  for (let round = 0; round < 30; round += 1) {
    await writeFile(pin, atFirst)
    const [older, newer] = await Promise.all([
      openStore({ folder: room.folder, floorBytes: 0, reserveBytes: 0 }),
      openStore({ folder: room.folder, floorBytes: 0, reserveBytes: 0 }),
    ])
    await Promise.all([
      newer.acceptLists([...room.links, second, third]),
      older.acceptLists([...room.links, second]),
    ])
    expect(await readFile(pin, 'utf8')).toContain('version: 3')
  }
})
