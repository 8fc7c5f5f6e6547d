import { z } from 'zod'
import { randomBytes } from 'node:crypto'
import type { VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { isId, type RecordingId } from '../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../vault/kernel/rpc.ts'
import { u32 } from '../replay/record.ts'
import type { SearchKeyView } from '../replay/search.ts'
import type { SearchShelf } from './search-shelf.ts'

export type SearchServerOptions = {
  readonly shelf: SearchShelf
  readonly searchable: (
    input: VerbInput<'recording.searchable'>,
  ) => Promise<Outcome<VerbAnswer<'recording.searchable'>>>
  readonly authorise: (
    input: VerbInput<'recording.authorise'>,
  ) => Promise<Outcome<VerbAnswer<'recording.authorise'>>>
}

const openParams = z.strictObject({ token: z.string().max(200), asked: z.record(z.string(), z.unknown()) })
const candidatesParams = z.strictObject({
  token: z.string().max(200),
  search: z.string().max(60),
  keys: z
    .array(z.strictObject({ id: z.string().max(64), trapdoors: z.array(z.string().max(32)).min(1).max(256) }))
    .max(20_000),
})
const indexParams = z.strictObject({
  token: z.string().max(200),
  search: z.string().max(60),
  recording: z.string().max(60),
})

type Search = {
  readonly token: string
  readonly recordings: readonly { readonly id: RecordingId; readonly startedAt: string }[]
  readonly startedAt: ReadonlyMap<RecordingId, string>
  timer: NodeJS.Timeout
}

/** Searches that are open at once; the oldest gives way. */
const mostSearches = 32
const searchLife = 600_000

/**
 * Answers searches inside recordings: which keys there are, which recordings may hold what the trapdoors stand for, and the
 * sealed index of one. The recorder sees no word that is looked for.
 *
 * SECURITY: a search belongs to the login that began it, over recordings that the vault let it search; the vault is asked again
 * for each index, and writes it down.
 */
export function searchMethods(options: SearchServerOptions): Dispatch {
  const searches = new Map<string, Search>()
  const forget = (name: string) => {
    clearTimeout(searches.get(name)?.timer)
    searches.delete(name)
  }
  const later = (name: string) => setTimeout(() => forget(name), searchLife).unref()
  const found = (name: string, token: string): Search | undefined => {
    const search = searches.get(name)
    if (search === undefined || search.token !== token) return undefined
    clearTimeout(search.timer)
    search.timer = later(name)
    return search
  }
  const over = refuse('expired', 'this search is over', 'search again')

  const open = async (params: unknown) => {
    const input = openParams.safeParse(params)
    if (!input.success) return refuse('invalid', 'not a search.open')
    const allowed = await options.searchable(input.data as VerbInput<'recording.searchable'>)
    if (!allowed.ok) return allowed
    const { recordings, more } = allowed.value
    const name = randomBytes(18).toString('base64url')
    for (const oldest of searches.keys()) if (searches.size >= mostSearches) forget(oldest)
    const startedAt = new Map(recordings.map((one) => [one.id, one.startedAt]))
    searches.set(name, { token: input.data.token, recordings, startedAt, timer: later(name) })
    return done({ search: name, of: recordings.length, more, ...(await shelved(options.shelf, recordings)) })
  }

  const candidates = async (params: unknown) => {
    const input = candidatesParams.safeParse(params)
    if (!input.success) return refuse('invalid', 'not a search.candidates')
    const search = found(input.data.search, input.data.token)
    if (search === undefined) return over
    const trapdoors = new Map(
      input.data.keys.map((key) => [key.id, key.trapdoors.map((one) => fromBase64(one))] as const),
    )
    return done({ recordings: await options.shelf.candidates(search.recordings, trapdoors) })
  }

  const index = async (params: unknown) => {
    const input = indexParams.safeParse(params)
    if (!input.success || !isId('rec', input.data.recording)) return refuse('invalid', 'not a search.index')
    const { token, recording } = input.data
    const startedAt = found(input.data.search, token)?.startedAt.get(recording)
    if (startedAt === undefined) return over
    const allowed = await options.authorise({ token, recording, purpose: 'search' })
    if (!allowed.ok) return allowed
    const whole = await options.shelf.whole(recording, startedAt)
    if (whole === undefined) return refuse('not_found', 'this recording has no search index', 'open it')
    const bytes = Buffer.concat([u32(whole.header.length), whole.header, whole.index])
    return { ok: true as const, value: null, bytes }
  }

  return (method) =>
    method === 'search.open'
      ? open
      : method === 'search.candidates'
        ? candidates
        : method === 'search.index'
          ? index
          : undefined
}

/** The keys of these recordings, each with a head that names it; and the recordings whose index is missing or not whole. */
async function shelved(
  shelf: SearchShelf,
  recordings: readonly { readonly id: RecordingId; readonly startedAt: string }[],
): Promise<{
  readonly keys: readonly SearchKeyView[]
  readonly unindexed: readonly { id: RecordingId; upTo: number }[]
}> {
  const keys = new Map<string, SearchKeyView>()
  const unindexed: { id: RecordingId; upTo: number }[] = []
  for (const [at, { id, startedAt }] of recordings.entries()) {
    if (at % 200 === 199) await new Promise(setImmediate)
    const kept = await shelf.filters(id, startedAt)
    if (kept === undefined || !kept.head.closed) unindexed.push({ id, upTo: kept?.head.upTo ?? 0 })
    for (const { bits: _, ...key } of kept?.head.keys ?? [])
      if (!keys.has(key.id)) {
        const whole = await shelf.whole(id, startedAt)
        if (whole === undefined) continue
        const head = whole.index.subarray(0, 12 + 64 + Buffer.from(whole.index).readUInt32BE(8))
        keys.set(key.id, { id: key.id, recording: id, header: toBase64(whole.header), head: toBase64(head) })
      }
  }
  return { keys: [...keys.values()], unindexed }
}
