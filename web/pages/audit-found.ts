import { foundCsv, foundFile } from '../../vault/audit/found-file.ts'
import type { AuditFound, VerbAnswer } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'

/** What the page is asked for, as it stands in its address. Moments are ISO 8601 in UTC. */
export const askedNames = [
  'target',
  'person',
  'company',
  'account',
  'session',
  'kinds',
  'since',
  'until',
  'text',
] as const
export type Asked = { readonly [Name in (typeof askedNames)[number]]?: string }

export type FoundPage = VerbAnswer<'audit.find'>

/** What an address asks for; what is empty is not asked for. */
export function askedIn(address: URLSearchParams): Asked {
  const asked: { [Name in (typeof askedNames)[number]]?: string } = {}
  for (const name of askedNames) {
    const value = address.get(name)?.trim()
    if (value !== undefined && value !== '') asked[name] = value
  }
  return asked
}

/** The page that answers this: who was here, what they did. */
export function auditLink(asked: Asked): string {
  return `/audit?${new URLSearchParams(asked).toString()}`
}

export function findPage(asked: Asked, after: string | null, limit: number): Promise<FoundPage> {
  const query = new URLSearchParams({ ...asked, limit: String(limit) })
  if (after !== null) query.set('after', after)
  return get<FoundPage>(`/api/audit/find?${query.toString()}`)
}

/** All that is found, however much that is, the oldest entry first. */
async function findAll(asked: Asked): Promise<{ readonly entries: AuditFound[]; readonly zone: string }> {
  const entries: AuditFound[] = []
  for (let after: string | null = null; ; ) {
    const page: FoundPage = await findPage(asked, after, 1_000)
    for (const entry of page.entries) entries.push(entry)
    if (page.next === null) return { entries: entries.reverse(), zone: page.zone }
    after = page.next
  }
}

/** A table for spreadsheets. */
export async function csvOf(asked: Asked): Promise<string> {
  const { entries, zone } = await findAll(asked)
  return foundCsv(entries, zone)
}

/** The signed entries with proofs that the log holds them: what `tagout audit verify --file` verifies. */
export async function proofsOf(asked: Asked): Promise<string> {
  const { entries } = await findAll(asked)
  return foundFile(
    asked,
    entries.map(({ seq }) => seq),
    (seqs) => ask<VerbAnswer<'audit.prove'>>('POST', '/api/audit/proofs', { seqs }),
  )
}
