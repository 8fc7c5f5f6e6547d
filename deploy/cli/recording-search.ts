import {
  type OpenedSearch,
  type SearchEntry,
  type SearchHit,
  type SearchPorts,
  type SearchStep,
  searchByOpening,
  searchForm,
  searchInside,
} from '../../recorder/replay/index.ts'
import { connectReplay, type ReplayClient } from '../../recorder/index.ts'
import { type GroupKeys, openGroupKeys } from '../../vault/auditors/index.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { asListed, logInAsAuditor, verifiedChain, withIdentity } from './auditor-identity.ts'
import { misuse, refused } from './complaint.ts'
import { when } from './io.ts'
import { askedBy, type FindOptions } from './recording-find.ts'
import { leavesOf, startedEntry } from './recording-verify.ts'
import { loadSodium } from './sodium.ts'
import type { Tools, Vault } from './tools.ts'

export type SearchOptions = FindOptions & {
  readonly identity: string
  readonly passphraseStdin?: boolean
  readonly open?: boolean
}

type Found = {
  readonly recording: string
  readonly user: string
  readonly account: string
  readonly at: string
  readonly second: number
  readonly source: SearchEntry['source']
  readonly text: string
}

/** Searches inside recordings with an auditor's key, on this machine; the words go nowhere. */
export async function searchAsAuditor(tools: Tools, words: string, options: SearchOptions): Promise<void> {
  if ([...searchForm(words)].length < 3) throw misuse('give three characters or more to search for')
  const sodium = await loadSodium()
  await tools.withVault(async (vault) => {
    const chain = await verifiedChain(tools, vault, sodium)
    await withIdentity(tools, sodium, options.identity, options.passphraseStdin === true, async (opened) => {
      const identity = asListed(opened, chain)
      const keys = openGroupKeys(sodium, identity, chain)
      if (!keys.ok) throw refused(keys.refusal)
      const token = await logInAsAuditor(vault, sodium, identity)
      await using replay = await connectReplay(tools.dataDir())
      const found: Found[] = []
      let begun: (SearchStep & { readonly kind: 'begun' }) | undefined
      for await (const step of searchInside(
        sodium,
        portsOf(vault, replay, token, askedBy(options)),
        keys.value,
        words,
      )) {
        if (step.kind === 'begun') begun = step
        else take(tools, found, step)
      }
      const unindexed = begun?.unindexed ?? []
      if (options.open === true) await openAll(tools, replay, token, keys.value, unindexed, words, found)
      show(tools, found)
      say(tools, begun, options.open === true)
    })
  })
}

function portsOf(vault: Vault, replay: ReplayClient, token: string, asked: object): SearchPorts {
  const must = <T>(outcome: Outcome<T>): T => {
    if (!outcome.ok) throw refused(outcome.refusal)
    return outcome.value
  }
  let starts:
    | Promise<ReadonlyMap<string, { readonly publicKey: Uint8Array; readonly headerHash: Uint8Array }>>
    | undefined
  return {
    open: async () => must(await replay.search(token, asked)),
    candidates: async (search, keys) => must(await replay.candidates(token, search, keys)).recordings,
    index: async (search, recording) => must(await replay.searchIndex(token, search, recording)),
    vouched: async (session) => {
      starts ??= startsOf(vault)
      return (await starts).get(session) ?? null
    },
  }
}

/** What the audit log says of the start of each session. */
async function startsOf(vault: Vault) {
  const starts = new Map<string, { readonly publicKey: Uint8Array; readonly headerHash: Uint8Array }>()
  for await (const { entry } of leavesOf(vault, 'session.started', 0)) {
    const parsed = startedEntry.safeParse(entry)
    if (!parsed.success) continue
    const { session, publicKey, headerHash } = parsed.data
    starts.set(session, { publicKey: fromBase64(publicKey), headerHash: fromBase64(headerHash) })
  }
  return starts
}

function take(tools: Tools, found: Found[], step: SearchStep): void {
  if (step.kind === 'hit') found.push(...foundIn(step))
  else if (step.kind === 'strange') tools.note(`${step.recording}: ${step.why}; keep the file as it is`)
}

function foundIn({ recording, header, places }: SearchHit): readonly Found[] {
  return places.map(({ at, source, text }) => ({
    recording,
    user: header.user.name,
    account: header.account.name,
    at: new Date(Date.parse(header.createdAt) + at / 1e6).toISOString(),
    second: Math.floor(at / 1e9),
    source,
    text,
  }))
}

/** Opens the recordings that have no index, or one that ends early; each is audited as an export. */
async function openAll(
  tools: Tools,
  replay: ReplayClient,
  token: string,
  keys: GroupKeys,
  unindexed: OpenedSearch['unindexed'],
  words: string,
  found: Found[],
): Promise<void> {
  const sodium = await loadSodium()
  for (const [at, { id, upTo }] of unindexed.entries()) {
    tools.note(`opening ${at + 1} of ${unindexed.length}: ${id}`)
    const opened = await replay.open(token, id, 'export')
    if (!opened.ok) {
      tools.note(`${id}: ${opened.refusal.message}`)
      continue
    }
    await using source = opened.value
    take(tools, found, await searchByOpening(sodium, source, keys, id, words, upTo))
  }
}

function show(tools: Tools, found: readonly Found[]): void {
  tools.list(
    found,
    [
      ['RECORDING', (row) => row.recording],
      ['USER', (row) => row.user],
      ['ACCOUNT', (row) => row.account],
      ['AT', (row) => when(row.at)],
      ['SECOND', (row) => String(row.second)],
      ['WHERE', (row) => row.source],
      ['TEXT', (row) => row.text.slice(0, 200)],
    ],
    'the words are in none of these recordings',
  )
}

function say(
  tools: Tools,
  begun: (SearchStep & { readonly kind: 'begun' }) | undefined,
  isOpened: boolean,
): void {
  if (begun === undefined) return
  const { of, more, unindexed, closed } = begun
  tools.note(`searched in ${of} recordings${more ? ', the newest of more: name a time' : ''}`)
  if (unindexed.length > 0 && !isOpened)
    tools.note(
      `${unindexed.length} of them have no index, or one that ends early: search them by opening, with --open`,
    )
  if (closed > 0) tools.note(`the indexes of ${closed} days are sealed to none of your keys`)
}
