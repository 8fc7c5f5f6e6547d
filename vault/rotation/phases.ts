import { unreachable } from '../kernel/outcome.ts'

/**
 * How a rotation goes, as a machine without a clock, a database or a network: a state and what was seen, and what
 * follows. `run.ts` keeps its states in rows; the worker does its steps.
 *
 * INVARIANT: whatever is seen, in any order, one of the credentials that are kept is the one that the target takes, as
 * far as it takes any of ours: nothing is thrown away here, and `promote` follows a fresh login alone.
 */
export const phases = [
  'waiting', // due; the target was not touched, and nothing is staged
  'assisting', // the candidate is durable; people may see it and change the target by hand
  'signing', // they say that they have; somebody else, or a session, is to say so too
  'asking', // it is asked which passwords it takes, before one is made; then it waits again
  'changing', // the candidate is durable; the target may be touched
  'persisting', // it took the candidate; it is told to keep it over a restart
  'verifying', // it said that it took the candidate; a fresh login is to prove it
  'probing-candidate', // nobody knows what it takes: the candidate is tried first
  'probing-current', // it does not take the candidate: is it still the present one?
  'reconciling', // it takes neither: a privileged account sets the candidate
  'retiring', // promoted; what was there before is taken away from the target
  'unknown', // it takes neither, and a person must look
  'done',
  'failed', // the present credential is what it takes; nothing was changed
  'cancelled',
] as const
export type Phase = (typeof phases)[number]

/** What one process does with one target at a time. */
export const steps = [
  'rules',
  'change',
  'persist',
  'login-candidate',
  'login-current',
  'reconcile',
  'retire',
] as const
export type Step = (typeof steps)[number]

export type Belief = 'current' | 'candidate' | 'nothing'

export type RunState = {
  readonly phase: Phase
  /** How often the step of this phase was tried and told nothing. */
  readonly attempts: number
  /** Which credential the target is likeliest to take now: it is what sessions get meanwhile. */
  readonly believes: Belief
  /** The candidate was refused by a target that was asked; a reconcile makes this undone. */
  readonly refused: readonly ('candidate' | 'current')[]
  readonly reconciled: boolean
  /** Told to keep it over a restart; null: there is no such thing there. */
  readonly persisted: boolean | null
  /** Why it has come to this, in a sentence without a secret; empty while all goes well. */
  readonly why: string
}

export const begun: RunState = {
  phase: 'waiting',
  attempts: 0,
  believes: 'current',
  refused: [],
  reconciled: false,
  persisted: null,
  why: '',
}

/** What a target did when it was told to take another credential. Said by a connector, and believed as far as it goes. */
export type ChangeResult =
  | { readonly kind: 'changed' }
  /** Nothing of the new credential had left when it ended. `rejected`: the login itself was refused. */
  | { readonly kind: 'untouched'; readonly why: string; readonly rejected?: true }
  /** It said no, having heard the new one. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string }

export type LoginResult =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly why: string }
  /** No verdict came: it is away, shows another key, hung up. */
  | { readonly kind: 'unreachable'; readonly why: string }

/** Of `rules`: what the target takes was told, and is kept; or nothing was heard of it; or nothing fits both it and us. */
export type RulesResult =
  | { readonly kind: 'told' }
  | { readonly kind: 'untold'; readonly why: string }
  | { readonly kind: 'unfit'; readonly why: string }

/** Of `persist` and `retire`. */
export type KeepResult =
  | { readonly kind: 'kept' }
  /** Its login was refused: it does not take the candidate, or not any more. */
  | { readonly kind: 'rejected'; readonly why: string }
  | { readonly kind: 'unknown'; readonly why: string }

export type StepResult =
  | { readonly step: 'rules'; readonly result: RulesResult }
  | { readonly step: 'change' | 'reconcile'; readonly result: ChangeResult }
  | { readonly step: 'login-candidate' | 'login-current'; readonly result: LoginResult }
  | { readonly step: 'persist' | 'retire'; readonly result: KeepResult }

