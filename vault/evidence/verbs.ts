import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { readLinks } from '../identity/auditor.ts'
import { fingerprintText } from '../kernel/digest.ts'
import { fromBase64, toBase64 } from '../kernel/encoding.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { readableRecording } from '../release/authorise.ts'
import type { Recorded } from '../sessions/view.ts'
import { by, type Handler, type World } from '../world.ts'
import { evidenceKey, makeCertificate, signEvidence } from './key.ts'

/** Entries that a package holds at most: a grant that was used for years is not all evidence of one session. */
const mostEntries = 2_000

export const evidenceGather: Handler<'evidence.gather'> = async (call, { recording, from }) => {
  const found = await readableRecording(call, recording)
  if (!found.ok) return found
  const { world } = call
  const { database, guard } = world.vault
  const certificate = await certificateOf(world)
  if ((await world.vault.auditFilling()) !== undefined)
    return refuse('conflict', 'the index of the audit log is being made', 'ask again in a minute')
  const seqs = await entriesAbout(world, found.value)
  if (seqs.length > mostEntries)
    return refuse(
      'conflict',
      `the audit log has ${seqs.length} entries about this session and its grant, and a package holds ${mostEntries}`,
      'export the log instead: tagout audit export',
    )
  const proven = await world.vault.proveEvidence(seqs, from ?? 0)
  return done({
    ...proven,
    auditorLists: await readLinks(database, guard),
    certificate: toBase64(certificate),
  })
}

export const evidenceSign: Handler<'evidence.sign'> = async (call, { recording, list, cut, opens }) => {
  const found = await readableRecording(call, recording)
  if (!found.ok) return found
  const { world } = call
  const row = found.value
  const content = Buffer.from(list)
  const certificate = await certificateOf(world)
  const key = evidenceKey(world.vault.purposeKey('evidence-sign'))
  return world.vault.inTransaction(async (tx) => {
    await tx.audit({
      kind: 'recording.packaged',
      recording,
      session: row.id,
      userName: row.user_name,
      accountName: row.account_name,
      listHash: hash('sha256', content, 'hex'),
      ...(cut === undefined ? {} : { cut }),
      opens,
      ...by(call),
    })
    return done({ signature: toBase64(signEvidence(key, certificate, content, tx.now)) })
  })
}

/**
 * The certificate of the key that signs evidence. The log keeps it: it is made at the first time, and read from there
 * at all others.
 */
export async function certificateOf(world: World): Promise<Uint8Array> {
  const known = await storedCertificate(world)
  if (known !== undefined) return known
  const { id } = await world.vault.database.selectFrom('installation').select('id').executeTakeFirstOrThrow()
  const key = evidenceKey(world.vault.purposeKey('evidence-sign'))
  await world.vault.inTransaction(async (tx) => {
    // Two at once would make two: the second waits, and finds the first's.
    await sql`select pg_advisory_xact_lock(hashtext('evidence.certificate'))`.execute(tx.db)
    if ((await storedCertificate(world)) !== undefined) return
    const certificate = makeCertificate(key, id, tx.now)
    await tx.audit({
      kind: 'evidence.certificate',
      certificate: toBase64(certificate),
      fingerprint: fingerprintText(hash('sha256', certificate, 'buffer')),
      actor: { kind: 'vault' },
    })
  })
  await world.vault.sequenceNow()
  const made = await storedCertificate(world)
  if (made === undefined)
    throw new TypeError('the certificate of evidence is not in the log that it was written to')
  return made
}

async function storedCertificate(world: World): Promise<Uint8Array | undefined> {
  const { entries } = await world.vault.findAudit({ kinds: ['evidence.certificate'], limit: 10 })
  const entry = entries.find(({ unproven }) => !unproven)?.entry
  const text: unknown =
    typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'certificate') : undefined
  return typeof text === 'string' ? fromBase64(text) : undefined
}

/** The numbers of the entries about a session: its own, its grant's and its request's, and the auditors' lists. */
async function entriesAbout(world: World, row: Recorded): Promise<readonly number[]> {
  const { rows } = await sql<{ seq: number }>`
    with asked as (
      select distinct request from audit_index
        where grant_id = ${row.grant_id} and kind <> 'session.opened' and request is not null)
    select seq from audit_index where session = ${row.id} and kind <> 'session.checkpoint'
    union select seq from audit_index
      where grant_id = ${row.grant_id} and kind <> 'session.opened' and (session is null or session = ${row.id})
    union select seq from audit_index where request in (select request from asked) and session is null
    union select seq from audit_index where kind in ('auditor.list', 'evidence.certificate')
    order by seq`.execute(world.vault.database)
  const seqs = rows.map(({ seq }) => Number(seq))
  const last = await lastCheckpoint(world, row, seqs)
  return last === undefined ? seqs : [...seqs, last]
}

/** The last checkpoint of a recording: it vouches for all that was before it. Of a session that ended it stands close to the end. */
async function lastCheckpoint(
  world: World,
  row: Recorded,
  seqs: readonly number[],
): Promise<number | undefined> {
  const { rows } = await sql<{ seq: number }>`
    select seq from audit_index
      where seq between ${seqs[0] ?? 0} and ${row.ended_at === null ? Number.MAX_SAFE_INTEGER : (seqs.at(-1) ?? 0)}
        and kind = 'session.checkpoint' and session = ${row.id}
      order by seq desc limit 1`.execute(world.vault.database)
  return rows[0] === undefined ? undefined : Number(rows[0].seq)
}
