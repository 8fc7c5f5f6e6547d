import { isPolicyWaiting } from '../access/two.ts'
import { signBytes, signingKeyOf } from '../crypto/signing.ts'
import type { Envelope } from '../contract.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { checked, checkedOne, deleteGuarded, type Row } from '../rows.ts'
import { findUser } from '../identity/user.ts'
import { mailOf } from '../identity/mail.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { type Handler, userOf, by, type World } from '../world.ts'
import type { About } from './about.ts'
import { isLinkOf, linkLives, linkToken, notificationOf } from './link.ts'
import { orAlarm, webhookOf } from './notify.ts'
import { adviceOf, sentenceOf } from './words.ts'

/** Milliseconds for which whoever took a notification has it to themself. */
const claimLives = 120_000
/** Milliseconds after which a notification that nobody would take is given up. */
const livesFor = 3 * 24 * 3600_000
/** Milliseconds for which it is seen what was sent. */
const keptFor = 30 * 24 * 3600_000
const longestWait = 3600_000

/** How long to wait after so many attempts that failed, in milliseconds: 15 s, doubled each time, an hour at most. */
export function waitAfter(attempts: number): number {
  return Math.min(15_000 * 2 ** Math.max(0, attempts - 1), longestWait)
}

/** What the vault knows of who sends. It is told with each call, and forgotten at its end. */
export type Sender = {
  /** When it last asked, in milliseconds; null: never. */
  seenAt: number | null
  /** The mail server that it has, and from whom it writes; null where no mail is set up. */
  mail: { readonly server: string; readonly from: string } | null
}

const api = { kind: 'plane', plane: 'api' } as const

/**
 * Hands out what is due, each to one sender at a time. Whoever does not say what became of it has lost it after two
 * minutes, and it is sent again: at least once, under the same id.
 */
export const notificationTake: Handler<'notification.take'> = async ({ world }, input) => {
  const { sender } = world
  sender.seenAt = world.vault.clock().getTime()
  sender.mail = input.mail
  const due = await world.vault.database
    .selectFrom('notification')
    .select('id')
    .where('state', '=', 'waiting')
    .where('next_at', '<=', world.vault.clock())
    .where('channel', 'in', input.mail === null ? ['webhook'] : ['mail', 'webhook'])
    .limit(1)
    .execute()
  if (due.length === 0) return done([])
  return transact(world, async (tx) => {
    const rows = await tx.db
      .selectFrom('notification')
      .selectAll()
      .where('state', '=', 'waiting')
      .where('next_at', '<=', tx.now)
      .where('channel', 'in', input.mail === null ? ['webhook'] : ['mail', 'webhook'])
      .orderBy('next_at')
      .limit(input.limit)
      .forUpdate()
      .skipLocked()
      .execute()
    const taken: Envelope[] = []
    for (const row of rows) {
      const envelope = await orLater(tx, row, () => envelopeOf(tx, world, row))
      if (envelope === undefined) continue
      if (typeof envelope === 'string') {
        await end(tx, row, 'dropped', envelope)
        continue
      }
      await tx.db
        .updateTable('notification')
        .set({ attempts: row.attempts + 1, next_at: new Date(tx.now.getTime() + claimLives) })
        .where('id', '=', row.id)
        .execute()
      taken.push(envelope)
    }
    return done(taken)
  })
}

/** Puts a notification off that rests on a forged row; the others go out. */
async function orLater<T>(tx: Tx, row: Row<'notification'>, act: () => Promise<T>): Promise<T | undefined> {
  const found = await orAlarm(tx, act)
  if (found === undefined)
    await tx.db
      .updateTable('notification')
      .set({
        attempts: row.attempts + 1,
        next_at: new Date(tx.now.getTime() + waitAfter(row.attempts + 1)),
        error: 'a row that it rests on was not written by the vault',
      })
      .where('id', '=', row.id)
      .execute()
  return found
}

