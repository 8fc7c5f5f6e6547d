import type { z } from 'zod'
import { type ImportKind, type VerbInput, verbs } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/** What one row of an import asks for: the input of the verb that adds one. */
export type Wanted =
  | { readonly kind: 'targets'; readonly input: z.output<(typeof verbs)['target.add']['input']> }
  | { readonly kind: 'users'; readonly input: z.output<(typeof verbs)['user.add']['input']> }
  | { readonly kind: 'grants'; readonly input: z.output<(typeof verbs)['grant.add']['input']> }

/** The columns of each kind, and which of them a file must have. */
export const importColumns: Readonly<
  Record<ImportKind, { readonly known: readonly string[]; readonly required: readonly string[] }>
> = {
  targets: { known: ['name', 'safe', 'address', 'pin'], required: ['name', 'safe', 'address'] },
  users: { known: ['name', 'roles'], required: ['name', 'roles'] },
  grants: {
    known: ['user', 'account', 'actions', 'not_before', 'not_after', 'mode', 'reason'],
    required: ['user', 'account', 'actions'],
  },
}

/** Reads the cells of a row as the input of the verb that adds one; empty cells are as if they were not there. */
export function readRow(kind: ImportKind, cells: Readonly<Record<string, string>>): Outcome<Wanted> {
  const { known, required } = importColumns[kind]
  const strange = Object.keys(cells).find((column) => !known.includes(column))
  if (strange !== undefined)
    return refuse('invalid', 'a column is not known', `the columns are ${known.join(',')}`)
  const cell = (column: string) =>
    (Object.hasOwn(cells, column) ? cells[column] : undefined)?.trim() || undefined
  const missing = required.find((column) => cell(column) === undefined)
  if (missing !== undefined) return refuse('invalid', `${missing}: this is missing`)
  const several = (column: string) => [...new Set((cell(column) ?? '').split(/[\s,|]+/).filter(Boolean))]
  switch (kind) {
    case 'targets': {
      const input = { name: cell('name'), safe: cell('safe'), address: cell('address'), pin: cell('pin') }
      const read = verbs['target.add'].input.safeParse(input)
      return read.success ? done({ kind, input: read.data }) : misread(read.error)
    }
    case 'users': {
      const read = verbs['user.add'].input.safeParse({ name: cell('name'), roles: several('roles') })
      return read.success ? done({ kind, input: read.data }) : misread(read.error)
    }
    case 'grants': {
      const input: Partial<Record<keyof VerbInput<'grant.add'>, unknown>> = {
        user: cell('user'),
        account: cell('account'),
        actions: several('actions'),
        notBefore: cell('not_before'),
        notAfter: cell('not_after'),
        mode: cell('mode'),
        reason: cell('reason'),
      }
      const read = verbs['grant.add'].input.safeParse(input)
      return read.success ? done({ kind, input: read.data }) : misread(read.error)
    }
  }
}

/** By what a row is the same as another of its file. */
export function keyOf(wanted: Wanted): string {
  switch (wanted.kind) {
    case 'targets':
    case 'users':
      return wanted.input.name.toLowerCase()
    case 'grants':
      return JSON.stringify([wanted.input.user.toLowerCase(), wanted.input.account, wanted.input.notBefore])
  }
}

/** SECURITY: names the column, never the text of its cell. */
function misread(error: z.ZodError): Outcome<never> {
  const [issue] = error.issues
  const column = String(issue?.path[0] ?? 'row').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return refuse('invalid', `${column}: ${issue?.message.slice(0, 200) ?? 'malformed'}`)
}
