import sodium from 'libsodium-wrappers'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AppendedFrame } from '../../recorder/recording/index.ts'
import { verifyRecording } from '../../recorder/replay/index.ts'
import {
  framesOf,
  joined,
  type RecordingRoom,
  recordingRoom,
  replayOf,
  valueOf,
} from '../support/recordings.ts'

let room: RecordingRoom
beforeAll(async () => {
  room = await recordingRoom()
})
afterAll(() => room[Symbol.asyncDispose]())

const channel = fc.integer({ min: 0, max: 2 })
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('output', 'stderr', 'input'),
      channel,
      bytes: fc.uint8Array({ maxLength: 2000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('output'),
      channel,
      bytes: fc.constant(new Uint8Array(700_000).fill(65)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('resize'),
      channel,
      columns: fc.integer({ min: -1, max: 9999 }),
      rows: fc.nat(9999),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('mark'),
      channel,
      mark: fc.record({ kind: fc.constant('warning'), text: fc.string({ unit: 'binary', maxLength: 50 }) }),
    }),
  },
  { weight: 1, arbitrary: fc.constant('flush' as const) },
)

test(
  'whatever is appended, in whatever pieces, comes back byte for byte from a complete recording',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        async (steps, terminals) => {
          const writer = await room.record({ inputPolicy: 'full' })
          for (const [at, isTerminal] of terminals.entries())
            void writer.append({
              kind: 'mark',
              channel: at,
              mark: {
                kind: 'open',
                type: 'exec',
                command: 'x',
                ...(isTerminal && { columns: 80, rows: 24 }),
              },
            })
          for (const one of steps)
            if (one === 'flush') await writer.flush()
            else {
              const frame = one as AppendedFrame
              const wait = writer.append(
                frame.kind === 'resize' ? { ...frame, columns: Math.max(1, frame.columns) } : frame,
              )
              if (wait !== undefined) await wait
            }
          const { state } = await writer.finish('closed by the user')
          expect(state).toBe('complete')

          await using source = valueOf(await room.store.read(writer.permit.recording))
          expect(
            await verifyRecording(sodium, source, {
              publicKey: writer.publicKey,
              headerHash: writer.headerHash,
            }),
          ).toMatchObject({
            state: 'complete',
          })
          const frames = await framesOf(await replayOf(source, room.keys))
          for (const kind of ['output', 'stderr', 'input'] as const)
            for (const of of [0, 1, 2]) {
              const appended = steps.flatMap((one) =>
                one !== 'flush' && one.kind === kind && one.channel === of && 'bytes' in one
                  ? [one.bytes]
                  : [],
              )
              expect(joined(frames, kind, of).equals(Buffer.concat(appended))).toBe(true)
            }
          expect(frames.every(({ at }, place) => place === 0 || at >= (frames[place - 1]?.at ?? 0))).toBe(
            true,
          )
        },
      ),
      { numRuns: 25 },
    ),
  60_000,
)

test('byte by byte is the same as all at once', async () => {
  const writer = await room.record()
  const bytes = Buffer.from('$ ls\r\n\x1b]0;ü\x07€ 漢字\r\n'.repeat(20))
  void writer.append({
    kind: 'mark',
    channel: 0,
    mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
  })
  for (const byte of bytes) void writer.append({ kind: 'output', channel: 0, bytes: Uint8Array.of(byte) })
  await writer.finish('closed by the user')
  await using source = valueOf(await room.store.read(writer.permit.recording))
  const replay = await replayOf(source, room.keys)
  expect(joined(await framesOf(replay), 'output').equals(bytes)).toBe(true)
  expect((await replay.marks()).filter(({ mark }) => mark.kind === 'title').map(({ mark }) => mark)).toEqual([
    { kind: 'title', title: 'ü' },
  ])
})
