import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Abilities,
  begun,
  type Effect,
  type Event,
  isOver,
  next,
  type Phase,
  phases,
  type RunState,
  type Step,
  steps,
  type StepResult,
  stepOf,
} from '../../vault/rotation/phases.ts'

/** What a step of this schedule meets: whether it has its effect, and what is heard of it. */
type Luck = {
  /** Killed before the effect, after it, or not at all; or the answer never comes. */
  readonly fault: 'none' | 'before' | 'after' | 'silent'
  /** The target does as it is told. */
  readonly obeys: boolean
  /** It says the truth about it. */
  readonly tells: boolean
  readonly away: boolean
}

const luck: fc.Arbitrary<Luck> = fc.record({
  fault: fc.constantFrom('none', 'none', 'none', 'before', 'after', 'silent'),
  obeys: fc.boolean(),
  tells: fc.boolean(),
  away: fc.boolean(),
})
const honest: Luck = { fault: 'none', obeys: true, tells: true, away: false }

/** A vault and a target, of which the one knows only what the other shows. */
class World {
  state: RunState = begun
  current = 'old'
  candidate: string | undefined
  target = new Set(['old'])
  rejections = 0
  reconciles = 0
  pages = 0
  readonly kept = ['old']

  can: Abilities

  constructor(can: Abilities) {
    this.can = can
  }

  tell(event: Event): boolean {
    const following = next(this.state, event, this.can)
    if (following === undefined) return false
    for (const effect of following.effects) this.#do(effect)
    this.state = following.state
    return true
  }

  #do(effect: Effect): void {
    if (effect === 'page') this.pages += 1
    if (effect === 'stage') {
      this.candidate = 'new'
      this.kept.push('new')
    }
    if (effect === 'promote') {
      expect(this.target.has(this.candidate ?? ''), 'promoted is what a login has just proven').toBe(true)
      this.current = this.candidate ?? this.current
      this.candidate = undefined
    }
    if (effect === 'discard') this.candidate = undefined
  }

  work({ fault, obeys, tells, away }: Luck): void {
    const step = stepOf(this.state.phase)
    if (step === undefined) return
    if (fault === 'before') return void this.tell({ kind: 'lost' })
    const seen = this.#step(step, obeys, tells, away)
    this.tell(fault === 'none' ? { kind: 'seen', seen } : { kind: 'lost' })
  }

  #step(step: Step, obeys: boolean, tells: boolean, away: boolean): StepResult {
    const why = 'so it said'
    switch (step) {
      case 'rules':
        if (away) return { step, result: { kind: 'untold', why } }
        if (!obeys) return { step, result: { kind: 'unfit', why } }
        this.can = { ...this.can, tells: false }
        return { step, result: { kind: 'told' } }
      case 'change':
      case 'reconcile': {
        if (step === 'reconcile' && !away) this.reconciles += 1
        if (away) return { step, result: { kind: 'untouched', why } }
        if (step === 'change' && !this.target.has(this.current)) {
          this.rejections += 1
          return { step, result: { kind: 'untouched', why, rejected: true } }
        }
        if (obeys) this.target = new Set(['new', ...(this.can.retires ? this.target : [])])
        if (!tells) return { step, result: { kind: obeys ? 'refused' : 'changed', why } }
        return { step, result: obeys ? { kind: 'changed' } : { kind: 'refused', why } }
      }
      case 'persist':
        // A login comes first: of a target that does not take the candidate, or not any more, that is refused.
        if (!away && !this.target.has(this.candidate ?? 'new')) {
          this.rejections += 1
          return { step, result: { kind: 'rejected', why } }
        }
        return { step, result: away || !obeys ? { kind: 'unknown', why } : { kind: 'kept' } }
      case 'retire':
        if (step === 'retire' && obeys && !away) this.target = new Set([this.current])
        return { step, result: away || !obeys ? { kind: 'unknown', why } : { kind: 'kept' } }
      case 'login-candidate':
      case 'login-current': {
        if (away) return { step, result: { kind: 'unreachable', why } }
        const secret = step === 'login-candidate' ? (this.candidate ?? 'new') : this.current
        const isTaken = this.target.has(secret)
        if (!isTaken) this.rejections += 1
        return { step, result: isTaken ? { kind: 'accepted' } : { kind: 'rejected', why } }
      }
    }
  }
}

const abilities = fc.record({
  tells: fc.boolean(),
  persists: fc.boolean(),
  retires: fc.boolean(),
  reconciles: fc.boolean(),
})

