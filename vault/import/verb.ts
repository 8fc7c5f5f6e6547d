import { findAccount } from '../accounts/account.ts'
import { addGrant } from '../checkout/grant.ts'
import type { ImportAnswer, ImportedRow } from '../contract.ts'
import { takeCodeOfPerson, takeFreshCode } from '../identity/fresh-code.ts'
import { addNewUser, findUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { decide } from '../policy/decide.ts'
import { noRelation } from '../policy/facts.ts'
import { checked } from '../rows.ts'
import { findTarget } from '../targets/target.ts'
import { addTarget } from '../targets/verbs.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Handler, Input, World } from '../world.ts'
import { importAccount, isAsWanted } from './account.ts'
import { columnOf, keyOf, readRow, type Wanted } from './rows.ts'

type Result = Pick<ImportedRow, 'addsTarget' | 'enrolment'> & { readonly does: 'create' | 'unchanged' }

/**
 * Adds what the rows of a file ask for, or says what it would do.
 *
 * INVARIANT: all rows are done in one transaction, which commits only when it is told to and no row is in conflict or
 * invalid: what is shown beforehand is what the same code did, and undid.
 */
export const importRows: Handler<'import'> = async (call, input) => {
  const { world } = call
  // SECURITY: each holds a connection of the database for seconds; all of them at once would keep everybody out.
  if (importing.has(world))
    return refuse('rate_limited', 'another import is going on', 'wait until it has ended, then try again')
  importing.add(world)
  try {
    return await importAll(call, input)
  } finally {
    importing.delete(world)
  }
}

const importing = new WeakSet<World>()

async function importAll(call: Call, input: Input<'import'>): Promise<Outcome<ImportAnswer>> {
  let answer: ImportAnswer = { applied: false, rows: [] }
  const outcome = await transact(call.world, async (tx) => {
    const wanted = input.rows.map((row) => ({ line: row.line, row: readRow(input.kind, row) }))
    // SECURITY: one code for the whole file, taken before other rows are locked; a look at it asks for none.
    const needsCode =
      input.kind === 'users' || wanted.some(({ row }) => row.ok && isOwnGrant(call, row.value))
    if (input.apply && needsCode) {
      const code = await takeCodeOfPerson(tx, call, input.totpCode)
      if (!code.ok) return code
    }
    const takeCode = input.apply && !needsCode ? takeFreshCode : async () => done(null)
    const seen = new Map<string, number>()
    const rows: ImportedRow[] = []
    for (const { line, row } of wanted) {
      const result = row.ok ? await doRow(tx, call, line, row.value, seen, takeCode) : row
      rows.push(result.ok ? { line, ...result.value } : refused(line, result))
    }
    const isWhole = rows.every((row) => row.does === 'create' || row.does === 'unchanged')
    if (input.apply && isWhole) {
      answer = { applied: true, rows }
      return done(null)
    }
    // A link that was undone opens nothing: it is not shown.
    answer = { applied: false, rows: rows.map(({ enrolment: _, ...row }) => row) }
    return undone
  })
  return outcome.ok || outcome === undone ? done(answer) : outcome
}

/** Rolls the transaction back. */
const undone = refuse('conflict', 'the import is not done')

function refused(line: number, outcome: Outcome<never> | Outcome<Result>): ImportedRow {
  if (outcome.ok) return { line, ...outcome.value }
  const { code, message, next } = outcome.refusal
  // A refusal of the verb that adds one begins with its field: here it is a column, `not_after` and not `notAfter`.
  const named = message.replace(/^[a-z]+[A-Z][A-Za-z]*(?=: )/, columnOf)
  const sentence = next === undefined ? named : `${named}: ${next}`
  return { line, does: code === 'conflict' ? 'conflict' : 'invalid', sentence }
}

/** What whoever imports may do. */
const verbsOf = {
  targets: ['target.add'],
  accounts: ['target.add', 'account.add'],
  users: ['user.add'],
  grants: ['grant.add'],
} as const

async function doRow(
  tx: Tx,
  call: Call,
  line: number,
  wanted: Wanted,
  seen: Map<string, number>,
  takeCode: typeof takeFreshCode,
): Promise<Outcome<Result>> {
  // Only administrators import: what they may do depends on no relation, which would be read outside `tx`.
  for (const verb of verbsOf[wanted.kind]) {
    const decision = decide({ verb, principal: call.principal, vault: 'open', relation: noRelation })
    if (decision.kind === 'deny') return refuse(decision.code, decision.why, decision.next)
  }
  const before = seen.get(keyOf(wanted))
  if (before !== undefined)
    return refuse('invalid', `this is the same as line ${before}`, 'remove one of them')
  const result = await addRow(tx, call, wanted, takeCode)
  // A line that is refused hides nothing of the same one below: that is told its own fault.
  if (result.ok) seen.set(keyOf(wanted), line)
  return result
}

async function addRow(
  tx: Tx,
  call: Call,
  wanted: Wanted,
  takeCode: typeof takeFreshCode,
): Promise<Outcome<Result>> {
  switch (wanted.kind) {
    case 'targets': {
      const there = await findTarget(tx.db, tx.guard, wanted.input.name)
      if (there !== undefined && (await isAsWanted(tx, there, wanted.input)))
        return done({ does: 'unchanged' })
      const added = await addTarget(tx, call, wanted.input)
      return added.ok ? done({ does: 'create' }) : added
    }
    case 'accounts':
      return await importAccount(tx, call, wanted.input)
    case 'users': {
      const { name, roles } = wanted.input
      const there = await findUser(tx.db, tx.guard, name)
      if (there !== undefined && there.state !== 'disabled' && isSameSet(there.roles, roles))
        return done({ does: 'unchanged' })
      const added = await addNewUser(tx, call, name, roles)
      return added.ok ? done({ does: 'create', enrolment: added.value.enrolment }) : added
    }
    case 'grants': {
      if (await isGrantThere(tx, wanted.input)) return done({ does: 'unchanged' })
      const added = await addGrant(tx, call, wanted.input, takeCode)
      return added.ok ? done({ does: 'create' }) : added
    }
  }
}

/** Is there a grant that has not ended, of the same actions, mode and (where the row names them) times and reason? */
async function isGrantThere(tx: Tx, input: (Wanted & { kind: 'grants' })['input']): Promise<boolean> {
  const user = await findUser(tx.db, tx.guard, input.user)
  const account = await findAccount(tx.db, tx.guard, input.account)
  if (user === undefined || account === undefined) return false
  // The database picks: to check all grants of a user anew for each of a thousand lines takes minutes.
  let query = tx.db
    .selectFrom('access_grant')
    .selectAll()
    .where('user_id', '=', user.id)
    .where('account_id', '=', account.id)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', tx.now)
    .where('forwards', 'is', null)
    .where('mode', '=', input.mode ?? 'shared')
  if (input.notBefore !== undefined) query = query.where('not_before', '=', new Date(input.notBefore))
  if (input.notAfter !== undefined) query = query.where('not_after', '=', new Date(input.notAfter))
  if (input.reason !== undefined) query = query.where('reason', '=', input.reason)
  const rows = await query.execute()
  return checked(tx.guard, 'access_grant', rows).some((row) => isSameSet(row.actions, input.actions))
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === new Set(other).size && one.every((each) => other.includes(each))
}

function isOwnGrant(call: Call, wanted: Wanted): boolean {
  if (wanted.kind !== 'grants' || call.principal.kind !== 'user') return false
  const user = wanted.input.user
  return user === call.principal.id || user.toLowerCase() === call.principal.name.toLowerCase()
}
