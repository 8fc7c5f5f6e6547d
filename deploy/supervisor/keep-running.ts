import { setTimeout as pause } from 'node:timers/promises'
import type { Child, Ready } from './child.ts'

/** What is to be kept running. */
export type Life = {
  readonly name: string
  /** Begins one life of it. Throws `Fault` where it does not become ready. */
  readonly start: () => Promise<Child>
}

/** A process that is started again whenever it ends by itself. */
export type Kept = {
  readonly name: string
  /** The present process, or undefined between two lives. */
  readonly pid: () => number | undefined
  readonly ready: () => Ready
  /** Ends the present process; the next starts at once. */
  readonly startAgain: () => Promise<void>
  readonly stop: (withinMs: number) => Promise<void>
}

export type KeepPorts = {
  readonly say: (line: string) => void
  /** Each life of it begins with this, the first as well: the vault is unsealed here. */
  readonly onReady: (ready: Ready, again: boolean) => Promise<void>
  /** The processes changed. */
  readonly onChange: () => void
}

/** Milliseconds before the first start again; doubled each time up to the longest, and back when one ran a minute. */
const firstDelay = 100
const longestDelay = 5_000

/**
 * Starts a process and keeps it running. The first start's failure is thrown: the configuration is wrong. A later one
 * is said and tried again, at most 5 s apart.
 */
export async function keepRunning(life: Life, ports: KeepPorts): Promise<Kept> {
  let child: Child | undefined
  let lastReady: Ready
  let stopping = false
  const stopSignal = new AbortController()

  const live = async (again: boolean) => {
    const started = await life.start()
    if (stopping) return started.stop(1_000)
    child = started
    lastReady = started.ready
    ports.onChange()
    await ports.onReady(started.ready, again)
  }
  try {
    await live(false)
  } catch (error) {
    await child?.stop(2_000)
    throw error
  }

  const watch = async () => {
    let delay = firstDelay
    while (!stopping && child !== undefined) {
      const since = Date.now()
      const how = await child.ended
      child = undefined
      ports.onChange()
      if (stopping) return
      ports.say(`the ${life.name} ended (${how}); starting it again`)
      if (Date.now() - since > 60_000) delay = firstDelay
      while (!stopping && child === undefined) {
        await pause(delay, undefined, { signal: stopSignal.signal }).catch(() => undefined)
        delay = Math.min(delay * 2, longestDelay)
        if (!stopping) await live(true).catch((error: Error) => ports.say(error.message))
      }
    }
  }
  const watching = watch()

  return {
    name: life.name,
    pid: () => child?.process.pid,
    ready: () => lastReady,
    startAgain: async () => child?.stop(15_000),
    stop: async (withinMs) => {
      stopping = true
      stopSignal.abort()
      await child?.stop(withinMs)
      await watching
    },
  }
}
