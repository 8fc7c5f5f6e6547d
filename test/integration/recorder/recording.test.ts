import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import { verifyRecording } from '../../../recorder/replay/index.ts'
import { framesOf, joined, recordingRoom, replayOf, valueOf } from '../../support/recordings.ts'

const text = (value: string) => new TextEncoder().encode(value)

test('what is recorded comes back, in order, with its marks, and the file is complete', async () => {
  await using room = await recordingRoom()
  const writer = await room.record()
  void writer.append({
    kind: 'mark',
    channel: 0,
    mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
  })
  void writer.append({ kind: 'output', channel: 0, bytes: text('bob@press-3:~$ ') })
  for (const key of 'ls -l') {
    void writer.append({ kind: 'input', channel: 0, bytes: text(key) })
    void writer.append({ kind: 'output', channel: 0, bytes: text(key) })
  }
  void writer.append({ kind: 'input', channel: 0, bytes: text('\r') })
  void writer.append({
    kind: 'output',
    channel: 0,
    bytes: text('\r\n\x1b]0;press\x07total 0\r\nbob@press-3:~$ '),
  })
  void writer.append({ kind: 'resize', channel: 0, columns: 100, rows: 30 })
  void writer.append({ kind: 'mark', channel: 0, mark: { kind: 'close', exitCode: 0 } })
  const finished = await writer.finish('closed by the user')
  expect(finished.state).toBe('complete')

  await using source = valueOf(await room.store.read(writer.permit.recording))
  const verdict = await verifyRecording(sodium, source, {
    publicKey: writer.publicKey,
    headerHash: writer.headerHash,
  })
  expect(verdict).toMatchObject({ state: 'complete' })
  const replay = await replayOf(source, room.keys)
  const frames = await framesOf(replay)
  expect(joined(frames, 'output').toString()).toBe(
    'bob@press-3:~$ ls -l\r\n\x1b]0;press\x07total 0\r\nbob@press-3:~$ ',
  )
  const marks = (await replay.marks()).map(({ mark }) => mark)
  expect(marks).toEqual([
    { kind: 'open', type: 'shell', columns: 80, rows: 24 },
    { kind: 'command', line: 'ls -l' },
    { kind: 'title', title: 'press' },
    { kind: 'close', exitCode: 0 },
  ])
  expect(frames.every((frame, at) => at === 0 || frame.at >= (frames[at - 1]?.at ?? 0))).toBe(true)
})
