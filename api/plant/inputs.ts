import type { VerbAnswer } from '../../vault/contract.ts'
import type { AskVault } from '../vault-link.ts'
import { BitReader } from './modbus.ts'

type Input = VerbAnswer<'switch.inputs'>[number]
type Test = VerbAnswer<'switch.tests'>[number]

/** Milliseconds between two readings of an input, for an answer, and without one until it is lost. */
const readEvery = 200
const answerWithin = 1_000
const lostAfter = 3_000
/** Milliseconds between two looks at which inputs there are, and after which a state is said again. */
const lookEvery = 1_000
const sayEvery = 5_000

type Ports = { readonly ask: AskVault; readonly onFault: (error: unknown) => void }

/** Reads the inputs of plant switches and tells the vault what they say. */
export function startInputs({ ask, onFault }: Ports): AsyncDisposable {
  const reading = new Map<string, { readonly is: Input; readonly stop: AbortController }>()
  let isStopped = false
  let isAway = false
  const look = async () => {
    const wanted = await ask('switch.inputs', {})
    if (!wanted.ok || isStopped) return
    for (const [id, one] of reading) {
      const still = wanted.value.find((input) => input.switch === id)
      if (still !== undefined && JSON.stringify(still) === JSON.stringify(one.is)) continue
      one.stop.abort()
      reading.delete(id)
    }
    for (const input of wanted.value) {
      if (reading.has(input.switch)) continue
      const stop = new AbortController()
      reading.set(input.switch, { is: input, stop })
      void readOn(input, ask, stop.signal)
    }
    const tests = await ask('switch.tests', {})
    if (tests.ok) for (const test of tests.value) void readOnce(test, ask)
  }
  let running: Promise<void> | undefined
  const timer = setInterval(() => {
    running ??= look()
      .then(
        () => {
          isAway = false
        },
        (error: unknown) => {
          if (!isAway) onFault(error)
          isAway = true
        },
      )
      .finally(() => {
        running = undefined
      })
  }, lookEvery)
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearInterval(timer)
      for (const { stop } of reading.values()) stop.abort()
      await running
    },
  }
}

/** Reads an input that somebody wants to know of, once. */
async function readOnce({ test, ...input }: Test, ask: AskVault): Promise<void> {
  using reader = new BitReader(input)
  const read = await reader.read(answerWithin).then(
    (reads) => ({ reads }),
    (error: unknown) => ({
      fault: error instanceof Error ? error.message.slice(0, 200) : 'it cannot be read',
    }),
  )
  // Whoever waits gives up by themself where the vault is away.
  await ask('switch.tested', { test, ...read }).catch(() => undefined)
}

/** Reads one input until it is not wanted any more. */
async function readOn(input: Input, ask: AskVault, signal: AbortSignal): Promise<void> {
  using reader = new BitReader(input)
  let readAt = performance.now()
  let said: { readonly state: 'run' | 'stop' | 'lost'; readonly at: number } | undefined
  while (!signal.aborted) {
    let state: 'run' | 'stop' | 'lost' | undefined
    try {
      state = (await reader.read(answerWithin)) === input.stopsAt ? 'stop' : 'run'
      readAt = performance.now()
    } catch {
      if (performance.now() - readAt >= lostAfter) state = 'lost'
    }
    const now = performance.now()
    if (state !== undefined && !signal.aborted && (state !== said?.state || now - said.at >= sayEvery)) {
      const told = await ask('switch.sense', {
        switch: input.switch,
        state,
        input: input.input,
        stopsAt: input.stopsAt,
      }).catch(() => undefined)
      // A vault that is away or refuses is told again at the next reading.
      if (told?.ok === true) said = { state, at: now }
    }
    await new Promise((resolve) => setTimeout(resolve, readEvery).unref())
  }
}
