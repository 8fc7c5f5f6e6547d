import type { Place } from './audit/find.ts'
import type { VerbAnswer } from './contract.ts'
import { Fault } from './kernel/fault.ts'
import { done, type Outcome, refuse } from './kernel/outcome.ts'
import { ownZone } from './kernel/plant-time.ts'
import { by, type Call, type Handler } from './world.ts'

const listedAtOnce = 200
/** Bytes of a page at most: entries can be large, and an answer has its limit. */
const pageBytes = 8 * 1024 * 1024

/** A page of entries; shorter than asked for where they are large. It is the last one when it is empty. */
export const auditList: Handler<'audit.list'> = async ({ world }, input) => {
  const page = await world.vault.listAudit({
    from: input.from,
    kind: input.kind,
    limit: input.limit ?? listedAtOnce,
  })
  // From a number on, the page begins there; without one, it ends with the newest.
  return done(input.from === undefined ? fitting(page.toReversed()).reverse() : fitting(page))
}

function fitting<T>(rows: readonly T[]): T[] {
  let left = pageBytes
  const kept: T[] = []
  for (const row of rows) {
    left -= JSON.stringify(row).length
    if (left < 0 && kept.length > 0) break
    kept.push(row)
  }
  return kept
}

/**
 * Entries by machine, person, company, account, kind, time and words: who, when and what.
 *
 * INVARIANT: an answer that might lack something is none. While the index is being made, nothing is found.
 */
export const auditFind: Handler<'audit.find'> = async (call, input) => {
  const { vault } = call.world
  const kinds = input.kinds?.split(',')
  if (kinds?.includes('session.checkpoint'))
    return refuse(
      'invalid',
      'kinds: the checkpoints of recordings are not searched, there is one every five seconds',
      'list them by their number: tagout audit list --kind session.checkpoint',
    )
  const filling = await vault.auditFilling()
  if (filling !== undefined)
    return refuse(
      'unavailable',
      `the index of the audit log is being made: ${filling.missing} of ${filling.of} entries are left`,
      'ask again in a moment; tagout audit list needs no index',
    )
  try {
    const { entries, next } = await vault.findAudit({
      ...input,
      kinds,
      words: input.text,
      since: momentOf(input.since),
      until: momentOf(input.until),
      after: placeOf(input.after),
      limit: input.limit ?? listedAtOnce,
    })
    return done({
      entries,
      next: next === undefined ? null : `${next.at.toISOString()}/${next.seq}`,
      zone: ownZone(),
    })
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'audit')) throw error
    return await disagreement(call, error.message)
  }
}

/** Somebody changed what only the vault writes: an alarm, and no answer. */
async function disagreement(call: Call, finding: string): Promise<Outcome<never>> {
  await call.world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'vault.fault', code: 'audit', finding, actor: { kind: 'vault' } }),
  )
  return refuse(
    'conflict',
    `${finding}: somebody changed the database`,
    'tagout audit verify says what is wrong; where that is the index alone: tagout audit reindex',
  )
}

const momentOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text))

function placeOf(text: string | undefined): Place | undefined {
  const [at, seq] = text?.split('/') ?? []
  return at === undefined || seq === undefined ? undefined : { at: new Date(at), seq: Number(seq) }
}

export const auditProve: Handler<'audit.prove'> = async (call, { seqs }) => {
  const proven = await call.world.vault.proveAudit(seqs)
  const [first, last] = [proven.leaves[0], proven.leaves.at(-1)]
  if (first === undefined || last === undefined)
    return refuse('not_found', 'there are no such entries', 'see: tagout audit list')
  await call.world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'audit.proven',
      count: proven.leaves.length,
      from: first.seq,
      to: last.seq,
      ...by(call),
    }),
  )
  return done(proven)
}

export const auditReindex: Handler<'audit.reindex'> = async (call) => {
  await call.world.vault.inTransaction((tx) => tx.audit({ kind: 'audit.reindexed', ...by(call) }))
  await call.world.vault.reindexAudit()
  return done(null)
}

export const auditVerify: Handler<'audit.verify'> = async (call) => {
  const verdict = await call.world.vault.verifyAudit()
  const { ok, leaves, sentence } = verdict
  await call.world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'audit.verified', ok, leaves, sentence: sentence.slice(0, 500), ...by(call) }),
  )
  return done(verdict)
}

/** Nothing of it is a secret, and it is asked again and again: it is not written down. */
export const auditCheckpoint: Handler<'audit.checkpoint'> = async ({ world }, { from }) => {
  const { checkpoint, publicKey, consistency } = await world.vault.proveEvidence([], from ?? 0)
  return done({ checkpoint, publicKey, consistency })
}

export const auditExport: Handler<'audit.export'> = async (call, { from, limit }) => {
  const page = await fittingExport(call, from, limit)
  // Written down once for the whole export: when its first page is asked for.
  if (from === 0)
    await call.world.vault.inTransaction((tx) =>
      tx.audit({ kind: 'audit.exported', from, to: from + page.leaves.length, ...by(call) }),
    )
  return done(page)
}

async function fittingExport(call: Call, from: number, limit: number): Promise<VerbAnswer<'audit.export'>> {
  for (let most = limit; ; most = Math.ceil(most / 2)) {
    const page = await call.world.vault.exportAudit(from, most)
    const bytes = page.leaves.reduce((sum, leaf) => sum + leaf.body.length + 32, 0)
    if (bytes <= pageBytes || most === 1) return page
  }
}
