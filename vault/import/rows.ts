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
      const tags = several('tags')
      const desktop = {
        security: cell('security'),
        keyboard: cell('keyboard'),
        userPrompt: cell('user_prompt'),
        passwordPrompt: cell('password_prompt'),
      }
      const input = {
        name: cell('name'),
        safe: cell('safe'),
        address: cell('address'),
        pin: cell('pin'),
        ...(tags.length === 0 ? {} : { tags }),
        zone: cell('zone'),
        ...(Object.values(desktop).every((one) => one === undefined) ? {} : { desktop }),
      }
      const read = verbs['target.add'].input.safeParse(input)
      return read.success ? done({ kind, input: read.data }) : misread(read.error, desktop)
    }
    case 'accounts': {
      const read = accountRow.safeParse(Object.fromEntries(known.map((column) => [column, cell(column)])))
      return read.success ? done({ kind, input: { ...read.data, credential } }) : misread(read.error)
    }
    case 'users': {
      const input = { name: cell('name'), roles: several('roles') }
      const read = verbs['user.add'].input.safeParse(input)
      return read.success ? done({ kind, input: read.data }) : misread(read.error, input)
    }
    case 'grants': {
      const actions = several('actions')
      // A grant of forwarding names where to, which no column says.
      if (actions.includes('forward'))
        return refuse(
          'invalid',
          'actions: no file grants forwarding',
          'grant it with tagout grant add --forward, or in the console',
        )
      const input: Partial<Record<keyof VerbInput<'grant.add'>, unknown>> = {
        user: cell('user'),
        account: cell('account'),
        actions,
        notBefore: cell('not_before'),
        notAfter: cell('not_after'),
        mode: cell('mode'),
        reason: cell('reason'),
      }
      const read = verbs['grant.add'].input.safeParse(input)
      return read.success ? done({ kind, input: read.data }) : misread(read.error, input)
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
      return JSON.stringify({ ...wanted.input, user: wanted.input.user.toLowerCase() })
  }
}

/** The column of a field: `not_after` of `notAfter`. */
export const columnOf = (field: string) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** SECURITY: names the column, never the text of its cell, but for a word of those that say no secret (`spoken`). */
function misread(error: z.ZodError, input: Readonly<Record<string, unknown>> = {}): Outcome<never> {
  const [issue] = error.issues
  const [outer = 'row', inner] = issue?.path ?? []
  const field = String(outer === 'desktop' && inner !== undefined ? inner : outer)
  const column = columnOf(field)
  if (issue?.code === 'invalid_value' && spoken.includes(field)) {
    const given = input[field]
    const word: unknown = Array.isArray(given) ? given[Number(issue.path[1])] : given
    return refuse('invalid', `${column}: ${quoted(String(word))} is none of ${issue.values.join(', ')}`)
  }
  if (issue?.code === 'invalid_format' && issue.format === 'datetime')
    return refuse(
      'invalid',
      `${column}: this is not a date and time`,
      'write it like 2026-12-24T06:00:00Z, with its time and zone',
    )
  return refuse('invalid', `${column}: ${issue?.message.slice(0, 200) ?? 'malformed'}`)
}

/** Fields whose words are of a list that everybody may know. */
const spoken: readonly string[] = ['roles', 'actions', 'mode', 'security', 'keyboard']

/** SECURITY: what drives a terminal or turns the direction of text is written as its number. */
function quoted(word: string): string {
  const short = word.length > 40 ? `${word.slice(0, 39)}…` : word
  return `"${short.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, escaped)}"`
}

const escaped = (one: string) =>
  one === '"' || one === '\\' ? `\\${one}` : `\\u{${one.codePointAt(0)?.toString(16)}}`
