import { sql } from 'kysely'
import { resolveToken } from '../identity/principal.ts'
import type { SafeId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { mayRead } from '../release/authorise.ts'
import type { Handler } from '../world.ts'
import { all, conditionsOf, recorded } from './find.ts'

/** Recordings of one search at most: whoever wants more names a time. */
const most = 100_000

/**
 * Which recordings the holder of a token may search in: those that they may replay, of those that are asked for. The words that
 * they look for never come here.
 */
export const recordingSearchable: Handler<'recording.searchable'> = async ({ world }, input) => {
  const resolved = await resolveToken(world, input.token)
  if (!resolved.ok) return resolved
  const { principal, source } = resolved.value
  if (principal.kind !== 'user' || !principal.roles.includes('auditor'))
    return refuse('forbidden', 'auditors alone search inside recordings')
  const rows = await recorded(world.vault.database)
    .where(all(conditionsOf(principal.id, input.asked)))
    .where(sql<boolean>`not exists (select from tombstone where tombstone.recording_id = recording.id)`)
    .orderBy('session.started_at', 'desc')
    .orderBy('session.id', 'desc')
    .limit(most + 1)
    .execute()
  const readable = new Map<SafeId, boolean>()
  const found: { id: (typeof rows)[number]['recording_id']; startedAt: string }[] = []
  for (const { recording_id, safe_id, started_at } of rows.slice(0, most)) {
    const may = readable.get(safe_id) ?? (await mayRead(world, principal, safe_id))
    readable.set(safe_id, may)
    if (may) found.push({ id: recording_id, startedAt: started_at.toISOString() })
  }
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'search.begun',
      recordings: found.length,
      actor: { kind: 'user', id: principal.id, name: principal.name },
      source: source ?? '',
    }),
  )
  return done({ recordings: found, more: rows.length > most })
}

/** Who may search at all is decided at the door: what of, by `recording.searchable`. */
export const recordingSearch: Handler<'recording.search'> = async () => done(null)
