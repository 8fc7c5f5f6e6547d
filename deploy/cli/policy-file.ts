import { type Document, isScalar, parseDocument, stringify, visit, YAMLParseError } from 'yaml'
import type { z } from 'zod'
import { type PolicyDocument, policyDocument } from '../../vault/policy/document.ts'
import { misuse } from './complaint.ts'
import type { Tools } from './tools.ts'

const head = `# The policy of this installation: who may use what, and under which conditions anybody may.
# Change it, see what that does with tagout policy plan, and put it in force with tagout policy apply.
`

/** A policy as the text of a file. */
export function policyText(document: PolicyDocument): string {
  return head + stringify(document, { lineWidth: 100 })
}

/** One part of a policy as text, to be compared. */
export function partText(part: unknown): string {
  return part === undefined ? '' : stringify(part, { lineWidth: 100 })
}

/** Reads a policy file. Complains with the line and what is wrong there. */
export async function readPolicyFile(tools: Tools, path: string): Promise<PolicyDocument> {
  const text = await tools.readText(path)
  if (text.length > 1_000_000) throw misuse(`${path} is larger than a policy is`, 'give a file below 1 MB')
  const parsed = parse(path, text)
  const checked = policyDocument.safeParse(valueOf(path, parsed))
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const at = issue?.path ?? []
  const where = lineOf(parsed, text, at)
  throw misuse(`${path}${where}: ${nameOf(parsed, at)}${sentenceOf(issue)}`, 'see: tagout policy --help')
}

/** Of a key that no name can be, what names are. */
function sentenceOf(issue: z.core.$ZodIssue | undefined): string {
  const inner = issue?.code === 'invalid_key' ? issue.issues[0]?.message : undefined
  return inner ?? issue?.message ?? 'this is no policy'
}

function parse(path: string, text: string): Document {
  // One way to say yes and no, no tags, no keys twice: what is read is what people see.
  const parsed = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: true })
  const [error] = [...parsed.errors, ...parsed.warnings]
  // A reader of JavaScript would lose it without a word.
  visit(parsed, {
    Pair: (_at, { key }) => {
      if (!isScalar(key) || key.value !== '__proto__') return
      const line = text.slice(0, key.range?.[0] ?? 0).split('\n').length
      throw misuse(`${path}, line ${line}: nothing can be called __proto__`, 'choose another name')
    },
  })
  if (error === undefined) return parsed
  const line =
    error instanceof YAMLParseError || error.linePos !== undefined ? error.linePos?.[0].line : undefined
  const [sentence = 'this is no YAML'] = error.message.split(/ at line |\n/)
  throw misuse(
    `${path}${line === undefined ? '' : `, line ${line}`}: ${sentence}`,
    'correct it, then try again',
  )
}

function valueOf(path: string, parsed: Document): unknown {
  try {
    return parsed.toJS({ maxAliasCount: 100 })
  } catch (error) {
    // Aliases that grow into more than anybody writes.
    throw misuse(`${path}: ${error instanceof Error ? error.message : 'it cannot be read'}`, 'write it out')
  }
}

/** The line of the innermost part of a path that is there. */
function lineOf(parsed: Document, text: string, path: readonly PropertyKey[]): string {
  for (let length = path.length; length > 0; length -= 1) {
    const node = parsed.getIn(path.slice(0, length), true) as
      | { readonly range?: readonly number[] }
      | undefined
    const offset = node?.range?.[0]
    if (offset !== undefined) return `, line ${text.slice(0, offset).split('\n').length}`
  }
  return ''
}

/** `rule press-windows, during: ` of `rules.3.during`. */
function nameOf(parsed: Document, path: readonly PropertyKey[]): string {
  if (path.length === 0) return ''
  const [first, second, ...rest] = path
  if (first !== 'rules' || typeof second !== 'number') return `${path.map(String).join('.')}: `
  const name = parsed.getIn(['rules', second, 'name'])
  const rule = typeof name === 'string' ? `rule ${name}` : `rule number ${second + 1}`
  return `${rule}${rest.length === 0 ? '' : `, ${rest.map(String).join('.')}`}: `
}