/** What is to be sent, or why it is not. */
async function envelopeOf(tx: Tx, world: World, row: Row<'notification'>): Promise<Envelope | string> {
  // SECURITY: nothing goes out under our name that the vault did not write; what is forged holds up nothing else.
  if (!(await isOurs(tx, row))) return 'it was not written by the vault'
  if (tx.now.getTime() - row.created_at.getTime() > livesFor) return 'it could not be sent for three days'
  const about = JSON.parse(row.about) as About
  const why = await whyOver(tx, about)
  if (why !== undefined) return why
  if (row.channel === 'webhook') return webhookEnvelope(tx, world, row, about)
  const user = row.user_id === null ? undefined : await findUser(tx.db, tx.guard, row.user_id)
  if (user === undefined || user.state === 'disabled') return 'its user is disabled'
  const address = row.address ?? (await mailOf(tx.db, tx.guard, user.id))?.address
  if (address === undefined) return 'its user has no mail address any more'
  return {
    id: row.id,
    channel: 'mail',
    to: address,
    subject: sentenceOf(about),
    lines: adviceOf(about),
    path: pathOf(about, () => linkToken(world, row)),
    linkUntil: new Date(row.created_at.getTime() + linkLives).toISOString(),
    at: row.created_at.toISOString(),
  }
}

function pathOf(about: About, token: () => string): string | null {
  if ('request' in about) return `/requests/open#${token()}`
  return 'policyRequest' in about ? `/policy/open#${token()}` : null
}

/** A question that was answered meanwhile is not asked any more. */
async function whyOver(tx: Tx, about: About): Promise<string | undefined> {
  if (about.kind === 'policy.asked' || about.kind === 'policy.unanswered')
    return (await isPolicyWaiting(tx, about.policyRequest))
      ? undefined
      : 'its policy was answered, or is over'
  if (about.kind !== 'request.asked' && about.kind !== 'request.unanswered') return undefined
  const request = checkedOne(
    tx.guard,
    'access_request',
    await tx.db.selectFrom('access_request').selectAll().where('id', '=', about.request).executeTakeFirst(),
  )
  const isOpen = request?.state === 'open' && request.expires_at > tx.now
  return isOpen ? undefined : 'its request was answered, or is over'
}

async function webhookEnvelope(
  tx: Tx,
  world: World,
  row: Row<'notification'>,
  about: About,
): Promise<Envelope | string> {
  const webhook = await webhookOf(tx)
  if (webhook === undefined) return 'there is no webhook any more'
  const body = JSON.stringify({
    id: row.id,
    at: row.created_at.toISOString(),
    ...about,
    text: sentenceOf(about),
  })
  const timestamp = String(Math.floor(tx.now.getTime() / 1000))
  return {
    id: row.id,
    channel: 'webhook',
    url: webhook.url,
    body,
    timestamp,
    signature: signWebhook(world, `${row.id}.${timestamp}.${body}`),
  }
}

/** `v1a,` and the Ed25519 signature, as the Standard Webhooks specification has it. */
export function signWebhook(world: World, text: string): string {
  const key = signingKeyOf(world.vault.purposeKey('webhook-sign'))
  return `v1a,${Buffer.from(signBytes(key, Buffer.from(text))).toString('base64')}`
}

/** The key by which a receiver knows what comes from this vault, in the specification's form. */
export function webhookKey(world: World): string {
  const { publicKey } = signingKeyOf(world.vault.purposeKey('webhook-sign'))
  return `whpk_${Buffer.from(publicKey).toString('base64')}`
}

async function isOurs(tx: Tx, row: Row<'notification'>): Promise<boolean> {
  return (await orAlarm(tx, async () => checkedOne(tx.guard, 'notification', row))) !== undefined
}

