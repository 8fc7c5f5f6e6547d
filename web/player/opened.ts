import { type ByteSource, type Replay, ReplayError, type TimedMark } from '../../recorder/replay/index.ts'

export type Channel = {
  readonly channel: number
  /** What a list of channels says: "shell", "exec: ls -l", "sftp". */
  readonly title: string
  readonly terminal: boolean
  /** Its output is a desktop's: instructions of the Guacamole protocol. */
  readonly desktop: boolean
}

export type Opened = {
  readonly replay: Replay
  readonly source: ByteSource
  readonly marks: readonly TimedMark[]
  readonly channels: readonly Channel[]
  /** Nanoseconds. */
  readonly duration: number
  /** It has no signed end: its session goes on, or something broke it off. */
  readonly isOpenEnded: boolean
  /** It is in use: called while it plays. */
  readonly onPlaying?: () => void
}

/** What a player needs to know of a recording whose key is open. */
export async function openedOf(replay: Replay, source: ByteSource): Promise<Opened> {
  const { final, duration, cut } = replay.structure
  const isOpenEnded = final === null
  const { marks, last } = isOpenEnded || cut !== null ? await walk(replay) : await listed(replay)
  return {
    replay,
    source,
    marks,
    channels: channelsOf(marks),
    duration: Math.max(duration, last),
    isOpenEnded,
  }
}

type Marked = { readonly marks: readonly TimedMark[]; readonly last: number }

/** The marks as the recording lists them. A list that was changed costs the marks, not the replay: integrity says so. */
async function listed(replay: Replay): Promise<Marked> {
  try {
    const marks = await replay.marks()
    return { marks, last: marks.at(-1)?.at ?? 0 }
  } catch (error) {
    if (error instanceof ReplayError) return walk(replay)
    throw error
  }
}

/** Goes through all frames for the marks and the last moment, as far as the recording can be read. */
async function walk(replay: Replay): Promise<Marked> {
  const marks: TimedMark[] = []
  let last = 0
  try {
    for await (const frame of replay.frames()) {
      last = Math.max(last, frame.at)
      if (frame.kind === 'mark') marks.push({ at: frame.at, channel: frame.channel, mark: frame.mark })
    }
  } catch (error) {
    // The player comes to the same place, and says it there.
    if (!(error instanceof ReplayError)) throw error
  }
  return { marks, last }
}

/** The session's channels, in the order in which they were opened. */
export function channelsOf(marks: readonly TimedMark[]): readonly Channel[] {
  const found: Channel[] = []
  for (const { channel, mark } of marks) {
    if (mark.kind !== 'open' || found.some((known) => known.channel === channel)) continue
    const command = mark.command === undefined ? '' : mark.command
    const title =
      mark.type === 'shell' || mark.type === 'desktop'
        ? mark.type
        : mark.type === 'exec'
          ? `exec: ${command}`
          : command
    found.push({ channel, title, terminal: mark.columns !== undefined, desktop: mark.type === 'desktop' })
  }
  return found
}
