import type { LoginId } from '../kernel/id.ts'
import { checkedOne, type Row } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf, type World } from '../world.ts'
import { takeFreshCode } from './fresh-code.ts'

/**
 * When whoever holds a login last showed a second factor (ms): when they signed in, or since, for whatever.
 *
 * SECURITY: what came since is in memory alone, where nobody forges it; a restart has people asked once more.
 */
export function factorOf(world: World, login: Pick<Row<'login'>, 'id' | 'created_at'>): number {
  return Math.max(login.created_at.getTime(), world.factors.get(login.id) ?? 0)
}

/** The same, of a login that is to be found; null: there is none. */
export async function factorOfLogin(world: World, id: LoginId): Promise<number | null> {
  const { database, guard } = world.vault
  const row = await database.selectFrom('login').selectAll().where('id', '=', id).executeTakeFirst()
  const login = checkedOne(guard, 'login', row)
  return login === undefined ? null : factorOf(world, login)
}

/** Takes a fresh code, or a passkey, for nothing but to have been shown: a rule of the policy wants it young. */
export const loginConfirm: Handler<'login.confirm'> = (call, { totpCode }) =>
  transact(call.world, async (tx) => {
    const fresh = await takeFreshCode(tx, call, totpCode)
    if (!fresh.ok) return fresh
    const { id: user, name, login } = userOf(call)
    await tx.audit({ kind: 'factor.shown', user, name, login: login.id, ...by(call) })
    return fresh
  })
