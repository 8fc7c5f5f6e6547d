import type { Kysely } from 'kysely'
import type { AuditVerdict, VerbAnswers } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { toBase64 } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { readCheckpoints, readLeaves, streamLeaves } from './read.ts'
import { compareIndex } from './stored-index.ts'
import { proveConsistency, proveInclusions } from './stored-tree.ts'
import { verifyAudit } from './verify.ts'
import type { FileWitness } from './witness.ts'

/**
 * Verifies the stored log against its own checkpoints and those of the witness, and the index by which it is searched
 * against the log, where that `isIndexed`.
 */
export async function verifyStored(
  database: Kysely<Database>,
  witness: FileWitness,
  publicKey: Uint8Array,
  isIndexed: boolean,
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
        const index = ok && isIndexed ? await compareIndex(db, leaves) : undefined
        return index === undefined
          ? { ok, leaves, checkpoints, sentence }
          : {
              ok: false,
              leaves,
              checkpoints,
              sentence: `${sentence}, but the index by which they are found ${index}: somebody changed it; look at who can write to the database, then make it anew: tagout audit reindex`,
            }
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

/**
 * These leaves, and what proves that the last signed checkpoint covers them (RFC 6962 §2.1.1), and that the log begins
 * with its first `from` entries (§2.1.2).
 */
export async function proveLeaves(
  database: Kysely<Database>,
  publicKey: Uint8Array,
  seqs: readonly number[],
  from = 0,
): Promise<VerbAnswers['audit.prove'] & { readonly consistency: readonly string[] }> {
  return await database
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (db) => {
      const newest = await db
        .selectFrom('audit_checkpoint')
        .selectAll()
        .orderBy('size', 'desc')
        .limit(1)
        .executeTakeFirst()
      const size = newest?.size ?? 0
      const known = [...new Set(seqs)].filter((seq) => seq < size).sort((a, b) => a - b)
      const proofs = await proveInclusions(db, known, size)
      const leaves: VerbAnswers['audit.prove']['leaves'][number][] = []
      for (const seq of known) {
        const [leaf] = await readLeaves(db, seq, 1)
        if (leaf === undefined) throw new Fault('audit', `entry ${seq} of the audit log is missing`)
        leaves.push({ seq, body: toBase64(leaf.body), proof: (proofs.get(seq) ?? []).map(toBase64) })
      }
      const consistency = from > size ? [] : (await proveConsistency(db, from, size)).map(toBase64)
      return { leaves, checkpoint: newest?.body ?? '', publicKey: toBase64(publicKey), consistency }
    })
}
