import { readAccount } from '../accounts/account.ts'
import { takeField } from '../accounts/credential.ts'
import type { DueRun, RotationOrder, StepCredential, StepPlace, StepSecret } from '../contract.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { parseUserauthRequest } from '../identity/userauth.ts'
import type { RotationId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type Row, updateGuarded } from '../rows.ts'
import { signWithKey } from '../sessions/sign.ts'
import { desktopOf, legacyOf, pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, Input, World } from '../world.ts'
import type { Account } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { elevationOf } from '../accounts/elevation.ts'
import { batchObstacle } from './batch.ts'
import { settlePlace, takePlace } from './budget.ts'
import { connectorOf } from './connectors.ts'
import { accountBudget, lookAgainMs, notThrough, obstaclesOf } from './obstacles.ts'
import { restingPhases, type Step, type StepResult, stepOf } from './phases.ts'
import { advance, credentialOf, findRun, graceSeconds, isStepOut, type Run } from './run.ts'
import { needsEnable } from './recipes/recipe.ts'
import { makerOf, profileOf, recipeOf, settingsRow } from './settings.ts'
import { goesThrough, throughOf } from './through.ts'

/** What the worker of rotation asks. It is told nothing but what one step needs, and what it says decides nothing by itself. */

const worker = { kind: 'plane', plane: 'rotation' } as const
/** How far ahead jobs are made. */
const aheadMs = 60_000
const mostDue = 2_000

/** The runs of which something is due now or soon. From then on the worker is told when there is more. */
export const rotationDue: Handler<'rotation.due'> = async ({ world, peer }) => {
  world.rotation.workers.add(peer)
  const now = world.vault.clock()
  const rows = await world.vault.database
    .selectFrom('rotation_run')
    .select(['id', 'generation', 'due_at', 'step_until', 'phase'])
    .where('ended_at', 'is', null)
    .where('phase', 'not in', restingPhases)
    .where('due_at', '<=', new Date(now.getTime() + aheadMs))
    .where((eb) => eb.or([eb('step_until', 'is', null), eb('step_until', '<=', now)]))
    .orderBy('due_at')
    .limit(mostDue)
    .execute()
  return done(
    rows.map(
      (row): DueRun => ({
        run: row.id,
        generation: row.generation,
        inMs: Math.max(0, row.due_at.getTime() - now.getTime()),
      }),
    ),
  )
}

type Given = { readonly run: Run; readonly account: Account; readonly step: Step; readonly seconds: number }

/**
 * Gives out the next step of a run, once, with what it needs sealed to the key that the worker made for it.
 *
 * INVARIANT: a job is a bell. Whether anything is due, and may be done, is found here and now, from the rows; the step, the
 * login that it may cost and the audit entry commit before a secret leaves.
 */
export const rotationStep: Handler<'rotation.step'> = async (call, input) => {
  const { world } = call
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  // A refusal here is kept: a run that has to wait says why, and until when.
  const given = await world.vault.inTransaction((tx) => give(tx, world, input.run))
  if (!given.ok) return given
  return done(await order(world, given.value, boxKey))
}

const nothingDue = refuse('conflict', 'nothing of this run is due', 'ask again what is')

async function give(tx: Tx, world: World, id: RotationId): Promise<Outcome<Given>> {
  const found = await lockRun(tx, id)
  if (found === undefined) return nothingDue
  const { account } = found
  let { run } = found
  if (run.ended_at !== null || restingPhases.includes(run.phase)) return nothingDue
  if (isStepOut(tx, run))
    return refuse('held', 'a worker does a step of this run', 'wait until it has said what it saw')
  if (run.step_until !== null) run = (await advance(tx, world, run, { kind: 'lost' })) ?? run
  if (run.ended_at !== null || run.due_at > tx.now) return nothingDue
  if (account.removed_at !== null) {
    await advance(tx, world, run, { kind: 'superseded' })
    return nothingDue
  }
  if (run.phase === 'waiting') {
    const waits = await mayBegin(tx, world, account, run)
    if (waits !== undefined) return waits
    run = (await advance(tx, world, run, { kind: 'begin' })) ?? run
  } else {
    const waits = await mayGoOn(tx, account, run)
    if (waits !== undefined) return waits
  }
  const step = stepOf(run.phase)
  const entry = connectorOf(run.connector)
  if (step === undefined || entry === undefined) return nothingDue
  const generation = run.generation + 1
  const until = new Date(tx.now.getTime() + (entry.seconds + graceSeconds) * 1000)
  run = await updateGuarded(tx, 'rotation_run', run, { generation, step_until: until })
  await takePlace(tx, placeOf(account), { run: run.id, generation })
  const through = await throughIn(tx, run, account, step)
  if (through !== undefined) await takePlace(tx, placeOf(through.account), { run: run.id, generation })
  await tx.audit({
    kind: 'rotation.step',
    rotation: run.id,
    step,
    generation,
    account: account.id,
    accountName: account.name,
    actor: worker,
  })
  return done({ run, account, step, seconds: entry.seconds })
}