/** Says what became of a notification that was taken. */
export const notificationDone: Handler<'notification.done'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const row = await tx.db
      .selectFrom('notification')
      .selectAll()
      .where('id', '=', input.notification)
      .where('state', '=', 'waiting')
      .where('attempts', '>', 0)
      .forUpdate()
      .executeTakeFirst()
    if (row === undefined) return refuse('not_found', 'no such notification was taken')
    if (!(await isOurs(tx, row))) {
      await end(tx, row, 'dropped', 'it was not written by the vault')
      return done(null)
    }
    if (input.error === undefined) await end(tx, row, 'sent', null)
    else if (input.forGood) await end(tx, row, 'failed', input.error)
    else
      await tx.db
        .updateTable('notification')
        .set({ error: input.error, next_at: new Date(tx.now.getTime() + waitAfter(row.attempts)) })
        .where('id', '=', row.id)
        .execute()
    return done(null)
  })

async function end(
  tx: Tx,
  row: Row<'notification'>,
  state: 'sent' | 'failed' | 'dropped',
  error: string | null,
): Promise<void> {
  await tx.db
    .updateTable('notification')
    .set({ state, error, ended_at: tx.now })
    .where('id', '=', row.id)
    .execute()
  const user = row.user_id === null ? undefined : await findUser(tx.db, tx.guard, row.user_id)
  const ref = {
    notification: row.id,
    about: row.kind,
    ...(user === undefined ? {} : { user: user.id, userName: user.name }),
  }
  await tx.audit(
    state === 'sent'
      ? { kind: 'notification.sent', ...ref, actor: api }
      : { kind: 'notification.not-sent', why: error ?? '', ...ref, actor: api },
  )
}

/**
 * Opens what the link in a mail leads to, once, for its addressee.
 *
 * SECURITY: it answers an id, nothing else: whether the person may see what it names is asked of them as ever.
 */
export const notificationOpen: Handler<'notification.open'> = async (call, { token }) =>
  transact(call.world, async (tx) => {
    const id = notificationOf(token)
    const row =
      id === undefined
        ? undefined
        : await tx.db
            .selectFrom('notification')
            .selectAll()
            .where('id', '=', id)
            .forUpdate()
            .executeTakeFirst()
    if (row === undefined || !isLinkOf(call.world, row, token))
      return refuse('not_found', 'this link leads nowhere', 'look under Requests, or under Policy')
    const under = `look under ${row.kind.startsWith('policy.') ? 'Policy' : 'Requests'}`
    checkedOne(tx.guard, 'notification', row)
    if (row.user_id !== userOf(call).id)
      return refuse('forbidden', 'this link was sent to somebody else', 'sign in as who it was sent to')
    if (row.created_at.getTime() + linkLives <= tx.now.getTime())
      return refuse('expired', 'this link is too old', under)
    if (row.opened_at !== null) return refuse('conflict', 'this link was used', under)
    const about = JSON.parse(row.about) as About
    const leadsTo =
      'request' in about ? about.request : 'policyRequest' in about ? about.policyRequest : undefined
    if (leadsTo === undefined) return refuse('not_found', 'this link leads nowhere', under)
    await tx.db.updateTable('notification').set({ opened_at: tx.now }).where('id', '=', row.id).execute()
    await tx.audit({ kind: 'notification.opened', notification: row.id, about: row.kind, ...by(call) })
    return done({ request: leadsTo })
  })

/** Forgets what was sent long ago. */
export async function forgetNotifications(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const before = new Date(clock().getTime() - keptFor)
  const old = await database
    .selectFrom('notification')
    .select('id')
    .where('state', '<>', 'waiting')
    .where('created_at', '<', before)
    .limit(100)
    .execute()
  if (old.length === 0) return
  await world.vault.inTransaction(async (tx) => {
    const rows = await tx.db
      .selectFrom('notification')
      .selectAll()
      .where(
        'id',
        'in',
        old.map(({ id }) => id),
      )
      .forUpdate()
      .execute()
    for (const row of checked(tx.guard, 'notification', rows)) await deleteGuarded(tx, 'notification', row)
  })
}
