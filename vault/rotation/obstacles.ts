import type { Account } from '../accounts/account.ts'
import { currentCredential } from '../accounts/account.ts'
import { enabledBy } from '../accounts/elevation.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { readPolicy } from '../access/policy.ts'
import { heldNow } from '../checkout/lease.ts'
import type { Obstacle } from '../contract.ts'
import { calendarAt, momentIn } from '../policy/calendar.ts'
import { checked, type Row } from '../rows.ts'
import { pinsOf } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { type Budget, budgetOf } from './budget.ts'
import { connectorOf } from './connectors.ts'
import { dependantsOf, holderOf } from './dependants.ts'
import { isInDoubt } from './phases.ts'
import { tooMany } from './limits.ts'
import { isStepOut, openRunOf, type Run } from './run.ts'
import { lockOutOf, makerOf, profileOf, recipeOf, settingsRow, unsetReason } from './settings.ts'
import { throughOf } from './through.ts'

/** Steps that a rotation takes at most before it is over, in good times: a window must have room for all. */
export const mostSteps = 4
/** Rotations under way on one machine. */
const mostOnOneMachine = 2
/** Milliseconds after which something is looked at again that may go away by itself at any time. */
export const lookAgainMs = 30_000

type Asked = {
  readonly byHand: boolean
  readonly despiteDependants: boolean
  readonly kind: Run['kind']
  /** The run that asks; null: somebody asks what would happen. */
  readonly run: Run | null
  /** It takes the secret of the account that it is a copy of. */
  readonly isCarried?: boolean
  /** Its secret has leaked. */
  readonly isLeak?: boolean
}

/**
 * What stands before a rotation of an account now. The caller holds the account's row, so that nobody takes a lease of it
 * meanwhile.
 */
export async function obstaclesOf(tx: Tx, account: Account, asked: Asked): Promise<readonly Obstacle[]> {
  const settings = await settingsRow(tx.db, tx.guard, account.id)
  if (settings !== undefined && asked.kind === 'assist') return byPeople(tx, account, settings, asked)
  if (settings === undefined || settings.connector === null) {
    const isEnable = (await enabledBy(tx.db, tx.guard, [account.id])).size > 0
    return [
      isEnable
        ? forever(
            'settings',
            `${account.name} is ${unsetReason(true).slice('it is '.length)}`,
            `say it: tagout account rotation set ${account.name} --grade G3 --profile switch --reason "enable secret"`,
          )
        : forever(
            'settings',
            `nobody has said how ${account.name} is rotated`,
            `say it: tagout account rotation set ${account.name} --connector NAME`,
          ),
    ]
  }
  const found = [
    await unfit(tx, account, settings),
    asked.kind === 'verify' ? undefined : await notThrough(tx, account, settings),
    asked.kind === 'verify' ? undefined : wrongGrade(settings, asked),
    asked.kind === 'verify' ? undefined : (blocked(settings, asked) ?? (await copyOf(tx, account, asked))),
    await elsewhere(tx, account),
    await busy(tx, account, asked),
    asked.byHand || asked.kind === 'verify' ? undefined : await production(tx, account),
    asked.kind === 'verify' || (asked.isLeak === true && settings.leak_at_once === true)
      ? undefined
      : await outsideWindow(tx, settings),
    await spent(tx, account),
  ].filter((one) => one !== undefined)
  // The last: what is not to begin anyhow takes nobody's turn. A leak waits for nobody's.
  if (found.length > 0 || asked.kind === 'verify' || asked.isLeak === true) return found
  const waits = await tooMany(tx, account, asked.run)
  return waits === undefined ? found : [waits]
}

/** What stands before a task for people: they wait for windows and holders by themselves. */
async function byPeople(
  tx: Tx,
  account: Account,
  settings: Row<'account_rotation'>,
  asked: Asked,
): Promise<readonly Obstacle[]> {
  const current = await currentCredential(tx.db, tx.guard, account.id)
  const unmade =
    current?.kind !== 'password'
      ? forever(
          'connector',
          `${account.name} has no password, and people set nothing else`,
          'give it one: tagout account secret',
        )
      : profileOf(settings) === null
        ? forever(
            'settings',
            `nobody has said which passwords ${account.target.name} takes`,
            `say it: tagout account rotation set ${account.name} --profile NAME`,
          )
        : undefined
  return [
    unmade,
    blocked(settings, asked) ?? (await copyOf(tx, account, asked)),
    await running(tx, account, asked),
  ].filter((one) => one !== undefined)
}

function forever(kind: Obstacle['kind'], why: string, next: string): Obstacle {
  return { kind, why, next, until: null }
}

function later(kind: Obstacle['kind'], why: string, next: string, until: Date): Obstacle {
  return { kind, why, next, until: until.toISOString() }
}

