import type { PolicyRequestView } from '../contract.ts'
import { directoryMembers } from '../directory/groups.ts'
import { allDirectories } from '../directory/row.ts'
import { mappingsOf } from '../directory/settings.ts'
import { takeCodeOfPerson, takeFreshCode } from '../identity/fresh-code.ts'
import { whySame } from '../identity/same-person.ts'
import { sha256 } from '../kernel/digest.ts'
import { canonicalBytes, canonicalJson, toHex } from '../kernel/encoding.ts'
import { isId, newId, type PolicyRequestId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { notify } from '../notifications/notify.ts'
import type { PolicyIds } from '../policy/access-rule.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, userOf, type World } from '../world.ts'
import { administratorsBeside, plan, type Planned, putInForce } from './apply.ts'
import { lockMarks } from './follow.ts'
import { policyOf, readPolicyRow } from './policy.ts'

/** Milliseconds for which a policy that somebody asks for waits: over a weekend. */
const waitsFor = 3 * 24 * 3600_000
/** Hours after which people are reminded of one that nobody answered. */
const remindAfterHours = 24
/** How many may wait at a time. */
const mostOpen = 5

/**
 * Asks for a policy where it takes two people to change it. Nothing is changed: another administrator puts it in force.
 */
export const policyAsk: Handler<'policy.ask'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    await lockMarks(tx)
    const row = await readPolicyRow(tx.db, tx.guard, 'update')
    if (row === undefined || policyOf(row).document.applyBy !== 'two')
      return refuse(
        'conflict',
        'one person changes this policy',
        'apply it, or have it say applyBy: two first',
      )
    const planned = await planAgainst(tx, call, row, input.expected, input.document)
    if (!planned.ok) return planned
    if (planned.value.plan.changes.length === 0)
      return refuse('conflict', 'this policy is in force already', 'there is nothing to ask for')
    if ((await administratorsBeside(tx, askerOf(call))).length === 0)
      return refuse(
        'conflict',
        'there is no other administrator who could approve it',
        'add one, or have the machine administrator apply it: tagout policy apply --alone',
      )
    const waiting = (await readOpen(tx)).filter((one) => stateOf(one, row, tx.now) === 'open')
    if (waiting.length >= mostOpen)
      return refuse('rate_limited', `${mostOpen} policies wait for somebody already`, 'withdraw one first')
    const asked = await insertGuarded(tx, 'policy_request', {
      id: newId('plr', tx.now.getTime()),
      document: canonicalJson(input.document),
      digest: planned.value.plan.digest,
      expected: row.digest,
      means: await meaningOf(tx, input.document, planned.value.ids, row.digest),
      asked_by: askerOf(call),
      asked_by_name: nameOf(call),
      asked_at: tx.now,
      expires_at: new Date(tx.now.getTime() + waitsFor),
      state: 'open',
      closed_at: null,
      closed_by: null,
      reminded_at: null,
    })
    await tx.audit({
      kind: 'policy.asked',
      request: asked.id,
      digest: asked.digest,
      means: asked.means,
      changes: changesText(planned.value),
      ...by(call),
    })
    await notify(
      tx,
      {
        kind: 'policy.asked',
        policyRequest: asked.id,
        user: asked.asked_by_name,
        changes: planned.value.plan.changes.length,
        expiresAt: asked.expires_at.toISOString(),
      },
      () => confirmersOf(tx, asked),
    )
    return done({ ...viewOf(call, asked, row, tx.now), plan: planned.value.plan })
  })

/**
 * Puts the policy in force that somebody else asked for: exactly that, with what its names stood for then.
 *
 * SECURITY: nobody approves their own, and the machine's administrator approves none: it has no second factor.
 */
export const policyApprove: Handler<'policy.approve'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    await lockMarks(tx)
    const row = await readPolicyRow(tx.db, tx.guard, 'update')
    const found = await lockOpen(tx, input.request, row)
    if (!found.ok) return found
    const asked = found.value
    if (asked.asked_by === asking.id)
      return refuse('forbidden', 'you cannot approve your own', 'ask another administrator')
    const alias = isId('usr', asked.asked_by)
      ? await whySame(tx.db, tx.guard, asked.asked_by, asking.id)
      : undefined
    if (alias !== undefined)
      return refuse(
        'forbidden',
        `you cannot approve your own, which you asked for as ${asked.asked_by_name}, who is you: ${alias}`,
        'ask another administrator',
      )
    if (asked.means !== input.means)
      return refuse('conflict', 'means: this is not what is asked', 'look at it again')
    const document = JSON.parse(asked.document) as PolicyDocument
    const planned = await planAgainst(tx, call, row, asked.expected, document)
    if (!planned.ok) return planned
    if ((await meaningOf(tx, document, planned.value.ids, asked.expected)) !== asked.means)
      return refuse(
        'conflict',
        'what its names stand for has changed since it was asked for',
        'have it withdrawn and asked for again',
      )
    const applied = await putInForce(tx, call, row, document, planned.value, {
      request: asked.id,
      askedBy: asked.asked_by_name,
    })
    await updateGuarded(tx, 'policy_request', asked, {
      state: 'applied',
      closed_at: tx.now,
      closed_by: nameOf(call),
    })
    await tellAsker(tx, asked, { kind: 'policy.decided', verdict: 'applied', by: nameOf(call) })
    return done(applied)
  })

