import { closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import sodium from 'libsodium-wrappers'
import { beforeAll, expect, test } from 'vitest'
import { Container } from '../../recorder/recording/container.ts'
import { makeHeader } from '../../recorder/recording/header.ts'
import { Sealing } from '../../recorder/recording/sealing.ts'
import { FrameBuffer } from '../../recorder/replay/frame-codec.ts'
import { type Frame, type Mark, memorySource, verifyRecording } from '../../recorder/replay/index.ts'
import { type RecordingRoom, recordingRoom, replayOf, somePermit } from '../support/recordings.ts'

// Somebody who floods the time line, so that what they do afterwards is not on it.

let room: RecordingRoom
beforeAll(async () => {
  room = await recordingRoom()
  return () => room[Symbol.asyncDispose]()
})

const open: Mark = { kind: 'open', type: 'shell', columns: 80, rows: 24 }
const after: readonly Mark[] = [
  { kind: 'open', type: 'subsystem', command: 'sftp' },
  {
    kind: 'file',
    name: '/etc/shadow',
    direction: 'download',
    via: 'sftp',
    size: 1,
    sha256: 'ab'.repeat(32),
    complete: true,
  },
  { kind: 'policy', event: 'forwarding refused', detail: '10.0.0.1:22' },
  { kind: 'close', exitCode: 0 },
]

/** Records `flood` between an opening and what must not be hidden; returns the marks that a reader finds. */
async function marksOf(
  flood: Iterable<Frame>,
): Promise<{ readonly marks: readonly Mark[]; readonly listed: boolean }> {
  const permit = { ...somePermit(), auditorLists: room.links }
  const header = await makeHeader(permit, room.chain, { node: 'node-1', worker: 'worker-1' })
  const { fd, path } = await room.store.create(permit.recording, permit.startedAt, header.bytes)
  const { recordingKey, signKey, hash: headerHash } = header
  const keys = { recording: permit.recording, headerHash, recordingKey, signKey }
  const sealing = new Sealing(new Container(fd, header.bytes.length, keys))
  let at = 0
  const write = (frame: Frame) => {
    const buffer = new FrameBuffer()
    at += 1
    buffer.add({ ...frame, at })
    sealing.chunk(buffer.take())
  }
  write({ kind: 'mark', channel: 0, mark: open, at })
  for (const frame of flood) write(frame)
  for (const mark of after) write({ kind: 'mark', channel: 1, mark, at })
  sealing.finish('closed by the user')
  closeSync(fd)
  const source = memorySource(new Uint8Array(await readFile(path)))
  expect(await verifyRecording(sodium, source, { publicKey: header.publicKey, headerHash })).toMatchObject({
    state: 'complete',
  })
  const replay = await replayOf(source, room.keys)
  const marks = (await replay.marks()).map(({ mark }) => mark)
  return { marks, listed: (replay.structure.final?.extras.length ?? 0) > 0 }
}

test('a target that sets titles without end hides no file on the time line, and says that titles are missing', async () => {
  const { marks, listed } = await marksOf(
    (function* (): Generator<Frame> {
      for (let i = 0; i < 1200; i += 1) {
        const titles = Array.from({ length: 64 }, (_, j) => `\x1b]0;${(i * 64 + j).toString(36)}\x07`)
        yield { kind: 'output', channel: 0, bytes: Buffer.from(titles.join('')), at: 0 }
      }
    })(),
  )
  expect(marks).toEqual(expect.arrayContaining([open, ...after]))
  expect(marks.filter(({ kind }) => kind === 'warning')).toHaveLength(1)
  expect(listed).toBe(true)
})

test('marks without end hide none of those that follow: the list is left out, and readers find them all', async () => {
  const line = 'x'.repeat(4000)
  const { marks, listed } = await marksOf(
    (function* (): Generator<Frame> {
      for (let i = 0; i < 2200; i += 1)
        yield { kind: 'mark', channel: 0, mark: { kind: 'command', line: `${i} ${line}` }, at: 0 }
    })(),
  )
  expect(listed).toBe(false)
  expect(marks).toEqual(expect.arrayContaining([open, ...after]))
  expect(marks.filter(({ kind }) => kind === 'command')).toHaveLength(2200)
})