/** The account's row first, then the run's: in the order in which everybody takes them. */
async function lockRun(
  tx: Tx,
  id: RotationId,
): Promise<{ readonly run: Run; readonly account: Account } | undefined> {
  const known = await findRun(tx, id)
  if (known === undefined) return undefined
  const account = await readAccount(tx.db, tx.guard, known.account_id, 'update')
  const run = await findRun(tx, id, 'update')
  return run === undefined || account === undefined ? undefined : { run, account }
}

/** The account as which a step is done, where that is another one. */
async function throughIn(db: Pick<Tx, 'db' | 'guard'>, run: Run, account: Account, step: Step) {
  if (!goesThrough(run.connector, step)) return undefined
  return throughOf(db, account, await settingsRow(db.db, db.guard, account.id))
}

function placeOf(account: Account) {
  return { target: account.target_id, login: account.login }
}

async function wait(tx: Tx, run: Run, why: string, until: Date): Promise<Outcome<never>> {
  await updateGuarded(tx, 'rotation_run', run, { why, due_at: until })
  return refuse('conflict', why, 'nothing is to be done: it begins by itself')
}

/** Holds up what is begun. Why it has come to where it is, is not forgotten for what it waits for now. */
function pause(tx: Tx, run: Run, why: string, until: Date): Promise<Outcome<never>> {
  return wait(tx, run, run.why === '' ? why : run.why, until)
}

async function mayBegin(
  tx: Tx,
  world: World,
  account: Account,
  run: Run,
): Promise<Outcome<never> | undefined> {
  const inBatch = await batchObstacle(tx, run)
  if (inBatch === 'stop') {
    await advance(tx, world, run, { kind: 'cancel', why: 'an earlier one of its batch failed' })
    return nothingDue
  }
  const byHand = ['by hand', 'batch', 'leak', 'dependant'].includes(run.cause)
  const found = [
    ...(inBatch === undefined ? [] : [inBatch]),
    ...(await obstaclesOf(tx, account, {
      ...{ byHand, run, kind: run.kind, isLeak: run.cause === 'leak' },
      despiteDependants: run.despite_dependants,
    })),
  ]
  const never = found.find(({ until }) => until === null)
  if (never !== undefined) {
    // What was asked for is not kept waiting for what may never come: it is said, and asked for anew.
    await advance(tx, world, run, { kind: 'cancel', why: never.why })
    return nothingDue
  }
  const [first] = found.toSorted((a, b) => Date.parse(b.until ?? '') - Date.parse(a.until ?? ''))
  return first === undefined ? undefined : wait(tx, run, first.why, new Date(first.until ?? tx.now))
}

/** What is begun is brought to an end: only what would send a secret elsewhere, or lock somebody out, holds it up. */
async function mayGoOn(tx: Tx, account: Account, run: Run): Promise<Outcome<never> | undefined> {
  const again = new Date(tx.now.getTime() + lookAgainMs)
  if (!(await isBoundTo(tx, account, account.target)))
    return pause(
      tx,
      run,
      `${account.target.name} is not the machine that it was begun on: bind it again`,
      again,
    )
  const step = stepOf(run.phase)
  const settings = await settingsRow(tx.db, tx.guard, account.id)
  if (step !== undefined && settings !== undefined && goesThrough(run.connector, step)) {
    const stands = await notThrough(tx, account, settings)
    if (stands !== undefined) return wait(tx, run, stands.why, new Date(stands.until ?? again))
  }
  const budget = await accountBudget(tx, account)
  return budget.left > 0
    ? undefined
    : pause(
        tx,
        run,
        `one more refused login could lock ${account.login} out of ${account.target.name}`,
        budget.roomAt ?? new Date(tx.now.getTime() + 10 * lookAgainMs),
      )
}