/** Takes back what one has asked for; any administrator says no to another's by it. */
export const policyWithdraw: Handler<'policy.withdraw'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await readPolicyRow(tx.db, tx.guard)
    const found = await lockOpen(tx, input.request, row, ['open', 'stale'])
    if (!found.ok) return found
    const after = await updateGuarded(tx, 'policy_request', found.value, {
      state: 'withdrawn',
      closed_at: tx.now,
      closed_by: nameOf(call),
    })
    await tx.audit({
      kind: 'policy.withdrawn',
      request: after.id,
      digest: after.digest,
      askedBy: after.asked_by_name,
      ...by(call),
    })
    await tellAsker(tx, after, { kind: 'policy.decided', verdict: 'withdrawn', by: nameOf(call) })
    return done(viewOf(call, after, row, tx.now))
  })

/** The policies that wait, the newest first; all of them, the last hundred, where it is asked so. */
export const policyRequests: Handler<'policy.requests'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await readPolicyRow(tx.db, tx.guard)
    const rows = checked(
      tx.guard,
      'policy_request',
      await tx.db.selectFrom('policy_request').selectAll().orderBy('id', 'desc').limit(100).execute(),
    )
    const views = rows.map((one) => viewOf(call, one, row, tx.now))
    return done(input.state === 'all' ? views : views.filter(({ state }) => state === 'open'))
  })

/** One of them, whole, and what it would change now. */
export const policyRequest: Handler<'policy.request'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await readPolicyRow(tx.db, tx.guard)
    const asked = await readRequest(tx, input.request, 'read')
    if (asked === undefined) return notFound('request', input.request)
    const document = JSON.parse(asked.document) as PolicyDocument
    const view = viewOf(call, asked, row, tx.now)
    const planned =
      view.state === 'open' ? await planAgainst(tx, call, row, asked.expected, document) : undefined
    return done({
      ...view,
      document,
      plan: planned?.ok === true ? planned.value.plan : null,
      fault: planned?.ok === false ? planned.refusal.message : null,
    })
  })

async function planAgainst(
  tx: Tx,
  call: Call,
  row: Row<'policy'> | undefined,
  expected: string | null,
  document: PolicyDocument,
): Promise<Outcome<Planned>> {
  if ((row?.digest ?? null) !== expected)
    return refuse(
      'conflict',
      'another policy was applied meanwhile',
      'plan again, and look at what it changes now',
    )
  return plan(tx, call.world, row, document)
}

/**
 * What is approved: the document, what its names stand for, whom directories give its groups and by what, and what it
 * takes the place of.
 *
 * SECURITY: a group that no policy names yet is mapped by one: who does it while this waits has another policy approved.
 */
async function meaningOf(
  tx: Tx,
  document: PolicyDocument,
  ids: PolicyIds,
  expected: string | null,
): Promise<string> {
  const members = await directoryMembers(tx.db, tx.guard, document.groups)
  const named = new Set(Object.keys(document.groups ?? {}).map((name) => name.toLowerCase()))
  const mapped = (await allDirectories(tx.db, tx.guard)).flatMap((row) =>
    mappingsOf(row)
      .filter(({ policyGroup }) => policyGroup !== null && named.has(policyGroup.toLowerCase()))
      .map((mapping) => ({ directory: row.id, settings: row.settings, ...mapping })),
  )
  const given = [...members].map(([group, users]) => ({ group, users: [...users].sort() }))
  // Where no directory gives anything it is what it always was: what waits goes on waiting.
  const beside = mapped.length === 0 && members.size === 0 ? {} : { mapped, given }
  return toHex(await sha256(canonicalBytes({ document, ids, expected, ...beside })))
}

export function changesText({ plan: { changes } }: Planned): readonly string[] {
  return changes.map(({ what, name, change }) => `${what} ${name} ${change}`)
}

/** Who may approve it and can be written to. */
async function confirmersOf(tx: Tx, row: Row<'policy_request'>): Promise<readonly UserId[]> {
  return (await administratorsBeside(tx, row.asked_by)).map(({ id }) => id)
}

type Told =
  | { readonly kind: 'policy.decided'; readonly verdict: 'applied' | 'withdrawn'; readonly by: string }
  | { readonly kind: 'policy.expired' }

/** Tells whoever asked what became of it; the machine's administrator has no address. */
async function tellAsker(tx: Tx, row: Row<'policy_request'>, what: Told): Promise<void> {
  await notify(
    tx,
    { ...what, policyRequest: row.id, user: row.asked_by_name },
    isId('usr', row.asked_by) ? [row.asked_by] : [],
  )
}

