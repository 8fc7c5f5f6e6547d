import { closeSync } from 'node:fs'
import { Container } from '../../recorder/recording/container.ts'
import { makeHeader } from '../../recorder/recording/header.ts'
import { Sealing } from '../../recorder/recording/sealing.ts'
import { FrameBuffer } from '../../recorder/replay/frame-codec.ts'
import type { Frame } from '../../recorder/replay/index.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { type RecordingRoom, somePermit } from './recordings.ts'

/** Writes a recording of a shell that was in use for `minutes`, without taking as long. */
export async function longRecording(room: RecordingRoom, minutes: number): Promise<RecordingId> {
  const permit = { ...somePermit(), auditorLists: room.links }
  const header = await makeHeader(permit, room.chain, { node: 'node-1', worker: 'worker-1' })
  const { fd } = await room.store.create(permit.recording, permit.startedAt, header.bytes)
  const { recordingKey, signKey, hash: headerHash } = header
  const keys = { recording: permit.recording, headerHash, recordingKey, signKey }
  const sealing = new Sealing(new Container(fd, header.bytes.length, keys))
  const write = (...frames: Frame[]) => {
    const buffer = new FrameBuffer()
    for (const frame of frames) buffer.add(frame)
    sealing.chunk(buffer.take())
  }
  write({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'shell', columns: 120, rows: 40 }, at: 0 })
  for (let second = 0; second < minutes * 60; second += 1) {
    const at = second * 1e9 + 1
    const bytes = Buffer.from(`${second}: a line of output of the press, pressure ${second % 97} bar\r\n$ `)
    write(
      { kind: 'output', channel: 0, bytes, at },
      { kind: 'timing', channel: 0, length: 1, submit: second % 10 === 0, at: at + 1000 },
    )
    if (second % 5 === 0) sealing.container.checkpoint()
  }
  sealing.finish('closed by the user')
  closeSync(fd)
  return permit.recording
}
