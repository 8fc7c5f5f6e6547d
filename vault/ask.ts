import { z } from 'zod'
import type { Actor } from './audit/entry.ts'
import { type Door, type VerbName, verbs } from './contract.ts'
import type { Caller } from './doors.ts'
import { resolveToken } from './identity/principal.ts'
import { Fault } from './kernel/fault.ts'
import { type Outcome, refuse } from './kernel/outcome.ts'
import { decide } from './policy/decide.ts'
import { noRelation, type Principal } from './policy/facts.ts'
import { isServiceToken, resolveServiceToken } from './services/token.ts'
import { isDatabaseAway, isDatabaseFull } from './transact.ts'
import { actorOf, by, type Call, type Handlers, type Relations, type World } from './world.ts'

/** `source`: the address from which a token of a service came, as the api saw it. */
const envelope = z.strictObject({
  token: z.string().max(200).optional(),
  source: z.string().max(100).optional(),
  input: z.unknown(),
})

/** Verbs that write their own refusals into the audit log, in more detail. */
const auditsItself: ReadonlySet<VerbName> = new Set([
  'login.start',
  'login.passkey',
  'login.return',
  'login.finish',
  'login.stepUpReturn',
  'enrolment.begin',
  'enrolment.finish',
  'auditor.challenge',
  'auditor.login',
  'ssh.publickey',
  'ssh.password',
  'ssh.ticket',
  'ticket.redeem',
  'session.open',
])

/** Answers a verb of a caller at one of the doors. A fault is thrown; everything else, bad input too, is an outcome. */
export type Answer = (caller: Caller, verb: string, params: unknown) => Promise<Outcome<unknown>>

/** Binds the vault's verbs to its doors: each call is parsed, its principal found, decided, and then done. */
export function makeAnswer(world: World, handlers: Handlers, relations: Relations): Answer {
  return async (caller, verb, params) => {
    if (!isVerb(verb)) return refuse('invalid', 'the vault has no such verb')
    try {
      return await answer(world, handlers, relations, caller, verb, params)
    } catch (error) {
      if (isDatabaseAway(error)) {
        world.onFault(verb, error)
        return refuse('unavailable', 'the database is away', 'try again in a moment')
      }
      if (isDatabaseFull(error)) {
        world.onFault(verb, error)
        return refuse(
          'unavailable',
          'the disk of the database is full: nothing was changed',
          'make room there, then try again',
        )
      }
      await auditFault(world, error)
      throw error
    }
  }
}

function isVerb(verb: string): verb is VerbName {
  return Object.hasOwn(verbs, verb)
}

async function answer(
  world: World,
  handlers: Handlers,
  relations: Relations,
  caller: Caller,
  verb: VerbName,
  params: unknown,
): Promise<Outcome<unknown>> {
  const parts = envelope.safeParse(params)
  if (!parts.success) return refuse('invalid', 'a call is { token?, input }')
  const door = doorOf(caller, verb, parts.data.token)
  if (door === undefined) {
    await auditRefusal(world, { actor: callerOf(caller) }, verb, 'forbidden', 'asked at the wrong door')
    return parts.data.token === undefined && caller.kind === 'plane' && caller.plane === 'api'
      ? refuse('unauthenticated', 'sign in first')
      : refuse('forbidden', 'this cannot be asked through this door')
  }
  const state = await stateOf(world)
  const principal = await principalOf(world, caller, door, parts.data, state)
  if (!principal.ok) return principal

  // Whatever it is that they bring: what a service may ask is settled by the verb.
  if (principal.value.principal.kind === 'service') {
    const { principal: service, source } = principal.value
    const may = decide({ verb, principal: service, vault: state, relation: noRelation })
    if (may.kind === 'deny') {
      const who = { actor: actorOf(service, caller), ...(source === undefined ? {} : { source }) }
      await auditRefusal(world, who, verb, may.code, may.why)
      return refuse(may.code, may.why, may.next)
    }
  }
  const input = verbs[verb].input.safeParse(parts.data.input)
  if (!input.success) return refuseInput(input.error)
  const unfit = unfitText(input.data)
  if (unfit !== undefined)
    return refuse('invalid', `${unfit}: text with a zero character or half a character`)

  const call: Call = {
    world,
    principal: principal.value.principal,
    actor: actorOf(principal.value.principal, caller),
    peer: caller.peer,
    act: { verb, input: input.data },
    ...(principal.value.source === undefined ? {} : { source: principal.value.source }),
  }
  // The handler of a verb takes exactly what the verb's schema gives; the compiler cannot tie the two by name.
  const relate = relations[verb] as ((call: Call, input: unknown) => Promise<typeof noRelation>) | undefined
  const relation =
    relate === undefined || state !== 'open' || call.principal.kind !== 'user'
      ? noRelation
      : await relate(call, input.data)
  const decision = decide({ verb, principal: call.principal, vault: state, relation })
  if (decision.kind === 'deny') {
    await auditRefusal(world, by(call), verb, decision.code, decision.why)
    return refuse(decision.code, decision.why, decision.next)
  }
  const handler = handlers[verb] as (call: Call, input: unknown) => Promise<Outcome<unknown>>
  const outcome = await handler(call, input.data)
  if (!outcome.ok && !auditsItself.has(verb))
    await auditRefusal(world, by(call), verb, outcome.refusal.code, outcome.refusal.message)
  return outcome
}

