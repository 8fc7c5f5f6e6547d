import type { CampaignItem, CampaignView } from '../contract.ts'
import type { CampaignId, UserId } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, type Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import type { Call, Handler, World } from '../world.ts'

type Campaign = Row<'campaign'>
type Item = Row<'campaign_item'>

/** Whose items the asker sees: null for those who see everything. */
async function onlyOf(call: Call): Promise<UserId | null> {
  const sight = await sightOf(call)
  return sight.all ? null : sight.user
}

/** Items of campaigns, checked, with whether each still holds. */
async function itemsOf(
  { vault }: World,
  campaigns: readonly CampaignId[],
  only: UserId | null,
): Promise<readonly (CampaignItem & { readonly campaign: CampaignId })[]> {
  if (campaigns.length === 0) return []
  const { database, guard, clock } = vault
  const rows = await database
    .selectFrom('campaign_item')
    .innerJoin('safe', 'safe.id', 'campaign_item.safe_id')
    .selectAll('campaign_item')
    .select('safe.name as safe_name')
    .where('campaign_id', 'in', campaigns)
    .$if(only !== null, (query) => query.where('reviewer_id', '=', only ?? ('' as UserId)))
    .orderBy('user_name')
    .orderBy('campaign_item.id')
    .execute()
  checked(guard, 'campaign_item', rows as readonly Item[])
  const grants = rows.flatMap(({ grant_id }) => grant_id ?? [])
  const held = new Set(
    grants.length === 0
      ? []
      : checked(
          guard,
          'access_grant',
          await database
            .selectFrom('access_grant')
            .selectAll()
            .where('id', 'in', grants)
            .where('revoked_at', 'is', null)
            .where('not_after', '>', clock())
            .execute(),
        ).map(({ id }) => id),
  )
  const members = checked(
    guard,
    'safe_member',
    await database
      .selectFrom('safe_member')
      .selectAll()
      .where('safe_id', 'in', [...new Set(rows.map(({ safe_id }) => safe_id)), '' as never])
      .execute(),
  )
  const isMember = (row: Item) =>
    members.some(
      (one) => one.safe_id === row.safe_id && one.user_id === row.user_id && one.permissions.length > 0,
    )
  return rows.map((row) => ({
    campaign: row.campaign_id,
    id: row.id,
    user: row.user_name,
    safe: row.safe_name,
    what: row.what,
    grant: row.grant_id,
    reviewer: row.reviewer_name,
    decision: row.decision,
    reason: row.reason ?? '',
    decidedBy: row.decided_by,
    decidedAt: row.decided_at?.toISOString() ?? null,
    holds: row.grant_id === null ? isMember(row) : held.has(row.grant_id),
  }))
}

async function views(
  world: World,
  rows: readonly Campaign[],
  only: UserId | null,
): Promise<readonly (CampaignView & { readonly list: readonly CampaignItem[] })[]> {
  checked(world.vault.guard, 'campaign', rows)
  const items = await itemsOf(
    world,
    rows.map(({ id }) => id),
    only,
  )
  const byCampaign = Map.groupBy(items, ({ campaign }) => campaign)
  return rows.map((row) => {
    const list = (byCampaign.get(row.id) ?? []).map(({ campaign: _, ...item }) => item)
    return {
      id: row.id,
      name: row.name,
      dueAt: row.due_at.toISOString(),
      startedBy: row.started_by,
      startedAt: row.started_at.toISOString(),
      isOverdue: row.closed_at === null && row.due_at <= world.vault.clock(),
      items: list.length,
      decided: list.filter(({ decision }) => decision !== null).length,
      toCarryOut: list.filter(({ decision, holds }) => decision === 'revoke' && holds).length,
      signedOff:
        row.closed_at === null
          ? null
          : { by: row.closed_by ?? '', at: row.closed_at.toISOString(), note: row.note ?? '' },
      list,
    }
  })
}

const mostListed = 100

/** Access reviews, the newest first: all, or those in which the asker decides something. */
export const campaignList: Handler<'campaign.list'> = async (call) => {
  const only = await onlyOf(call)
  const rows = await call.world.vault.database
    .selectFrom('campaign')
    .selectAll()
    .orderBy('started_at', 'desc')
    .limit(mostListed)
    .execute()
  const found = await views(call.world, rows, only)
  return done(
    found.filter(({ items }) => only === null || items > 0).map(({ list: _, ...campaign }) => campaign),
  )
}

/** One, with its items. SECURITY: a reviewer is told of their own, and not that there are others. */
export const campaignShow: Handler<'campaign.show'> = async (call, { campaign }) => {
  const only = await onlyOf(call)
  const found = await readCampaign(call.world, campaign, only)
  return found === undefined || (only !== null && found.items === 0)
    ? notFound('campaign', campaign)
    : done(found)
}

export async function readCampaign(world: World, campaign: CampaignId, only: UserId | null = null) {
  const rows = await world.vault.database
    .selectFrom('campaign')
    .selectAll()
    .where('id', '=', campaign)
    .execute()
  return (await views(world, rows, only))[0]
}
