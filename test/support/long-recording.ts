import { closeSync } from 'node:fs'
import { Container } from '../../recorder/recording/container.ts'
import { makeHeader } from '../../recorder/recording/header.ts'
import { Sealing } from '../../recorder/recording/sealing.ts'
import { FrameBuffer } from '../../recorder/replay/frame-codec.ts'
import type { Frame } from '../../recorder/replay/index.ts'
import type { Permit } from '../../vault/contract.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { type RecordingRoom, somePermit } from './recordings.ts'

/** A recording that is written in simulated time. */
export async function simulated(room: RecordingRoom, of: Permit = somePermit()) {
  const permit = { ...of, auditorLists: room.links }
  const header = await makeHeader(permit, room.chain, { node: 'node-1', worker: 'worker-1' })
  const { fd } = await room.store.create(permit.recording, permit.startedAt, header.bytes)
  const { recordingKey, signKey, hash: headerHash } = header
  const keys = { recording: permit.recording, headerHash, recordingKey, signKey }
  const sealing = new Sealing(new Container(fd, header.bytes.length, keys))
  return {
    recording: permit.recording,
    headerBytes: header.bytes.length,
    sealing,
    write: (...frames: Frame[]) => {
      const buffer = new FrameBuffer()
      for (const frame of frames) buffer.add(frame)
      sealing.chunk(buffer.take())
      sealing.readScreens()
    },
    end: () => {
      sealing.finish('closed by the user')
      closeSync(fd)
    },
  }
}

/** Writes a recording of a shell that printed a line a second for `minutes`. */
export async function longRecording(room: RecordingRoom, minutes: number): Promise<RecordingId> {
  const { recording, sealing, write, end } = await simulated(room)
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
  end()
  return recording
}

/** Writes a recording of a person who enters a command every so many seconds: keys with their echo, some lines of answer. */
export async function shellRecording(
  room: RecordingRoom,
  minutes: number,
  everySeconds: number,
): Promise<{ readonly recording: RecordingId; readonly headerBytes: number }> {
  const { recording, headerBytes, sealing, write, end } = await simulated(room)
  const commands = ['ls -l /etc/systemd', 'journalctl -n 8 -u press', 'cat /proc/loadavg']
  write({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'shell', columns: 120, rows: 40 }, at: 0 })
  let checkpointAt = 0
  for (let turn = 0; turn * everySeconds < minutes * 60; turn += 1) {
    let at = turn * everySeconds * 1e9 + 1e6
    const emit = (frames: Frame[]) => {
      write(...frames)
      if (at - checkpointAt < 5e9) return
      sealing.container.checkpoint()
      checkpointAt = at
    }
    // A key every 150 ms; what came within 180 ms is one chunk, as the writer does it.
    let waiting: Frame[] = []
    for (const key of commands[turn % 3] as string) {
      at += 150e6
      waiting.push(
        { kind: 'timing', channel: 0, length: 1, submit: false, at },
        { kind: 'output', channel: 0, bytes: Buffer.from(key), at: at + 2e6 },
      )
      if (waiting.length < 4) continue
      emit(waiting)
      waiting = []
    }
    at += 400e6
    const answer = Array.from(
      { length: 8 },
      (_, line) =>
        `Nov 24 07:${turn % 60}:${line} press-3 systemd[1]: Started session-${turn * 8 + line}.scope of user engineer.`,
    )
    const bytes = Buffer.from(`\r\n${answer.join('\r\n')}\r\nengineer@press-3:~$ `)
    emit([
      ...waiting,
      { kind: 'timing', channel: 0, length: 1, submit: true, at },
      { kind: 'output', channel: 0, bytes, at: at + 20e6 },
    ])
  }
  end()
  return { recording, headerBytes }
}
