import { recordingsVerbs } from '../contract.ts'
import { canonicalBytes } from '../kernel/encoding.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { transact } from '../transact.ts'
import { type Handler, userOf } from '../world.ts'

/*
 * What a user looks for often: theirs alone. It gives no right, and the page shows what it asks for: no row of it is guarded,
 * and none is audited.
 */

const mostFilters = 100

export const filterList: Handler<'filter.list'> = async (call) => {
  const rows = await call.world.vault.database
    .selectFrom('saved_filter')
    .selectAll()
    .where('user_id', '=', userOf(call).id)
    .orderBy('name')
    .execute()
  return done(
    rows.flatMap(({ name, asked, saved_at }) => {
      // What a stranger wrote there, or a version that asked for more, is none.
      const parsed = recordingsVerbs['filter.save'].input.safeParse({ name, asked: jsonOf(asked) })
      return parsed.success ? [{ name, asked: parsed.data.asked, savedAt: saved_at.toISOString() }] : []
    }),
  )
}

export const filterSave: Handler<'filter.save'> = async (call, { name, asked }) => {
  const user_id = userOf(call).id
  return transact(call.world, async ({ db, now }) => {
    const { count } = await db
      .selectFrom('saved_filter')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .where('user_id', '=', user_id)
      .where('name', '<>', name)
      .executeTakeFirstOrThrow()
    if (Number(count) >= mostFilters)
      return refuse('conflict', `you have ${mostFilters} filters already`, 'delete one that you need no more')
    const row = { asked: new TextDecoder().decode(canonicalBytes(asked)), saved_at: now }
    await db
      .insertInto('saved_filter')
      .values({ user_id, name, ...row })
      .onConflict((conflict) => conflict.columns(['user_id', 'name']).doUpdateSet(row))
      .execute()
    return done(null)
  })
}

export const filterRename: Handler<'filter.rename'> = async (call, { name, to }) => {
  const user_id = userOf(call).id
  return transact(call.world, async ({ db }) => {
    const taken = await db
      .selectFrom('saved_filter')
      .select('name')
      .where('user_id', '=', user_id)
      .where('name', '=', to)
      .executeTakeFirst()
    if (taken !== undefined && name !== to)
      return refuse(
        'conflict',
        `you have a filter named ${to}`,
        'choose another name, or delete that one first',
      )
    const { numUpdatedRows } = await db
      .updateTable('saved_filter')
      .set({ name: to })
      .where('user_id', '=', user_id)
      .where('name', '=', name)
      .executeTakeFirst()
    return numUpdatedRows === 0n ? noFilter(name) : done(null)
  })
}

export const filterRemove: Handler<'filter.remove'> = async (call, { name }) => {
  const { numDeletedRows } = await call.world.vault.database
    .deleteFrom('saved_filter')
    .where('user_id', '=', userOf(call).id)
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows === 0n ? noFilter(name) : done(null)
}

const noFilter = (name: string) =>
  refuse('not_found', `you have no filter named ${name}`, 'see your filters above the list')

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
