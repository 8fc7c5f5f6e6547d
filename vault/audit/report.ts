import type { Kysely } from 'kysely'
import type { AuditVerdict, VerbAnswers } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { toBase64 } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { readCheckpoints, readLeaves, streamLeaves } from './read.ts'
import { verifyAudit } from './verify.ts'
import type { FileWitness } from './witness.ts'

/** Verifies the stored log against its own checkpoints and those of the witness. */
export async function verifyStored(
  database: Kysely<Database>,
  witness: FileWitness,
  publicKey: Uint8Array,
): Promise<AuditVerdict> {
  // The witness first: it must not have seen more than the snapshot that is read afterwards.
  const witnessed = (await witness.read()) ?? []
  return await database
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (db) => {
      const signed = await readCheckpoints(db, 0, Number.MAX_SAFE_INTEGER)
      try {
        const verdict = await verifyAudit(
          streamLeaves(db, Number.MAX_SAFE_INTEGER),
          [...signed, ...witnessed],
          publicKey,
        )
        const { ok, leaves, checkpoints, sentence } = verdict
        return { ok, leaves, checkpoints, sentence }
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'audit')) throw error
        return { ok: false, leaves: 0, checkpoints: signed.length, sentence: error.message }
      }
    })
}

/**
 * A page of the export: leaves from number `from` on, and the checkpoints that cover them. The last page ends with
 * the leaves that the newest checkpoint covers, so that nothing in an export is unsigned.
 */
export async function exportPage(
  database: Kysely<Database>,
  publicKey: Uint8Array,
  from: number,
  limit: number,
): Promise<VerbAnswers['audit.export']> {
  return await database
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (db) => {
      const leaves = await readLeaves(db, from, limit)
      const end = (leaves.at(-1)?.seq ?? from - 1) + 1
      const isLast = leaves.length < limit
      return {
        leaves: leaves.map(({ seq, body }) => ({ seq, body: toBase64(body) })),
        checkpoints: await readCheckpoints(db, from + 1, isLast ? Number.MAX_SAFE_INTEGER : end),
        publicKey: toBase64(publicKey),
        next: isLast ? null : end,
      }
    })
}