async function stateOf(world: World): Promise<'uninitialised' | 'sealed' | 'open'> {
  if (!world.vault.isSealed) return 'open'
  const { initialised } = await world.vault.state()
  return initialised ? 'sealed' : 'uninitialised'
}

/**
 * Through which of a verb's doors this caller comes, or undefined.
 *
 * SECURITY: neither the recorder nor rotation’s worker carries tokens of people: what it may do for them, it proves in the verb's own input.
 */
function doorOf(caller: Caller, verb: VerbName, token: string | undefined): Door | undefined {
  const doors: readonly Door[] = verbs[verb].door
  const has = (door: Door) => (doors.includes(door) ? door : undefined)
  if (caller.kind === 'local')
    return token === undefined ? (has('local') ?? has('anyone')) : (has('user') ?? has('anyone'))
  if (caller.plane === 'recorder' || caller.plane === 'rotation')
    return token === undefined ? has(caller.plane) : undefined
  return token === undefined ? (has('anyone') ?? has('api')) : (has('user') ?? has('anyone') ?? has('api'))
}

async function principalOf(
  world: World,
  caller: Caller,
  door: Door,
  { token, source }: z.output<typeof envelope>,
  state: 'uninitialised' | 'sealed' | 'open',
): Promise<Outcome<{ readonly principal: Principal; readonly source?: string }>> {
  switch (door) {
    case 'local':
      return caller.kind === 'local'
        ? { ok: true, value: { principal: { kind: 'local', uid: caller.uid } } }
        : refuse('forbidden', 'this cannot be asked through this door')
    case 'recorder':
    case 'rotation':
      return { ok: true, value: { principal: { kind: door } } }
    case 'anyone':
    case 'api':
      return { ok: true, value: { principal: { kind: 'anyone' } } }
    case 'user':
      // A token cannot be looked at while the vault is sealed; whoever brings it learns just that.
      if (state !== 'open') return { ok: true, value: { principal: { kind: 'anyone' } } }
      return isServiceToken(token ?? '')
        ? resolveServiceToken(world, token ?? '', caller.kind === 'local' ? 'local' : (source ?? 'unknown'))
        : resolveToken(world, token ?? '')
  }
}

function refuseInput(error: z.ZodError): Outcome<never> {
  const [issue] = error.issues
  const path = issue?.path.map(String).join('.').slice(0, 100)
  const field = path === undefined || path === '' ? 'input' : path
  return refuse('invalid', `${field}: ${issue === undefined ? 'malformed' : wordsOf(issue)}`)
}

/** What the schema says for people; where it has no words of its own, ours. */
function wordsOf(issue: z.core.$ZodIssue): string {
  const { message } = issue
  if (message.endsWith('received undefined')) return 'this is missing'
  if (issue.code === 'too_big' && message.startsWith('Too big'))
    return `${bounded[issue.origin] ?? 'it'} ${issue.maximum} at most`
  if (issue.code === 'too_small' && message.startsWith('Too small'))
    return Number(issue.minimum) === 1 && issue.origin !== 'number' && issue.origin !== 'int'
      ? 'this is empty'
      : `${bounded[issue.origin] ?? 'it'} ${issue.minimum} at least`
  return message.slice(0, 200)
}

/** What has a length, and what is one. */
const bounded: Readonly<Record<string, string>> = { string: 'its length is', array: 'their number is' }

/** The first field whose text no table can keep: PostgreSQL has no zero characters, UTF-8 no half ones. */
function unfitText(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string')
    return value.includes('\0') || !value.isWellFormed() ? path || 'input' : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, member] of Object.entries(value)) {
    const found = unfitText(member, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** Writes down that something was refused. A refusal stands even where it cannot be written down. */
async function auditRefusal(
  world: World,
  who: ReturnType<typeof by>,
  verb: VerbName,
  code: Parameters<typeof refuse>[0],
  why: string,
): Promise<void> {
  if (who.actor.kind === 'nobody' && code !== 'forbidden') return
  try {
    await world.vault.inTransaction((tx) =>
      tx.audit({ kind: 'refused', verb, code, why: why.slice(0, 300), ...who }),
    )
  } catch (error) {
    world.onFault(verb, error)
  }
}

function callerOf(caller: Caller): Actor {
  return caller.kind === 'local' ? { kind: 'local', uid: caller.uid } : { kind: 'plane', plane: caller.plane }
}

/** A forged or rolled-back row is an alarm, not an answer. */
async function auditFault(world: World, error: unknown): Promise<void> {
  if (!(error instanceof Fault) || !['forged_row', 'rolled_back_row', 'envelope'].includes(error.code)) return
  try {
    await world.vault.inTransaction((tx) =>
      tx.audit({ kind: 'vault.fault', code: error.code, finding: error.message, actor: { kind: 'vault' } }),
    )
  } catch (second) {
    world.onFault('audit', second)
  }
}
