import { readFile } from 'node:fs/promises'
import serializing from '@xterm/addon-serialize'
import headless from '@xterm/headless'
import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import type { SignedCheckpoint } from '../../../recorder/recording/index.ts'
import {
  type ByteSource,
  type Frame,
  readStructure,
  verifyRecording,
} from '../../../recorder/replay/index.ts'
import {
  openGroupKeys,
  readRecoveryFile,
  removeAuditor,
  addAuditor,
  makeIdentity,
} from '../../../vault/auditors/index.ts'
import { inputPolicies } from '../../../vault/contract.ts'
import { longRecording } from '../../support/long-recording.ts'
import { framesOf, joined, recordingRoom, replayOf, valueOf } from '../../support/recordings.ts'

const bytes = (text: string) => Buffer.from(text)

/** The screen that a player shows at `goal`, from frames that may begin with a keyframe. */
async function screenAt(frames: AsyncIterable<Frame>, goal: number): Promise<string> {
  let terminal = new headless.Terminal({ cols: 120, rows: 40, scrollback: 0, allowProposedApi: true })
  const write = (data: Uint8Array) => new Promise<void>((resolve) => terminal.write(data, resolve))
  for await (const frame of frames) {
    if (frame.at > goal) break
    if (frame.kind === 'keyframe') {
      terminal.dispose()
      terminal = new headless.Terminal({
        cols: frame.columns,
        rows: frame.rows,
        scrollback: 0,
        allowProposedApi: true,
      })
      await write(frame.bytes)
    } else if (frame.kind === 'output') await write(frame.bytes)
  }
  const serialize = new serializing.SerializeAddon()
  terminal.loadAddon(serialize)
  return serialize.serialize({ scrollback: 0 })
}

test('seeking shows the same screen as playing up to there, and reads a small part of the file', async () => {
  await using room = await recordingRoom()
  const recording = await longRecording(room, 20)
  await using file = valueOf(await room.store.read(recording))
  let read = 0
  const counted: ByteSource = {
    size: file.size,
    read: async (offset, length) => {
      read += length
      return file.read(offset, length)
    },
  }
  const replay = await replayOf(counted, room.keys)
  expect(replay.structure.segments.length).toBeGreaterThanOrEqual(20)
  expect(read).toBeLessThan(64 * 1024)
  for (const goal of [0, 3e9, 61e9, 600e9, 1199e9]) {
    read = 0
    const sought = await screenAt(replay.seek(goal), goal)
    expect(read).toBeLessThan(Math.max(file.size, 2 * 1024 * 1024))
    expect(sought).toBe(await screenAt(replay.frames(), goal))
  }
}, 30_000)

test('a structure found without the end is the same as with it', async () => {
  await using room = await recordingRoom()
  const recording = await longRecording(room, 3)
  await using file = valueOf(await room.store.read(recording))
  const whole = valueOf(await readStructure(sodium, file))
  expect(whole.final?.reason).toBe('closed by the user')
  const cut = { ...file, size: file.size - 10 }
  const scanned = valueOf(
    await readStructure(sodium, {
      size: cut.size,
      read: async (o, l) => file.read(o, Math.min(l, cut.size - o)),
    }),
  )
  expect(scanned.final).toBeNull()
  expect(scanned.segments.map(({ offset, at }) => [offset, at])).toEqual(
    whole.segments.map(({ offset, at }) => [offset, at]),
  )
  const frames = (replay: Awaited<ReturnType<typeof replayOf>>) => framesOf(replay)
  expect((await frames(await replayOf(cut, room.keys))).length).toBe(
    (await frames(await replayOf(file, room.keys))).length,
  )
})

test('nothing that was recorded or typed lies in the file in clear', async () => {
  await using room = await recordingRoom()
  const writer = await room.record({ inputPolicy: 'full' })
  void writer.append({
    kind: 'mark',
    channel: 0,
    mark: { kind: 'open', type: 'exec', command: 'canary-command-71' },
  })
  void writer.append({ kind: 'output', channel: 0, bytes: bytes('canary-output-72 canary-output-72') })
  void writer.append({ kind: 'input', channel: 0, bytes: bytes('canary-input-73') })
  await writer.finish('closed by the user')
  const { path } = valueOf(await room.store.stat(writer.permit.recording))
  const file = (await readFile(path)).toString('latin1')
  expect(file).toContain('press-3/engineer') // the header is in clear: the search below finds what there is
  for (const canary of ['canary-command', 'canary-output', 'canary-input']) expect(file).not.toContain(canary)
})