export type Event =
  | { readonly kind: 'begin' }
  | { readonly kind: 'seen'; readonly seen: StepResult }
  /** Whoever did the step has not said in time what they saw. */
  | { readonly kind: 'lost' }
  /** A person has looked, and wants both tried again. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'cancel'; readonly why: string }
  /** People say that they have changed it by hand; and somebody else says so too. */
  | { readonly kind: 'made' | 'signed' }
  /** People give it up. `wasSeen`: they may have set the candidate. */
  | { readonly kind: 'dropped'; readonly wasSeen: boolean; readonly why: string }
  /** A person gave the vault another credential, by hand. */
  | { readonly kind: 'superseded' }
  /** A session logged in with it: as good as a login of ours. */
  | { readonly kind: 'taken'; readonly which: 'candidate' | 'current' }

/** What is to be done with the state that follows, in the same transaction. */
export type Effect =
  | 'stage' // makes the candidate
  | 'promote' // the candidate is the current one now, the current one is retired
  | 'discard' // the candidate stays known as one that was not taken
  | 'page' // a person must look

/** What a connector and its account can do. */
export type Abilities = {
  /** The target tells which passwords it takes, and was not asked yet. */
  readonly tells: boolean
  readonly persists: boolean
  readonly retires: boolean
  /** There is a privileged account by which the connector can set a credential. */
  readonly reconciles: boolean
  /** People change it by hand, and no connector does. */
  readonly isAssisted?: boolean
  /** There is a connector that logs in. */
  readonly logsIn?: boolean
}

export type Next = {
  readonly state: RunState
  readonly effects: readonly Effect[]
  /** Milliseconds after which the step of the new phase is due. */
  readonly afterMs: number
}

/** The step of a phase; undefined where none is due. */
export function stepOf(phase: Phase): Step | undefined {
  switch (phase) {
    case 'asking':
      return 'rules'
    case 'changing':
      return 'change'
    case 'persisting':
      return 'persist'
    case 'verifying':
    case 'probing-candidate':
      return 'login-candidate'
    case 'probing-current':
      return 'login-current'
    case 'reconciling':
      return 'reconcile'
    case 'retiring':
      return 'retire'
    case 'waiting':
    case 'assisting':
    case 'signing':
    case 'unknown':
    case 'done':
    case 'failed':
    case 'cancelled':
      return undefined
    default:
      return unreachable(phase)
  }
}

/** Phases that people bring to an end, or a session: no worker has anything to do. */
export const restingPhases: readonly Phase[] = ['assisting', 'signing', 'unknown']

/** Is nothing more to come? `unknown` is not over: a person, or a session, ends it. */
export function isOver(phase: Phase): boolean {
  return phase === 'done' || phase === 'failed' || phase === 'cancelled'
}

function isProbed(phase: Phase): boolean {
  return ['signing', 'verifying', 'probing-candidate', 'probing-current', 'unknown'].includes(phase)
}

/** May the target have been told of the candidate, and not yet have proven which it takes? */
export function isInDoubt(phase: Phase): boolean {
  return !isOver(phase) && !isUntouched(phase) && phase !== 'retiring'
}

/** Has the target heard of no candidate, and is there none? */
export function isUntouched(phase: Phase): boolean {
  return phase === 'waiting' || phase === 'asking'
}

/** Tries of persisting and of taking away what was before. */
const mostTries = 3
/** Logins without a verdict after which a person is told. They go on: a target comes back. */
const pageAfter = 5

/** Milliseconds between two tries: half a minute, doubled up to half an hour. */
function pause(attempts: number): number {
  return Math.min(30_000 * 2 ** Math.max(0, attempts - 1), 1_800_000)
}

