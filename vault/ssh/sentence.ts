import type { Refusal } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'

/** What a person reads when something was refused: what, and what to do next. */
export function sentenceOf(refusal: Pick<Refusal, 'message' | 'next'>): string {
  return refusal.next === undefined ? refusal.message : `${refusal.message}: ${refusal.next}`
}

/** Control characters made visible, so that no name or message drives somebody's terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}

/** What the user of a session reads when somebody begins to watch it. */
export function watchedBy(name: string): string {
  return `this session is watched by ${whoText(name)}`
}
