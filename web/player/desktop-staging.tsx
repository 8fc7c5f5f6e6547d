import { desktopKeyframes, type Frame, seekDesktop } from '../../recorder/replay/index.ts'
import { mountDesktopScreen } from './desktop-screen.ts'
import type { Opened } from './opened.ts'
import type { Staging } from './stage.tsx'
import { Thumbnails } from './thumbnails.tsx'

const keyframesOf = memoised((opened: Opened, channel: number) => desktopKeyframes(opened.marks, channel))

/** Shows a desktop. */
export const desktopStaging: Staging = {
  className: 'desktop-host',
  mount: (host, { replay }) => {
    const screen = mountDesktopScreen(host, replay.header.target.mask)
    return { ...screen, dispose: () => screen[Symbol.dispose]() }
  },
  frames: (opened, channel) => ({
    seek: (at) => moving(seekDesktop(opened.replay, keyframesOf(opened, channel), channel, at), channel),
  }),
  shows: ({ desktop }) => desktop,
  above: (opened, channel, seek) => (
    <Thumbnails
      replay={opened.replay}
      keyframes={keyframesOf(opened, channel)}
      channel={channel}
      onSeek={seek}
    />
  ),
}

/** Frames that end and draw nothing: what is left out of them is idle time. */
const still = /^(?:4\.sync,[^;]{1,80};)+$/

async function* moving(frames: AsyncIterable<Frame>, channel: number): AsyncGenerator<Frame> {
  for await (const frame of frames) {
    const isShort = frame.kind === 'output' && frame.channel === channel && frame.bytes.length < 256
    if (!isShort || !still.test(String.fromCharCode(...frame.bytes))) yield frame
  }
}

/** The same answer for the same recording and channel: pictures are made once. */
function memoised<T>(make: (opened: Opened, channel: number) => T): (opened: Opened, channel: number) => T {
  const made = new WeakMap<Opened, Map<number, T>>()
  return (opened, channel) => {
    const known = made.get(opened) ?? new Map<number, T>()
    made.set(opened, known)
    if (!known.has(channel)) known.set(channel, make(opened, channel))
    return known.get(channel) as T
  }
}