/** Whether a policy still waits for a second administrator. */
export async function isPolicyWaiting(tx: Tx, id: PolicyRequestId): Promise<boolean> {
  const row = await readRequest(tx, id, 'read')
  return row !== undefined && stateOf(row, await readPolicyRow(tx.db, tx.guard), tx.now) === 'open'
}

/**
 * What time does to policies that wait: people are reminded of one that nobody answers, once, and it is over when its
 * time is.
 */
export async function followPolicyRequests(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const now = clock()
  const due = await database
    .selectFrom('policy_request')
    .select('id')
    .where('state', '=', 'open')
    .where((eb) =>
      eb.or([
        eb('expires_at', '<=', now),
        eb.and([
          eb('reminded_at', 'is', null),
          eb('asked_at', '<=', new Date(now.getTime() - remindAfterHours * 3600_000)),
        ]),
      ]),
    )
    .limit(100)
    .execute()
  for (const { id } of due)
    await world.vault.inTransaction(async (tx) => {
      const row = await readRequest(tx, id, 'update')
      // What was looked for is the vault's own only here.
      if (row !== undefined && row.state === 'open') await follow(tx, row)
    })
}

async function follow(tx: Tx, row: Row<'policy_request'>): Promise<void> {
  const { id, digest } = row
  const of = { request: id, digest, askedBy: row.asked_by_name, actor: { kind: 'vault' } } as const
  const isStale = row.expected !== ((await readPolicyRow(tx.db, tx.guard))?.digest ?? null)
  if (row.expires_at <= tx.now) {
    await updateGuarded(tx, 'policy_request', row, { state: 'expired', closed_at: tx.now })
    await tx.audit({ kind: 'policy.expired', ...of })
    if (!isStale) await tellAsker(tx, row, { kind: 'policy.expired' })
    return
  }
  if (row.reminded_at !== null || row.asked_at.getTime() + remindAfterHours * 3600_000 > tx.now.getTime())
    return
  await tx.db.updateTable('policy_request').set({ reminded_at: tx.now }).where('id', '=', id).execute()
  if (isStale) return
  await tx.audit({ kind: 'policy.unanswered', hours: remindAfterHours, ...of })
  await notify(
    tx,
    {
      kind: 'policy.unanswered',
      policyRequest: id,
      user: row.asked_by_name,
      hours: remindAfterHours,
      expiresAt: row.expires_at.toISOString(),
    },
    () => confirmersOf(tx, row),
  )
}

function askerOf({ principal }: Call): string {
  return principal.kind === 'user' ? principal.id : 'local'
}

async function readOpen(tx: Tx): Promise<readonly Row<'policy_request'>[]> {
  const query = tx.db.selectFrom('policy_request').selectAll().where('state', '=', 'open')
  return checked(tx.guard, 'policy_request', await query.execute())
}

async function readRequest(
  tx: Tx,
  id: PolicyRequestId,
  lock: 'read' | 'update',
): Promise<Row<'policy_request'> | undefined> {
  const query = tx.db.selectFrom('policy_request').selectAll().where('id', '=', id)
  const locked = lock === 'update' ? query.forUpdate() : query
  const row = checkedOne(tx.guard, 'policy_request', await locked.executeTakeFirst())
  if (row === undefined) tx.guard.checkAbsent('policy_request', { id })
  return row
}

async function lockOpen(
  tx: Tx,
  id: PolicyRequestId,
  policy: Row<'policy'> | undefined,
  among: readonly PolicyRequestView['state'][] = ['open'],
): Promise<Outcome<Row<'policy_request'>>> {
  const row = await readRequest(tx, id, 'update')
  if (row === undefined) return notFound('request', id)
  const state = stateOf(row, policy, tx.now)
  if (among.includes(state)) return done(row)
  if (state === 'stale')
    return refuse(
      'conflict',
      'another policy was applied meanwhile',
      'have it withdrawn, and planned and asked for again',
    )
  return refuse('conflict', `this is ${state} already`, 'see: tagout policy requests --all')
}

function stateOf(
  row: Row<'policy_request'>,
  policy: Row<'policy'> | undefined,
  now: Date,
): PolicyRequestView['state'] {
  if (row.state !== 'open') return row.state
  if (row.expires_at <= now) return 'expired'
  return row.expected === (policy?.digest ?? null) ? 'open' : 'stale'
}

function viewOf(
  { principal }: Call,
  row: Row<'policy_request'>,
  policy: Row<'policy'> | undefined,
  now: Date,
): PolicyRequestView {
  const state = stateOf(row, policy, now)
  return {
    id: row.id,
    digest: row.digest,
    means: row.means,
    askedBy: row.asked_by_name,
    askedAt: row.asked_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
    state,
    closedAt: row.closed_at?.toISOString() ?? null,
    closedBy: row.closed_by,
    mayApprove:
      state === 'open' &&
      principal.kind === 'user' &&
      principal.roles.includes('admin') &&
      principal.id !== row.asked_by,
  }
}
