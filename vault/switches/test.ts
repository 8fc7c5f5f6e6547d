import { newId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { transact } from '../transact.ts'
import { by, type Handler } from '../world.ts'
import { parseModbusInput } from './input.ts'
import type { WaitingTest } from './switches.ts'
import { findSwitch } from './verbs.ts'

/** Milliseconds within which whoever reads inputs must have read one. */
const answerWithin = 8_000
/** How many may wait at a time. */
const mostWaiting = 5

/** `stopsAt`: null of an input that is no switch's yet. */
type Wanted = { readonly text: string; readonly stopsAt: boolean | null }

/**
 * Has an input read once, and says what it reads. The vault opens no connection to it: whoever reads the switches' inputs
 * does. Nothing is turned by it.
 */
export const switchTest: Handler<'switch.test'> = async (call, input) => {
  const { world } = call
  if ((input.switch === undefined) === (input.input === undefined))
    return refuse('invalid', 'input: say which', 'name a switch, or an input')
  const wanted = await transact<Wanted>(world, async (tx) => {
    if (input.switch === undefined) return done({ text: input.input ?? '', stopsAt: null })
    const row = await findSwitch(tx, input.switch)
    if (row === undefined) return notFound('switch', input.switch)
    if (row.input === null)
      return refuse('conflict', `${row.name} calls: nothing is read of it`, 'turn it, and see how it stands')
    return done({ text: row.input, stopsAt: row.stops_at === true })
  })
  if (!wanted.ok) return wanted
  const { text, stopsAt } = wanted.value
  const parsed = parseModbusInput(text)
  if (!parsed.ok) return parsed
  const { tests } = world.switches
  if (tests.size >= mostWaiting)
    return refuse('rate_limited', 'several inputs are being read already', 'try again in a moment')
  const id = newId('pst', world.vault.clock().getTime())
  const read = await new Promise<Parameters<WaitingTest['answer']>[0] | undefined>((resolve) => {
    const late = setTimeout(() => resolve(undefined), answerWithin)
    tests.set(id, {
      input: parsed.value,
      isTaken: false,
      answer: (what) => {
        clearTimeout(late)
        resolve(what)
      },
    })
  })
  tests.delete(id)
  if (read === undefined)
    return refuse(
      'unavailable',
      'nothing reads inputs now: the console’s server does',
      'see whether it runs: tagout doctor',
    )
  const reads = read.reads ?? null
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'switch.tested',
      input: text,
      reads: reads === null ? 'nothing' : reads ? 'on' : 'off',
      ...by(call),
    }),
  )
  return done({
    input: text,
    reads,
    fault: reads === null ? (read.fault ?? 'it could not be read') : null,
    stops: reads === null || stopsAt === null ? null : reads === stopsAt,
  })
}

/** What is to be read once, for whoever reads inputs: each is handed out once. */
export const switchTests: Handler<'switch.tests'> = async ({ world }) =>
  done(
    [...world.switches.tests].flatMap(([test, one]) => {
      if (one.isTaken) return []
      one.isTaken = true
      return [{ test, ...one.input }]
    }),
  )

/** What came of it. */
export const switchTested: Handler<'switch.tested'> = async ({ world }, { test, reads, fault }) => {
  const waiting = world.switches.tests.get(test)
  if (waiting === undefined || !waiting.isTaken) return refuse('not_found', 'nobody waits for this')
  waiting.answer({ reads, fault })
  return done(null)
}
