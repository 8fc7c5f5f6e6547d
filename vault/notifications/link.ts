import { createHmac, timingSafeEqual } from 'node:crypto'
import { encodeParts } from '../kernel/encoding.ts'
import { isId, type NotificationId } from '../kernel/id.ts'
import type { Row } from '../rows.ts'
import type { World } from '../world.ts'

/** Milliseconds for which the link in a mail is good. */
export const linkLives = 4 * 3600_000

/**
 * The token of the link in a mail: the same however often the mail is sent, and nowhere kept.
 *
 * SECURITY: it lets nobody in. Whoever holds it and signs in as its addressee sees a page that they may see anyway.
 */
export function linkToken(world: World, row: Row<'notification'>): string {
  return `${row.id}.${macOf(world, row).toString('base64url')}`
}

/** The notification that a token claims to be of. */
export function notificationOf(token: string): NotificationId | undefined {
  const [id = ''] = token.split('.')
  return isId('ntf', id) ? id : undefined
}

export function isLinkOf(world: World, row: Row<'notification'>, token: string): boolean {
  const given = Buffer.from(token)
  const right = Buffer.from(linkToken(world, row))
  return given.length === right.length && timingSafeEqual(given, right)
}

function macOf(world: World, row: Row<'notification'>): Buffer {
  return createHmac('sha256', world.vault.purposeKey('notification-link'))
    .update(encodeParts(row.id, row.user_id ?? '', row.about))
    .digest()
}
