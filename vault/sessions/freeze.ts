import type { SessionId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import { notFound } from '../not-found.ts'
import { checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import type { LiveSession } from './live.ts'
import { refOf } from './start.ts'
import { loseTaken } from './take.ts'
import { showSession } from './view.ts'
import { orderMessage } from './workers.ts'

const notFrozen = refuse('conflict', 'this session is not frozen', 'look at the list of sessions again')
const ending = refuse('conflict', 'this session is ending', 'wait until it has ended')

/**
 * Holds the input of a session's user. The row commits before the worker is told, so that a vault that starts again
 * holds it too; the worker goes on holding whatever becomes of the vault.
 */
export const sessionFreeze: Handler<'session.freeze'> = async (call, input) => {
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null) return ending
  const reason = input.reason ?? ''
  const { freeze, taken } = session
  if (taken !== null && taken.user === ownerOf(call))
    return refuse(
      'conflict',
      'you have taken this session over',
      'give it back, or leave: it stays frozen then',
    )
  // SECURITY: whoever may freeze a session holds those too who have taken it over.
  if (taken !== null) {
    await loseTaken(call.world, session, 'frozen by another', { call, reason })
    return showSession(call, session.id)
  }
  if (freeze !== null)
    return refuse('conflict', `this session is frozen already, by ${whoText(freeze.by)}`, 'unfreeze it first')
  const outcome = await set(call, session, reason, true)
  // SECURITY: somebody may have taken it over at the same moment: they are held as if they had before.
  if (session.taken === null || session.taken.user === ownerOf(call)) return outcome
  await loseTaken(call.world, session, 'frozen by another', { call, reason })
  return showSession(call, session.id)
}

/** Lets the input of a session's user go on. */
export const sessionUnfreeze: Handler<'session.unfreeze'> = async (call, input) => {
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null) return ending
  if (session.taken !== null)
    return refuse(
      'conflict',
      `${whoText(session.taken.name)} has taken this session over`,
      'they give it back: in the console, or at tagout session take',
    )
  if (session.freeze === null && session.stop !== null)
    return refuse(
      'conflict',
      `the plant switch ${session.stop} holds this session`,
      'have it turned on at the plant',
    )
  if (session.freeze === null)
    return session.missing.length > 0
      ? refuse(
          'conflict',
          `this session waits for a supervisor of ${session.missing.join(', ')}`,
          'it goes on when one watches it',
        )
      : notFrozen
  return set(call, session, '', false)
}

function ownerOf({ principal }: Call): UserId | undefined {
  return principal.kind === 'user' ? principal.id : undefined
}

async function set(call: Call, session: LiveSession, reason: string, frozen: boolean) {
  const { world } = call
  const name = nameOf(call)
  let told: Promise<void> | undefined
  const outcome = await transact(world, async (tx) => {
    const row = await lockFreeze(tx, session.id)
    // Of two who freeze at once, one does; the row says who was first.
    if ((row?.frozen ?? false) === frozen && (session.freeze !== null) === frozen)
      return frozen ? refuse('conflict', 'this session is frozen already', 'unfreeze it first') : notFrozen
    const values = { frozen, by_name: name, reason, at: tx.now }
    if (row === undefined) await insertGuarded(tx, 'session_freeze', { session_id: session.id, ...values })
    else await updateGuarded(tx, 'session_freeze', row, values)
    await tx.audit(
      frozen
        ? { kind: 'session.frozen', reason, ...refOf(session), ...by(call) }
        : { kind: 'session.unfrozen', ...refOf(session), ...by(call) },
    )
    tx.afterCommit(() => {
      const freeze = frozen ? { by: name, reason, at: tx.now.toISOString() } : null
      told = world.live.freeze(session, freeze, name)
    })
    return done(null)
  })
  if (!outcome.ok) return outcome
  // Answered when the worker has, so that who froze reads whether it holds.
  await told
  return showSession(call, session.id)
}

/** The row of a session's freeze, held until the end of the transaction: its session is locked first. */
export async function lockFreeze(tx: Tx, session: SessionId): Promise<Row<'session_freeze'> | undefined> {
  await tx.db.selectFrom('session').select('id').where('id', '=', session).forUpdate().executeTakeFirst()
  return readFreezeRow(tx, session)
}

/** What was last said of a session's freeze. Throws `Fault` where the row is not what the vault wrote, or is gone. */
export async function readFreezeRow(tx: Tx, session: SessionId): Promise<Row<'session_freeze'> | undefined> {
  const row = await tx.db
    .selectFrom('session_freeze')
    .selectAll()
    .where('session_id', '=', session)
    .executeTakeFirst()
  if (row === undefined) tx.guard.checkAbsent('session_freeze', { session_id: session })
  return checkedOne(tx.guard, 'session_freeze', row)
}

/** Shows a line in the user's terminals. It is written down before it is shown. */
export const sessionMessage: Handler<'session.message'> = async (call, input) => {
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null) return ending
  await call.world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'session.messaged', text: input.text, ...refOf(session), ...by(call) }),
  )
  const terminals =
    session.peer === undefined
      ? 0
      : await orderMessage(session.peer, session.id, { by: nameOf(call), text: input.text })
  return done({ terminals })
}

/** A session that has not ended; the refusal says whether there ever was one. */
export async function findLive({ world }: Call, id: SessionId): Promise<Outcome<LiveSession>> {
  const session = world.live.get(id)
  if (session !== undefined) return done(session)
  const row = await world.vault.database
    .selectFrom('session')
    .select('state')
    .where('id', '=', id)
    .executeTakeFirst()
  return row === undefined ? notFound('session', id) : refuse('conflict', 'this session has ended')
}
