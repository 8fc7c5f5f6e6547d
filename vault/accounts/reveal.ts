import type { Kysely } from 'kysely'
import { holdToLimits } from '../access/limits.ts'
import { ruledFinder } from '../access/ruled.ts'
import { readSubject } from '../access/subject.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import type { Database } from '../db/tables.ts'
import type { AccountId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { decideLimits } from '../policy/session.ts'
import { permissionsIn } from '../relations.ts'
import { type Checker, checked } from '../rows.ts'
import { rotatedSince } from '../vendors/offboarding-view.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'
import { currentCredential, findAccount } from './account.ts'
import { noteExposure } from './exposure.ts'
import { takeField } from './credential.ts'

/**
 * Shows a secret to a person: sealed to the one-time key of the client that asks, with a code that was not used
 * before, and written in the exposure ledger first. For an SSH key it is the text of the private key file.
 */
export const accountReveal: Handler<'account.reveal'> = async (call, input) => {
  const { world } = call
  const asking = userOf(call)
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')

  const outcome = await transact(world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    const may = await permissionsIn(tx, call)
    // The code was taken just now.
    const now = tx.now.getTime()
    if (account === undefined)
      return refuse('forbidden', 'there is no such account, or you may not see its secret')
    if (!may(account.safe_id, 'reveal')) {
      const subject = await readSubject(tx.db, tx.guard, asking)
      const rulesFor = await ruledFinder(tx.db, tx.guard, subject, 'reveal')
      const rules = rulesFor(
        { account, target: account.target },
        { now, source: call.source ?? '', factorAt: now },
      )
      const [closed] = rules
      if (!rules.some(({ unmet }) => unmet === null)) {
        const denial = closed === undefined ? undefined : decideLimits([closed])
        return denial === undefined
          ? refuse('forbidden', 'there is no such account, or you may not see its secret')
          : refuse(denial.code, denial.why, denial.next)
      }
    }
    const use = { user: asking.id, account: account.id, does: ['reveal'] } as const
    const held = await holdToLimits(tx, use, { now, source: call.source ?? '', factorAt: now })
    if (!held.ok) return held
    const credential = await currentCredential(tx.db, tx.guard, account.id)
    if (credential === undefined)
      return refuse('conflict', 'this account has no credential', 'set one: tagout account secret')
    await noteExposure(tx, asking.id, account.id, credential.version, input.reason)
    await tx.audit({
      kind: 'account.revealed',
      version: credential.version,
      reason: input.reason,
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    return done({ account, credential })
  })
  if (!outcome.ok) return outcome
  const { account, credential } = outcome.value
  const field = credential.kind === 'password' ? 'password' : 'private-key'
  using secret = await takeField(world, account, credential, field)
  return done({
    sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64'),
    version: credential.version,
  })
}

/** Who has seen which secret. Of one account for those who manage it, of all for administrators and auditors. */
export const exposureList: Handler<'exposure.list'> = async (call, input) => {
  const { database, guard } = call.world.vault
  let query = database
    .selectFrom('exposure')
    .innerJoin('app_user', 'app_user.id', 'exposure.user_id')
    .innerJoin('account', 'account.id', 'exposure.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select([
      'exposure.user_id',
      'exposure.account_id',
      'app_user.name as user_name',
      'target.name as target_name',
      'account.login',
      'exposure.version',
      'exposure.at',
      'exposure.reason',
    ])
    .orderBy('exposure.at', 'desc')
    .limit(10_000)
  if (input.account !== undefined) {
    const account = await findAccount(database, guard, input.account)
    if (account === undefined) return notFound('account', input.account)
    query = query.where('exposure.account_id', '=', account.id)
  }
  const rows = await query.execute()
  const due = await dueOf(
    database,
    guard,
    rows.map((row) => row.account_id),
  )
  return done(
    rows.map((row) => ({
      user: row.user_name,
      account: `${row.target_name}/${row.login}`,
      version: row.version,
      at: row.at.toISOString(),
      reason: row.reason,
      rotationDueAt:
        due
          .find(
            (one) =>
              one.user_id === row.user_id && one.account_id === row.account_id && one.version === row.version,
          )
          ?.due_at.toISOString() ?? null,
    })),
  )
}

/** What has to be rotated still of these accounts, the earliest first. */
async function dueOf(db: Kysely<Database>, checker: Checker, accounts: readonly AccountId[]) {
  if (accounts.length === 0) return []
  const due = checked(
    checker,
    'rotation_due',
    await db
      .selectFrom('rotation_due')
      .selectAll()
      .where('account_id', 'in', [...new Set(accounts)])
      .orderBy('due_at')
      .execute(),
  )
  const rotated = await rotatedSince(db, checker, due)
  return due.filter(({ id }) => !rotated.has(id))
}