/** What follows, or undefined where an event has no place in a state: it is late, or was told twice. */
export function next(state: RunState, event: Event, can: Abilities): Next | undefined {
  switch (event.kind) {
    case 'begin':
      if (state.phase !== 'waiting') return undefined
      if (can.isAssisted === true) return go(state, { phase: 'assisting' }, ['stage'])
      return can.tells ? go(state, { phase: 'asking' }) : go(state, { phase: 'changing' }, ['stage'])
    case 'made':
      if (state.phase !== 'assisting') return undefined
      return go(state, { phase: can.logsIn === true ? 'verifying' : 'signing', believes: 'candidate' })
    case 'signed':
      return state.phase === 'signing' ? accepted(state, can) : undefined
    case 'dropped':
      return dropped(state, event, can)
    case 'cancel':
      // Once the target may have heard of the candidate, only a login tells which it takes.
      return isUntouched(state.phase) ? go(state, { phase: 'cancelled', why: event.why }) : undefined
    case 'retry':
      return state.phase === 'unknown'
        ? go(state, { phase: 'probing-candidate', refused: [], reconciled: false, why: '' })
        : undefined
    case 'superseded':
      return isOver(state.phase)
        ? undefined
        : go(state, { phase: 'cancelled', believes: 'nothing', why: 'another credential was set by hand' }, [
            'discard',
          ])
    case 'taken':
      // While it is being changed, what it took a moment ago says nothing.
      if (!isProbed(state.phase)) return undefined
      // People work while it is changed: a session that had the present one a moment ago says nothing either.
      if (can.isAssisted === true && event.which === 'current') return undefined
      return event.which === 'candidate' ? accepted(state, can) : kept(state)
    case 'lost':
      return lost(state, can)
    case 'seen':
      return event.seen.step === stepOf(state.phase) ? seen(state, event.seen, can) : undefined
  }
}

/** What may have been set is looked at, where something can; otherwise two people say that it was not. */
function dropped(
  state: RunState,
  event: Extract<Event, { kind: 'dropped' }>,
  can: Abilities,
): Next | undefined {
  if (state.phase !== 'assisting' && state.phase !== 'signing') return undefined
  return event.wasSeen && can.logsIn === true
    ? go(state, { phase: 'probing-current', believes: 'current', why: event.why })
    : over(state, event.why)
}

function go(state: RunState, change: Partial<RunState>, effects: readonly Effect[] = [], afterMs = 0): Next {
  return { state: { ...state, attempts: 0, ...change }, effects, afterMs }
}

/** Nobody said what came of a step: whatever it does may have been done. */
function lost(state: RunState, can: Abilities): Next | undefined {
  const why = 'the worker did not say what it saw'
  switch (stepOf(state.phase)) {
    case 'rules':
      return over(state, why)
    case 'change':
    case 'reconcile':
      return doubt(state, why)
    case 'persist':
      return persisted(state, { kind: 'unknown', why }, can)
    case 'retire':
      return retired(state, { kind: 'unknown', why })
    case 'login-candidate':
    case 'login-current':
      return unanswered(state, why)
    case undefined:
      return undefined
  }
}

function seen(state: RunState, { step, result }: StepResult, can: Abilities): Next {
  switch (step) {
    case 'rules':
      // From the beginning: somebody may have taken the account meanwhile.
      return result.kind === 'told' ? go(state, { phase: 'waiting' }) : over(state, result.why)
    case 'change':
      return changed(state, result, can)
    case 'reconcile':
      return reconciled(state, result, can)
    case 'persist':
      return persisted(state, result, can)
    case 'retire':
      return retired(state, result)
    case 'login-candidate':
    case 'login-current':
      return loggedIn(state, step === 'login-candidate' ? 'candidate' : 'current', result, can)
  }
}

function changed(state: RunState, result: ChangeResult, can: Abilities): Next {
  switch (result.kind) {
    case 'changed':
      return onCandidate(state, can)
    case 'refused':
      // It may have taken it all the same: what it says is one thing, what it takes another.
      return go(state, { phase: 'probing-current', believes: 'current', why: result.why })
    case 'untouched':
      return result.rejected === true
        ? neither({ ...state, refused: ['candidate', 'current'], why: result.why }, can)
        : over(state, result.why)
    case 'unknown':
      return doubt(state, result.why)
  }
}

