import type { AuditTables } from '../db/audit-tables.ts'
import type { Entry } from './entry.ts'
import { parseEntry } from './read.ts'

export type IndexRow = AuditTables['audit_index']

/** Characters of what is kept of a name: longer ones come from strangers, and an index takes no more. */
const longest = 200

/** Members that entries have by their kinds, as they are read: of any type, where a stranger wrote them. */
type Members = Readonly<Record<string, unknown>>

/**
 * What leaf `seq` with this entry is about, from its bytes alone. Names are in small letters, as they are compared.
 * Never throws: a stranger's entry is found by its number and as `unreadable`.
 */
export function indexRow(seq: number, body: Uint8Array): IndexRow {
  const entry = parseEntry(body)
  const about = (entry ?? {}) as Members
  const isRefusal = entry?.kind === 'session.refused'
  const account = isRefusal ? pathOf(about) : text(about['accountName'])
  const target = text(about['targetName']) ?? account?.split('/', 1)[0] ?? null
  return {
    seq,
    at: momentOf(entry?.at),
    kind: exactText(entry?.kind, 60) ?? 'unreadable',
    actor: entry === undefined ? null : actorName(entry),
    person: personOf(entry, about),
    target,
    account: account?.includes('/') === true ? account : null,
    company: text(about['companyName']),
    // What is about a machine is found by it; what is about its safe alone concerns all of its machines.
    safe: target === null ? text(about['safeName']) : null,
    session: exactText(about['session'], longest),
    grant_id: exactText(about['grant'], longest),
    request: exactText(about['request'], longest),
  }
}

/** How a name is compared: in small letters, and of a length that an index takes. */
export function text(value: unknown): string | null {
  return exactText(typeof value === 'string' ? value.toLowerCase() : value, longest)
}

/** PostgreSQL keeps no zero bytes and no halves of characters. */
function exactText(value: unknown, most: number): string | null {
  return typeof value === 'string' && value !== ''
    ? value.slice(0, most).replaceAll('\0', '\ufffd').toWellFormed()
    : null
}

/** Who did it, where that is somebody: a user or an auditor by name, the machine's administrator as `local:0`, a program as `service:historian`. */
function actorName({ actor }: Entry): string | null {
  if (actor.kind === 'user' || actor.kind === 'auditor') return text(actor.name)
  if (actor.kind === 'service') return text(`service:${actor.name}`)
  return actor.kind === 'local' ? text(`local:${actor.uid}`) : null
}

/** Whom it concerns: whose session, grant or login it is. */
function personOf(entry: Entry | undefined, about: Members): string | null {
  const isNamed =
    typeof about['user'] === 'string' || entry?.kind === 'login.refused' || entry?.kind === 'auditor.proven'
  return text(about['userName']) ?? (isNamed ? text(about['name']) : null)
}

/** What somebody asked for who was refused: `press-3/engineer`, or the machine alone. */
function pathOf(about: Members): string | null {
  const [target, account] = [text(about['target']), text(about['account'])]
  return target === null || account === null ? target : text(`${target}/${account}`)
}

function momentOf(at: unknown): Date {
  const ms = typeof at === 'string' ? Date.parse(at) : Number.NaN
  // Years of four digits: what is outside of them is no clock's.
  return new Date(ms >= 0 && ms < 253_402_300_800_000 ? ms : 0)
}
