import { type RawBuilder, sql } from 'kysely'
import type { AuditFound } from '../contract.ts'
import { type Checked, entriesWhere, type Reader, readChecked, vouchedFor } from './checked-leaves.ts'
import { text } from './index-row.ts'
import { textOf } from './read.ts'
import { tell } from './tell.ts'

/** What is looked for; all of what is given holds of what is found. */
export type FindOptions = {
  /** Everything that concerned this machine: what was done at it, to its safe, and to the policy. */
  readonly target?: string | undefined
  /** `press-3/engineer` */
  readonly account?: string | undefined
  readonly session?: string | undefined
  /** Who did it, or whom it concerned. */
  readonly person?: string | undefined
  /** The company, or any of its people. */
  readonly company?: string | undefined
  /** `session.started`, or `session` for all of these. */
  readonly kinds?: readonly string[] | undefined
  readonly since?: Date | undefined
  /** Up to and without this moment. */
  readonly until?: Date | undefined
  /** What its sentence holds, in any case of letters. */
  readonly words?: string | undefined
  /** Where the page before ended. */
  readonly after?: Place | undefined
  readonly limit: number
}

/** A place in the answer, which has the newest entries first. */
export type Place = { readonly at: Date; readonly seq: number }

export type Found = { readonly entries: readonly AuditFound[]; readonly next: Place | undefined }

/** Entries whose sentences are looked into for a page at most; the next page goes on there. */
const mostRead = 20_000
const readAtOnce = 1_000
/** Bytes of the entries of a page, about: they can be large, and are told in several ways. */
const mostBytes = 2 * 1024 * 1024

type Where = RawBuilder<unknown>

/**
 * Finds entries of the log, the newest first. Throws `Fault('audit')` where the index or an entry is not what the
 * vault wrote.
 */
export async function findEntries(reader: Reader, options: FindOptions): Promise<Found> {
  const look = await lookUp(reader, options)
  const words = options.words?.toLowerCase()
  const most = words === undefined ? options.limit : readAtOnce
  const found: Checked[] = []
  let bytes = 0
  let place = options.after
  for (let read = 0; read < mostRead; read += most) {
    const page = await look(place, most)
    const checked = await readChecked(
      reader,
      page.map(({ seq }) => seq),
    )
    for (place of page) {
      const one = checked.get(place.seq)
      if (one === undefined || (words !== undefined && !textOf(one).toLowerCase().includes(words))) continue
      found.push(one)
      bytes += one.body.length
      if (found.length === options.limit || bytes > mostBytes)
        return { entries: await tell(reader, found), next: place }
    }
    if (page.length < most) return { entries: await tell(reader, found), next: undefined }
  }
  return { entries: await tell(reader, found), next: place }
}

type Page = (after: Place | undefined, most: number) => Promise<readonly Place[]>

/** Asks the index: one question for each scope, each in the order of one index, as far as a page goes. */
async function lookUp(reader: Reader, options: FindOptions): Promise<Page> {
  const company = text(options.company)
  const people = company === null ? [] : await peopleOf(reader, company)
  const scopes = await scopesOf(reader, options, people)
  const filter = filterOf(options, people)
  return async (after, most) => {
    const from = after === undefined ? sql`true` : sql`(at, seq) < (${after.at}, ${after.seq})`
    const parts = scopes.map(
      (scope) => sql`(
        select seq, at from audit_index
        where kind <> 'session.checkpoint' and ${scope} and ${filter} and ${from}
        order by at desc, seq desc limit ${most})`,
    )
    const { rows } = await sql<Place>`
      select seq, at from (${sql.join(parts, sql` union `)}) as found
      order by at desc, seq desc limit ${most}`.execute(reader.db)
    return rows
  }
}

/** Conditions of which any may hold; each is answered by one index. */
async function scopesOf(
  reader: Reader,
  options: FindOptions,
  people: readonly string[],
): Promise<readonly Where[]> {
  const [target, account] = [text(options.target), text(options.account)]
  if (target !== null) {
    const safes = await safesOf(reader, target)
    // Of a machine that there never was, nothing is found: no policy was about it.
    if (safes.length === 0) return [sql`target = ${target}`]
    return [
      sql`target = ${target}`,
      sql`kind = 'policy.applied'`,
      ...safes.map((safe) => sql`safe = ${safe}`),
    ]
  }
  if (account !== null) return [sql`target = ${account.split('/', 1)[0]}`]
  if (options.session !== undefined) return [sql`session = ${options.session}`]
  const [person, company] = [text(options.person), text(options.company)]
  if (person !== null) return [sql`actor = ${person}`, sql`person = ${person}`]
  if (company !== null)
    return [
      sql`company = ${company}`,
      ...people.flatMap((one) => [sql`actor = ${one}`, sql`person = ${one}`]),
    ]
  const kinds = options.kinds ?? []
  return kinds.length > 0 && kinds.every((kind) => kind.includes('.'))
    ? kinds.map((kind) => sql`kind = ${kind}`)
    : [sql`true`]
}

/** All that is given, whether a scope has taken it already or not. */
function filterOf(options: FindOptions, people: readonly string[]): Where {
  const [account, person, company] = [text(options.account), text(options.person), text(options.company)]
  const kinds = options.kinds ?? []
  const parts = [
    account === null ? undefined : sql`account = ${account}`,
    options.session === undefined ? undefined : sql`session = ${options.session}`,
    person === null ? undefined : sql`(actor = ${person} or person = ${person})`,
    company === null
      ? undefined
      : sql`(company = ${company} or actor = any(${people}::text[]) or person = any(${people}::text[]))`,
    kinds.length === 0
      ? undefined
      : sql`(kind = any(${kinds}::text[]) or split_part(kind, '.', 1) = any(${kinds}::text[]))`,
    options.since === undefined ? undefined : sql`at >= ${options.since}`,
    options.until === undefined ? undefined : sql`at < ${options.until}`,
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? sql`true` : sql.join(parts, sql` and `)
}

/** The safes that machines of this name were put into. */
async function safesOf(reader: Reader, target: string): Promise<readonly string[]> {
  const added = await entriesWhere(reader, sql`target = ${target} and kind = 'target.added'`)
  return named(vouchedFor(added, 'target.added').map(({ safeName }) => safeName))
}

/** Everybody who was invited for this company. */
async function peopleOf(reader: Reader, company: string): Promise<readonly string[]> {
  const invited = await entriesWhere(reader, sql`company = ${company} and kind = 'company.invited'`)
  return named(vouchedFor(invited, 'company.invited').map(({ name }) => name))
}

function named(names: readonly string[]): readonly string[] {
  return [...new Set(names.map(text).filter((name) => name !== null))]
}