async function order(
  world: World,
  { run, account, step, seconds }: Given,
  boxKey: Buffer,
): Promise<RotationOrder> {
  const { database, guard, clock } = world.vault
  const db = { db: database, guard } as unknown as Pick<Tx, 'db' | 'guard'>
  const sealed = async (of: Account, row: Row<'credential'> | undefined): Promise<StepCredential | null> => {
    if (row === undefined) return null
    if (row.kind === 'ssh-key') return { kind: 'ssh-key', publicKey: row.public_key ?? '' }
    using secret = await takeField(world, of, row, 'password')
    return { kind: 'password', sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64') }
  }
  const needs = needsOf(step)
  const place = ({ target, login, name }: Account): StepPlace => {
    const legacy = legacyOf(target)
    return {
      target: {
        ...{ name: target.name, protocol: target.protocol, host: target.host, port: target.port },
        pins: pinsOf(target).map(({ type, fingerprint }) => ({ type, fingerprint })),
        legacy: legacy === undefined || legacy.until <= clock() ? null : { algorithms: legacy.algorithms },
        ...promptsOf(target),
      },
      account: { login, name },
    }
  }
  const through = await throughIn(db, run, account, step)
  const throughCredential = through === undefined ? null : await sealed(through.account, through.credential)
  const privileged = needs.includes('privileged') ? await reconcilerOf(db, account) : undefined
  const privilegedCredential =
    privileged === undefined ? null : await sealed(privileged.account, privileged.credential)
  const recipe = await recipeOf(database, guard, await settingsRow(database, guard, account.id))
  const elevation = await elevationFor(db, account, step)
  const version = (which: 'current' | 'candidate') => (which === 'current' ? run.from_version : run.version)
  const one = async (which: 'current' | 'candidate') =>
    needs.includes(which) ? sealed(account, await credentialOf(db, run, version(which))) : null
  return {
    generation: run.generation,
    step,
    connector: run.connector,
    ...place(account),
    recipe: recipe?.document ?? null,
    elevation: elevation === undefined ? null : await sealed(elevation.account, elevation.credential),
    seconds,
    current: await one('current'),
    candidate: await one('candidate'),
    privileged:
      privileged === undefined || privilegedCredential === null
        ? null
        : { ...privilegedCredential, login: privileged.account.login },
    through:
      through === undefined || throughCredential === null
        ? null
        : { ...throughCredential, ...place(through.account) },
  }
}

function promptsOf(target: Row<'target'>): Pick<StepPlace['target'], 'prompts'> {
  const { userPrompt: user, passwordPrompt: password } = desktopOf(target) ?? {}
  if (user === undefined && password === undefined) return {}
  return {
    prompts: { ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { password }) },
  }
}

/** What a step needs: it gets nothing else. */
function needsOf(step: Step): readonly ('current' | 'candidate' | 'privileged')[] {
  switch (step) {
    case 'rules':
      return []
    case 'change':
    case 'retire':
      return ['current', 'candidate']
    case 'persist':
    case 'login-candidate':
      return ['candidate']
    case 'login-current':
      return ['current']
    case 'reconcile':
      return ['candidate', 'privileged']
  }
}

/** The password by which an account is elevated on its machine, where the recipe asks for one and somebody has named it. */
async function elevationFor(db: Pick<Tx, 'db' | 'guard'>, account: Account, step: Step) {
  if (step !== 'change' && step !== 'persist' && step !== 'reconcile') return undefined
  const known = await recipeOf(db.db, db.guard, await settingsRow(db.db, db.guard, account.id))
  if (known === undefined || !needsEnable(known.recipe)) return undefined
  const elevation = await elevationOf(db.db, db.guard, account.id)
  if (elevation?.kind !== 'enable') return undefined
  const found = await usable(db, elevation.secret_account_id, account)
  return found?.credential.kind === 'password' ? found : undefined
}

/** Another account, and what it has, where it is bound to the same machine. */
async function usable(db: Pick<Tx, 'db' | 'guard'>, id: Account['id'], account: Account) {
  const found = await readAccount(db.db, db.guard, id)
  if (found === undefined || found.removed_at !== null) return undefined
  if (!(await isBoundTo(db as Tx, found, account.target))) return undefined
  const credential = await db.db
    .selectFrom('credential')
    .select('version')
    .where('account_id', '=', found.id)
    .where('state', '=', 'current')
    .executeTakeFirst()
  const row = await credentialOf(db, { account_id: found.id }, credential?.version ?? null)
  return row === undefined ? undefined : { account: found, credential: row }
}

async function reconcilerOf(db: Pick<Tx, 'db' | 'guard'>, account: Account) {
  const settings = await settingsRow(db.db, db.guard, account.id)
  const by = settings?.reconcile_account_id ?? null
  if (by === null) return undefined
  const found = await usable(db, by, account)
  return found?.account.target_id === account.target_id ? found : undefined
}

/** Signatures that one step gets. */
const mostSignatures = 4

/**
 * Signs the login of a step. SECURITY: of the step that is out, of this account's key and login name, and nothing else: a
 * worker can have neither another message signed nor another account's login.
 */
