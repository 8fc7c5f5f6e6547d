import type { UserKeyView } from '../contract.ts'
import { newId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { notify } from '../notifications/notify.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { takeCodeOfPerson } from './fresh-code.ts'
import { parsePublicKeyLine, sshFingerprint } from './ssh-key.ts'
import { dropAccess } from './drop-access.ts'
import { findUser } from './user.ts'

const mostKeys = 20

function viewKey(row: Row<'user_key'>): UserKeyView {
  return {
    id: row.id,
    type: row.type,
    fingerprint: row.fingerprint,
    comment: row.comment,
    createdAt: row.created_at.toISOString(),
  }
}

/** Registers a key. A person gives a fresh code: a key outlives the login that registers it. */
export const userKeyAdd: Handler<'user.key.add'> = async (call, { user: reference, publicKey, totpCode }) => {
  const parsed = parsePublicKeyLine(publicKey)
  if (!parsed.ok) return parsed
  const { key, comment } = parsed.value
  const fingerprint = sshFingerprint(key.blob)
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, reference, 'update')
    if (user === undefined) return notFound('user', reference)
    const known = await tx.db
      .selectFrom('user_key')
      .select(['user_id', 'fingerprint'])
      .where((eb) => eb.or([eb('user_id', '=', user.id), eb('fingerprint', '=', fingerprint)]))
      .execute()
    if (known.some((row) => row.fingerprint === fingerprint))
      return refuse('conflict', 'this key is registered already', 'a key proves one person: make another one')
    if (known.length >= mostKeys)
      return refuse('conflict', `the user ${user.name} has ${mostKeys} keys`, 'remove one first')
    const row = await insertGuarded(tx, 'user_key', {
      id: newId('key', tx.now.getTime()),
      user_id: user.id,
      type: key.type,
      blob: key.blob,
      fingerprint,
      comment,
      added_by: nameOf(call),
      created_at: tx.now,
    })
    // SECURITY: whoever added the key may hold it; the user's sessions say so for a week.
    const isOwn = call.principal.kind === 'user' && call.principal.id === user.id
    if (!isOwn) await updateGuarded(tx, 'app_user', user, { credential_set_by_other_at: tx.now })
    await tx.audit({
      kind: 'user.key-added',
      user: user.id,
      name: user.name,
      key: row.id,
      fingerprint,
      ...by(call),
    })
    await notify(tx, { kind: 'user.key-added', user: user.name, by: nameOf(call) }, [user.id])
    return done(viewKey(row))
  })
}

export const userKeyList: Handler<'user.key.list'> = async ({ world }, { user: reference }) => {
  const { database, guard } = world.vault
  const user = await findUser(database, guard, reference)
  if (user === undefined) return notFound('user', reference)
  const rows = await database
    .selectFrom('user_key')
    .selectAll()
    .where('user_id', '=', user.id)
    .orderBy('id')
    .execute()
  return done(checked(guard, 'user_key', rows).map(viewKey))
}

/** Removes a key; what it opened ends with it. */
export const userKeyRemove: Handler<'user.key.remove'> = async (call, { user: reference, key }) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, reference)
    if (user === undefined) return notFound('user', reference)
    const row = checkedOne(
      tx.guard,
      'user_key',
      await tx.db
        .selectFrom('user_key')
        .selectAll()
        .where('id', '=', key)
        .where('user_id', '=', user.id)
        .forUpdate()
        .executeTakeFirst(),
    )
    if (row === undefined)
      return refuse(
        'not_found',
        `the user ${user.name} has no such key`,
        `see: tagout user key list ${user.name}`,
      )
    await deleteGuarded(tx, 'user_key', row)
    await tx.audit({
      kind: 'user.key-removed',
      user: user.id,
      name: user.name,
      key,
      fingerprint: row.fingerprint,
      ...by(call),
    })
    tx.afterCommit(() =>
      dropAccess(
        call.world,
        user.id,
        { reason: 'terminated', message: 'the SSH key that you used was removed' },
        (by) => by === key || by === undefined,
      ),
    )
    return done(null)
  })
