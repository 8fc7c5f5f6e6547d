import { machinesOf } from '../access/machine.ts'
import { readPolicy } from '../access/policy.ts'
import { readSubject } from '../access/subject.ts'
import { findUser } from '../identity/user.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { distinctPeople, inOrder, readPeople, samePerson, whySame } from '../identity/same-person.ts'
import type { RequestId, SafeId, UserId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notify } from '../notifications/notify.ts'
import { groupsOf, obstacleOf, type Policy, type Wanted, wantedOf } from '../policy/access-rule.ts'
import { decideRequest, neededOf } from '../policy/approvals.ts'
import { mayHold } from '../policy/roles.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, userOf } from '../world.ts'
import { extendGrant } from './extension.ts'
import { decodeForward } from './forward.ts'
import { addGrant, contractEndOf } from './grant.ts'
import { digestOf, lockRequest, refOf, viewRequest } from './request.ts'

/**
 * Approves or denies a request. With the last approval that is needed its grant comes into being, in the same
 * transaction and exactly as it was asked for.
 *
 * INVARIANT: who asked never decides (`notOwn` in the rules), nobody counts twice, and an approval is of the request
 * as its giver saw it. SECURITY: a login alone approves nothing: it takes a fresh code.
 */
export const requestDecide: Handler<'request.decide'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    if (input.verdict === 'approve') {
      const code = await takeFreshCode(tx, call, input.totpCode)
      if (!code.ok) return code
    }
    const locked = await lockRequest(tx, input.request)
    if (!locked.ok) return locked
    const request = locked.value
    // Asked again of what the transaction sees: the rules were asked before it began.
    if (request.user_id === asking.id)
      return refuse('forbidden', 'you cannot decide your own request', 'ask another approver')
    const alias = await whySame(tx.db, tx.guard, request.user_id, asking.id)
    if (alias !== undefined)
      return refuse(
        'forbidden',
        `you cannot decide your own request, by another user who is you: ${alias}`,
        'ask another approver',
      )
    const digest = await digestOf(request)
    if (digest !== input.digest)
      return refuse('conflict', 'digest: this is not what is asked', 'look at the request again')
    const said = checked(
      tx.guard,
      'approval',
      await tx.db.selectFrom('approval').selectAll().where('request_id', '=', request.id).execute(),
    )
    if (said.some((one) => one.user_id === asking.id))
      return refuse('conflict', 'you have decided this request already', 'another person must say the rest')
    const people = await readPeople(tx.db, tx.guard, [
      request.user_id,
      asking.id,
      ...said.map((one) => one.user_id),
    ])
    const before = said.flatMap((one) => people.get(one.user_id) ?? [])
    const me = people.get(asking.id)
    const twin = me === undefined ? undefined : before.find((one) => samePerson(one, me) !== undefined)
    if (me !== undefined && twin !== undefined)
      return refuse(
        'conflict',
        `you have decided this request already, as ${twin.name}, who is you: ${samePerson(twin, me)}`,
        'another person must say the rest',
      )
    const own = await insertGuarded(tx, 'approval', {
      id: newId('apr', tx.now.getTime()),
      request_id: request.id,
      user_id: asking.id,
      verdict: input.verdict,
      note: input.note ?? '',
      digest,
      created_at: tx.now,
    })
    const safe = await safeOf(tx, request)
    // Shared: whoever changes the policy waits, so that what it wants now is what this answers to.
    const policy = await readPolicy(tx.db, tx.guard, 'share')
    const names: string[] = []
    const spoken: Parameters<typeof decideRequest>[0][number][] = []
    // SECURITY: asked again of all of them: two who have spoken may have turned out to be one person since.
    const distinct = distinctPeople(
      inOrder(people, [request.user_id, ...[...said, own].map((one) => one.user_id)]),
    )
    for (const one of [...said, own]) {
      const approver = await approverOf(tx, one.user_id, safe.id)
      const isAnother = one.user_id !== request.user_id && distinct.some(({ id }) => id === one.user_id)
      const counts = approver !== undefined && isAnother && one.digest === digest
      spoken.push({ verdict: one.verdict, counts, groups: groupsOf(policy, one.user_id) })
      if (counts && one.verdict === 'approve') names.push(approver.name)
    }
    const wanted = await wantedNow(tx, policy, request)
    const quorums = wanted.approvals
    const obstacle = obstacleOf(policy, { user: request.user_id, workOrder: request.work_order }, wanted)
    if (input.verdict === 'approve' && obstacle !== undefined)
      return refuse(
        'conflict',
        `the policy no longer allows this: ${obstacle}`,
        'deny it, or have it withdrawn and asked for again',
      )
    const state = decideRequest(spoken, neededOf(safe, quorums), quorums)
    const grant =
      state !== 'approved'
        ? done(null)
        : await (request.extends_grant === null
            ? grantOf(tx, call, request, names)
            : extendGrant(tx, call, request))
    if (!grant.ok) return grant
    const after =
      state === 'open'
        ? request
        : await updateGuarded(tx, 'access_request', request, {
            state,
            closed_at: tx.now,
            closed_by: state === 'approved' ? names.join(', ') : asking.name,
            grant_id: grant.value,
          })
    const ref = await refOf(tx, request)
    await tx.audit({
      kind: 'request.decided',
      verdict: own.verdict,
      note: own.note,
      digest,
      ...(grant.value === null ? {} : { grant: grant.value }),
      ...ref,
      ...by(call),
    })
    if (state !== 'open')
      await notify(
        tx,
        {
          kind: 'request.decided',
          request: request.id,
          user: ref.userName,
          account: ref.accountName,
          verdict: state,
          by: after.closed_by ?? '',
        },
        [request.user_id],
      )
    return done(await viewRequest(tx, call, after))
  })

