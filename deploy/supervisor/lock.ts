import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import { writeFor } from './data-folder.ts'
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts'

const identity = z.object({
  pid: z.int().positive(),
  startedAt: z.string(),
  stopping: z.boolean().optional(),
})
const children = z.array(identity.extend({ name: z.string() }))

/** The one supervisor of a data folder. */
export type Lock = Disposable & {
  /** Notes the children, so that a start after a kill of this process can end them. */
  /** From now on a new start waits for this one to end, instead of being refused. */
  readonly stopping: () => void
  readonly note: (list: readonly (ProcessIdentity & { readonly name: string })[]) => void
}

/**
 * Takes the data folder for this process, after ending what a killed supervisor left running. Throws
 * `Fault('configuration')` where another one runs.
 */
export async function takeLock(folder: string, dataDir: string): Promise<Lock> {
  const path = join(folder, 'lock')
  const own = identifyProcess(process.pid)
  if (own === undefined) throw new Fault('internal', 'this process cannot be found in /proc')
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(own), { mode: 0o600 })
  try {
    while (!linked(draft, path)) {
      await whileStopping(path)
      breakStale(path, dataDir)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  const childrenPath = join(folder, 'processes.json')
  await endLeftovers(childrenPath)
  return {
    stopping: () => writeFor(undefined, path, JSON.stringify({ ...own, stopping: true }), 0o600),
    // Whole or not at all: a kill in this moment must not leave the children unknown.
    note: (list) => writeFor(undefined, childrenPath, JSON.stringify(list), 0o600),
    [Symbol.dispose]: () => {
      rmSync(childrenPath, { force: true })
      rmSync(path, { force: true })
    },
  }
}

/** The supervisor that holds the folder's lock, or undefined where none runs. */
export function lockHolder(folder: string): ProcessIdentity | undefined {
  const holder = read(join(folder, 'lock'))
  return holder !== undefined && isRunning(holder) ? holder : undefined
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Longest that a stop takes, and the moment in which one that was just asked to stop may not have said so yet. */
const longestStopMs = 60_000
const graceMs = 1_500

async function whileStopping(path: string): Promise<void> {
  const since = Date.now()
  for (;;) {
    const holder = read(path)
    if (holder === undefined || !isRunning(holder)) return
    if (Date.now() - since > (holder.stopping === true ? longestStopMs : graceMs)) return
    await pause(50)
  }
}

function breakStale(path: string, dataDir: string): void {
  const refuse = (holder: ProcessIdentity) => {
    throw new Fault(
      'configuration',
      `an installation already runs on ${dataDir} (process ${holder.pid}): stop it first, or give another --data`,
    )
  }
  const holder = read(path)
  if (holder !== undefined && isRunning(holder)) refuse(holder)
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    // Another start moved it away first.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const moved = read(aside)
  // INVARIANT: what was moved is what was judged stale; a start that was quicker gets its lock back.
  if (moved !== undefined && isRunning(moved)) {
    linked(aside, path)
    rmSync(aside, { force: true })
    refuse(moved)
  }
  rmSync(aside, { force: true })
}

function read(path: string): z.infer<typeof identity> | undefined {
  try {
    return identity.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}

async function endLeftovers(path: string): Promise<void> {
  let list: z.infer<typeof children>
  try {
    list = children.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return
  }
  // PostgreSQL first takes SIGINT for a fast shutdown; to the planes it means the same as SIGTERM.
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    for (const child of [...list].reverse().filter(isRunning)) {
      console.error(`tagout: ending ${child.name} (process ${child.pid}), left running by an earlier start`)
      try {
        process.kill(child.pid, signal)
      } catch {
        // It ended by itself in this moment.
      }
    }
    const deadline = Date.now() + 10_000
    while (list.some(isRunning) && Date.now() < deadline) await pause(50)
  }
  rmSync(path, { force: true })
}