function reconciled(state: RunState, result: ChangeResult, can: Abilities): Next {
  const after = { ...state, reconciled: true, refused: [] }
  switch (result.kind) {
    case 'changed':
      return onCandidate(after, can)
    case 'refused':
    case 'unknown':
      return doubt(after, result.why)
    case 'untouched':
      return result.rejected === true
        ? neither({ ...state, reconciled: true, why: result.why }, can)
        : unanswered(state, result.why)
  }
}

/** The target says that it took the candidate. */
function onCandidate(state: RunState, can: Abilities): Next {
  return can.persists && state.persisted === null
    ? go(state, { phase: 'persisting', believes: 'candidate' })
    : go(state, { phase: 'verifying', believes: 'candidate' })
}

function doubt(state: RunState, why: string): Next {
  return go(state, { phase: 'probing-candidate', why })
}

function persisted(state: RunState, result: KeepResult, can: Abilities): Next {
  if (result.kind === 'kept') return onCandidate({ ...state, persisted: true }, can)
  // It was switched off before it had kept it, or never took it: asking again would only lock somebody out.
  if (result.kind === 'rejected')
    return go(state, {
      phase: 'probing-current',
      believes: 'current',
      refused: ['candidate'],
      why: result.why,
    })
  const attempts = state.attempts + 1
  return attempts < mostTries
    ? go(state, { attempts, why: result.why }, [], pause(1))
    : go(state, {
        phase: 'verifying',
        persisted: false,
        why: `it may be forgotten at a restart: ${result.why}`,
      })
}

function retired(state: RunState, result: KeepResult): Next {
  // What an earlier try had to say is over with it.
  if (result.kind === 'kept') return go(state, { phase: 'done', why: state.attempts === 0 ? state.why : '' })
  const attempts = state.attempts + 1
  const why = `what was there before may still be taken: ${result.why}`
  return attempts < mostTries
    ? go(state, { attempts, why }, [], pause(attempts))
    : go(state, { phase: 'done', why }, ['page'])
}

function loggedIn(
  state: RunState,
  which: 'candidate' | 'current',
  result: LoginResult,
  can: Abilities,
): Next {
  switch (result.kind) {
    case 'accepted':
      return which === 'candidate' ? accepted(state, can) : kept(state)
    case 'unreachable':
      return unanswered(state, result.why)
    case 'rejected': {
      const refused = [...new Set([...state.refused, which])]
      const after = { ...state, refused, why: state.why === '' ? result.why : state.why }
      // Who said no to the candidate may have taken it all the same.
      if (which === 'current')
        return refused.includes('candidate') ? neither(after, can) : go(after, { phase: 'probing-candidate' })
      return refused.includes('current')
        ? neither(after, can)
        : go(after, { phase: 'probing-current', believes: 'current' })
    }
  }
}

/** A fresh login with the candidate: it is the current one from now on, unless the target has yet to keep it. */
function accepted(state: RunState, can: Abilities): Next {
  if (can.persists && state.persisted === null)
    return go(state, { phase: 'persisting', believes: 'candidate' })
  const why = state.persisted === false ? state.why : ''
  const effects: readonly Effect[] = state.persisted === false ? ['promote', 'page'] : ['promote']
  return go(state, { phase: can.retires ? 'retiring' : 'done', believes: 'candidate', why }, effects)
}

/** A fresh login with the present one: nothing was changed. */
function kept(state: RunState): Next {
  return over(state, state.why === '' ? 'the target still takes the present credential' : state.why)
}

function over(state: RunState, why: string): Next {
  return go(state, { phase: 'failed', believes: 'current', why }, ['discard'])
}

/** The target was asked, and takes neither. */
function neither(state: RunState, can: Abilities): Next {
  return can.reconciles && !state.reconciled
    ? go(state, { phase: 'reconciling', believes: 'nothing' })
    : go(state, { phase: 'unknown', believes: 'nothing' }, ['page'])
}

function unanswered(state: RunState, why: string): Next {
  const attempts = state.attempts + 1
  return go(state, { attempts, why }, attempts === pageAfter ? ['page'] : [], pause(attempts))
}
