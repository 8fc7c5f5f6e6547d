import { afterEach, expect, test, vi } from 'vitest'
import { ShownFilter } from '../../recorder/broker/desktop/desktop-policy.ts'
import type { Instruction } from '../../recorder/broker/desktop/instruction.ts'
import { DesktopKeyframes } from '../../recorder/broker/desktop/keyframes.ts'
import { desktopKeyframes, type Frame, seekDesktop } from '../../recorder/replay/index.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { framesOf, joined, recordingRoom, replayOf, valueOf } from '../support/recordings.ts'
import { draw, made, seen, sync } from '../support/toy-desktop.ts'

/** A target or a guacd that wants a desktop's keyframes to cost the session, to hold what may not pass, or to lie. */

afterEach(() => vi.useRealTimers())
const turn = () => new Promise((resolve) => setImmediate(resolve))
const much = [...Array.from({ length: 6 }, () => draw(0, 'a'.repeat(60_000))).flat(), sync(1)]

function joinedBy(instructions: () => AsyncGenerator<readonly Instruction[]>) {
  const kept: Uint8Array[] = []
  const failures: string[] = []
  let closed = 0
  const keyframes = new DesktopKeyframes({
    join: async () => ({ instructions, close: () => void (closed += 1) }),
    keep: (bytes) => kept.push(bytes) > 0,
    failed: (error) => void failures.push(error instanceof Error ? error.message : String(error)),
    now: () => 0,
  })
  return { keyframes, kept, failures, closed: () => closed }
}

test('a picture without end is given up at 8 MiB, and the connection left', async () => {
  let given = 0
  const { keyframes, kept, failures, closed } = joinedBy(async function* () {
    yield [made('size', 0, 10, 1), made('img', 0, 12, 0, 'image/png', 0, 0)]
    for (; given < 1_000; given += 1) yield [made('blob', 0, 'x'.repeat(60_000))]
  })
  keyframes.passed(much, true)
  await vi.waitFor(() => expect(failures).toEqual(['the picture has more than 8388608 bytes']))
  expect(given).toBeLessThan(150)
  expect(closed()).toBeGreaterThan(0)
  expect(kept).toEqual([])
})

test('a picture that never comes is waited for 15 s, and its connection left', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { keyframes, failures, closed } = joinedBy(async function* () {
    await new Promise(() => undefined)
    yield []
  })
  keyframes.passed(much, true)
  await turn()
  vi.advanceTimersByTime(14_999)
  expect(failures).toEqual([])
  vi.advanceTimersByTime(1)
  expect(failures).toEqual(['the picture did not come in time'])
  expect(closed()).toBe(1)
})

test('a frame that the session never comes to makes none', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { keyframes, kept, failures } = joinedBy(async function* () {
    yield [made('size', 0, 10, 1), ...draw(0, 'a lie'), sync(999)]
  })
  keyframes.passed(much, true)
  await turn()
  for (let time = 2; time < 20; time += 1) keyframes.passed([...draw(1, 'b'), sync(time)], true)
  vi.advanceTimersByTime(15_000)
  expect(kept).toEqual([])
  expect(failures).toHaveLength(1)
})

test('what is drawn while one is made is kept up to 2 MiB, then there is none', async () => {
  const { keyframes, kept, closed } = joinedBy(async function* () {
    await new Promise(() => undefined)
    yield []
  })
  keyframes.passed(much, true)
  await turn()
  for (let time = 2; time < 50; time += 1)
    keyframes.passed([...draw(0, 'b'.repeat(60_000)), sync(time)], true)
  expect(closed()).toBe(1)
  expect(kept).toEqual([])
})

