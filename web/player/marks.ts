import type { Mark, TimedMark } from '../../recorder/replay/index.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { bytes, exactSpan, visible } from '../parts/wording.ts'
import type { Note } from './notes.tsx'
import type { Survey } from './survey.ts'

export type MarkKind = 'command' | 'file' | 'clipboard' | 'note' | 'policy' | 'hidden' | 'title' | 'channel'

/** A mark as the time line and its list show it. */
export type Shown = {
  readonly key: string
  readonly at: number
  readonly channel: number
  readonly kind: MarkKind
  readonly text: string
}

export const kindNames: Readonly<Record<MarkKind, string>> = {
  command: 'Command',
  file: 'File',
  clipboard: 'Clipboard',
  note: 'Note',
  policy: 'Event',
  hidden: 'Typed hidden',
  title: 'Title',
  channel: 'Channel',
}

/** Makes one list of marks and hidden stretches, in order of time. Texts came from the session: controls are made visible. */
export function shownMarks(
  marks: readonly TimedMark[],
  found: Survey | null,
  notes: readonly Note[] = [],
): readonly Shown[] {
  const shown: Shown[] = marks.flatMap(({ at, channel, mark }, index) =>
    mark.kind === 'keyframe' ? [] : [{ key: `mark-${index}`, at, channel, ...wording(mark) }],
  )
  for (const [index, { at, channel, length }] of (found?.hidden ?? []).entries())
    shown.push({
      key: `hidden-${index}`,
      at,
      channel,
      kind: 'hidden',
      text: `${length} ${length === 1 ? 'key' : 'keys'} without echo`,
    })
  for (const { id, at, by, text } of notes)
    shown.push({ key: id, at, channel: 0, kind: 'note', text: `${visible(by)}: ${visible(text)}` })
  return shown.sort((a, b) => a.at - b.at)
}

function wording(mark: Exclude<Mark, { kind: 'keyframe' }>): {
  readonly kind: MarkKind
  readonly text: string
} {
  switch (mark.kind) {
    case 'command':
      return { kind: 'command', text: visible(mark.line) }
    case 'title':
      return { kind: 'title', text: visible(mark.title) }
    case 'file':
      return {
        kind: 'file',
        text: `${mark.direction === 'upload' ? 'put' : 'fetched'} ${visible(mark.name)} (${bytes(mark.size)}${
          mark.complete ? '' : ', broken off'
        }) SHA-256 ${mark.sha256.slice(0, 12)}…`,
      }
    case 'clipboard':
      return {
        kind: 'clipboard',
        text: `${mark.way === 'in' ? 'put on the machine’s clipboard' : 'copied off the machine’s clipboard'}: ${bytes(mark.size)}${
          mark.sha256 === undefined ? '' : `, SHA-256 ${mark.sha256.slice(0, 12)}…`
        }${mark.text === undefined ? '' : `: ${visible(mark.text)}`}`,
      }
    case 'open':
      return {
        kind: 'channel',
        text: `opened ${mark.type}${mark.command === undefined ? '' : `: ${visible(mark.command)}`}`,
      }
    case 'close': {
      const how =
        mark.up !== undefined
          ? `, ${bytes(mark.up)} there, ${bytes(mark.down ?? 0)} back`
          : mark.signal !== undefined
            ? `, signal ${visible(mark.signal)}`
            : mark.exitCode !== undefined
              ? `, exit code ${mark.exitCode}`
              : ''
      return { kind: 'channel', text: `closed${how}` }
    }
    case 'freeze':
      return {
        kind: 'policy',
        text: `${mark.frozen ? 'frozen' : 'unfrozen'} by ${whoText(visible(mark.by))}${mark.reason === undefined ? '' : `: ${visible(mark.reason)}`}`,
      }
    case 'message':
      return { kind: 'policy', text: `message from ${whoText(visible(mark.by))}: ${visible(mark.text)}` }
    case 'watch':
      return {
        kind: 'policy',
        text: `${whoText(visible(mark.by))} ${mark.watching ? 'watches' : 'no longer watches'}`,
      }
    case 'take':
      return {
        kind: 'policy',
        text: `${whoText(visible(mark.by))} ${mark.taken ? 'has taken the session over: what is typed from here on is theirs' : 'types no more'}`,
      }
    case 'resize':
      return { kind: 'channel', text: `the screen is ${mark.width} × ${mark.height} now` }
    case 'idle':
      return { kind: 'policy', text: `nothing happened for ${exactSpan(mark.seconds)}` }
    case 'policy':
      if (mark.event === 'elevation typed')
        return { kind: 'policy', text: `elevated by ${visible(mark.detail)}: the secret was typed here` }
      if (mark.event === 'typed in')
        return { kind: 'policy', text: `the secret of ${visible(mark.detail)} typed into the desktop here` }
      return { kind: 'policy', text: `${visible(mark.event)}: ${visible(mark.detail)}` }
    case 'warning':
      return { kind: 'policy', text: visible(mark.text) }
    case 'gap':
      return { kind: 'policy', text: `gap: ${visible(mark.reason)}` }
    case 'input-digest':
      return { kind: 'policy', text: `${bytes(mark.size)} of input kept by digest alone` }
  }
}
