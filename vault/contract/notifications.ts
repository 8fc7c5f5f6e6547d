import { z } from 'zod'
import type { Id, PolicyRequestId } from '../kernel/id.ts'
import { freshCode, id, nothing, people, reference, type Verb, verb } from './shapes.ts'

/** What can be asked about what people are written and the webhook is told. */

export const notificationStates = ['waiting', 'sent', 'failed', 'dropped'] as const

/** What somebody was written, or the webhook told, and what became of it. */
export type NotificationView = {
  readonly id: Id<'ntf'>
  /** One of `AboutKind` (vault/notifications/about.ts). */
  readonly kind: string
  readonly channel: 'mail' | 'webhook'
  /** To whom; null: the webhook. */
  readonly user: string | null
  readonly text: string
  readonly createdAt: string
  /** `dropped`: there was no reason any more to send it. */
  readonly state: (typeof notificationStates)[number]
  readonly attempts: number
  /** When it is tried next, where it waits. */
  readonly nextAt: string | null
  readonly endedAt: string | null
  /** What went wrong last. */
  readonly error: string | null
}

/** What is to be sent, as whoever sends it gets it. */
export type Envelope =
  | {
      readonly id: Id<'ntf'>
      readonly channel: 'mail'
      readonly to: string
      readonly subject: string
      readonly lines: readonly string[]
      /** Where its link leads in the console; null: it has none. */
      readonly path: string | null
      readonly linkUntil: string
      readonly at: string
    }
  | {
      readonly id: Id<'ntf'>
      readonly channel: 'webhook'
      readonly url: string
      readonly body: string
      /** Seconds since 1970, as text. */
      readonly timestamp: string
      readonly signature: string
    }

export const notificationsVerbs = {
  'notification.status': verb(people, nothing),
  'notification.test': verb(people, z.strictObject({ user: reference })),
  'notification.testWebhook': verb(people, nothing),
  /** Opens what the link in a mail leads to: once, by who it was sent to. */
  'notification.open': verb(['user'], z.strictObject({ token: z.string().max(200) })),
  /** The one address that is told of everything; null takes it away. */
  'webhook.set': verb(people, z.strictObject({ url: z.string().max(500).nullable(), totpCode: freshCode })),
  /** What is due, for whoever sends it; `mail` is null where no mail is set up. */
  'notification.take': verb(
    ['api'],
    z.strictObject({
      mail: z.strictObject({ server: z.string().max(300), from: z.string().max(300) }).nullable(),
      limit: z.int().min(1).max(50),
    }),
  ),
  /** What became of it. Without `error` it was sent; `forGood`: another attempt would end the same way. */
  'notification.done': verb(
    ['api'],
    z.strictObject({
      notification: id('ntf'),
      error: z.string().max(300).optional(),
      forGood: z.boolean().optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type NotificationsAnswers = {
  'notification.status': {
    /** When the sender last asked for something to send; null: not since the vault started. */
    readonly senderSeenAt: string | null
    /** Null: no mail is set up. */
    readonly mail: { readonly server: string; readonly from: string } | null
    readonly webhook: { readonly url: string; readonly setBy: string; readonly setAt: string } | null
    /** The Ed25519 key that signs what the webhook is told: `whpk_` and base64. */
    readonly webhookKey: string
    readonly waiting: Readonly<
      Record<'mail' | 'webhook', { readonly count: number; readonly since: string | null }>
    >
    readonly latest: readonly NotificationView[]
  }
  'notification.test': { readonly notification: Id<'ntf'> }
  'notification.testWebhook': { readonly notification: Id<'ntf'> }
  'notification.open': { readonly request: Id<'req'> | PolicyRequestId }
  'webhook.set': { readonly key: string }
  'notification.take': readonly Envelope[]
  'notification.done': null
}
