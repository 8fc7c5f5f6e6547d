import { hash } from 'node:crypto'
import type { ReportDocument } from '../contract.ts'
import { reportNames } from '../contract/words.ts'
import { evidenceKey, signEvidence } from '../evidence/key.ts'
import { certificateOf } from '../evidence/verbs.ts'
import { type Canonical, canonicalBytes, toBase64 } from '../kernel/encoding.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { findTarget } from '../targets/target.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { at } from './cells.ts'
import { packs } from './packs.ts'

/** Milliseconds of the longest time that a report is of. */
const longest = 3 * 366 * 24 * 3600_000

export const reportList: Handler<'report.list'> = async () =>
  done(
    reportNames.map((name) => {
      const { make: _, ...info } = packs[name]
      return { name, ...info }
    }),
  )

/**
 * Makes a report from what is there now, and signs it. The log says so, with the hash of its bytes, before it is signed; the
 * answer has that entry's proof with it.
 */
export const reportMake: Handler<'report.make'> = async (call, input) => {
  const { vault } = call.world
  const [from, to] = [new Date(input.from), new Date(input.to)]
  if (from >= to) return refuse('invalid', 'to: it ends after it begins', 'give a later moment')
  if (to.getTime() - from.getTime() > longest)
    return refuse('invalid', 'from: a report is of three years at most', 'make several')
  const pack = packs[input.report]
  if (input.target !== undefined && !pack.takesTarget)
    return refuse('invalid', 'target: this report is of all machines', 'leave it out')
  const target =
    input.target === undefined ? undefined : await findTarget(vault.database, vault.guard, input.target)
  if (input.target !== undefined && target === undefined) return notFound('target', input.target)
  if ((await vault.auditFilling()) !== undefined)
    return refuse('conflict', 'the index of the audit log is being made', 'ask again in a minute')
  const certificate = await certificateOf(call.world)
  const { id } = await vault.database.selectFrom('installation').select('id').executeTakeFirstOrThrow()
  const contents = await pack.make({ call, from, to, target: target?.name })
  const document: ReportDocument = {
    format: 'tagout-report',
    version: 1,
    report: input.report,
    title: pack.title,
    question: pack.question,
    clauses: pack.clauses,
    installation: id,
    from: at(from),
    to: at(to),
    target: target?.name ?? null,
    madeAt: at(vault.clock()),
    madeBy: nameOf(call),
    ...contents,
  }
  const bytes = canonicalBytes(document as unknown as Canonical)
  const digest = hash('sha256', bytes, 'hex')
  const signature = await vault.inTransaction(async (tx) => {
    await tx.audit({
      kind: 'report.made',
      report: input.report,
      from: document.from,
      to: document.to,
      ...(target === undefined ? {} : { targetName: target.name }),
      sha256: digest,
      ...by(call),
    })
    return signEvidence(evidenceKey(vault.purposeKey('evidence-sign')), certificate, bytes, tx.now)
  })
  const [made, logged] = await Promise.all([
    vault.findAudit({ kinds: ['report.made'], limit: 20 }),
    vault.findAudit({ kinds: ['evidence.certificate'], limit: 10 }),
  ])
  const own = made.entries.find(({ entry }) => (entry as { sha256?: unknown }).sha256 === digest)
  const seqs = [own, ...logged.entries].flatMap((one) => (one === undefined ? [] : [one.seq]))
  const { publicKey, checkpoint, leaves } = await vault.proveAudit(seqs.sort((a, b) => a - b))
  return done({
    document: new TextDecoder().decode(bytes),
    signature: toBase64(signature),
    certificate: toBase64(certificate),
    publicKey,
    checkpoint,
    leaves,
  })
}