export const rotationSign: Handler<'rotation.sign'> = async ({ world }, input) => {
  const count = `${input.run} ${input.generation}`
  const signed = world.rotation.signatures.get(count) ?? 0
  if (signed >= mostSignatures) return refuse('rate_limited', 'this step has had its signatures')
  world.rotation.signatures.put(count, signed + 1)
  const data = Buffer.from(input.data, 'base64')
  const found = await transact(world, async (tx) => {
    const known = await lockRun(tx, input.run)
    if (known === undefined || known.run.generation !== input.generation || !isStepOut(tx, known.run))
      return nothingDue
    const { run, account } = known
    const step = stepOf(run.phase)
    if (step === undefined) return nothingDue
    const of = await secretOf(tx, run, account, step, input.which)
    if (of === undefined) return nothingDue
    const request = parseUserauthRequest(data)
    const isOurs =
      of.credential?.kind === 'ssh-key' &&
      request !== undefined &&
      request.user === of.account.login &&
      request.algorithm === input.algorithm &&
      request.key.toString('base64') === of.credential.public_key
    if (!isOurs || of.credential === undefined)
      return refuse('forbidden', 'data: not a login of this step with its key')
    await tx.audit({
      kind: 'rotation.signed',
      rotation: run.id,
      algorithm: input.algorithm,
      account: of.account.id,
      accountName: of.account.name,
      actor: worker,
    })
    return done({ account: of.account, credential: of.credential })
  })
  if (!found.ok) return found
  const { account, credential } = found.value
  const signature = await signWithKey(world, account, credential, input.algorithm, data)
  return signature.ok ? done({ signature: signature.value.toString('base64') }) : signature
}

/** Whose credential a step has of what its worker names; undefined: it has none of that. */
async function secretOf(
  tx: Tx,
  run: Run,
  account: Account,
  step: Step,
  which: StepSecret,
): Promise<{ readonly account: Account; readonly credential: Row<'credential'> | undefined } | undefined> {
  if (which === 'through') return throughIn(tx, run, account, step)
  if (which === 'elevation') return elevationFor(tx, account, step)
  if (!needsOf(step).includes(which)) return undefined
  if (which === 'privileged') return reconcilerOf(tx, account)
  return {
    account,
    credential: await credentialOf(tx, run, which === 'current' ? run.from_version : run.version),
  }
}

/** Takes what a worker saw of the step that is out, and decides what follows. */
export const rotationReport: Handler<'rotation.report'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const found = await lockRun(tx, input.run)
    if (found === undefined) return nothingDue
    const { run } = found
    // Late, or told twice: the run has gone on, and nobody listens.
    if (run.generation !== input.generation || run.step_until === null)
      return refuse('conflict', 'this step is over', 'let go of the target, and ask what is due')
    if (input.seen.step !== stepOf(run.phase))
      return refuse('invalid', 'seen: not of the step that is out', 'say what was seen of that one')
    await settlePlace(tx, { run: run.id, generation: run.generation }, verdictOf(input))
    const seen = await keptRules(tx, run, input.seen)
    const after = await advance(tx, world, run, { kind: 'seen', seen } as never, { actor: worker })
    return after === undefined ? refuse('conflict', 'this step is over', 'ask what is due') : done(null)
  })

/** Keeps what a machine said of its rules, if there is a password that fits them and the profile. */
async function keptRules(tx: Tx, run: Run, seen: Input<'rotation.report'>['seen']): Promise<StepResult> {
  if (seen.step !== 'rules' || seen.result.kind !== 'told') return seen as StepResult
  const settings = await settingsRow(tx.db, tx.guard, run.account_id)
  if (settings === undefined)
    return { step: 'rules', result: { kind: 'untold', why: 'its settings are gone' } }
  const told = canonicalJson(seen.result.rules)
  if (makerOf({ ...settings, told }) === undefined)
    return {
      step: 'rules',
      result: {
        kind: 'unfit',
        why: `no password fits both its machine’s rules and the profile ${profileOf(settings) ?? ''}: choose another profile`,
      },
    }
  await updateGuarded(tx, 'account_rotation', settings, { told, told_at: tx.now })
  return { step: 'rules', result: { kind: 'told' } }
}

function verdictOf({ seen, sent, letIn }: Parameters<typeof rotationReport>[1]) {
  const { result } = seen
  if (letIn === true) return 'accepted'
  if (result.kind === 'rejected' || ('rejected' in result && result.rejected === true)) return 'rejected'
  if (['accepted', 'changed', 'refused', 'kept'].includes(result.kind)) return 'accepted'
  // Its login may have been refused, or may never have come so far.
  return sent ? 'pending' : 'untried'
}
