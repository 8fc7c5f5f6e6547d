import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { searchMethods } from '../../recorder/serve/search-server.ts'
import { SearchShelf } from '../../recorder/serve/search-shelf.ts'
import {
  type KeyedTrapdoors,
  type OpenedSearch,
  readStructure,
  type SearchPorts,
  type SearchStep,
  searchInside,
} from '../../recorder/replay/index.ts'
import sodium from 'libsodium-wrappers'
import type { Permit } from '../../vault/contract.ts'
import { done } from '../../vault/kernel/outcome.ts'
import type { RecordingRoom } from './recordings.ts'
import { valueOf } from './recordings.ts'

/** The recorder's own answers to searches over a room's recordings, without a vault: everybody may, everything is vouched for. */
export async function searchPorts(room: RecordingRoom, permits: readonly Permit[]): Promise<SearchPorts> {
  const methods = searchMethods({
    shelf: new SearchShelf(room.store),
    searchable: async () =>
      done({
        recordings: permits.toReversed().map(({ recording, startedAt }) => ({ id: recording, startedAt })),
        more: false,
      }),
    authorise: async () => done({} as never),
  })
  const ask = async (method: string, params: object) => {
    const answer = await methods(method)?.({ token: 't', ...params }, undefined)
    if (answer === undefined || !answer.ok) throw new Error(answer?.refusal.message ?? 'no such method')
    return answer as { readonly value: unknown; readonly bytes?: Uint8Array }
  }
  return {
    open: async () => (await ask('search.open', { asked: {} })).value as OpenedSearch,
    candidates: async (search: string, keys: readonly KeyedTrapdoors[]) =>
      ((await ask('search.candidates', { search, keys })).value as { recordings: string[] }).recordings,
    index: async (search, recording) =>
      (await ask('search.index', { search, recording })).bytes ?? new Uint8Array(),
    vouched: async (session) => {
      const permit = permits.find((one) => one.session === session)
      if (permit === undefined) return null
      await using source = valueOf(await room.store.read(permit.recording))
      const { header, headerHash } = valueOf(await readStructure(sodium, source))
      return { publicKey: fromBase64(header.publicKey), headerHash }
    },
  }
}

export async function stepsOf(
  room: RecordingRoom,
  ports: SearchPorts,
  words: string,
  keys = room.keys,
): Promise<readonly SearchStep[]> {
  const steps: SearchStep[] = []
  for await (const step of searchInside(sodium, ports, keys, words)) steps.push(step)
  return steps
}

/** What was found, as `recording second source: text`. */
export function hitsOf(steps: readonly SearchStep[]): readonly string[] {
  return steps.flatMap((step) =>
    step.kind === 'hit'
      ? step.places.map(
          (place) => `${step.recording} ${Math.floor(place.at / 1e9)} ${place.source}: ${place.text}`,
        )
      : [],
  )
}
