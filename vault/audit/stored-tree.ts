import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import { consistencyRanges, inclusionRanges, largestPowerBelow, type Range } from './proof.ts'
import { emptyRoot, Frontier, frontierOf, type Node, nodeHash } from './tree.ts'

/** Every eighth level of the tree is stored; what lies between is computed from at most 256 hashes. */
export const levelStep = 8

/** Reads the frontier of the log's first `size` leaves. */
export async function readFrontier(db: Kysely<Database>, size: number): Promise<Frontier> {
  const nodes: Node[] = []
  for (const { level, position } of frontierOf(size))
    nodes.push({ level, position, hash: await subtree(db, level, position) })
  return Frontier.of(size, nodes)
}

/** The root of the log's first `size` leaves, as the database has them. */
export function readRoot(db: Kysely<Database>, size: number): Promise<Uint8Array> {
  return size === 0 ? Promise.resolve(emptyRoot) : rangeHash(db, { start: 0, end: size })
}

/** The proof that leaf `index` is in the log's first `size` leaves (RFC 6962 §2.1.1). */
export async function proveInclusion(
  db: Kysely<Database>,
  index: number,
  size: number,
): Promise<readonly Uint8Array[]> {
  if (index < 0 || index >= size) throw new RangeError('there is no such leaf in a log of that size')
  return await hashes(db, inclusionRanges(index, size))
}

/** The proofs of several leaves; what they have in common is read once. */
export async function proveInclusions(
  db: Kysely<Database>,
  indices: readonly number[],
  size: number,
): Promise<ReadonlyMap<number, readonly Uint8Array[]>> {
  const known = new Map<string, Uint8Array>()
  const proofs = new Map<number, readonly Uint8Array[]>()
  for (const index of indices) {
    const proof: Uint8Array[] = []
    for (const range of inclusionRanges(index, size)) {
      const name = `${range.start}-${range.end}`
      const hashed = known.get(name) ?? (await rangeHash(db, range))
      known.set(name, hashed)
      proof.push(hashed)
    }
    proofs.set(index, proof)
  }
  return proofs
}

/** The proof that the log of `to` leaves begins with the log of `from` leaves (RFC 6962 §2.1.2). */
export async function proveConsistency(
  db: Kysely<Database>,
  from: number,
  to: number,
): Promise<readonly Uint8Array[]> {
  if (from < 0 || from > to) throw new RangeError('a log does not shrink')
  return await hashes(db, consistencyRanges(from, to))
}

async function hashes(db: Kysely<Database>, ranges: readonly Range[]): Promise<readonly Uint8Array[]> {
  const all: Uint8Array[] = []
  for (const range of ranges) all.push(await rangeHash(db, range))
  return all
}

async function rangeHash(db: Kysely<Database>, { start, end }: Range): Promise<Uint8Array> {
  const count = end - start
  const level = Math.log2(count)
  if (Number.isInteger(level)) return await subtree(db, level, start / count)
  const middle = start + largestPowerBelow(count)
  return nodeHash(await rangeHash(db, { start, end: middle }), await rangeHash(db, { start: middle, end }))
}

/** The hash of a full subtree, from the stored level at or below it. */
async function subtree(db: Kysely<Database>, level: number, position: number): Promise<Uint8Array> {
  const stored = level - (level % levelStep)
  const count = 2 ** (level - stored)
  const first = position * count
  const rows =
    stored === 0
      ? await db
          .selectFrom('audit_leaf')
          .select('hash')
          .where('seq', '>=', first)
          .where('seq', '<', first + count)
          .orderBy('seq')
          .execute()
      : await db
          .selectFrom('audit_node')
          .select('hash')
          .where('level', '=', stored)
          .where('position', '>=', first)
          .where('position', '<', first + count)
          .orderBy('position')
          .execute()
  if (rows.length !== count)
    throw new Fault(
      'audit',
      `the log lacks ${count - rows.length} hashes of level ${stored} from ${first} on`,
    )
  let level0: Uint8Array[] = rows.map((row) => row.hash)
  while (level0.length > 1) {
    const next: Uint8Array[] = []
    for (let at = 0; at + 1 < level0.length; at += 2) {
      const [left, right] = [level0[at], level0[at + 1]]
      if (left !== undefined && right !== undefined) next.push(nodeHash(left, right))
    }
    level0 = next
  }
  const [root] = level0
  if (root === undefined) throw new Fault('audit', 'the log lacks a hash')
  return root
}
