import type { NotificationView } from '../contract.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { mailOf } from '../identity/mail.ts'
import { findUser } from '../identity/user.ts'
import { addressKind, literalAddress } from '../kernel/network.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, deleteGuarded, insertGuarded, updateGuarded } from '../rows.ts'
import { checkedOne } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf } from '../world.ts'
import type { About } from './about.ts'
import { webhookOf, write } from './notify.ts'
import { webhookKey } from './outbox.ts'
import { sentenceOf } from './words.ts'

/** How many of the latest are shown. */
const shown = 200

/** Who sends, what waits, and what became of the latest. */
export const notificationStatus: Handler<'notification.status'> = async ({ world }) => {
  const { database, guard } = world.vault
  const { sender } = world
  const webhook = checkedOne(
    guard,
    'webhook',
    await database.selectFrom('webhook').selectAll().where('id', '=', 'webhook').executeTakeFirst(),
  )
  const rows = checked(
    guard,
    'notification',
    await database.selectFrom('notification').selectAll().orderBy('id', 'desc').limit(shown).execute(),
  )
  const users = await database.selectFrom('app_user').select(['id', 'name']).execute()
  const names = new Map(users.map(({ id, name }) => [id, name]))
  const counted = await database
    .selectFrom('notification')
    .select((eb) => ['channel', eb.fn.countAll<number>().as('count'), eb.fn.min('created_at').as('since')])
    .where('state', '=', 'waiting')
    .groupBy('channel')
    .execute()
  const waiting = (channel: 'mail' | 'webhook') => {
    const found = counted.find((one) => one.channel === channel)
    return { count: found?.count ?? 0, since: found?.since?.toISOString() ?? null }
  }
  return done({
    senderSeenAt: sender.seenAt === null ? null : new Date(sender.seenAt).toISOString(),
    mail: sender.mail,
    webhook:
      webhook === undefined
        ? null
        : { url: webhook.url, setBy: webhook.set_by, setAt: webhook.set_at.toISOString() },
    webhookKey: webhookKey(world),
    waiting: { mail: waiting('mail'), webhook: waiting('webhook') },
    latest: rows.map(
      (row): NotificationView => ({
        id: row.id,
        kind: row.kind,
        channel: row.channel,
        user: row.user_id === null ? null : (names.get(row.user_id) ?? ''),
        text: sentenceOf(JSON.parse(row.about) as About),
        createdAt: row.created_at.toISOString(),
        state: row.state,
        attempts: row.attempts,
        nextAt: row.state === 'waiting' ? row.next_at.toISOString() : null,
        endedAt: row.ended_at?.toISOString() ?? null,
        error: row.error,
      }),
    ),
  })
}

/** Has a user written to, to see whether it arrives. */
export const notificationTest: Handler<'notification.test'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, input.user)
    if (user === undefined) return notFound('user', input.user)
    if ((await mailOf(tx.db, tx.guard, user.id)) === undefined)
      return refuse(
        'conflict',
        `the user ${user.name} has no mail address`,
        `set one: tagout user mail ${user.name} ADDRESS`,
      )
    if (user.state === 'disabled')
      return refuse('conflict', `the user ${user.name} is disabled`, 'choose another user')
    const notification = await write(tx, { kind: 'test', by: nameOf(call) }, 'mail', user.id)
    await tx.audit({
      kind: 'notification.test',
      notification,
      about: 'test',
      user: user.id,
      userName: user.name,
      ...by(call),
    })
    return done({ notification })
  })

/** Has the webhook told something, to see whether it arrives. */
export const notificationTestWebhook: Handler<'notification.testWebhook'> = async (call) =>
  transact(call.world, async (tx) => {
    if ((await webhookOf(tx)) === undefined)
      return refuse('conflict', 'there is no webhook', 'set one: tagout notify webhook URL')
    const notification = await write(tx, { kind: 'test', by: nameOf(call) }, 'webhook', null)
    await tx.audit({ kind: 'notification.test', notification, about: 'test', ...by(call) })
    return done({ notification })
  })

/** Sets the one address that is told of everything, or takes it away. */
export const webhookSet: Handler<'webhook.set'> = async (call, input) => {
  const url = input.url === null ? done(null) : canonicalUrl(input.url)
  if (!url.ok) return url
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const before = checkedOne(
      tx.guard,
      'webhook',
      await tx.db
        .selectFrom('webhook')
        .selectAll()
        .where('id', '=', 'webhook')
        .forUpdate()
        .executeTakeFirst(),
    )
    if (url.value === null) {
      if (before === undefined) return refuse('conflict', 'there is no webhook')
      await deleteGuarded(tx, 'webhook', before)
    } else {
      const values = { url: url.value, set_by: nameOf(call), set_at: tx.now }
      if (before === undefined) await insertGuarded(tx, 'webhook', { id: 'webhook', ...values })
      else await updateGuarded(tx, 'webhook', before, values)
    }
    await tx.audit({ kind: 'webhook.set', ...(url.value === null ? {} : { url: url.value }), ...by(call) })
    return done({ key: webhookKey(call.world) })
  })
}

/**
 * A URL that may be called. The sender looks again at each address that its name leads to.
 *
 * SECURITY: nothing of a person's credentials is kept in clear in a table: what signs is the vault's key.
 */
function canonicalUrl(text: string): Outcome<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.protocol !== 'https:')
    return refuse(
      'invalid',
      'url: this is no https address',
      'give one such as https://soc.plant.example/tagout',
    )
  if (url.username !== '' || url.password !== '')
    return refuse(
      'invalid',
      'url: it holds a name or a password, which others would read here',
      'leave them out: the receiver checks the signature',
    )
  if (url.hash !== '') return refuse('invalid', 'url: leave out what follows the #')
  const literal = literalAddress(url)
  if (literal !== undefined && addressKind(literal) === 'never')
    return refuse(
      'invalid',
      `url: nothing is sent to ${literal}: machines tell secrets about themselves there`,
      'give the address of your receiver',
    )
  return done(url.href)
}