async function unfit(
  tx: Tx,
  account: Account,
  settings: Row<'account_rotation'>,
): Promise<Obstacle | undefined> {
  const entry = connectorOf(settings.connector)
  const current = await currentCredential(tx.db, tx.guard, account.id)
  const next = 'see: tagout rotation connectors'
  if (entry === undefined)
    return forever('connector', `there is no connector ${settings.connector} any more`, next)
  if (!entry.protocols.includes(account.target.protocol) || current?.kind !== entry.credential)
    return forever(
      'connector',
      `the connector ${settings.connector} does not fit ${account.name} any more`,
      next,
    )
  // A connector that asks does so again: what its machine takes may be another today.
  if (makerOf(settings) === undefined && !entry.tells)
    return forever('connector', 'no password is made that its machine takes', 'choose another profile')
  if (entry.recipes !== undefined && (await recipeOf(tx.db, tx.guard, settings)) === undefined)
    return forever(
      'connector',
      `there is no recipe ${settings.recipe ?? ''} any more`,
      'name another: tagout account rotation set --recipe',
    )
  return undefined
}

/** Can the account that another is changed through be used now? */
export async function notThrough(
  tx: Tx,
  account: Account,
  settings: Row<'account_rotation'>,
): Promise<Obstacle | undefined> {
  const needs = connectorOf(settings.connector)?.through
  if (needs === undefined) return undefined
  const say = `tagout account rotation set ${account.name} --through ACCOUNT`
  if (settings.through_account_id === null)
    return forever(
      'through',
      `${settings.connector} changes it as another account of the host ${account.target.host}, and none is named`,
      `name one: ${say}`,
    )
  const through = await throughOf(tx, account, settings)
  if (through === undefined || !needs.protocols.includes(through.account.target.protocol))
    return forever(
      'through',
      `the account through which it is changed is gone, elsewhere, not bound, or not of ${needs.protocols.join(' or ')}`,
      `bind it again, or name another: ${say}`,
    )
  const { id, name, login, target } = through.account
  const again = new Date(tx.now.getTime() + lookAgainMs)
  const run = await openRunOf(tx, id)
  if (run !== undefined && run.kind === 'rotate' && isInDoubt(run.phase))
    return later(
      'through',
      `${name}, through which it is changed, is being rotated itself`,
      `it begins when that is settled: tagout rotation show ${run.id}`,
      again,
    )
  const budget = await accountBudget(tx, through.account)
  return budget.left > 0
    ? undefined
    : later(
        'budget',
        `one more refused login could lock ${login} out of ${target.name}, through which it is changed`,
        'it goes on by itself when their time is over',
        budget.roomAt ?? again,
      )
}

function wrongGrade(
  { grade, grade_reason, essential }: Row<'account_rotation'>,
  asked: Asked,
): Obstacle | undefined {
  if (grade === 'G0' || grade === 'G3' || grade === 'G4')
    return forever(
      'grade',
      `it is of grade ${grade} and not changed by a machine: ${grade_reason}`,
      'change it by hand, and give it to Tagout: tagout account secret',
    )
  return essential && !asked.byHand
    ? forever(
        'essential',
        'an essential account is never rotated by itself',
        'rotate it by hand: tagout rotate',
      )
    : undefined
}

function blocked(settings: Row<'account_rotation'>, asked: Asked): Obstacle | undefined {
  const blocking = dependantsOf(settings).filter(({ kind }) => kind === 'blocks')
  if (blocking.length === 0 || asked.despiteDependants) return undefined
  return forever(
    'dependants',
    `the same secret is kept in ${blocking.map(({ place }) => place).join(', ')}`,
    'have it changed there too, then: tagout rotate --despite-dependants',
  )
}

/** What holds the secret of another account is changed with that one. */
async function copyOf(tx: Tx, account: Account, asked: Asked): Promise<Obstacle | undefined> {
  if (asked.isCarried === true || (asked.run?.for_task ?? null) !== null) return undefined
  const holder = await holderOf(tx, account)
  return holder === undefined
    ? undefined
    : forever(
        'dependants',
        `it holds the secret of ${holder.name}, and is changed with that one`,
        `rotate that one: tagout rotate ${holder.name}`,
      )
}

/** Is it still the machine that the secret was given for, with a key that somebody approved? */
async function elsewhere(tx: Tx, account: Account): Promise<Obstacle | undefined> {
  if (!(await isBoundTo(tx, account, account.target)))
    return forever(
      'binding',
      `${account.target.name} is not the machine that the secret of ${account.name} was bound to`,
      `look at it, then: tagout account bind ${account.name}`,
    )
  return pinsOf(account.target).length === 0
    ? forever('binding', `no key of ${account.target.name} is pinned`, 'approve one: tagout target pin')
    : undefined
}

async function running(tx: Tx, account: Account, asked: Asked): Promise<Obstacle | undefined> {
  const open = await openRunOf(tx, account.id)
  return open === undefined || open.id === asked.run?.id
    ? undefined
    : forever(
        'running',
        `it is being rotated already (${open.phase})`,
        `see: tagout rotation show ${open.id}`,
      )
}

