import type { Kysely } from 'kysely'
import { verifyingKeyOf } from '../crypto/signing.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import { type Checkpoint, openCheckpoint, originOf } from './checkpoint.ts'
import { leafBytes } from './leaf.ts'
import { readFrontier, readRoot } from './stored-tree.ts'
import { type Frontier, leafHash } from './tree.ts'
import type { FileWitness } from './witness.ts'

/** Where the log ends: all that is needed to go on. */
export type Head = {
  readonly frontier: Frontier
  /** Hash of the last leaf. */
  readonly last: Uint8Array | undefined
  readonly checkpoint: string
  /** Entries up to this ordinal are all in the log. */
  readonly settled: number
}

export type LogKey = { readonly installation: string; readonly publicKey: Uint8Array }

/** Leaves at the end whose bodies are read again at each start. All of them are read by `verifyAudit`. */
const tailLeaves = 256

/**
 * Reads the end of the log and checks it: the last checkpoint is ours, covers exactly the leaves there are, and they
 * give its root. Throws `Fault('audit')` otherwise.
 */
export async function readHead(db: Kysely<Database>, key: LogKey): Promise<Head> {
  const row = await db
    .selectFrom('audit_checkpoint')
    .selectAll()
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
  const newest = await db
    .selectFrom('audit_leaf')
    .select((eb) => eb.fn.max('seq').as('seq'))
    .executeTakeFirst()
  const size = newest?.seq === null || newest?.seq === undefined ? 0 : Number(newest.seq) + 1
  if (row === undefined && size === 0)
    return { frontier: await readFrontier(db, 0), last: undefined, checkpoint: '', settled: 0 }
  const signed = row === undefined ? undefined : openOwn(row.body, key)
  if (row === undefined || signed === undefined)
    throw new Fault('audit', 'the last checkpoint of the audit log is not signed by this vault')
  if (signed.size !== size)
    throw new Fault(
      'audit',
      size < signed.size
        ? `the audit log has ${size} entries left of ${signed.size} that were signed`
        : `the audit log has ${size} entries, ${size - signed.size} of which nobody signed`,
    )
  const frontier = await readFrontier(db, size)
  if (Buffer.compare(frontier.root(), signed.root) !== 0)
    throw new Fault('audit', `the audit log is not the one that was signed at ${size} entries`)
  const last = await checkTail(db, size)
  return { frontier, last, checkpoint: row.body, settled: row.settled }
}

/** Reads the last leaves again; answers the hash of the last. */
async function checkTail(db: Kysely<Database>, size: number): Promise<Uint8Array | undefined> {
  const rows = await db
    .selectFrom('audit_leaf as leaf')
    .leftJoin('audit_entry as entry', 'entry.id', 'leaf.entry')
    .select(['leaf.seq', 'leaf.hash', 'leaf.unproven', 'entry.body'])
    .where('leaf.seq', '>=', Math.max(0, size - tailLeaves))
    .orderBy('leaf.seq')
    .execute()
  let last: Uint8Array | undefined
  for (const row of rows) {
    const readable = row.seq === 0 || last !== undefined
    if (row.body === null) throw new Fault('audit', `entry ${row.seq} of the audit log is missing`)
    if (readable) {
      const hashed = leafHash(leafBytes(row.seq, last, row.body, row.unproven))
      if (Buffer.compare(hashed, row.hash) !== 0)
        throw new Fault('audit', `entry ${row.seq} of the audit log was changed`)
    }
    last = row.hash
  }
  return last
}

/** What the witness has against the database, as a sentence; undefined when they agree. */
export async function compareWitness(
  db: Kysely<Database>,
  witness: FileWitness,
  key: LogKey,
  size: number,
): Promise<string | undefined> {
  const texts = await witness.read()
  if (texts === undefined) return size === 0 ? undefined : `the witness ${witness.path} is missing`
  const text = texts.at(-1)
  if (text === undefined) return size === 0 ? undefined : `the witness ${witness.path} is empty`
  const seen = openOwn(text, key)
  if (seen === undefined) return `the last line of the witness ${witness.path} is not signed by this vault`
  if (seen.size > size)
    return `the audit log has ${size} entries, its witness has seen ${seen.size}: the database is older`
  if (Buffer.compare(await readRoot(db, seen.size), seen.root) !== 0)
    return `the audit log is another than its witness has seen at ${seen.size} entries`
  return undefined
}

function openOwn(text: string, key: LogKey): Checkpoint | undefined {
  const opened = openCheckpoint(text, verifyingKeyOf(key.publicKey), key.publicKey)
  return opened?.origin === originOf(key.installation) ? opened : undefined
}