test('whatever a target does and whoever is killed, the vault holds what the target takes, and says what is so', () => {
  const seen = new Set<Phase>()
  fc.assert(
    fc.property(abilities, fc.array(luck, { maxLength: 12 }), (can, schedule) => {
      const world = new World(can)
      expect(world.tell({ kind: 'begin' })).toBe(true)
      for (const one of schedule) {
        seen.add(world.state.phase)
        world.work(one)
        // What was asked begins again, as soon as it may.
        world.tell({ kind: 'begin' })
        seen.add(world.state.phase)
        // INVARIANT 3, at every moment.
        expect([...world.target].some((secret) => world.kept.includes(secret))).toBe(true)
        // A person is sent for where the target takes neither, and nowhere else: here it always takes one.
        expect(world.state.phase).not.toBe('unknown')
      }
      // The target comes back and does as it is told: all ends, and well.
      for (let left = 12; left > 0 && !isOver(world.state.phase); left -= 1) {
        world.work(honest)
        world.tell({ kind: 'begin' })
      }
      expect(isOver(world.state.phase), `it ends: ${JSON.stringify(world.state)}`).toBe(true)
      expect(world.target.has(world.current), 'what is current is taken').toBe(true)
      if (world.state.phase === 'done') expect(world.current).toBe('new')
      if (world.state.phase === 'failed') expect(world.current).toBe('old')
      expect(world.candidate).toBeUndefined()
    }),
    { numRuns: 4_000 },
  )
  for (const phase of [
    'asking',
    'persisting',
    'verifying',
    'probing-candidate',
    'probing-current',
    'retiring',
  ] as const)
    expect(seen).toContain(phase)
})

test('a run without a person has two logins refused at most, and three where a privileged account helps', () => {
  fc.assert(
    fc.property(abilities, fc.array(luck, { maxLength: 30 }), fc.boolean(), (can, schedule, foreign) => {
      const world = new World(can)
      world.tell({ kind: 'begin' })
      // Somebody changed it on the target meanwhile: it takes nothing that we know.
      if (foreign) world.target = new Set(['theirs'])
      for (const one of schedule) {
        world.work(one)
        world.tell({ kind: 'begin' })
      }
      // An answer that is lost may have been a refusal: those are counted by whoever keeps the budget.
      const lost = schedule.filter(({ fault }) => fault !== 'none').length
      expect(world.rejections - lost).toBeLessThanOrEqual(can.reconciles ? 4 : 2)
      expect(world.reconciles - lost).toBeLessThanOrEqual(1)
    }),
    { numRuns: 2_000 },
  )
})

test('who finds that a target takes neither is sent for, and both are kept', () => {
  const world = new World({ tells: false, persists: false, retires: false, reconciles: false })
  world.tell({ kind: 'begin' })
  world.target = new Set(['theirs'])
  world.work(honest)
  expect(world.state).toMatchObject({ phase: 'unknown', believes: 'nothing' })
  expect(world).toMatchObject({ pages: 1, current: 'old', candidate: 'new' })
})

test('a privileged account sets it right, once', () => {
  const world = new World({ tells: false, persists: false, retires: false, reconciles: true })
  world.tell({ kind: 'begin' })
  world.target = new Set(['theirs'])
  for (const _ of steps) world.work(honest)
  expect(world).toMatchObject({ reconciles: 1, current: 'new', state: { phase: 'done' } })
})

test('a target that is away is asked again, ever later, and a person is told once', () => {
  const world = new World({ tells: false, persists: false, retires: false, reconciles: false })
  world.tell({ kind: 'begin' })
  world.work({ ...honest, fault: 'after' })
  const waits: number[] = []
  for (let left = 20; left > 0; left -= 1) {
    waits.push(next(world.state, { kind: 'lost' }, world.can)?.afterMs ?? 0)
    world.work({ ...honest, away: true })
  }
  expect(waits).toEqual([...waits].sort((a, b) => a - b))
  expect(waits.at(-1)).toBe(1_800_000)
  expect(world).toMatchObject({ pages: 1, state: { phase: 'probing-candidate' } })
  // A session that got in tells as much as a login of ours.
  world.tell({ kind: 'taken', which: 'candidate' })
  expect(world).toMatchObject({ current: 'new', state: { phase: 'done' } })
})

test('no event moves a run that is over, nor one that it is not about', () => {
  const events: readonly Event[] = [
    { kind: 'begin' },
    { kind: 'lost' },
    { kind: 'retry' },
    { kind: 'cancel', why: 'x' },
    { kind: 'superseded' },
    { kind: 'taken', which: 'current' },
    ...steps.map(
      (step): Event => ({ kind: 'seen', seen: { step, result: { kind: 'unknown', why: '' } } as StepResult }),
    ),
  ]
  const can = { tells: true, persists: true, retires: true, reconciles: true }
  for (const phase of phases.filter(isOver))
    for (const event of events) expect(next({ ...begun, phase }, event, can)).toBeUndefined()
  for (const phase of phases)
    for (const event of events)
      if (event.kind === 'seen' && event.seen.step !== stepOf(phase))
        expect(next({ ...begun, phase }, event, can)).toBeUndefined()
})

test('it is cancelled before the target was touched, and not after', () => {
  const can = { tells: true, persists: true, retires: true, reconciles: true }
  for (const phase of phases)
    expect(next({ ...begun, phase }, { kind: 'cancel', why: 'x' }, can)?.state.phase).toBe(
      phase === 'waiting' || phase === 'asking' ? 'cancelled' : undefined,
    )
})
