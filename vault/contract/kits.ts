import { z } from 'zod'
import type { KitId } from '../kernel/id.ts'
import {
  freshCode,
  id,
  line,
  moment,
  nameText,
  nothing,
  people,
  reference,
  type Verb,
  verb,
} from './shapes.ts'

/** Emergency kits: the secrets of a safe, sealed to custodians who open them together when nothing else is left. */

/** An emergency kit was opened, and what is still to be done because of it. */
export type KitOpeningView = {
  readonly id: string
  readonly madeAt: string
  readonly openedAt: string
  readonly custodians: readonly string[]
  readonly reason: string
  readonly reportedBy: string
  readonly reportedAt: string
  /** Accounts whose secret is still the one that was in the kit. */
  readonly left: readonly string[]
  readonly dueAt: string
  readonly isOverdue: boolean
}

export type KitView = {
  readonly id: KitId
  readonly safe: string
  /** `waiting`: its shares are handed out, and nobody has confirmed it yet. */
  readonly state: 'waiting' | 'in force' | 'ended'
  readonly set: string
  readonly threshold: number
  readonly custodians: readonly string[]
  /** SHA256:… of the key that signs kits: it is on each custodian's sheet too. */
  readonly signedBy: string
  readonly preparedBy: string
  readonly preparedAt: string
  readonly confirmedBy: string | null
  readonly confirmedAt: string | null
  readonly endedAt: string | null
  readonly taken: { readonly by: string; readonly at: string } | null
  /** Accounts whose secret is newer than the kit that was last taken away, or not in it; all where none was. */
  readonly changedSince: number
  readonly accounts: number
  readonly drilledAt: string | null
  /** Why somebody should take a new one away, or drill; null: nothing is to be done. */
  readonly due: string | null
  /** Those first of which something is left to do. */
  readonly openings: readonly KitOpeningView[]
}

export const kitsVerbs = {
  'kit.list': verb(people, nothing),
  /** Makes the shares of a safe's kit. They open nothing before somebody else confirms it. */
  'kit.prepare': verb(
    ['local'],
    z.strictObject({
      safe: reference,
      custodians: z.array(nameText).min(2, 'two custodians at least').max(16, 'sixteen custodians at most'),
      threshold: z.int().min(2, 'two at least: one alone would open every secret of the safe').max(16),
    }),
  ),
  'kit.confirm': verb(['user'], z.strictObject({ kit: id('kit'), totpCode: freshCode })),
  'kit.end': verb(people, z.strictObject({ kit: id('kit'), reason: line(500), totpCode: freshCode })),
  /** The kit as it is now, to take away: nobody opens it but its custodians. */
  'kit.write': verb(people, z.strictObject({ safe: reference })),
  /** It was opened, or its opening was practised. */
  'kit.report': verb(
    people,
    z.strictObject({
      kit: id('kit'),
      madeAt: moment,
      openedAt: moment,
      custodians: z.array(nameText).min(1).max(16),
      drill: z.boolean(),
      reason: line(500),
    }),
  ),
} as const satisfies Record<string, Verb>

export type KitsAnswers = {
  'kit.list': readonly KitView[]
  'kit.prepare': {
    readonly kit: KitId
    readonly set: string
    readonly threshold: number
    readonly signedBy: string
    readonly shares: readonly { readonly index: number; readonly name: string; readonly text: string }[]
  }
  'kit.confirm': KitView
  'kit.end': KitView
  'kit.write': {
    readonly kit: KitId
    readonly madeAt: string
    readonly accounts: number
    /** The whole file, text. */
    readonly file: string
  }
  'kit.report': KitView
}
