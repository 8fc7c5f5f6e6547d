import { whoText } from '../../vault/kernel/who.ts'
import type { Frame, Mark } from './frame.ts'
import { Plainer } from './plain.ts'
import type { Replay } from './replay.ts'

/**
 * Writes a recording as plain text, all channels: a line per line that was printed, and per mark, with its time and
 * channel. Escape sequences are taken out and other controls made visible, so that it is safe to print.
 */
export async function* toText(replay: Replay): AsyncGenerator<string> {
  const { header } = replay
  yield `recording ${header.recording}, session ${header.session}`
  yield safe(`${header.user.name} from ${header.source} on ${header.account.name} (grant ${header.grant})`)
  yield `started ${header.createdAt}`
  const streams = new Map<string, Plainer>()
  // What a desktop shows are pictures.
  const desktops = new Set<number>()
  for await (const frame of replay.frames()) {
    if (frame.kind === 'mark' && frame.mark.kind === 'open' && frame.mark.type === 'desktop')
      desktops.add(frame.channel)
    if (frame.kind === 'output' && desktops.has(frame.channel)) continue
    if (frame.kind === 'output' || frame.kind === 'stderr' || frame.kind === 'input') {
      const name = `${frame.channel}${{ output: '>', stderr: '!', input: '<' }[frame.kind]}`
      let stream = streams.get(name)
      if (stream === undefined) {
        stream = new Plainer()
        streams.set(name, stream)
      }
      for (const line of stream.add(frame.bytes)) yield `${clock(frame.at)} ${name} ${line}`
    } else {
      const line = describe(frame)
      if (line !== undefined) yield `${clock(frame.at)} ${Math.max(frame.channel, 0)}* ${safe(line)}`
    }
  }
  for (const [name, stream] of streams) {
    const rest = stream.rest()
    if (rest !== '') yield `${clock(replay.structure.duration)} ${name} ${rest}`
  }
  const { final } = replay.structure
  yield final === null
    ? 'the recording was not closed in order'
    : `ended ${final.endedAt}: ${safe(final.reason)}`
}

/** One line of text with nothing in it that a terminal would obey. */
export function safe(text: string): string {
  const plainer = new Plainer()
  const lines = plainer.add(new TextEncoder().encode(text))
  return [...lines, plainer.rest()].join(' ')
}

function describe(frame: Frame): string | undefined {
  switch (frame.kind) {
    case 'resize':
      return `[terminal ${frame.columns}x${frame.rows}]`
    case 'hidden':
      return `[typed without echo: ${frame.length} bytes in ${frame.duration} ms]`
    case 'mark':
      // Of use to players alone.
      return frame.mark.kind === 'keyframe' ? undefined : `[${markLine(frame.mark)}]`
    default:
      return undefined
  }
}

/** A mark as one line for people. Its text comes from people and machines: clean it before a terminal sees it. */
export function markLine(mark: Mark): string {
  switch (mark.kind) {
    case 'command':
      return `command: ${mark.line}`
    case 'title':
      return `title: ${mark.title}`
    case 'file':
      return `${mark.direction} by ${mark.via}: ${mark.name}, ${mark.size} bytes, sha256 ${mark.sha256}${mark.complete ? '' : ', not complete'}`
    case 'clipboard':
      return `${mark.way === 'in' ? 'put on the machine’s clipboard' : 'copied off the machine’s clipboard'}: ${mark.mimetype}, ${mark.size} bytes${mark.sha256 === undefined ? '' : `, sha256 ${mark.sha256}`}${mark.text === undefined ? '' : `: ${mark.text}`}`
    case 'open':
      return mark.command === undefined ? `${mark.type} opened` : `${mark.type} opened: ${mark.command}`
    case 'close':
      if (mark.up !== undefined) return `closed: ${mark.up} bytes there, ${mark.down ?? 0} back`
      return mark.signal === undefined
        ? `closed, exit code ${mark.exitCode ?? 'unknown'}`
        : `closed by ${mark.signal}`
    case 'freeze':
      return `${mark.frozen ? 'frozen' : 'unfrozen'} by ${whoText(mark.by)}${mark.reason === undefined ? '' : `: ${mark.reason}`}`
    case 'message':
      return `message from ${whoText(mark.by)}: ${mark.text}`
    case 'watch':
      return `${whoText(mark.by)} ${mark.watching ? 'watches' : 'stopped watching'}`
    case 'take':
      return `${whoText(mark.by)} ${mark.taken ? 'has taken the session over: what is typed from here on is theirs' : 'types no more'}`
    case 'keyframe':
      return `the whole picture, ${mark.width}x${mark.height}`
    case 'resize':
      return `the screen is ${mark.width}x${mark.height} now`
    case 'idle':
      return `nothing happened for ${mark.seconds} s`
    case 'policy':
      if (mark.event === 'typed in') return `the secret of ${mark.detail} typed into the desktop here`
      if (mark.event === 'elevation typed') return `elevated by ${mark.detail}: the secret was typed here`
      return `${mark.event}: ${mark.detail}`
    case 'warning':
      return `warning: ${mark.text}`
    case 'gap':
      return `gap: ${mark.reason}`
    case 'input-digest':
      return `input of ${mark.size} bytes, sha256 ${mark.sha256}`
    default:
      return 'a mark of a later version'
  }
}

function clock(at: number): string {
  const seconds = at / 1e9
  const part = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${part(seconds / 3600)}:${part((seconds / 60) % 60)}:${(seconds % 60).toFixed(3).padStart(6, '0')}`
}
