import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { directoryMembers, withMembers } from '../directory/groups.ts'
import { sha256 } from '../kernel/digest.ts'
import { canonicalBytes, canonicalJson, toHex } from '../kernel/encoding.ts'
import { compilePolicy, noIds, type Policy, type PolicyIds } from '../policy/access-rule.ts'
import { emptyPolicy, type PolicyDocument } from '../policy/document.ts'
import { type Checker, checkedOne, type Row } from '../rows.ts'

type Db = Kysely<Database>

const nothing = compilePolicy(emptyPolicy, noIds)

/** What is kept of a policy. */
export type StoredPolicy = { readonly document: PolicyDocument; readonly ids: PolicyIds }

/** What a row keeps. One of an earlier version knows no companies, tags and zones. */
export function storedIn(row: Row<'policy'>): StoredPolicy {
  const { document, ids } = JSON.parse(row.body) as StoredPolicy
  return { document, ids: { ...noIds, ...ids } }
}

export function encodePolicy(stored: StoredPolicy): string {
  return canonicalJson(stored)
}

/** SHA-256 of a document, in hex. */
export async function policyDigest(document: PolicyDocument): Promise<string> {
  return toHex(await sha256(canonicalBytes(document)))
}

/** The row of the policy in force; undefined before one was applied. */
export async function readPolicyRow(
  db: Db,
  checker: Checker,
  lock: 'read' | 'share' | 'update' = 'read',
): Promise<Row<'policy'> | undefined> {
  const query = db.selectFrom('policy').selectAll().where('id', '=', 'policy')
  const locked = lock === 'read' ? query : lock === 'share' ? query.forShare() : query.forUpdate()
  const row = checkedOne(checker, 'policy', await locked.executeTakeFirst())
  // SECURITY: who takes the row away would take away every limit.
  if (row === undefined) checker.checkAbsent('policy', { id: 'policy' })
  return row
}

// Compiling a policy of hundreds of rules takes milliseconds; its row is read and checked each time all the same.
let latest: { readonly body: string; readonly policy: Policy } | undefined

/** The policy that a row holds. */
export function policyOf(row: Row<'policy'> | undefined): Policy {
  if (row === undefined) return nothing
  if (latest?.body !== row.body) {
    const { document, ids } = storedIn(row)
    latest = { body: row.body, policy: compilePolicy(document, ids) }
  }
  return latest.policy
}

/** A policy with the members that directories give to its groups. */
export async function inEffect(
  db: Db,
  checker: Checker,
  policy: Policy,
  lock: 'read' | 'share' = 'read',
): Promise<Policy> {
  return withMembers(policy, await directoryMembers(db, checker, policy.document.groups, lock))
}

/** The policy in force. `share`: it does not change until the transaction has ended. */
export async function readPolicy(db: Db, checker: Checker, lock: 'read' | 'share' = 'read'): Promise<Policy> {
  return inEffect(db, checker, policyOf(await readPolicyRow(db, checker, lock)), lock)
}
