import { hostname } from 'node:os'
import type { SiemBatch } from '../contract.ts'
import { listEntries } from '../audit/read.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { orAlarm } from '../notifications/notify.ts'
import { signWebhook, waitAfter } from '../notifications/outbox.ts'
import { checkedOne, type Row } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import { checkpointMessage, type From, httpsBody, syslogMessage, type Told } from './message.ts'

/** Entries that are looked at for one batch, and how long its text may get. */
const mostEntries = 500
const mostBytes = 1024 * 1024
/** Milliseconds for which whoever took a batch has it to themself. */
const claimLives = 60_000
/** Milliseconds between two checkpoints of the log that a receiver is sent. */
const checkpointEvery = 600_000
/** Milliseconds for which a receiver that was taken off is still told of that. */
const livesAfter = 3 * 24 * 3600_000

/**
 * Hands out what receivers of the log have not got yet, in its order, a batch for each. The log is what waits: nothing of it
 * is kept twice, and however long a receiver is away, it misses nothing.
 *
 * INVARIANT: at least once. A batch counts as told when its sender says so, and is handed out again otherwise.
 */
export const siemTake: Handler<'siem.take'> = async ({ world }) => {
  const now = world.vault.clock()
  const due = await world.vault.database
    .selectFrom('siem_receiver')
    .select('id')
    .where('is_over', '=', false)
    .where('next_at', '<=', now)
    .execute()
  if (due.length === 0) return done([])
  return transact(world, async (tx) => {
    const batches: SiemBatch[] = []
    const rows = await tx.db
      .selectFrom('siem_receiver')
      .selectAll()
      .where('is_over', '=', false)
      .where('next_at', '<=', tx.now)
      .orderBy('next_at')
      .forUpdate()
      .skipLocked()
      .execute()
    for (const row of rows) {
      // SECURITY: entries go nowhere that the vault did not write down; a forged row holds up no other receiver.
      const isOurs = (await orAlarm(tx, async () => checkedOne(tx.guard, 'siem_receiver', row))) !== undefined
      if (!isOurs) {
        await put(tx, row, {
          ...failure(tx, row, 'its row was not written by the vault'),
          next_at: new Date(tx.now.getTime() + 3600_000),
        })
        continue
      }
      const batch = await batchFor(tx, world, row)
      if (batch !== undefined) batches.push(batch)
    }
    return done(batches)
  })
}

async function batchFor(tx: Tx, world: World, row: Row<'siem_receiver'>): Promise<SiemBatch | undefined> {
  if (row.ended_at !== null && tx.now.getTime() - row.ended_at.getTime() > livesAfter) {
    await put(tx, row, { is_over: true })
    return undefined
  }
  const page = await listEntries(tx.db, { from: row.through_seq + 1, limit: mostEntries })
  const from: From = { host: hostname(), version: world.settings.version }
  const told: Told[] = []
  let through = row.through_seq
  let after = row.told_seq
  let bytes = 0
  for (const { seq, at, kind, actor, text, entry } of page) {
    // One every five seconds for each session, and all that it says is in the log: it would drown the rest.
    if (kind !== 'session.checkpoint') {
      const one = { seq, after, at, kind, actor, text, entry }
      bytes += Buffer.byteLength(syslogMessage(row.format, one, from))
      if (bytes > mostBytes && told.length > 0) break
      told.push(one)
      after = seq
    }
    through = seq
    if (row.ended_at !== null && isEndOf(row, entry)) break
  }
  if (after === null || told.length === 0) {
    if (through > row.through_seq) await put(tx, row, { through_seq: through })
    return undefined
  }
  await put(tx, row, { next_at: new Date(tx.now.getTime() + claimLives) })
  const common = {
    ...{ receiver: row.id, address: row.address, certificates: row.certificates },
    ...{ through, told: after },
  }
  if (!row.address.startsWith('https:'))
    return {
      ...common,
      payload: {
        kind: 'syslog',
        messages: [
          ...told.map((one) => syslogMessage(row.format, one, from)),
          ...(await witnessed(tx, row, from)),
        ],
      },
    }
  const body = httpsBody(row.format, told, from)
  const id = `${row.id}-${through}`
  const timestamp = String(Math.floor(tx.now.getTime() / 1000))
  const signature = signWebhook(world, `${id}.${timestamp}.${body}`)
  return { ...common, payload: { kind: 'https', id, body, timestamp, signature } }
}

/** The log's last checkpoint, every ten minutes in which something is told: a receiver's file is a witness of the log. */
async function witnessed(tx: Tx, row: Row<'siem_receiver'>, from: From): Promise<readonly string[]> {
  const turn = (at: Date | null) => Math.floor((at?.getTime() ?? -1) / checkpointEvery)
  if (turn(row.told_at) === turn(tx.now)) return []
  const newest = await tx.db
    .selectFrom('audit_checkpoint')
    .select('body')
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
  return newest === undefined ? [] : [checkpointMessage(newest.body, tx.now, from)]
}

/** Whether an entry says that this receiver was taken off: the last that it is told. */
function isEndOf(row: Row<'siem_receiver'>, entry: unknown): boolean {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    Reflect.get(entry, 'kind') === 'siem.removed' &&
    Reflect.get(entry, 'receiver') === row.id
  )
}

/** Says what became of a batch. */
export const siemDone: Handler<'siem.done'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const row = await tx.db
      .selectFrom('siem_receiver')
      .selectAll()
      .where('id', '=', input.receiver)
      .where('is_over', '=', false)
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined) return refuse('not_found', 'there is no such receiver')
    if (input.error !== undefined) {
      await put(tx, row, failure(tx, row, input.error))
      return done(null)
    }
    if (input.through <= row.through_seq || input.told > input.through)
      return refuse('conflict', 'that batch was told before', 'take what is due now')
    const last = await listEntries(tx.db, { from: input.through, limit: 1 })
    if (last.length === 0) return refuse('invalid', 'through: the log has no such entry')
    await put(tx, row, {
      ...{ through_seq: input.through, told_seq: input.told, told_at: tx.now, next_at: tx.now },
      ...{ attempts: 0, error: null, failing_since: null },
      is_over: row.ended_at !== null && isEndOf(row, last[0]?.entry),
    })
    return done(null)
  })

function failure(tx: Tx, row: Row<'siem_receiver'>, error: string) {
  const attempts = row.attempts + 1
  return {
    ...{ attempts, error, failing_since: row.failing_since ?? tx.now },
    // A receiver that is back is told within a minute: it is not made to wait for what was its own absence.
    next_at: new Date(tx.now.getTime() + Math.min(waitAfter(attempts), 60_000)),
  }
}

type Progress = Partial<
  Pick<
    Row<'siem_receiver'>,
    'through_seq' | 'told_seq' | 'told_at' | 'attempts' | 'next_at' | 'error' | 'failing_since' | 'is_over'
  >
>

/** How far a receiver has come is not guarded: each message says which one came before it. */
async function put(tx: Tx, row: Row<'siem_receiver'>, progress: Progress): Promise<void> {
  await tx.db.updateTable('siem_receiver').set(progress).where('id', '=', row.id).execute()
}
