import { sql } from 'kysely'
import type { AuditFound } from '../contract.ts'
import { type Checked, entriesWhere, type Reader, vouchedFor } from './checked-leaves.ts'
import { actorText } from './describe.ts'
import type { Entry } from './entry.ts'
import { text } from './index-row.ts'
import { viewEntry } from './read.ts'

type Of<Kind extends Entry['kind']> = Extract<Entry, { readonly kind: Kind }>

/**
 * Says of entries who it was, of which company, let in by whom, and from where: all of it from entries of the log, for
 * a list needs more than the one that it shows. Without a company somebody is of the plant's own people.
 */
export async function tell(reader: Reader, found: readonly Checked[]): Promise<readonly AuditFound[]> {
  const opened = await openedSessions(reader, found)
  const approvers = await approvals(reader, found, opened)
  const companies = await companiesOf(
    reader,
    found.map(({ entry }) => whoOf(entry)),
  )
  return found.map((one) => {
    const { row, entry, unproven } = one
    const session = row.session === null ? undefined : opened.get(row.session)
    const who = whoOf(entry)
    const grant = row.grant_id ?? session?.grant
    return {
      ...viewEntry(row.seq, one.body, unproven),
      who,
      company: who === null ? null : (companies.get(who.toLowerCase()) ?? null),
      approvedBy:
        (row.request === null ? undefined : approvers.ofRequest.get(row.request)) ??
        (grant === undefined ? [] : (approvers.ofGrant.get(grant) ?? [])),
      target:
        nameIn(entry, 'targetName') ?? session?.targetName ?? accountIn(entry)?.split('/', 1)[0] ?? null,
      account: accountIn(entry) ?? session?.accountName ?? null,
      session: row.session,
      source: entry?.source ?? session?.source ?? null,
      unproven,
    }
  })
}

/** The natural person behind an entry: who did it, or whose session it is where a plane writes it down. */
function whoOf(entry: Entry | undefined): string | null {
  if (entry === undefined) return null
  const { actor } = entry
  if (actor.kind === 'user' || actor.kind === 'auditor') return actor.name
  return actor.kind === 'local' ? actorText(actor) : nameIn(entry, 'userName')
}

function nameIn(entry: Entry | undefined, member: 'userName' | 'targetName' | 'accountName'): string | null {
  const value: unknown = entry === undefined ? undefined : Reflect.get(entry, member)
  return typeof value === 'string' ? value : null
}

function accountIn(entry: Entry | undefined): string | null {
  return entry?.kind === 'session.refused'
    ? [entry.target, entry.account].filter((part) => part !== '').join('/')
    : nameIn(entry, 'accountName')
}

/** How the sessions that these entries are of began. */
async function openedSessions(
  reader: Reader,
  found: readonly Checked[],
): Promise<ReadonlyMap<string, Of<'session.opened'>>> {
  const sessions = distinct(found.map(({ row }) => row.session))
  if (sessions.length === 0) return new Map()
  const entries = await entriesWhere(
    reader,
    sql`session = any(${sessions}::text[]) and kind = 'session.opened'`,
  )
  return new Map(vouchedFor(entries, 'session.opened').map((entry) => [entry.session as string, entry]))
}

/** Who let people in, by grant and by request: whoever approved the request, or gave the grant by hand. */
async function approvals(
  reader: Reader,
  found: readonly Checked[],
  opened: ReadonlyMap<string, Of<'session.opened'>>,
): Promise<Readonly<Record<'ofGrant' | 'ofRequest', ReadonlyMap<string, readonly string[]>>>> {
  const grants = distinct([
    ...found.map(({ row }) => row.grant_id),
    ...[...opened.values()].map(({ grant }) => grant),
  ])
  const given =
    grants.length === 0
      ? []
      : await entriesWhere(
          reader,
          sql`grant_id = any(${grants}::text[]) and kind <> 'session.opened' and kind in ('grant.added', 'request.decided')`,
        )
  const requests = distinct([...found.map(({ row }) => row.request), ...given.map(({ row }) => row.request)])
  const decided =
    requests.length === 0
      ? []
      : vouchedFor(
          await entriesWhere(reader, sql`request = any(${requests}::text[]) and kind = 'request.decided'`),
          'request.decided',
        ).filter(({ verdict }) => verdict === 'approve')
  const ofRequest = new Map<string, string[]>()
  for (const { request, actor } of decided)
    ofRequest.set(request, [...(ofRequest.get(request) ?? []), shown(actor)])
  const ofGrant = new Map<string, readonly string[]>()
  // Who lets themselves in is nobody's guest, and what the policy lets in nobody has looked at.
  for (const { grant, actor, userName } of vouchedFor(given, 'grant.added'))
    ofGrant.set(grant, actor.kind === 'vault' || isOf(actor, userName) ? [] : [shown(actor)])
  for (const { grant, request } of vouchedFor(given, 'request.decided'))
    if (grant !== undefined) ofGrant.set(grant, ofRequest.get(request) ?? [])
  return { ofGrant, ofRequest }
}

function isOf(actor: Entry['actor'], name: string): boolean {
  return actor.kind === 'user' && actor.name === name
}

function shown(actor: Entry['actor']): string {
  return actor.kind === 'user' ? actor.name : actorText(actor)
}

/** The companies of these people, by their names in small letters. */
async function companiesOf(
  reader: Reader,
  names: readonly (string | null)[],
): Promise<ReadonlyMap<string, string>> {
  const people = distinct(names.map(text))
  if (people.length === 0) return new Map()
  const invited = await entriesWhere(
    reader,
    sql`person = any(${people}::text[]) and kind = 'company.invited'`,
  )
  return new Map(
    vouchedFor(invited, 'company.invited').map(({ name, companyName }) => [name.toLowerCase(), companyName]),
  )
}

function distinct(values: readonly (string | null)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== null))]
}
