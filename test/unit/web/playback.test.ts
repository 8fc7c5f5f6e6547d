import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Frame } from '../../../recorder/replay/frame.ts'
import { Playback, type Screen } from '../../../web/player/playback.ts'

const second = 1e9
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A terminal that remembers what was written since it was reset. */
function paper() {
  const seen = { text: '', size: [0, 0] as [number, number], resets: 0 }
  const screen: Screen = {
    reset: (columns, rows) => {
      seen.text = ''
      seen.size = [columns, rows]
      seen.resets += 1
    },
    resize: (columns, rows) => {
      seen.size = [columns, rows]
    },
    write: async (bytes) => {
      seen.text += text(bytes)
    },
  }
  return { seen, screen }
}

function output(at: number, what: string, channel = 0): Frame {
  return { kind: 'output', channel, at: at * second, bytes: new TextEncoder().encode(what) }
}
function keyframe(at: number, what: string, channel = 0): Frame {
  return {
    kind: 'keyframe',
    channel,
    at: at * second,
    columns: 100,
    rows: 30,
    bytes: new TextEncoder().encode(what),
  }
}

/** Two segments: the second begins at 10 s with keyframes of what the first has shown. */
const segments: readonly (readonly Frame[])[] = [
  [
    { kind: 'mark', channel: 0, at: 0, mark: { kind: 'open', type: 'shell', columns: 100, rows: 30 } },
    output(0.5, 'a'),
    output(1, 'b'),
    output(2, 'x', 1),
    output(9, 'c'),
  ],
  [keyframe(10, 'abc'), keyframe(10, 'x', 1), output(10.5, 'd'), output(12, 'e')],
]
const frames = {
  async *seek(at: number) {
    const first = at >= 10 * second ? 1 : 0
    for (const segment of segments.slice(first)) yield* segment
  },
}

let pictures: ((now: number) => void)[] = []
let now = 0

/** Lets the clock of the screen go on by `seconds`, sixty pictures a second. */
async function pass(seconds: number): Promise<void> {
  for (let picture = 0; picture < seconds * 60; picture++) {
    now += 1000 / 60
    const due = pictures
    pictures = []
    for (const draw of due) draw(now)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

beforeEach(() => {
  pictures = []
  vi.stubGlobal('requestAnimationFrame', (draw: (now: number) => void) => pictures.push(draw))
  vi.stubGlobal('cancelAnimationFrame', () => undefined)
})
afterEach(() => vi.unstubAllGlobals())

function start() {
  const { seen, screen } = paper()
  const playback = new Playback(frames, screen, 12 * second, 0)
  playback.setSkipIdle(false)
  return { seen, playback }
}

test('frames are shown at their time, no earlier', async () => {
  const { seen, playback } = start()
  playback.seek(0)
  playback.play()
  await pass(0.4)
  expect(seen.text).toBe('')
  await pass(0.2)
  expect(seen.text).toBe('a')
  await pass(0.6)
  expect(seen.text).toBe('ab')
  expect(seen.size).toEqual([100, 30])
})

test('a jump shows what the screen held then, from the keyframe before it', async () => {
  const { seen, playback } = start()
  playback.seek(11 * second)
  await pass(0.1)
  expect(seen.text).toBe('abcd')
  playback.seek(1.5 * second)
  await pass(0.1)
  expect(seen.text).toBe('ab')
  expect(playback.state().position).toBe(1.5 * second)
  playback.seek(99 * second)
  await pass(0.1)
  expect(seen.text).toBe('abcde')
  expect(playback.state().ended).toBe(true)
})

test('a terminal that draws late shows nothing of before a jump, nor of a jump that another one overtook', async () => {
  const seen = { text: '' }
  let queue: (() => void)[] = []
  const drawn = () => new Promise<void>((resolve) => queue.push(resolve))
  const screen: Screen = {
    reset: async () => {
      await drawn()
      seen.text = ''
    },
    resize: () => undefined,
    write: async (bytes) => {
      queue.push(() => {
        seen.text += text(bytes)
      })
    },
  }
  const playback = new Playback(frames, screen, 15 * second, 0)
  const draw = async () => {
    await pass(0.05)
    const due = queue
    queue = []
    for (const one of due) one()
    await pass(0.05)
  }
  for (const at of [12, 11, 1.5]) playback.seek(at * second)
  for (let times = 0; times < 4; times++) await draw()
  expect(seen.text).toBe('ab')
  playback.seek(12.5 * second)
  playback.seek(0.7 * second)
  for (let times = 0; times < 4; times++) await draw()
  expect(seen.text).toBe('a')
  playback.dispose()
})

test('a keyframe in the middle of playing changes nothing', async () => {
  const { seen, playback } = start()
  playback.seek(8.9 * second)
  const { resets } = seen
  playback.play()
  await pass(2)
  expect(seen.text).toBe('abcd')
  expect(seen.resets).toBe(resets)
})

test('speed changes how fast time passes, and pausing stops it', async () => {
  const { seen, playback } = start()
  playback.seek(0)
  playback.setSpeed(16)
  playback.play()
  await pass(0.7)
  expect(seen.text).toBe('abcd')
  playback.pause()
  const { position } = playback.state()
  await pass(1)
  expect(playback.state().position).toBe(position)
  playback.play()
  await pass(0.5)
  expect(playback.state()).toMatchObject({ ended: true, playing: false, position: 12 * second })
})

test('idle time is skipped where that is wanted, and said so', async () => {
  const { seen, playback } = start()
  playback.setSkipIdle(true)
  playback.seek(2.1 * second)
  playback.play()
  await pass(0.1)
  expect(playback.state().skipped).toBeGreaterThan(6 * second)
  expect(seen.text).toBe('ab')
  await pass(0.6)
  expect(seen.text).toBe('abc')
})

test('another channel is shown alone, at the same time', async () => {
  const { seen, playback } = start()
  playback.seek(11 * second)
  await pass(0.1)
  playback.setChannel(1)
  await pass(0.1)
  expect(seen.text).toBe('x')
  expect(playback.state().position).toBe(11 * second)
})

test('a slow terminal holds the clock: nothing is left out', async () => {
  const { seen, screen } = paper()
  let release = () => undefined as unknown
  const slow: Screen = {
    ...screen,
    write: async (bytes) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      await screen.write(bytes)
    },
  }
  const playback = new Playback(frames, slow, 12 * second, 0)
  playback.seek(0)
  playback.play()
  await pass(3)
  expect(playback.state().position).toBeLessThanOrEqual(0.5 * second)
  release()
  await pass(0.1)
  expect(seen.text).toBe('a')
  playback.dispose()
  release()
})

test('where the recording was changed, playing stops and says so', async () => {
  const { seen, screen } = paper()
  const broken = {
    async *seek() {
      yield output(0, 'good')
      throw new Error('a chunk does not open')
    },
  }
  const playback = new Playback(broken, screen, second, 0)
  playback.seek(0)
  await pass(0.1)
  expect(seen.text).toBe('good')
  expect(playback.state()).toMatchObject({ playing: false, error: new Error('a chunk does not open') })
})
