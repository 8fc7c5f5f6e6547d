import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checkedOne, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { notify } from '../notifications/notify.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { canonicalMail } from '../vendors/mail.ts'
import { representationOf } from '../vendors/standing.ts'
import { takeCodeOfPerson } from './fresh-code.ts'
import { othersOf, whySame } from './same-person.ts'
import { findUser, showUser } from './user.ts'

/** Where a user is written to, if anywhere. */
export async function mailOf(
  db: Kysely<Database>,
  checker: Checker,
  user: UserId,
): Promise<Row<'user_mail'> | undefined> {
  return checkedOne(
    checker,
    'user_mail',
    await db.selectFrom('user_mail').selectAll().where('user_id', '=', user).executeTakeFirst(),
  )
}

/**
 * Says where a user is written to. A person gives a fresh code, for their own address too: whoever carries a login
 * would otherwise have the warnings sent elsewhere.
 */
export const userMail: Handler<'user.mail'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, input.user, 'update')
    if (user === undefined) return notFound('user', input.user)
    const before = await mailOf(tx.db, tx.guard, user.id)
    const { address } = input
    const { principal } = call
    const isOwn =
      principal.kind === 'user' &&
      (principal.id === user.id || (await whySame(tx.db, tx.guard, principal.id, user.id)) !== undefined)
    const were = isOwn ? await othersOf(tx.db, tx.guard, user) : []
    // SECURITY: what a representative is told goes to nobody but a person of their company.
    const one = await representationOf(tx.db, tx.guard, user)
    if (one !== undefined && address !== null) {
      const known = canonicalMail(address, one.company.mail_domains, 'address')
      if (!known.ok) return known
    }
    if (address === null) {
      if (before === undefined) return refuse('conflict', `the user ${user.name} has no mail address`)
      await deleteGuarded(tx, 'user_mail', before)
    } else {
      const values = {
        address,
        notices: input.notices ?? before?.notices ?? 'all',
        set_by: nameOf(call),
        set_at: tx.now,
      }
      if (before === undefined) await insertGuarded(tx, 'user_mail', { user_id: user.id, ...values })
      else await updateGuarded(tx, 'user_mail', before, values)
    }
    // SECURITY: nobody makes two persons of themselves, to approve a moment later what they ask for.
    const are = were.length === 0 ? [] : await othersOf(tx.db, tx.guard, user)
    if (were.some(({ name }) => !are.some((one) => one.name === name)))
      return refuse(
        'forbidden',
        'address: by this one you are the same person as another user here',
        'have an administrator who is somebody else change it',
      )
    // SECURITY: whoever moves an address does not keep it from its owner.
    if (before !== undefined && before.address !== address)
      await notify(tx, { kind: 'user.mail-changed', user: user.name, by: nameOf(call) }, [user.id], before)
    const after = await mailOf(tx.db, tx.guard, user.id)
    await tx.audit({
      kind: 'user.mail-set',
      user: user.id,
      name: user.name,
      ...(after === undefined ? {} : { address: after.address, notices: after.notices }),
      ...(before === undefined ? {} : { before: before.address }),
      ...by(call),
    })
    return done(await showUser(tx.db, tx.guard, user))
  })
