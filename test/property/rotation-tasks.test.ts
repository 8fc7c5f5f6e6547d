import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterAct, type TaskAct, type TaskState } from '../../vault/rotation/assisted.ts'
import { begun, type Event, next, type RunState } from '../../vault/rotation/phases.ts'

const acts = ['take', 'approve', 'reveal', 'make', 'sign', 'release', 'drop'] as const
/** Users, and who they are: bob has two. */
const people = { bob: 'bob', twin: 'bob', sue: 'sue', mia: 'mia' } as const
type User = keyof typeof people

/** A task and its run, as the verbs move them. */
class World {
  state: TaskState = 'open'
  changer: User | undefined
  approver: User | undefined
  run: RunState
  promoted = false
  shown: (readonly [to: User, by: User | undefined])[] = []
  readonly logsIn: boolean

  constructor(logsIn: boolean) {
    this.logsIn = logsIn
    this.run = begun
    this.#tell({ kind: 'begin' })
  }

  act(user: User, act: TaskAct): boolean {
    const after = afterAct(this.state, act, {
      kind: 'change',
      isChanger: user === this.changer,
      isChangersPerson: this.changer !== undefined && people[user] === people[this.changer],
      logsIn: this.logsIn,
    })
    if (!after.ok) return false
    const wasSeen = this.shown.length > 0
    this.state = after.value
    if (act === 'take') [this.changer, this.approver] = [user, undefined]
    if (act === 'approve') this.approver = user
    if (act === 'reveal') this.shown.push([user, this.approver])
    if (act === 'release') this.changer = this.approver = undefined
    if (act === 'make') this.#tell({ kind: 'made' })
    if (act === 'sign') this.#tell({ kind: 'signed' })
    if (act === 'drop') this.#tell({ kind: 'dropped', wasSeen, why: 'enough' })
    return true
  }

  #tell(event: Event): void {
    const can = {
      tells: false,
      persists: false,
      retires: false,
      reconciles: false,
      isAssisted: true,
      logsIn: this.logsIn,
    }
    const following = next(this.run, event, can)
    if (following === undefined) return
    this.run = following.state
    if (following.effects.includes('promote')) this.promoted = true
  }
}

test('whoever does what in which order: two people stand behind each reveal, and nothing is current by one’s word', () => {
  let signed = 0
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(
        fc.tuple(
          fc.constantFrom('whoever has it', 'whoever has it', ...(Object.keys(people) as User[])),
          fc.oneof(
            { arbitrary: fc.constantFrom(...acts.slice(0, 5)), weight: 12 },
            { arbitrary: fc.constantFrom(...acts.slice(5)), weight: 1 },
          ),
        ),
        { minLength: 10, maxLength: 60 },
      ),
      (logsIn, schedule) => {
        const world = new World(logsIn)
        for (const [who, act] of schedule) {
          const user = who === 'whoever has it' ? (world.changer ?? 'bob') : who
          const [before, { changer }] = [world.shown.length, world]
          const happened = world.act(user, act)
          if (world.shown.length > before) {
            const [to, by] = world.shown.at(-1) ?? []
            expect(by, 'somebody let them').toBeDefined()
            expect(people[to ?? 'bob']).not.toBe(people[by ?? 'bob'])
          }
          if (happened && act === 'sign') {
            expect(people[user]).not.toBe(people[changer ?? user])
            signed += 1
          }
          // No login happens here: what is current was signed.
          if (world.promoted) expect(logsIn).toBe(false)
          if (world.state === 'open' || world.state === 'asked') expect(world.run.believes).toBe('current')
        }
      },
    ),
    { numRuns: 5_000 },
  )
  expect(signed, 'some come as far').toBeGreaterThan(0)
})
