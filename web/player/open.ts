import {
  type ByteSource,
  openRecordingKey,
  Replay,
  ReplayError,
  readStructure,
  type TimedMark,
} from '../../recorder/replay/index.ts'
import type { Refusal } from '../../vault/kernel/outcome.ts'
import { Refused } from '../api.ts'
import { type Keyring, touchKeyring } from '../sealed/keyring.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { openSource } from './source.ts'

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
}

/** Fetches a recording and opens it in this browser with the auditor's keys. Throws `Refused` where it does not open. */
export async function openRecording(recording: string, keyring: Keyring): Promise<Opened> {
  touchKeyring()
  const [sodium, source] = await Promise.all([loadSodium(), openSource(recording)])
  const structure = await readStructure(sodium, source)
  if (!structure.ok) throw refused(structure.refusal)
  // SECURITY: the server may have answered with another recording than the one that was asked for.
  if (structure.value.header.recording !== recording)
    throw new Refused({
      status: 409,
      code: 'invalid',
      title: 'the server sent another recording than this one',
      detail: 'tell the machine administrator: the store is not in order',
    })
  const key = openRecordingKey(sodium, structure.value.header, keyring.groupKeys)
  if (!key.ok) throw refused(key.refusal)
  const replay = new Replay(source, structure.value, key.value)
  const isOpenEnded = structure.value.final === null
  const { marks, last } = isOpenEnded ? await walk(replay) : await listed(replay)
  return {
    replay,
    source,
    marks,
    channels: channelsOf(marks),
    duration: Math.max(structure.value.duration, last),
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

function refused({ code, message, next }: Refusal): Refused {
  return new Refused({ status: 409, code, title: message, detail: next })
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
