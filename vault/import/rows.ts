import { z } from 'zod'
import { type ImportKind, loginName, nameText, type VerbInput, verbs } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { importColumns, sealedColumns } from './columns.ts'

export type ImportRow = VerbInput<'import'>['rows'][number]

/** A row of accounts. The target is added where it is not there and the row says in which safe and at which address. */
export type WantedAccount = {
  readonly target: string
  readonly login: string
  readonly safe?: string | undefined
  readonly address?: string | undefined
  readonly pin?: string | undefined
  readonly credential: ImportRow['credential']
}

/** What one row of an import asks for: the input of the verb that adds one. */
export type Wanted =
  | { readonly kind: 'targets'; readonly input: z.output<(typeof verbs)['target.add']['input']> }
  | { readonly kind: 'accounts'; readonly input: WantedAccount }
  | { readonly kind: 'users'; readonly input: z.output<(typeof verbs)['user.add']['input']> }
  | { readonly kind: 'grants'; readonly input: z.output<(typeof verbs)['grant.add']['input']> }

const { safe, address, pin } = verbs['target.add'].input.shape
// By its name and not by its id: the secret was sealed for what the row says.
const accountRow = z.strictObject({
  target: nameText,
  login: loginName,
  safe: safe.optional(),
  address: address.optional(),
  pin,
})

/** Reads the cells of a row as the input of the verb that adds one; empty cells are as if they were not there. */
export function readRow(kind: ImportKind, { cells, credential }: ImportRow): Outcome<Wanted> {
  // SECURITY: a password is no cell here, so that nobody who writes a client sends one in clear.
  const known = importColumns[kind].known.filter((column) => !sealedColumns.includes(column))
  const { required } = importColumns[kind]
  const strange = Object.keys(cells).find((column) => !known.includes(column))
  if (strange !== undefined)
    return refuse('invalid', 'a column is not known', `the columns are ${known.join(',')}`)
  if (credential !== undefined && kind !== 'accounts')
    return refuse('invalid', 'credential: only an account has one')
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
    case 'accounts': {
      const read = accountRow.safeParse(Object.fromEntries(known.map((column) => [column, cell(column)])))
      return read.success ? done({ kind, input: { ...read.data, credential } }) : misread(read.error)
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
    case 'accounts':
      return `${wanted.input.target.toLowerCase()}/${wanted.input.login}`
    case 'grants':
      return JSON.stringify([wanted.input.user.toLowerCase(), wanted.input.account, wanted.input.notBefore])
  }
}

/** The column of a field: `not_after` of `notAfter`. */
export const columnOf = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** SECURITY: names the column, never the text of its cell. */
function misread(error: z.ZodError): Outcome<never> {
  const [issue] = error.issues
  const column = columnOf(String(issue?.path[0] ?? 'row'))
  return refuse('invalid', `${column}: ${issue?.message.slice(0, 200) ?? 'malformed'}`)
}
