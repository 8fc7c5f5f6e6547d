import { type Document, isScalar, parseDocument, stringify, visit, YAMLParseError } from 'yaml'
import type { PolicyDocument } from './document.ts'

// The policy as a file that people keep. Runs in browsers too.

/** How many characters a policy has at the most. */
export const mostPolicyText = 1_000_000

const head = `# The policy of this installation: who may use what, and under which conditions anybody may.
# Change it, see what that does with tagout policy plan, and put it in force with tagout policy apply.
`

/** In which order people read the members of a policy, a rule and a calendar; what is not named here comes after. */
const order = [
  ...['version', 'applyBy', 'name', 'effect', 'actions', 'forwards', 'host', 'port'],
  ...['who', 'everyone', 'users', 'companies', 'roles'],
  ...['what', 'everything', 'safes', 'targets', 'accounts', 'tags', 'zones', 'protocols'],
  ...['approvals', 'group', 'count', 'supervisors', 'workOrder', 'during', 'networks', 'factorWithin'],
  ...['longest', 'exclusive', 'contact', 'groups', 'calendars', 'rules'],
  ...['zone', 'weekly', 'dates', 'except', 'days', 'from', 'to'],
]

function placeOf(key: unknown): number {
  const at = order.indexOf(String(isScalar(key) ? key.value : key))
  return at < 0 ? order.length : at
}

function yamlText(part: unknown): string {
  return stringify(part, {
    lineWidth: 100,
    sortMapEntries: (one, other) => placeOf(one.key) - placeOf(other.key),
  })
}

/** A policy as the text of a file: the same text for the same policy, in whichever order its members came. */
export function policyText(document: PolicyDocument): string {
  return head + yamlText(document)
}

/** One part of a policy as text, to be compared. */
export function partText(part: unknown): string {
  return part === undefined ? '' : yamlText(part)
}

/** What a text holds, which nobody has checked yet, and where in it what stands. */
export type PolicyFile = {
  readonly document: unknown
  /** The line of the innermost part of a path that is there, from 1. */
  readonly lineOf: (path: readonly PropertyKey[]) => number | undefined
  /** `rule press-windows, during: ` of `rules.3.during`. */
  readonly nameOf: (path: readonly PropertyKey[]) => string
}

/** What is wrong with a text, and what to do. */
export type PolicyFault = {
  readonly line?: number | undefined
  readonly fault: string
  readonly next: string
}

/** Reads the text of a policy file. */
export function readPolicyText(text: string): { readonly file: PolicyFile } | PolicyFault {
  if (text.length > mostPolicyText)
    return { fault: 'this is larger than a policy is', next: 'give a file below 1 MB' }
  try {
    return readWithin(text)
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown
    return { fault: 'this is nested deeper than a policy is', next: 'write it out' }
  }
}

function readWithin(text: string): { readonly file: PolicyFile } | PolicyFault {
  // One way to say yes and no, no tags, no keys twice: what is read is what people see.
  const parsed = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: true })
  const offset = forbidden(parsed)
  if (offset !== undefined)
    return {
      line: lineAt(text, offset),
      fault: 'nothing can be called __proto__',
      next: 'choose another name',
    }
  const [error] = [...parsed.errors, ...parsed.warnings]
  if (error !== undefined) {
    const line =
      error instanceof YAMLParseError || error.linePos !== undefined ? error.linePos?.[0].line : undefined
    const [sentence = 'this is no YAML'] = error.message.split(/ at line |\n/)
    return { line, fault: sentence, next: 'correct it, then try again' }
  }
  try {
    return {
      file: {
        document: parsed.toJS({ maxAliasCount: 100 }),
        lineOf: (path) => lineOf(parsed, text, path),
        nameOf: (path) => nameOf(parsed, path),
      },
    }
  } catch (thrown) {
    // Aliases that grow into more than anybody writes.
    return { fault: thrown instanceof Error ? thrown.message : 'it cannot be read', next: 'write it out' }
  }
}

/** Where a key stands that a reader of JavaScript would lose without a word. */
function forbidden(parsed: Document): number | undefined {
  let found: number | undefined
  visit(parsed, {
    Pair: (_at, { key }) => {
      if (isScalar(key) && key.value === '__proto__') found ??= key.range?.[0] ?? 0
    },
  })
  return found
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

function lineOf(parsed: Document, text: string, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const node = parsed.getIn(path.slice(0, length), true) as
      | { readonly range?: readonly number[] }
      | undefined
    const offset = node?.range?.[0]
    if (offset !== undefined) return lineAt(text, offset)
  }
  return undefined
}

function nameOf(parsed: Document, path: readonly PropertyKey[]): string {
  if (path.length === 0) return ''
  const [first, second, ...rest] = path
  if (first !== 'rules' || typeof second !== 'number') return `${path.map(String).join('.')}: `
  const name = parsed.getIn(['rules', second, 'name'])
  const rule = typeof name === 'string' ? `rule ${name}` : `rule number ${second + 1}`
  return `${rule}${rest.length === 0 ? '' : `, ${rest.map(String).join('.')}`}: `
}

/**
 * What the vault says of a document, beside its place in the text: `document.rules.3.during: …` and
 * `document: group ot: …`. Undefined: it speaks of something else.
 */
export function faultInFile(file: PolicyFile, message: string): PolicyFault | undefined {
  const [, dotted, said] = /^document(\.[^:]*)?: (.+)$/s.exec(message) ?? []
  if (said === undefined) return undefined
  if (dotted !== undefined) {
    const path = dotted
      .slice(1)
      .split('.')
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
    return { line: file.lineOf(path), fault: `${file.nameOf(path)}${said}`, next: 'correct it there' }
  }
  const [, kind, name] = /^(rule|group|calendar) ([^:,]+)[:,] /.exec(said) ?? []
  const path = kind === undefined || name === undefined ? [] : partPath(file.document, kind, name)
  return { line: file.lineOf(path), fault: said, next: 'correct it there' }
}

/** Where a part of a document stands that is called by its name. */
function partPath(document: unknown, kind: string, name: string): readonly PropertyKey[] {
  if (kind !== 'rule') return [`${kind}s`, name]
  const { rules } = (document ?? {}) as { readonly rules?: readonly { readonly name?: unknown }[] }
  const at = Array.isArray(rules) ? rules.findIndex((rule) => rule?.name === name) : -1
  return at < 0 ? [] : ['rules', at]
}
