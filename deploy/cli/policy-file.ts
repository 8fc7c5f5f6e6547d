import type { z } from 'zod'
import { type PolicyDocument, policyDocument } from '../../vault/policy/document.ts'
import { readPolicyText } from '../../vault/policy/file.ts'
import { misuse } from './complaint.ts'
import type { Tools } from './tools.ts'

/** Reads a policy file. Complains with the line and what is wrong there. */
export async function readPolicyFile(tools: Tools, path: string): Promise<PolicyDocument> {
  const read = readPolicyText(await tools.readText(path))
  if (!('file' in read)) throw misuse(`${path}${lineText(read.line)}: ${read.fault}`, read.next)
  const { document, lineOf, nameOf } = read.file
  const checked = policyDocument.safeParse(document)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const at = issue?.path ?? []
  throw misuse(
    `${path}${lineText(lineOf(at))}: ${nameOf(at)}${sentenceOf(issue)}`,
    'see: tagout policy --help',
  )
}

function lineText(line: number | undefined): string {
  return line === undefined ? '' : `, line ${line}`
}

/** Of a key that no name can be, what names are. */
function sentenceOf(issue: z.core.$ZodIssue | undefined): string {
  const inner = issue?.code === 'invalid_key' ? issue.issues[0]?.message : undefined
  return inner ?? issue?.message ?? 'this is no policy'
}
