import { done, refuse } from '../kernel/outcome.ts'
import { type TargetId } from '../kernel/id.ts'
import { tellOfSession } from '../notifications/sessions.ts'
import { sessionLoggedIn } from '../rotation/session-logins.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler } from '../world.ts'
import { heldBy, type LiveSession } from './live.ts'
import { refOf, sessionOf } from './start.ts'

// What a running session has written down. None of it needs the keys: it goes on while the vault is sealed.

const recorder = { kind: 'plane', plane: 'recorder' } as const

/** The target has let the session in: bytes are relayed from now on. */
export const sessionConnected: Handler<'session.connected'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null) return refuse('expired', session.cut.message, 'open another session')
  const outcome = await transact(world, async (tx) => {
    const row = await tx.db
      .updateTable('session')
      .set({ state: 'live' })
      .where('id', '=', session.id)
      .where('state', '=', 'opening')
      .where('released_at', 'is not', null)
      .returning('safe_id')
      .executeTakeFirst()
    if (row === undefined) return refuse('conflict', 'this session was not started', 'open another session')
    await tx.audit({ kind: 'session.connected', ...refOf(session), actor: recorder })
    if (!world.vault.isSealed) await sessionLoggedIn(tx, world, session.id, session.account)
    const { id, userName: user, accountName: account } = session
    await tellOfSession(tx, world, row.safe_id, { kind: 'session.started', session: id, user, account })
    if (session.missing.length > 0)
      await tx.audit({
        kind: 'session.presence',
        missing: session.missing,
        by: session.userName,
        ...refOf(session),
        actor: { kind: 'vault' },
      })
    return done(null)
  })
  if (!outcome.ok) return outcome
  session.connected = true
  // What was ordered until now goes with the answer; what comes later finds a worker that knows the session.
  session.freezeTold = true
  return done({ freeze: heldBy(session) })
}

export const sessionFile: Handler<'session.file'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const { session: _, ...file } = input
  await world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'session.file', ...file, ...refOf(found.value), actor: recorder }),
  )
  return done(null)
}

export const sessionClipboard: Handler<'session.clipboard'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const { session: _, sha256, ...text } = input
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'session.clipboard',
      ...text,
      ...(sha256 === undefined ? {} : { sha256 }),
      ...refOf(found.value),
      actor: recorder,
    }),
  )
  return done(null)
}

/** What a forwarding session carried: once, and only by the worker that carries it. */
export const sessionForwarded: Handler<'session.forwarded'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const { session, connections, bytesUp, bytesDown } = input
  return transact(world, async (tx) => {
    const row = await tx.db
      .updateTable('session')
      .set({
        forward_connections: connections,
        forward_bytes_up: bytesUp,
        forward_bytes_down: bytesDown,
      })
      .where('id', '=', session)
      .where('forward_to', 'is not', null)
      .where('forward_connections', 'is', null)
      .returning('forward_to')
      .executeTakeFirst()
    if (row === undefined)
      return refuse('conflict', 'this session is not a forwarding whose counts are to come')
    await tx.audit({
      kind: 'session.forwarded',
      to: row.forward_to ?? '',
      connections,
      bytesUp,
      bytesDown,
      ...refOf(found.value),
      actor: recorder,
    })
    return done(null)
  })
}

/** For `changed key` the detail is the key's type and fingerprint; the target's page then shows it. */
export const sessionEvent: Handler<'session.event'> = async ({ world, peer }, input) => {
  const found = sessionOf(world, peer, input.session)
  if (!found.ok) return found
  const session = found.value
  return transact(world, async (tx) => {
    await tx.audit({
      kind: 'session.event',
      event: input.event,
      detail: input.detail,
      ...refOf(session),
      actor: recorder,
    })
    if (input.event === 'changed key') await noteChangedKey(tx, session, input.detail)
    return done(null)
  })
}

async function noteChangedKey(tx: Tx, session: LiveSession, detail: string): Promise<void> {
  const seen = /^(\S{0,64}) (SHA256:[A-Za-z0-9+/]{43})$/.exec(detail)
  if (seen === null) return
  const [, type = '', fingerprint = ''] = seen
  const row = await tx.db
    .updateTable('target')
    .set({ changed_key_type: type, changed_key: fingerprint, changed_key_at: tx.now })
    .where('id', '=', (eb) =>
      eb.selectFrom('session').select('target_id').where('session.id', '=', session.id),
    )
    .returning(['id', 'name'])
    .executeTakeFirst()
  if (row === undefined) return
  await tx.audit({
    kind: 'target.changed-key',
    type,
    fingerprint,
    target: row.id as TargetId,
    targetName: row.name,
    actor: recorder,
  })
}
