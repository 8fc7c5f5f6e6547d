import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { id, line, moment, nothing, people, reference, type Verb, verb } from './shapes.ts'

/** What can be asked about access reviews: who still needs what. */

export const campaignDecisions = ['keep', 'revoke'] as const
export type CampaignDecision = (typeof campaignDecisions)[number]

export type CampaignView = {
  readonly id: Id<'cam'>
  readonly name: string
  readonly dueAt: string
  readonly startedBy: string
  readonly startedAt: string
  readonly isOverdue: boolean
  /** Of those that the asker sees: all, or their own. */
  readonly items: number
  readonly decided: number
  /** Revoked, and it holds still: somebody who may has to carry it out. */
  readonly toCarryOut: number
  readonly signedOff: { readonly by: string; readonly at: string; readonly note: string } | null
}

export type CampaignItem = {
  readonly id: Id<'cmi'>
  readonly user: string
  readonly safe: string
  /** `use press-3/engineer until …`, or `permissions on line-3: use, approve`. */
  readonly what: string
  /** What is revoked by `grant.revoke`; null: permissions on a safe, which `safe.member.set` takes. */
  readonly grant: Id<'grt'> | null
  readonly reviewer: string
  readonly decision: CampaignDecision | null
  readonly reason: string
  readonly decidedBy: string | null
  readonly decidedAt: string | null
  /** It holds still. */
  readonly holds: boolean
}

export const campaignsVerbs = {
  'campaign.list': verb(people, nothing),
  'campaign.show': verb(people, z.strictObject({ campaign: id('cam') })),
  /** Asks about each grant and each permission on a safe that holds now. Without a reviewer: approvers of the safe. */
  'campaign.start': verb(
    people,
    z.strictObject({ name: line(100), dueAt: moment, reviewer: reference.optional() }),
  ),
  /** Says whether somebody keeps it. Until it is signed off, another word takes the place of the first. */
  'campaign.decide': verb(
    ['user'],
    z.strictObject({
      item: id('cmi'),
      decision: z.enum(campaignDecisions),
      reason: z.string().trim().min(1, 'say why').max(500),
    }),
  ),
  /** Signs off: all is decided, or its day has passed. */
  'campaign.close': verb(
    ['user'],
    z.strictObject({ campaign: id('cam'), note: z.string().trim().min(1, 'say what you found').max(2_000) }),
  ),
} as const satisfies Record<string, Verb>

export type CampaignsAnswers = {
  'campaign.list': readonly CampaignView[]
  'campaign.show': CampaignView & { readonly list: readonly CampaignItem[] }
  'campaign.start': CampaignView
  'campaign.decide': CampaignItem
  'campaign.close': CampaignView
}
