import type { NoticeTopic } from '../../recorder/live/protocol.ts'

/** A sentence above the terminal. */
export type Notice = {
  readonly id: number
  readonly text: string
  readonly about: NoticeTopic | 'copy' | 'silence' | undefined
}

const most = 3
let last = 0

/** Adds a sentence: it takes the place of what was said before about the same. Somebody's messages each stand. */
export function addNotice(before: readonly Notice[], said: Omit<Notice, 'id'>): readonly Notice[] {
  last += 1
  const others = before.filter(
    ({ text, about }) =>
      text !== said.text && (about === undefined || about === 'message' || about !== said.about),
  )
  return [...others.slice(1 - most), { id: last, ...said }]
}

/** Says that nothing is heard of the gateway, or takes that back. */
export function silence(before: readonly Notice[], isSilent: boolean): readonly Notice[] {
  const text = 'nothing is heard of the gateway: what you do may reach nothing until it answers again'
  return isSilent
    ? addNotice(before, { text, about: 'silence' })
    : before.filter(({ about }) => about !== 'silence')
}

/** What still has something to say when the session is over: what people wrote. */
export function afterEnd(before: readonly Notice[]): readonly Notice[] {
  return before.filter(({ about }) => about === 'message')
}
