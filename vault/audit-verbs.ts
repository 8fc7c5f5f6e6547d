import { done } from './kernel/outcome.ts'
import { by, type Handler } from './world.ts'

const listedAtOnce = 200

export const auditList: Handler<'audit.list'> = async ({ world }, input) =>
  done(
    await world.vault.listAudit({ from: input.from, kind: input.kind, limit: input.limit ?? listedAtOnce }),
  )

export const auditVerify: Handler<'audit.verify'> = async (call) => {
  const verdict = await call.world.vault.verifyAudit()
  const { ok, leaves, sentence } = verdict
  await call.world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'audit.verified', ok, leaves, sentence: sentence.slice(0, 500), ...by(call) }),
  )
  return done(verdict)
}

export const auditExport: Handler<'audit.export'> = async (call, { from, limit }) => {
  const page = await call.world.vault.exportAudit(from, limit)
  // Written down once for the whole export: when its first page is asked for.
  if (from === 0)
    await call.world.vault.inTransaction((tx) =>
      tx.audit({ kind: 'audit.exported', from, to: from + page.leaves.length, ...by(call) }),
    )
  return done(page)
}