test('what is typed without echo is in no recording under echoed and timing_only, and its length is', async () => {
  await using room = await recordingRoom()
  for (const inputPolicy of inputPolicies) {
    const writer = await room.record({ inputPolicy })
    void writer.append({
      kind: 'mark',
      channel: 0,
      mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
    })
    void writer.append({ kind: 'output', channel: 0, bytes: bytes('Password: ') })
    for (const key of 'hunter2\r') void writer.append({ kind: 'input', channel: 0, bytes: bytes(key) })
    void writer.append({ kind: 'output', channel: 0, bytes: bytes('\r\n$ ') })
    await writer.finish('closed by the user')
    await using source = valueOf(await room.store.read(writer.permit.recording))
    const replay = await replayOf(source, room.keys)
    const frames = await framesOf(replay)
    expect(joined(frames, 'input').toString()).toBe(inputPolicy === 'full' ? 'hunter2\r' : '')
    expect(frames.find((frame) => frame.kind === 'hidden')?.length).toBe(
      inputPolicy === 'echoed' ? 7 : undefined,
    )
    expect((await replay.marks()).some(({ mark }) => mark.kind === 'command')).toBe(false)
  }
})

test('checkpoints go out while something is recorded, and vouch for what was there', async () => {
  await using room = await recordingRoom()
  const checkpoints: SignedCheckpoint[] = []
  const writer = await room.record({}, { onCheckpoint: (one) => checkpoints.push(one) })
  const until = Date.now() + 12_000
  while (checkpoints.length < 1 && Date.now() < until) {
    void writer.append({ kind: 'output', channel: 0, bytes: bytes('tick\r\n') })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await writer.flush()
  const { path } = valueOf(await room.store.stat(writer.permit.recording))
  const file = new Uint8Array(await readFile(path))
  await writer.finish('closed by the user')
  expect(checkpoints).toHaveLength(1)
  const source = (size: number): ByteSource => ({
    size,
    read: async (at, length) => file.subarray(at, Math.min(at + length, size)),
  })
  const known = { publicKey: writer.publicKey, checkpoints }
  expect(await verifyRecording(sodium, source(file.length), known)).toMatchObject({ state: 'incomplete' })
  const before = (checkpoints[0]?.sizeBytes ?? 0) - 300
  expect(await verifyRecording(sodium, source(before), known)).toMatchObject({ state: 'tampered' })
  expect(await verifyRecording(sodium, source(before))).toMatchObject({ state: 'incomplete' })
}, 20_000)

test('an auditor who was removed opens the past and not the future; the recovery file opens both', async () => {
  await using room = await recordingRoom()
  const now = () => new Date()
  const otto = makeIdentity(sodium, 'otto')
  const past = await room.record()
  await past.finish('closed by the user')
  const links = [...room.links, valueOf(await addAuditor(sodium, room.ingrid, room.chain, otto, now))]
  const two = valueOf(await room.store.acceptLists(links))
  links.push(valueOf(await removeAuditor(sodium, otto, two, 'ingrid', now)))
  const chain = valueOf(await room.store.acceptLists(links))
  const future = await room.record({ auditorLists: links }, { chain })
  await future.finish('closed by the user')

  const opens = async (writer: typeof past, authority: Parameters<typeof openGroupKeys>[1]) => {
    await using source = valueOf(await room.store.read(writer.permit.recording))
    try {
      await framesOf(await replayOf(source, valueOf(openGroupKeys(sodium, authority, chain))))
      return true
    } catch {
      return false
    }
  }
  const recovery = readRecoveryFile(sodium, room.recoveryFile)
  expect([await opens(past, room.ingrid), await opens(future, room.ingrid)]).toEqual([true, false])
  expect([await opens(past, otto), await opens(future, otto)]).toEqual([true, true])
  expect([await opens(past, recovery), await opens(future, recovery)]).toEqual([true, true])
})
