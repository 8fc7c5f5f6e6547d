import type { Effect, Event, Next, RunState } from './phases.ts'

/**
 * How a verification goes: the present credential is tried, and where it is refused, the one that was there before or that a
 * target may have taken late. It changes nothing. Phases are those of a rotation: `probing-current`, then
 * `probing-candidate` for the other one; `done`, or `failed` for drift.
 */
export function nextOfCheck(state: RunState, event: Event, hasOther: boolean): Next | undefined {
  if (event.kind === 'begin')
    return state.phase === 'waiting' ? go(state, { phase: 'probing-current' }) : undefined
  if (event.kind === 'cancel')
    return state.phase === 'waiting' ? go(state, { phase: 'cancelled', why: event.why }) : undefined
  if (event.kind === 'superseded')
    return go(state, { phase: 'cancelled', why: 'another credential was set by hand' })
  const isFirst = state.phase === 'probing-current'
  if (!isFirst && state.phase !== 'probing-candidate') return undefined
  if (event.kind === 'lost') return unanswered(state, 'the worker did not say what it saw')
  if (event.kind !== 'seen') return undefined
  const { step, result } = event.seen
  if (step !== (isFirst ? 'login-current' : 'login-candidate')) return undefined
  switch (result.kind) {
    case 'accepted':
      return isFirst
        ? go(state, { phase: 'done' })
        : drift(state, 'the target takes a credential that is not the present one: an earlier one came back')
    case 'rejected':
      return isFirst && hasOther
        ? go(state, { phase: 'probing-candidate', refused: ['current'], why: result.why })
        : drift(state, 'the target takes none of the credentials that are kept: it was changed there')
    default:
      return unanswered(state, 'why' in result ? result.why : '')
  }
}

/** Tries after which nothing is known, and that is said. */
const mostTries = 3

function unanswered(state: RunState, why: string): Next {
  const attempts = state.attempts + 1
  return attempts < mostTries
    ? { state: { ...state, attempts, why }, effects: [], afterMs: 60_000 * attempts }
    : go(state, { phase: 'failed', why: `nothing is known: ${why}` })
}

function drift(state: RunState, why: string): Next {
  return go(state, { phase: 'failed', believes: 'nothing', why }, ['page'])
}

function go(state: RunState, change: Partial<RunState>, effects: readonly Effect[] = []): Next {
  return { state: { ...state, attempts: 0, ...change }, effects, afterMs: 0 }
}
