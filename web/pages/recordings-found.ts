import type { RecordingFound, VerbAnswer } from '../../vault/contract.ts'
import { recordingsCsv } from '../../vault/kernel/recordings-csv.ts'
import { get } from '../api.ts'

/** What the page is asked for, as it stands in its address. Moments are ISO 8601 in UTC. */
export const askedNames = [
  ...(['target', 'person', 'company', 'account', 'zone', 'safe', 'approver', 'workOrder'] as const),
  ...(['endReason', 'state', 'reviewed', 'reviewer', 'risk', 'session', 'since', 'until'] as const),
] as const
export type AskedName = (typeof askedNames)[number]
export type Asked = { readonly [Name in AskedName]?: string | undefined }

type FoundPage = VerbAnswer<'recording.find'>

/** What an address asks for; what is empty is not asked for. */
export function askedIn(address: URLSearchParams): Asked {
  return filled(Object.fromEntries(askedNames.map((name) => [name, address.get(name)?.trim() ?? ''])))
}

/** What is asked for, without what is empty. */
export function filled(asked: Asked): Asked {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined && value !== ''))
}

/** What is asked for, as members of an address. */
export function queryOf(asked: Asked): Record<string, string> {
  return filled(asked) as Record<string, string>
}

export function findPage(asked: Asked, after: string | null, limit: number): Promise<FoundPage> {
  const query = new URLSearchParams({ ...queryOf(asked), limit: String(limit) })
  if (after !== null) query.set('after', after)
  return get<FoundPage>(`/api/recordings/find?${query.toString()}`)
}

/** All that is found, however much that is, the newest first. */
export async function findAll(asked: Asked): Promise<readonly RecordingFound[]> {
  const found: RecordingFound[] = []
  for (let after: string | null = null; ; ) {
    const page: FoundPage = await findPage(asked, after, 1_000)
    for (const one of page.recordings) found.push(one)
    if (page.next === null) return found
    after = page.next
  }
}

/** A table for spreadsheets. */
export async function csvOf(asked: Asked): Promise<string> {
  return recordingsCsv(await findAll(asked))
}
