import type { LoginId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Principal } from '../policy/facts.ts'
import { checkedOne, type Row } from '../rows.ts'
import { companyFacts, refuseCompany, representationOf } from '../vendors/standing.ts'
import { tokenHash, type World } from '../world.ts'

const writeSeenEvery = 20_000

type Resolved = { readonly principal: Principal; readonly source?: string }

const signInAgain = refuse('unauthenticated', 'your login has ended or never was', 'sign in again')

/** Finds out who holds a login token. The roles are those of now, not of when the login began. */
export async function resolveToken(world: World, token: string): Promise<Outcome<Resolved>> {
  const login = await findLogin(world, token)
  if (login === undefined || login.user_id === null || login.kind === 'local') return signInAgain
  const { guard, database } = world.vault
  const user = checkedOne(
    guard,
    'app_user',
    await database.selectFrom('app_user').selectAll().where('id', '=', login.user_id).executeTakeFirst(),
  )
  // An auditor who proved their key need not have set a password yet.
  const isUsable = user?.state === 'active' || (user?.state === 'enrolling' && login.kind === 'replay')
  if (user === undefined || !isUsable) return signInAgain
  const one = await representationOf(database, guard, user)
  const barred = refuseCompany(one, world.vault.clock())
  if (barred !== undefined)
    return barred.ok ? barred : refuse('unauthenticated', barred.refusal.message, barred.refusal.next)
  await keepSeen(world, login)
  return done({
    principal: {
      kind: 'user',
      id: user.id,
      name: user.name,
      roles: user.roles,
      ...(one !== undefined && companyFacts(one).owesTerms ? { owesTerms: true as const } : {}),
      login: { id: login.id, kind: login.kind },
    },
    source: login.source,
  })
}

/** The open login of a token: not ended, not idle for too long, not past its end. */
export async function findLogin(world: World, token: string): Promise<Row<'login'> | undefined> {
  if (token.length < 20) return undefined
  const { guard, database, clock } = world.vault
  const login = checkedOne(
    guard,
    'login',
    await database
      .selectFrom('login')
      .selectAll()
      .where('token_hash', '=', tokenHash(world, token))
      .executeTakeFirst(),
  )
  const now = clock().getTime()
  if (login === undefined || login.ended_at !== null || login.expires_at.getTime() <= now) return undefined
  // The table may lag behind what this process has seen, by `writeSeenEvery` at most.
  const seen = Math.max(login.last_seen_at.getTime(), login.created_at.getTime())
  return now - seen > world.settings.loginIdleSeconds * 1000 + writeSeenEvery ? undefined : login
}

async function keepSeen(world: World, login: Row<'login'>): Promise<void> {
  if (world.seen.get(login.id) !== undefined) return
  world.seen.put(login.id, login.id as LoginId, writeSeenEvery)
  await world.vault.database
    .updateTable('login')
    .set({ last_seen_at: world.vault.clock() })
    .where('id', '=', login.id)
    .execute()
}