test('of what guacd shows who joined, only what draws is in a keyframe', async () => {
  const { keyframes, kept } = joinedBy(async function* () {
    yield [
      made('size', 0, 10, 1),
      made('clipboard', 4, 'text/plain'),
      made('blob', 4, 'c2VjcmV0'),
      made('end', 4),
      made('argv', 5, 'text/plain', 'password'),
      made('disconnect'),
      ...draw(0, 'abcdefghij', 2),
      sync(1),
    ]
  })
  keyframes.passed(much, true)
  await turn()
  const text = Buffer.from(kept[0] ?? []).toString()
  expect(seen(kept[0] ?? new Uint8Array())).toBe('abcdefghij')
  expect(text).not.toMatch(/clipboard|c2VjcmV0|argv|disconnect/)
})

test('what is said over a connection that ended, or is no instruction, costs the keyframe alone', async () => {
  const broken = joinedBy(async function* () {
    yield [made('size', 0, 10, 1)]
    throw new Fault('protocol', 'an instruction of the Guacamole protocol is not UTF-8')
  })
  broken.keyframes.passed(much, true)
  const short = joinedBy(async function* () {
    yield [made('size', 0, 10, 1)]
  })
  short.keyframes.passed(much, true)
  await turn()
  // guacd lets people in between two pieces of an instruction: that is no news, and tried again.
  expect(broken.failures).toEqual([])
  expect(broken.kept).toEqual([])
  expect(broken.closed()).toBe(1)
  expect(short.failures).toEqual(['guacd closed the connection'])
})

test('after the session nothing is kept and nobody looks', async () => {
  let letIn: (value: unknown) => void = () => undefined
  const opened = new Promise((resolve) => {
    letIn = resolve
  })
  const late = joinedBy(async function* () {
    await opened
    yield [made('size', 0, 10, 1), ...draw(0, 'abcdefghij', 2), sync(1)]
  })
  late.keyframes.passed(much, true)
  await turn()
  late.keyframes[Symbol.dispose]()
  letIn(undefined)
  await turn()
  late.keyframes.passed(much, true)
  expect(late.kept).toEqual([])
  expect(late.closed()).toBeGreaterThan(0)
})

test('pictures that are begun and never ended are not counted without bound', () => {
  const filter = new ShownFilter()
  const passed = Array.from({ length: 5_000 }, (_, at) =>
    filter.passes(made('img', `stream-${at}`, 12, 0, 'image/png', 0, 0)),
  ).filter(Boolean)
  expect(passed).toHaveLength(128)
  expect(filter.passes(made('blob', 'stream-4000', 'AAAA'))).toBe(false)
  filter.passes(made('end', 'stream-3'))
  expect(filter.passes(made('img', 'another', 12, 0, 'image/png', 0, 0))).toBe(true)
})

const bytesOf = (...list: readonly Instruction[]) => Buffer.concat(list.map(({ bytes }) => bytes))

test('a recording gives its keyframes back, whole, sealed and verified as the rest; exports leave them out', async () => {
  await using room = await recordingRoom()
  const writer = await room.record()
  await writer.append({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'desktop' } })
  const first = bytesOf(made('size', 0, 10, 1), ...draw(0, 'abcdefghij'), sync(1))
  await writer.append({ kind: 'output', channel: 0, bytes: first })
  const followed: string[] = []
  using _follow = writer.follow(({ kind }) => void followed.push(kind))
  const picture = bytesOf(
    made('size', 0, 10, 1),
    ...Array.from({ length: 22 }, () => draw(0, 'k'.repeat(50_000))).flat(),
    ...draw(0, 'abcdefghij'),
  )
  expect(picture.length).toBeGreaterThan(1024 * 1024)
  expect(writer.keyframe(0, picture, 10, 1)).toBe(true)
  const last = bytesOf(...draw(0, 'X'), sync(2))
  await writer.append({ kind: 'output', channel: 0, bytes: last })
  await writer.finish('closed by the user')
  // Who watches has the desktop itself.
  expect(followed).toEqual(['output'])
  await using source = valueOf(await room.store.read(writer.permit.recording))
  const replay = await replayOf(source, room.keys)
  expect(joined(await framesOf(replay), 'output')).toEqual(Buffer.concat([first, last]))
  const keyframes = desktopKeyframes(await replay.marks(), 0)
  expect(keyframes).toMatchObject([{ bytes: picture.length, width: 10, height: 1 }])
  // A segment begins with it: nothing before it is read by who begins there.
  expect(replay.structure.segments.map(({ at }) => at)).toContain(keyframes[0]?.at)
  const played: Frame[] = []
  for await (const frame of seekDesktop(replay, keyframes, 0, replay.structure.duration))
    played.push('bytes' in frame ? { ...frame, bytes: frame.bytes.slice() } : frame)
  expect(played.map(({ kind }) => kind)).toEqual(['keyframe', 'output'])
  expect(Buffer.from((played[0] as { bytes: Uint8Array }).bytes)).toEqual(picture)
  const fromStart: string[] = []
  for await (const frame of seekDesktop(replay, keyframes, 0, 0)) fromStart.push(frame.kind)
  expect(fromStart).toEqual(['mark', 'output', 'mark', 'output'])
})

