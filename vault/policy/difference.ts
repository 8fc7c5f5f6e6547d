import { diffLines } from 'diff'
import type { PolicyChange } from '../contract.ts'
import type { PolicyDocument } from './document.ts'
import { partText } from './file.ts'

// What differs between two policies, line by line. Runs in browsers too.

export type DifferingLine = { readonly sign: '+' | '-' | ' '; readonly text: string }

/** The lines of a part that changes; a sentence where no line does, and it means something else all the same. */
export function changedLines(
  present: PolicyDocument,
  wanted: PolicyDocument,
  { what, name }: PolicyChange,
): readonly DifferingLine[] | string {
  switch (what) {
    case 'rule':
    case 'group':
    case 'calendar':
      return partLines(partOf(present, what, name), partOf(wanted, what, name))
    case 'policy':
      return partLines(headOf(present, name), headOf(wanted, name))
    case 'tag':
    case 'zone':
      return 'it stands for other targets now'
    default:
      return 'the name means another one now'
  }
}

function headOf({ applyBy, contact }: PolicyDocument, name: string): unknown {
  const value = name === 'applyBy' ? applyBy : contact
  return value === undefined ? undefined : { [name]: value }
}

function partOf(document: PolicyDocument, what: 'rule' | 'group' | 'calendar', name: string): unknown {
  if (what === 'rule') return document.rules.find((rule) => rule.name === name)
  const parts = (what === 'group' ? document.groups : document.calendars) ?? {}
  return Object.hasOwn(parts, name) ? parts[name] : undefined
}

function partLines(before: unknown, after: unknown): readonly DifferingLine[] {
  return diffLines(partText(before), partText(after)).flatMap(({ added, removed, value }) =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .map((text) => ({ sign: added ? ('+' as const) : removed ? ('-' as const) : (' ' as const), text })),
  )
}
