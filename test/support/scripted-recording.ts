import { closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Container } from '../../recorder/recording/container.ts'
import { makeHeader } from '../../recorder/recording/header.ts'
import { Sealing } from '../../recorder/recording/sealing.ts'
import { FrameBuffer } from '../../recorder/replay/frame-codec.ts'
import type { Frame, Known } from '../../recorder/replay/index.ts'
import type { Permit } from '../../vault/contract.ts'
import { type RecordingRoom, somePermit } from './recordings.ts'

/** A small recording with `segments` segments of a few chunks and checkpoints, as bytes, and what a vault knows of it. */
export async function scriptedRecording(
  room: RecordingRoom,
  segments: number,
  change: Partial<Permit> = {},
): Promise<{
  readonly permit: Permit
  readonly bytes: Uint8Array
  readonly known: Known
  /** Where the checkpoints that the vault has end in the file. */
  readonly checkpoints: readonly { readonly end: number }[]
}> {
  const permit = { ...somePermit(), auditorLists: room.links, ...change }
  const header = await makeHeader(permit, room.chain, { node: 'node-1', worker: 'worker-1' })
  const { fd, path } = await room.store.create(permit.recording, permit.startedAt, header.bytes)
  const { recordingKey, signKey, hash: headerHash } = header
  const container = new Container(fd, header.bytes.length, {
    recording: permit.recording,
    headerHash,
    recordingKey,
    signKey,
  })
  const sealing = new Sealing(container)
  const checkpoints: {
    readonly checkpoint: Uint8Array
    readonly signature: Uint8Array
    readonly end: number
  }[] = []
  const write = (...frames: Frame[]) => {
    const buffer = new FrameBuffer()
    for (const frame of frames) buffer.add(frame)
    sealing.chunk(buffer.take())
  }
  const checkpoint = () => {
    const end = container.size
    const written = container.checkpoint()
    if (written !== undefined)
      checkpoints.push({ checkpoint: written.body, signature: written.signature, end })
  }
  write({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'shell', columns: 40, rows: 6 }, at: 0 })
  for (let segment = 0; segment < segments; segment += 1) {
    const at = segment * 60e9 + 1000
    write({ kind: 'output', channel: 0, bytes: Buffer.from(`$ `), at })
    write(
      { kind: 'timing', channel: 0, length: 3, submit: false, at: at + 1e9 },
      { kind: 'output', channel: 0, bytes: Buffer.from(`run ${segment}`), at: at + 1e9 },
    )
    checkpoint()
    write(
      { kind: 'timing', channel: 0, length: 1, submit: true, at: at + 2e9 },
      {
        kind: 'output',
        channel: 0,
        bytes: Buffer.from(`\r\nline\r\n${'answer '.repeat(30)}\r\n`),
        at: at + 2e9,
      },
      { kind: 'hidden', channel: 0, length: 7, duration: 900, at: at + 3e9 },
    )
    if (segment === 1) checkpoint()
  }
  sealing.finish('closed by the user')
  closeSync(fd)
  return {
    permit,
    bytes: new Uint8Array(await readFile(path)),
    known: { publicKey: header.publicKey, headerHash, checkpoints },
    checkpoints,
  }
}