test('where the quota is near there is no keyframe: it would end the session sooner', async () => {
  await using room = await recordingRoom()
  const writer = await room.record({ quotaBytes: 1024 * 1024 })
  const bytes = Buffer.alloc(300_000)
  await writer.append({ kind: 'output', channel: 0, bytes })
  expect(writer.keyframe(0, bytes, 10, 1)).toBe(true)
  expect(writer.keyframe(0, bytes, 10, 1)).toBe(false)
  await writer.finish('closed by the user')
  expect(writer.keyframe(0, bytes.subarray(0, 10), 10, 1)).toBe(false)
})

const part = (at: number, text: string, channel = 0): Frame => ({
  kind: 'keyframe',
  channel,
  columns: 10,
  rows: 1,
  bytes: Buffer.from(text),
  at,
})
const mark = (at: number, bytes: number, channel = 0): Frame => ({
  kind: 'mark',
  channel,
  at,
  mark: { kind: 'keyframe', bytes, width: 10, height: 1 },
})
const output = (at: number, text: string): Frame => ({
  kind: 'output',
  channel: 0,
  bytes: Buffer.from(text),
  at,
})

test.each<readonly [string, readonly Frame[], string]>([
  ['is cut short', [mark(5, 4), part(5, 'ab')], 'ok+y'],
  ['has a part too large', [mark(5, 4), part(5, 'abcdef')], 'ok+y'],
  ['has output among its parts', [mark(5, 4), part(5, 'ab'), output(5, 'z'), part(5, 'cd')], 'ok+yz'],
  ['says to be larger than any is', [mark(5, 2 ** 40), part(5, 'ab')], 'ok+y'],
  ['says to be of nothing', [mark(5, 0)], 'ok+y'],
  ['is of another channel', [mark(5, 2, 7), part(5, 'ab', 7)], 'ok+y'],
  ['is whole', [mark(5, 4), part(5, 'ab'), part(5, 'cd')], 'abcd+'],
])('a keyframe that %s', async (_, tail, expected) => {
  const frames = [output(0, 'x'), mark(2, 2), part(2, 'ok'), output(3, 'y'), ...tail]
  const marks = frames.flatMap(({ kind, ...rest }) =>
    kind === 'mark'
      ? [rest as { at: number; channel: number; mark: (Frame & { kind: 'mark' })['mark'] }]
      : [],
  )
  const replay = {
    async *seek() {
      yield* frames
    },
  }
  let [keyframe, text] = ['', '']
  for await (const frame of seekDesktop(replay, desktopKeyframes(marks, 0), 0, 9)) {
    if (frame.kind === 'keyframe' && frame.channel === 0) keyframe += Buffer.from(frame.bytes).toString()
    if (frame.kind === 'output') text += Buffer.from(frame.bytes).toString()
  }
  expect(`${keyframe}+${text}`).toBe(expected)
})