async function busy(tx: Tx, account: Account, asked: Asked): Promise<Obstacle | undefined> {
  const under = await running(tx, account, asked)
  if (under !== undefined) return under
  const crowd = await crowded(tx, account, asked)
  if (crowd !== undefined) return crowd
  // A login beside a session disturbs nobody.
  if (asked.kind === 'verify') return undefined
  const again = new Date(tx.now.getTime() + lookAgainMs)
  const [lease] = await heldNow(tx, account.id)
  if (lease !== undefined) {
    const until = lease.until !== null && lease.until > tx.now ? lease.until : again
    return later(
      'held',
      `${lease.holder} holds ${account.name}`,
      `it begins when it is checked in; or check it in: tagout lease check-in ${lease.id}`,
      until > again ? again : until,
    )
  }
  const session = await sessionWith(tx, account)
  return session === undefined
    ? undefined
    : later('held', `${session} is connected with it`, 'it begins when their session ends', again)
}

/** Machines take few connections at a time, and some one for each of their users. */
async function crowded(tx: Tx, account: Account, asked: Asked): Promise<Obstacle | undefined> {
  const rows = await tx.db
    .selectFrom('rotation_run')
    .select(['id', 'connector', 'step_until'])
    .where('target_id', '=', account.target_id)
    .where('step_until', 'is not', null)
    .execute()
  const others = rows.filter((run) => run.id !== asked.run?.id && isStepOut(tx, run)).length
  return others < mostOnOneMachine
    ? undefined
    : later(
        'running',
        `${others} accounts of ${account.target.name} are rotated just now`,
        'it begins by itself when there is room',
        new Date(tx.now.getTime() + 2_000),
      )
}

/** Who is connected with the account, or with one that is elevated with its secret. */
async function sessionWith(tx: Tx, account: Account): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom('session')
    .select('user_name')
    .where('state', '<>', 'ended')
    .where((eb) =>
      eb.or([
        eb('account_id', '=', account.id),
        eb(
          'account_id',
          'in',
          eb
            .selectFrom('elevation')
            .select('elevation.account_id')
            .where('secret_account_id', '=', account.id),
        ),
      ]),
    )
    .executeTakeFirst()
  return row?.user_name
}

async function production(tx: Tx, account: Account): Promise<Obstacle | undefined> {
  const [hold] = checked(
    tx.guard,
    'rotation_hold',
    await tx.db
      .selectFrom('rotation_hold')
      .selectAll()
      .where('safe_id', '=', account.safe_id)
      .where('ended_at', 'is', null)
      .execute(),
  ).filter(({ until }) => until === null || until > tx.now)
  if (hold === undefined) {
    // SECURITY: that production runs is not forgotten because somebody took it out of the table.
    tx.guard.checkWhole('rotation_hold', await tx.db.selectFrom('rotation_hold').select('id').execute())
    return undefined
  }
  const again = new Date(tx.now.getTime() + 10 * lookAgainMs)
  return later(
    'production',
    `production runs, says ${hold.held_by}: ${hold.reason}`,
    'it begins when the hold is lifted: tagout rotation unhold',
    hold.until !== null && hold.until < again ? hold.until : again,
  )
}

async function outsideWindow(tx: Tx, settings: Row<'account_rotation'>): Promise<Obstacle | undefined> {
  if (settings.calendar === null) return undefined
  const { document } = await readPolicy(tx.db, tx.guard)
  const calendar = document.calendars?.[settings.calendar]
  const name = settings.calendar
  if (calendar === undefined)
    return forever(
      'window',
      `the policy has no calendar ${name} any more`,
      'name another: tagout account rotation set',
    )
  const now = tx.now.getTime()
  const { open, until } = calendarAt(calendar, now)
  const needs = mostSteps * (connectorOf(settings.connector)?.seconds ?? 60) * 1000
  if (open && (until === null || until - now >= needs)) return undefined
  // Of a window that is nearly over, the next one is what is waited for: its beginning is found when it has closed.
  if (until === null)
    return forever('window', `the calendar ${name} does not open within a year`, 'change it in the policy')
  const why = open
    ? `the window ${name} closes at ${momentIn(calendar.zone, until)}, which is too soon`
    : `it is changed in the window ${name} alone, which opens at ${momentIn(calendar.zone, until)}`
  return later('window', why, 'it begins by itself when the window is open', new Date(until))
}

async function spent(tx: Tx, account: Account): Promise<Obstacle | undefined> {
  const budget = await accountBudget(tx, account)
  if (budget.left > 0) return undefined
  if (budget.roomAt === null)
    return forever(
      'budget',
      `${account.target.name} locks out after so few refused logins that none may be risked`,
      'raise the lock-out of the machine, or change the credential by hand',
    )
  return later(
    'budget',
    `${budget.of} logins at ${account.target.name} were refused or left open lately: one more could lock it out`,
    'it goes on by itself when their time is over',
    budget.roomAt,
  )
}

/** The logins that may still be refused at an account's target. */
export async function accountBudget(tx: Tx, account: Account): Promise<Budget> {
  const lockOut = lockOutOf(await settingsRow(tx.db, tx.guard, account.id)) ?? { refused: 5, seconds: 900 }
  return budgetOf(tx, { target: account.target_id, login: account.login }, lockOut)
}