/** Who has approved each of some open requests, as far as it counts now. */
export async function approverIds(
  tx: Tx,
  requests: readonly Row<'access_request'>[],
): Promise<ReadonlyMap<RequestId, readonly UserId[]>> {
  const found = new Map<RequestId, readonly UserId[]>()
  for (const request of requests) {
    const said = checked(
      tx.guard,
      'approval',
      await tx.db.selectFrom('approval').selectAll().where('request_id', '=', request.id).execute(),
    )
    if (said.length === 0) continue
    const safe = await safeOf(tx, request)
    const counting: UserId[] = []
    for (const one of said.filter(({ verdict }) => verdict === 'approve'))
      if ((await approverOf(tx, one.user_id, safe.id)) !== undefined) counting.push(one.user_id)
    const people = await readPeople(tx.db, tx.guard, [request.user_id, ...counting])
    const distinct = new Set(
      distinctPeople(inOrder(people, [request.user_id, ...counting])).map(({ id }) => id),
    )
    found.set(
      request.id,
      counting.filter((one) => distinct.has(one)),
    )
  }
  return found
}

/** What the policy wants of a request now: on every machine that its account can be used on. */
async function wantedNow(tx: Tx, policy: Policy, request: Row<'access_request'>): Promise<Wanted> {
  const user = await findUser(tx.db, tx.guard, request.user_id)
  if (user === undefined) throw new TypeError('a request is of a user')
  const machines = await machinesOf(tx.db, tx.guard, policy, [request.account_id])
  const subject = await readSubject(tx.db, tx.guard, user)
  return wantedOf(policy, subject, machines.get(request.account_id) ?? [], request.actions)
}

async function safeOf(tx: Tx, request: Row<'access_request'>): Promise<Row<'safe'>> {
  const safe = checkedOne(
    tx.guard,
    'safe',
    await tx.db
      .selectFrom('safe')
      .innerJoin('account', 'account.safe_id', 'safe.id')
      .selectAll('safe')
      .where('account.id', '=', request.account_id)
      .executeTakeFirst(),
  )
  if (safe === undefined) throw new TypeError('an account lies in a safe')
  return safe
}

/** Somebody who may approve in this safe now, or undefined. */
async function approverOf(tx: Tx, id: UserId, safe: SafeId): Promise<Row<'app_user'> | undefined> {
  const user = await findUser(tx.db, tx.guard, id)
  if (user === undefined || user.state !== 'active' || !mayHold(user.roles, 'approve')) return undefined
  if (user.roles.includes('admin')) return user
  const member = checkedOne(
    tx.guard,
    'safe_member',
    await tx.db
      .selectFrom('safe_member')
      .selectAll()
      .where('safe_id', '=', safe)
      .where('user_id', '=', id)
      .executeTakeFirst(),
  )
  return member?.permissions.includes('approve') === true ? user : undefined
}

async function grantOf(
  tx: Tx,
  call: Call,
  request: Row<'access_request'>,
  approvers: readonly string[],
): Promise<Outcome<Row<'access_request'>['grant_id']>> {
  const asked = (request.not_before ?? tx.now).getTime() + request.for_seconds * 1000
  const end = Math.min(asked, (await contractEndOf(tx, request.user_id))?.getTime() ?? asked)
  const begins = request.not_before !== null && request.not_before > tx.now ? request.not_before : undefined
  const reason = request.work_order === null ? request.reason : `${request.work_order}: ${request.reason}`
  const input = {
    user: request.user_id,
    account: request.account_id,
    actions: [...request.actions],
    ...(request.forwards === null ? {} : { forwards: request.forwards.map(decodeForward).map(given) }),
    mode: request.mode,
    ...(begins === undefined ? {} : { notBefore: begins.toISOString() }),
    notAfter: new Date(end).toISOString(),
    reason,
  }
  const granted = await addGrant(tx, call, input, takeFreshCode, approvers.join(', '))
  return granted.ok ? done(granted.value.id) : granted
}

function given({ megabytes, ...rule }: ReturnType<typeof decodeForward>) {
  return megabytes === null ? rule : { ...rule, megabytes }
}
