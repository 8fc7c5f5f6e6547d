import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Application } from './application.ts'
import { startChild } from './child.ts'
import { type Kept, keepRunning } from './keep-running.ts'
import { ensureSystemUser, isRoot } from './system-user.ts'

/** The file that the machines of the demo plant are run by: where it is, they run. */
export const demoMachines = (dataDir: string) => join(dataDir, 'demo', 'machines.json')

/** The mark of a removal that has begun: what is left is no installation any more. */
export const demoRemoval = (dataDir: string) => join(dataDir, 'demo', 'removing')

/** Throws `Fault('configuration')` where a removal of the demo plant was interrupted: half of an installation is none. */
export function requireNoHalfRemoval(dataDir: string): void {
  if (existsSync(demoRemoval(dataDir)))
    throw new Fault(
      'configuration',
      `the removal of the demo plant in ${dataDir} was interrupted: end it with npx tagout --data ${dataDir} demo remove`,
    )
}

const lookEveryMs = 250

export type DemoMachines = AsyncDisposable & { readonly pid: () => number | undefined }

/**
 * Runs the machines of the demo plant as soon as there is one, and starts them again like a plane. That they cannot
 * run is said, and keeps nothing else from running.
 */
export function runDemoMachines(
  dataDir: string,
  application: Application,
  ports: { readonly say: (line: string) => void; readonly onChange: () => void },
): DemoMachines {
  const path = demoMachines(dataDir)
  let kept: Kept | undefined
  let starting: Promise<void> | undefined
  let isOver = false

  const start = async () => {
    try {
      const options = {
        name: 'demo plant',
        file: join(application.folder, 'deploy', 'demo', 'machines', 'main.ts'),
        node: application.node,
        env: {
          TAGOUT_DEMO_MACHINES: path,
          PATH: '/usr/local/bin:/usr/bin:/bin',
          LANG: 'C.UTF-8',
          NODE_ENV: 'production',
        },
        // SECURITY: a user of its own, outside the group of the planes: it speaks with whoever connects.
        runAs: isRoot() ? ensureSystemUser('tagout-demo') : undefined,
      }
      kept = await keepRunning(
        { name: 'demo plant', start: () => startChild(options) },
        { say: ports.say, onChange: ports.onChange, onReady: async () => undefined },
      )
      if (isOver) await kept.stop(2_000)
      ports.onChange()
    } catch (error) {
      ports.say(`the machines of the demo plant do not run: ${(error as Error).message}`)
    }
  }
  const look = () => {
    if (starting !== undefined || !existsSync(path)) return
    clearInterval(timer)
    starting = start()
  }
  const timer = setInterval(look, lookEveryMs)
  timer.unref()
  look()
  return {
    pid: () => kept?.pid(),
    [Symbol.asyncDispose]: async () => {
      isOver = true
      clearInterval(timer)
      await starting
      await kept?.stop(2_000)
    },
  }
}
