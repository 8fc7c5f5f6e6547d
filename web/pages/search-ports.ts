import type { OpenedSearch, SearchPorts } from '../../recorder/replay/index.ts'
import type { AuditLeafView } from '../../vault/contract.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { ask, askBytes, get } from '../api.ts'
import { type Asked, filled } from './recordings-found.ts'

type Start = { readonly publicKey: Uint8Array; readonly headerHash: Uint8Array }

/** What a search in this browser asks of the server: keyed trigrams and sealed indexes, and of the audit log who vouches for them. */
export function searchPorts(asked: Asked): SearchPorts {
  let starts: Promise<ReadonlyMap<string, Start>> | undefined
  return {
    open: () => ask<OpenedSearch>('POST', '/api/search', filled(asked)),
    candidates: async (search, keys) =>
      (
        await ask<{ readonly recordings: readonly string[] }>('POST', '/api/search/candidates', {
          search,
          keys,
        })
      ).recordings,
    index: (search, recording) => askBytes('/api/search/index', { search, recording }),
    vouched: async (session) => {
      starts ??= signedStarts()
      return (await starts).get(session) ?? null
    },
  }
}

async function signedStarts(): Promise<ReadonlyMap<string, Start>> {
  const leaves = await get<readonly AuditLeafView[]>('/api/audit?kind=session.started&limit=10000')
  const starts = new Map<string, Start>()
  for (const { entry } of leaves) {
    if (typeof entry !== 'object' || entry === null) continue
    const [session, publicKey, headerHash] = ['session', 'publicKey', 'headerHash'].map((name): unknown =>
      Reflect.get(entry, name),
    )
    if (typeof session === 'string' && typeof publicKey === 'string' && typeof headerHash === 'string')
      starts.set(session, { publicKey: fromBase64(publicKey), headerHash: fromBase64(headerHash) })
  }
  return starts
}
