import { readExposures } from '../accounts/exposures.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { newId } from '../kernel/id.ts'
import { insertGuarded, type Row } from '../rows.ts'
import { isDatabaseAway } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { begunFacts, endedFacts } from './facts.ts'
import { type Found, judgeBegun, judgeEnded, judgeSeen } from './rules.ts'
import { readSettings } from './settings.ts'

/** Sessions that are looked at in one turn: the others wait for the next, a second later. */
const atOnce = 20
/** Milliseconds between two looks at secrets that were seen. */
const seenEvery = 60_000
/** Milliseconds after which a session that could not be judged is tried again. */
const againAfter = 600_000

type Session = Row<'session'>

type Turn = { seenAt: number; readonly failed: Map<string, number> }
const turns = new WeakMap<World, Turn>()

/**
 * Marks what is out of the ordinary: sessions when they have begun and when they have ended, and secrets that were seen and not
 * rotated in time. What the vault has judged it judges once; after a stop it goes on where it was.
 */
export async function markRisks(world: World): Promise<void> {
  if (world.vault.isSealed) return
  const turn = turns.get(world) ?? { seenAt: Number.NEGATIVE_INFINITY, failed: new Map() }
  turns.set(world, turn)
  const now = world.vault.clock().getTime()
  for (const [session, at] of turn.failed) if (now - at >= againAfter) turn.failed.delete(session)
  const rows = (await waiting(world, [...turn.failed.keys()])) satisfies readonly Session[]
  for (const session of rows)
    try {
      await judge(world, session)
    } catch (error) {
      if (isDatabaseAway(error)) throw error
      // Sealed meanwhile: the next that is opened goes on.
      if (world.vault.isSealed) return
      // One that cannot be judged keeps no other from it.
      turn.failed.set(session.id, now)
      world.onFault('risk', error)
    }
  if (now - turn.seenAt < seenEvery) return
  turn.seenAt = now
  await judgeSecrets(world)
}

async function waiting(world: World, failed: readonly string[]): Promise<readonly Session[]> {
  return world.vault.database
    .selectFrom('session')
    .selectAll()
    .where('judged', '<>', 'ended')
    .where((eb) =>
      eb.or([eb('state', '=', 'ended'), eb.and([eb('judged', '=', 'no'), eb('state', '=', 'live')])]),
    )
    .where((eb) => (failed.length === 0 ? eb.val(true) : eb('id', 'not in', failed as Session['id'][])))
    .orderBy('started_at')
    .limit(atOnce)
    .execute()
}

async function judge(world: World, session: Session): Promise<void> {
  const { database, guard } = world.vault
  const settings = await readSettings(database, guard)
  const isOver = session.state === 'ended'
  const ended = isOver ? await endedFacts(world, session) : undefined
  const found = [
    ...(session.judged === 'no' ? judgeBegun(settings, ended ?? (await begunFacts(database, session))) : []),
    ...(ended === undefined ? [] : judgeEnded(settings, ended)),
  ]
  await world.vault.inTransaction(async (tx) => {
    const { numUpdatedRows } = await tx.db
      .updateTable('session')
      .set({ judged: isOver ? 'ended' : 'begun' })
      .where('id', '=', session.id)
      .where('judged', '=', session.judged)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return
    for (const one of found)
      await keep(tx, one, {
        user_id: session.user_id,
        user_name: session.user_name,
        account_id: session.account_id,
        account_name: session.account_name,
        session_id: session.id,
        exposure_id: null,
        at: (isOver && !isOfBeginning(one) ? session.ended_at : null) ?? session.started_at,
      })
  })
}

function isOfBeginning({ rule }: Found): boolean {
  return rule === 'first-time' || rule === 'off-hours' || rule === 'dormant-vendor'
}

type About = Pick<
  Row<'risk_mark'>,
  'user_id' | 'user_name' | 'account_id' | 'account_name' | 'session_id' | 'exposure_id' | 'at'
>

async function keep(tx: Tx, found: Found, about: About): Promise<void> {
  const row = await insertGuarded(tx, 'risk_mark', {
    id: newId('rsk', tx.now.getTime()),
    rule: found.rule,
    ...about,
    why: found.why,
    facts: canonicalJson(found.facts),
    found_at: tx.now,
    reviewer_id: null,
    reviewer_name: null,
    reviewed_at: null,
    finding: null,
    note: null,
  })
  await tx.audit({
    kind: 'risk.marked',
    why: found.why,
    ...markRef(row),
    actor: { kind: 'vault' },
  })
}

/** What entries of the log say of a mark. */
export function markRef(row: Row<'risk_mark'>) {
  return {
    mark: row.id,
    rule: row.rule,
    userName: row.user_name,
    accountName: row.account_name,
    ...(row.session_id === null ? {} : { session: row.session_id }),
    ...(row.exposure_id === null ? {} : { exposure: row.exposure_id }),
  }
}

/** Accounts whose secrets are looked at in one turn. */
const accountsAtOnce = 50

/** Secrets that somebody saw, that should be others by now, and that are not. */
async function judgeSecrets(world: World): Promise<void> {
  const { database, guard, clock } = world.vault
  const settings = await readSettings(database, guard)
  if (settings.off.includes('reveal-unrotated')) return
  const rows = await database
    .selectFrom('exposure')
    .innerJoin('credential', (join) =>
      join
        .onRef('credential.account_id', '=', 'exposure.account_id')
        .onRef('credential.version', '=', 'exposure.version'),
    )
    .leftJoin('risk_mark', 'risk_mark.exposure_id', 'exposure.id')
    .select('exposure.account_id')
    .distinct()
    .where('credential.state', '=', 'current')
    .where('risk_mark.id', 'is', null)
    .limit(10_000)
    .execute()
  const now = clock()
  let marked = 0
  for (const { account_id } of rows) {
    if (marked >= accountsAtOnce) return
    const seen = (await readExposures(database, guard, { account: account_id }, now)).filter(
      ({ isOverdue }) => isOverdue,
    )
    if (seen.length > 0) marked += await markSeen(world, seen, now.getTime())
  }
}

async function markSeen(
  world: World,
  seen: Awaited<ReturnType<typeof readExposures>>,
  now: number,
): Promise<number> {
  const settings = await readSettings(world.vault.database, world.vault.guard)
  return world.vault.inTransaction(async (tx) => {
    const rows = await tx.db
      .selectFrom('exposure')
      .leftJoin('risk_mark', 'risk_mark.exposure_id', 'exposure.id')
      .selectAll('exposure')
      .where(
        'exposure.id',
        'in',
        seen.map(({ id }) => id),
      )
      .where('risk_mark.id', 'is', null)
      .execute()
    for (const row of rows) {
      const view = seen.find(({ id }) => id === row.id)
      if (view?.rotationDueAt === undefined || view.rotationDueAt === null) continue
      const facts = {
        user: view.user,
        account: view.account,
        seenAt: view.at,
        why: view.reason,
        dueAt: view.rotationDueAt,
        version: view.version,
        now,
      }
      for (const one of judgeSeen(settings, facts))
        await keep(tx, one, {
          user_id: row.user_id,
          user_name: view.user,
          account_id: row.account_id,
          account_name: view.account,
          session_id: null,
          exposure_id: row.id,
          at: new Date(view.rotationDueAt),
        })
    }
    return 1
  })
}
