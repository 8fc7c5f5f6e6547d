import type { VerbAnswer } from './contract.ts'
import { done } from './kernel/outcome.ts'
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

export const auditVerify: Handler<'audit.verify'> = async (call) => {
  const verdict = await call.world.vault.verifyAudit()
  const { ok, leaves, sentence } = verdict
  await call.world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'audit.verified', ok, leaves, sentence: sentence.slice(0, 500), ...by(call) }),
  )
  return done(verdict)
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
