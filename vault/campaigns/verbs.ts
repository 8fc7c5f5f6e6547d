import { findUser } from '../identity/user.ts'
import { whySame } from '../identity/same-person.ts'
import { type CampaignId, newId, type SafeId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { notFound } from '../not-found.ts'
import { activeWith, notify } from '../notifications/notify.ts'
import { mayHold } from '../policy/roles.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf, userOf, type World } from '../world.ts'
import { readCampaign } from './view.ts'

const day = 24 * 3600_000
/** Items of a campaign at most. */
const mostItems = 5_000

type Held = {
  readonly user: Row<'app_user'>
  readonly safe: SafeId
  readonly what: string
  readonly grant: Row<'access_grant'>['id'] | null
}

/** Begins an access review of all that people were given and that holds now. */
export const campaignStart: Handler<'campaign.start'> = async (call, input) => {
  const due = new Date(input.dueAt)
  const begun = await transact(call.world, async (tx) => {
    if (due <= tx.now || due.getTime() - tx.now.getTime() > 366 * day)
      return refuse('invalid', 'dueAt: within a year from now', 'give another day')
    const named = input.reviewer === undefined ? undefined : await findUser(tx.db, tx.guard, input.reviewer)
    if (input.reviewer !== undefined && named === undefined) return notFound('user', input.reviewer)
    const users = new Map(
      checked(
        tx.guard,
        'app_user',
        await tx.db.selectFrom('app_user').selectAll().orderBy('name').execute(),
      ).map((user) => [user.id, user]),
    )
    const members = checked(
      tx.guard,
      'safe_member',
      await tx.db.selectFrom('safe_member').selectAll().execute(),
    )
    const held = [...(await grantsNow(tx, users)), ...(await membershipsNow(tx, users, members))]
    if (held.length === 0)
      return refuse('conflict', 'nobody was given anything that holds now', 'there is nothing to ask about')
    if (held.length > mostItems)
      return refuse(
        'conflict',
        `there are ${held.length} things to ask about, and ${mostItems} at most`,
        'end what nobody uses first',
      )
    const row = await insertGuarded(tx, 'campaign', {
      id: newId('cam', tx.now.getTime()),
      name: input.name,
      due_at: due,
      started_by: nameOf(call),
      started_at: tx.now,
      closed_by: null,
      closed_at: null,
      note: null,
      reminded_at: null,
      escalated_at: null,
    })
    const reviewers = new Set<UserId>()
    for (const one of held) {
      const reviewer = reviewerOf(one, named, users, members)
      if (reviewer === undefined)
        return refuse(
          'conflict',
          `nobody can say whether ${one.user.name} keeps this: ${one.what}`,
          'name somebody with --reviewer, or add an administrator',
        )
      reviewers.add(reviewer.id)
      await insertGuarded(tx, 'campaign_item', {
        id: newId('cmi', tx.now.getTime()),
        campaign_id: row.id,
        user_id: one.user.id,
        user_name: one.user.name,
        safe_id: one.safe,
        what: one.what,
        grant_id: one.grant,
        reviewer_id: reviewer.id,
        reviewer_name: reviewer.name,
        decision: null,
        reason: null,
        decided_by: null,
        decided_at: null,
      })
    }
    await tx.audit({
      kind: 'campaign.started',
      campaign: row.id,
      campaignName: row.name,
      items: held.length,
      dueAt: row.due_at.toISOString(),
      ...by(call),
    })
    await notify(tx, aboutOf('campaign.asked', row), [...reviewers])
    return done(row.id)
  })
  if (!begun.ok) return begun
  return shown(call.world, begun.value)
}

async function shown(world: World, id: CampaignId) {
  const found = await readCampaign(world, id)
  if (found === undefined) return notFound('campaign', id)
  const { list: _, ...campaign } = found
  return done(campaign)
}

type Users = ReadonlyMap<UserId, Row<'app_user'>>

async function grantsNow(tx: Tx, users: Users): Promise<readonly Held[]> {
  const rows = await tx.db
    .selectFrom('access_grant')
    .innerJoin('account', 'account.id', 'access_grant.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('access_grant')
    .select(['account.safe_id', 'account.login', 'target.name as target_name'])
    .where('access_grant.rule', 'is', null)
    .where('access_grant.revoked_at', 'is', null)
    .where('access_grant.not_after', '>', tx.now)
    .execute()
  checked(tx.guard, 'access_grant', rows)
  return rows.flatMap((row) => {
    const user = users.get(row.user_id)
    const what = `use ${row.target_name}/${row.login} until ${utcMinute(row.not_after)} (${row.actions.join(', ')})`
    return user === undefined ? [] : [{ user, safe: row.safe_id, what, grant: row.id }]
  })
}

async function membershipsNow(
  tx: Tx,
  users: Users,
  members: readonly Row<'safe_member'>[],
): Promise<readonly Held[]> {
  const safes = new Map(
    checked(tx.guard, 'safe', await tx.db.selectFrom('safe').selectAll().execute()).map(({ id, name }) => [
      id,
      name,
    ]),
  )
  return members.flatMap((member) => {
    const user = users.get(member.user_id)
    if (user === undefined || user.state === 'disabled' || member.permissions.length === 0) return []
    const what = `permissions on ${safes.get(member.safe_id) ?? member.safe_id}: ${member.permissions.join(', ')}`
    return [{ user, safe: member.safe_id, what, grant: null }]
  })
}

/** Who is asked: whom somebody named, else an approver of the safe, else who administers; never whose it is. */
function reviewerOf(
  held: Held,
  named: Row<'app_user'> | undefined,
  users: Users,
  members: readonly Row<'safe_member'>[],
): Row<'app_user'> | undefined {
  if (named !== undefined && named.id !== held.user.id) return named
  const may = (user: Row<'app_user'>) => user.state === 'active' && user.id !== held.user.id
  const approvers = [...users.values()].filter(
    (user) =>
      may(user) &&
      mayHold(user.roles, 'approve') &&
      members.some(
        (one) => one.safe_id === held.safe && one.user_id === user.id && one.permissions.includes('approve'),
      ),
  )
  return (
    approvers[0] ??
    [...users.values()].find((user) => may(user) && user.roles.includes('admin')) ??
    [...users.values()].find((user) => may(user) && user.roles.includes('security-officer'))
  )
}

/**
 * Says whether somebody keeps something. What is to be revoked is carried out by the verb that revokes it, by who may.
 *
 * SECURITY: nobody decides about their own, under whichever of their users.
 */
export const campaignDecide: Handler<'campaign.decide'> = async (call, { item, decision, reason }) => {
  const user = userOf(call)
  const decided = await transact(call.world, async (tx): Promise<Outcome<CampaignId>> => {
    const found = await tx.db
      .selectFrom('campaign_item')
      .selectAll()
      .where('id', '=', item)
      .forUpdate()
      .executeTakeFirst()
    const row = checkedOne(tx.guard, 'campaign_item', found)
    const isAbove = user.roles.some((role) => role === 'admin' || role === 'security-officer')
    if (row === undefined || (row.reviewer_id !== user.id && !isAbove)) return notFound('item', item)
    if (row.user_id === user.id || (await whySame(tx.db, tx.guard, row.user_id, user.id)) !== undefined)
      return refuse('forbidden', 'you cannot decide about what is yours', 'another administrator must')
    const campaign = await lockCampaign(tx, row.campaign_id)
    if (campaign === undefined || campaign.closed_at !== null)
      return refuse('conflict', 'this access review is signed off', 'begin another one')
    await updateGuarded(tx, 'campaign_item', row, {
      decision,
      reason,
      decided_by: user.name,
      decided_at: tx.now,
    })
    await tx.audit({
      kind: 'campaign.decided',
      campaign: campaign.id,
      campaignName: campaign.name,
      item: row.id,
      userName: row.user_name,
      what: row.what,
      decision,
      reason,
      ...by(call),
    })
    return done(row.campaign_id)
  })
  if (!decided.ok) return decided
  const view = (await readCampaign(call.world, decided.value))?.list.find(({ id }) => id === item)
  return view === undefined ? notFound('item', item) : done(view)
}

async function lockCampaign(tx: Tx, id: CampaignId): Promise<Row<'campaign'> | undefined> {
  const row = await tx.db
    .selectFrom('campaign')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return checkedOne(tx.guard, 'campaign', row)
}

/** Signs off an access review, once all is decided or its day has passed. */
export const campaignClose: Handler<'campaign.close'> = async (call, { campaign, note }) => {
  const user = userOf(call)
  const closed = await transact(call.world, async (tx) => {
    const row = await lockCampaign(tx, campaign)
    if (row === undefined) return notFound('campaign', campaign)
    if (row.closed_at !== null) return refuse('conflict', 'this access review is signed off already')
    const items = checked(
      tx.guard,
      'campaign_item',
      await tx.db.selectFrom('campaign_item').selectAll().where('campaign_id', '=', campaign).execute(),
    )
    const open = items.filter(({ decision }) => decision === null).length
    if (open > 0 && row.due_at > tx.now)
      return refuse(
        'conflict',
        `${open} of ${items.length} are not decided, and there is time until ${utcMinute(row.due_at)}`,
        'decide them, or wait for that day',
      )
    await updateGuarded(tx, 'campaign', row, { closed_by: user.name, closed_at: tx.now, note })
    await tx.audit({
      kind: 'campaign.signed-off',
      campaign: row.id,
      campaignName: row.name,
      kept: items.filter(({ decision }) => decision === 'keep').length,
      revoked: items.filter(({ decision }) => decision === 'revoke').length,
      undecided: open,
      note,
      ...by(call),
    })
    return done(null)
  })
  return closed.ok ? shown(call.world, campaign) : closed
}

function aboutOf(kind: 'campaign.asked' | 'campaign.due' | 'campaign.overdue', row: Row<'campaign'>) {
  return { kind, campaign: row.id, name: row.name, dueAt: row.due_at.toISOString() }
}

/** Days before its end on which reviewers are reminded. */
const aheadMs = 3 * day

/** Reminds reviewers who have not decided three days before the day, and tells those above them when it has passed. */
export async function remindOfCampaigns(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const now = clock()
  const due = await database
    .selectFrom('campaign')
    .select('id')
    .where('closed_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb.and([eb('reminded_at', 'is', null), eb('due_at', '<=', new Date(now.getTime() + aheadMs))]),
        eb.and([eb('escalated_at', 'is', null), eb('due_at', '<=', now)]),
      ]),
    )
    .execute()
  for (const { id } of due)
    await world.vault.inTransaction(async (tx) => {
      const row = await lockCampaign(tx, id)
      if (row === undefined || row.closed_at !== null) return
      const isOver = row.due_at <= tx.now
      await tx.db
        .updateTable('campaign')
        .set({ reminded_at: tx.now, ...(isOver ? { escalated_at: tx.now } : {}) })
        .where('id', '=', id)
        .execute()
      const open = await tx.db
        .selectFrom('campaign_item')
        .select('reviewer_id')
        .distinct()
        .where('campaign_id', '=', id)
        .where('decision', 'is', null)
        .execute()
      if (open.length === 0) return
      const reviewers = open.map(({ reviewer_id }) => reviewer_id)
      await notify(tx, aboutOf(isOver ? 'campaign.overdue' : 'campaign.due', row), async () =>
        isOver ? [...reviewers, ...(await activeWith(tx, ['admin', 'security-officer']))] : reviewers,
      )
    })
}
