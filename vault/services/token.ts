import { randomBytes } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { longestTokenDays, type TokenView } from '../contract.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { notFound } from '../not-found.ts'
import type { Principal } from '../policy/facts.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf, tokenHash, type World } from '../world.ts'

/** How a token of a service begins: nobody takes it for a login's, and those who search sources for secrets find it. */
const form = /^tagout_[A-Za-z0-9_-]{43}$/

/** Is this the token of a service, by its form? */
export function isServiceToken(text: string): boolean {
  return form.test(text)
}

/** Milliseconds between two notes that a token was used, or was refused. */
const noteEvery = 60_000

const mostShown = 1000

/** Makes a token of a service. It leaves sealed to the one-time key of whoever asks, once; a hash of it stays. */
export const tokenAdd: Handler<'token.add'> = async (call, input) => {
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  const networks = input.networks ?? []
  for (const network of networks)
    if (!isNetwork(network))
      return refuse(
        'invalid',
        `networks: ${JSON.stringify(network)} is no network`,
        'write it as 10.0.3.0/24 or 10.0.3.7; an IPv6 one as fd00:1::/64',
      )
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const expiresAt = new Date(input.expiresAt)
    if (expiresAt <= tx.now)
      return refuse('invalid', 'expiresAt: that is over', 'say until when it is to be good')
    if (expiresAt.getTime() - tx.now.getTime() > longestTokenDays * 24 * 3600_000)
      return refuse(
        'invalid',
        'expiresAt: a token is good for a year at most',
        'make another one before this one ends',
      )
    const token = `tagout_${randomBytes(32).toString('base64url')}`
    const row = await insertGuarded(tx, 'api_token', {
      id: newId('tok', tx.now.getTime()),
      service: input.service,
      scopes: [...new Set(input.scopes)].sort(),
      networks: [...new Set(networks)],
      token_hash: tokenHash(call.world, token),
      added_by: nameOf(call),
      added_at: tx.now,
      expires_at: expiresAt,
      revoked_at: null,
      last_used_at: null,
      last_source: null,
    })
    await tx.audit({
      kind: 'token.added',
      token: row.id,
      service: row.service,
      scopes: row.scopes,
      ...(row.networks.length === 0 ? {} : { networks: row.networks }),
      expiresAt: row.expires_at.toISOString(),
      ...by(call),
    })
    using text = Secret.fromText(token)
    return done({
      token: viewToken(row, tx.now),
      sealedToken: Buffer.from(sealToBox(boxKey, text)).toString('base64'),
    })
  })
}

export const tokenList: Handler<'token.list'> = async ({ world }) => {
  const { database, guard, clock } = world.vault
  const rows = checked(
    guard,
    'api_token',
    await database.selectFrom('api_token').selectAll().orderBy('id', 'desc').limit(mostShown).execute(),
  )
  const now = clock()
  return done(rows.map((row) => viewToken(row, now)))
}

/** Takes a token back. The next call with it is refused. */
export const tokenRevoke: Handler<'token.revoke'> = async (call, { token: id }) =>
  transact(call.world, async (tx) => {
    const row = checkedOne(
      tx.guard,
      'api_token',
      await tx.db.selectFrom('api_token').selectAll().where('id', '=', id).forUpdate().executeTakeFirst(),
    )
    if (row === undefined) return notFound('token', id)
    if (row.revoked_at !== null) return refuse('conflict', 'this token was revoked already')
    const after = await updateGuarded(tx, 'api_token', row, { revoked_at: tx.now })
    await tx.audit({ kind: 'token.revoked', token: row.id, service: row.service, ...by(call) })
    return done(viewToken(after, tx.now))
  })

function viewToken(row: Row<'api_token'>, now: Date): TokenView {
  return {
    id: row.id,
    service: row.service,
    scopes: row.scopes,
    networks: row.networks,
    state: row.revoked_at !== null ? 'revoked' : row.expires_at <= now ? 'expired' : 'good',
    addedBy: row.added_by,
    addedAt: row.added_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    revokedAt: row.revoked_at?.toISOString() ?? null,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    lastSource: row.last_source,
  }
}

/** To whoever holds none that is good, all of them read alike. */
const noToken = refuse(
  'unauthenticated',
  'this token is unknown, revoked or expired, or not good from here',
  'ask an administrator of this installation: tagout token list',
)

/**
 * Finds out which service holds a token. `source`: the address that the api saw.
 *
 * SECURITY: a service is no user. Nothing that asks for a user's roles, grants, permissions or second factor can take it for
 * one; it may do what its scopes name, and nothing else.
 */
export async function resolveServiceToken(
  world: World,
  token: string,
  source: string,
): Promise<Outcome<{ readonly principal: Principal; readonly source: string }>> {
  const { guard, database, clock } = world.vault
  const row = checkedOne(
    guard,
    'api_token',
    await database
      .selectFrom('api_token')
      .selectAll()
      .where('token_hash', '=', tokenHash(world, token))
      .executeTakeFirst(),
  )
  if (row === undefined) return noToken
  const why =
    row.revoked_at !== null
      ? 'revoked'
      : row.expires_at <= clock()
        ? 'expired'
        : isFrom(row.networks, source)
          ? undefined
          : 'from elsewhere'
  if (why !== undefined) {
    await noteRefused(world, row, why, source)
    return noToken
  }
  await noteUsed(world, row, source)
  return done({
    principal: { kind: 'service', id: row.id, service: row.service, scopes: row.scopes },
    source,
  })
}

async function noteUsed(world: World, row: Row<'api_token'>, source: string): Promise<void> {
  const key = `${row.id} ${source}`
  if (world.tokensSeen.get(key) !== undefined) return
  world.tokensSeen.put(key, true, noteEvery)
  await world.vault.database
    .updateTable('api_token')
    .set({ last_used_at: world.vault.clock(), last_source: source.slice(0, 100) })
    .where('id', '=', row.id)
    .execute()
}

/** Somebody uses what is good no longer, or what was stolen: told once a minute, whatever they try. */
async function noteRefused(
  world: World,
  row: Row<'api_token'>,
  why: 'revoked' | 'expired' | 'from elsewhere',
  source: string,
): Promise<void> {
  const key = `${row.id} ${why}`
  if (world.tokensSeen.get(key) !== undefined) return
  world.tokensSeen.put(key, true, noteEvery)
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'token.refused',
      token: row.id,
      service: row.service,
      why,
      actor: { kind: 'nobody' },
      source: source.slice(0, 100),
    }),
  )
}

/** An address, or a network with the length of its prefix. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined || address.includes('%')) return false
  if (prefix === undefined) return true
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)
}

/** Does the address lie in one of the networks? Without networks, every address does. */
function isFrom(networks: readonly string[], source: string): boolean {
  if (networks.length === 0) return true
  const family = isIP(source)
  if (family === 0) return false
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const kind = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(address, prefix === undefined ? (kind === 'ipv4' ? 32 : 128) : Number(prefix), kind)
  }
  return list.check(source, family === 4 ? 'ipv4' : 'ipv6')
}
