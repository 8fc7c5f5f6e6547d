import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { connectAdmin } from '../../vault/index.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { demoMachines, demoRemoval } from '../supervisor/demo-machines.ts'
import { lockHolder, takeLock } from '../supervisor/lock.ts'
import { isRunning, type ProcessIdentity } from '../supervisor/process-identity.ts'
import { type DemoFile, demoFolder, demoPath, installationMark, readDemo, writeDemoFile } from './folder.ts'
import { readMachines } from './machines/sheet.ts'
import { company, machines, safes } from './plant.ts'
import { askThrough } from './vault-door.ts'

/**
 * Parts of a data folder that hold state, in the order in which they go; the demo's own folder, with the mark that a
 * removal has begun, goes after them all. `tagout.json`, and whatever else people put there, stays.
 */
const parts = [
  'ready.json',
  'api',
  'rotation',
  'recorder',
  'vault',
  'postgres',
  'admin',
  'guacd',
  'run',
  'backups',
  'supervisor',
] as const

/** What stays in the folder where it is there, and why. */
const staying = [
  ['tagout.json', 'tagout.json'],
  ['.gitignore', '.gitignore (it keeps the folder out of every commit)'],
] as const

/** Where the demo's folder goes in one step; what an interrupted removal left there goes with the next. */
const grave = (dataDir: string) => join(dataDir, '.demo-removed')

/** What a removal would take away. */
export type Removal = {
  readonly dataDir: string
  readonly parts: readonly string[]
  readonly stays: readonly string[]
  /** The supervisor that runs on it, which is stopped before. */
  readonly runs: ProcessIdentity | undefined
}

/** Finds out whether the demo at `dataDir` may be removed, and what goes. Throws `Fault('configuration')` where not. */
export function planRemoval(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
): Removal & { readonly demo: DemoFile } {
  rmSync(grave(dataDir), { recursive: true, force: true })
  const demo = readDemo(dataDir)
  if (demo === undefined)
    throw new Fault(
      'configuration',
      `there is no demo plant in ${dataDir} (${demoPath(dataDir)} is missing), and nothing else is removed`,
    )
  const isBegun = existsSync(demoRemoval(dataDir))
  // An interrupted removal may have taken away what the mark is read from: then nothing of an installation is left.
  const isRest = isBegun && !existsSync(join(dataDir, 'supervisor', 'secrets.json'))
  if (!isRest && demo.installation !== installationMark(dataDir))
    throw new Fault(
      'configuration',
      `the demo file in ${dataDir} belongs to another installation: nothing is removed; take that file away`,
    )
  if ((env['DATABASE_URL'] ?? '') !== '' || !(isBegun || usesOwnDatabase(dataDir)))
    throw new Fault(
      'configuration',
      `this installation uses a PostgreSQL server of the site, which is not emptied from here: drop its database there, then remove ${dataDir}`,
    )
  const store = storePath(dataDir, env)
  return {
    demo,
    dataDir,
    parts: [...parts, 'demo'].filter((name) => existsSync(join(dataDir, name))),
    stays: [
      ...staying.filter(([name]) => existsSync(join(dataDir, name))).map(([, text]) => text),
      ...(store === undefined ? [] : [`${store} (recordings, which nobody can open any more)`]),
    ],
    runs: lockHolder(join(dataDir, 'supervisor')),
  }
}

/**
 * What somebody has put into the running installation beside the demo, named: `user bob`. Throws
 * `Fault('configuration')` where the vault cannot say.
 */
export async function strangers(dataDir: string, demo: DemoFile): Promise<readonly string[]> {
  await using client = await connectAdmin(dataDir)
  const ask = askThrough(client)
  const { sealed } = await ask('status', {})
  if (sealed)
    throw new Fault(
      'configuration',
      'the vault is sealed, so that nobody can see whether something real is in it: open it with tagout unseal, or stop it first',
    )
  const [users, targets, kept, accounts, companies] = await Promise.all([
    ask('user.list', {}),
    ask('target.list', {}),
    ask('safe.list', {}),
    ask('account.list', {}),
    ask('company.list', {}),
  ])
  const ours = {
    user: new Set<string>([...demo.people.map(({ name }) => name), 'admin']),
    target: new Set<string>(machines.map(({ name }) => name)),
    safe: new Set<string>(safes),
    company: new Set<string>([company.name]),
    account: new Set<string>(
      machines.flatMap(({ name, logins }) => logins.map((login) => `${name}/${login}`)),
    ),
  }
  const found = { user: users, target: targets, safe: kept, company: companies, account: accounts }
  const others = (Object.keys(ours) as (keyof typeof ours)[]).flatMap((kind) =>
    found[kind].filter(({ name }) => !ours[kind].has(name)).map(({ name }) => `${kind} ${name}`),
  )
  // SECURITY: a name is not what makes a machine the demo's: somebody may have put a real one in its place.
  const sheet = readMachines(demoMachines(dataDir))
  const moved = targets.filter(
    ({ name, host, port }) =>
      ours.target.has(name) &&
      (host !== '127.0.0.1' || port !== sheet.machines.find((one) => one.name === name)?.port),
  )
  return [
    ...others,
    ...moved.map(({ name, host, port }) => `target ${name}, which is at ${host}:${port} now`),
  ]
}

/** Stops the installation if it runs, as Ctrl-C does, and removes it. From the first file on nothing starts on the folder. */
export async function removeDemo({ dataDir, runs }: Removal): Promise<void> {
  if (runs !== undefined) await stop(runs)
  const folder = join(dataDir, 'supervisor')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  using _lock = await takeLock(folder, dataDir)
  // INVARIANT: the mark is the first change and goes last: half of an installation never starts, and is removed by a second run.
  writeDemoFile(dataDir, demoRemoval(dataDir), '')
  for (const name of parts) rmSync(join(dataDir, name), { recursive: true, force: true })
  renameSync(demoFolder(dataDir), grave(dataDir))
  rmSync(grave(dataDir), { recursive: true, force: true })
}

const longestStopMs = 60_000

async function stop(supervisor: ProcessIdentity): Promise<void> {
  try {
    process.kill(supervisor.pid, 'SIGTERM')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM')
      throw new Fault(
        'configuration',
        `the installation (process ${supervisor.pid}) belongs to another user: stop it first, nothing was removed`,
      )
  }
  const deadline = Date.now() + longestStopMs
  while (isRunning(supervisor)) {
    if (Date.now() > deadline)
      throw new Fault(
        'timeout',
        `the installation (process ${supervisor.pid}) does not end: stop it, then remove the demo; nothing was removed`,
      )
    await pause(100)
  }
}

/** Whether the database is the embedded one, which lies in the folder. */
function usesOwnDatabase(dataDir: string): boolean {
  return existsSync(join(dataDir, 'postgres', 'cluster'))
}

/** Where recordings lie outside of the data folder, if anywhere. */
function storePath(dataDir: string, env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env['TAGOUT_RECORDER_STORE']) return env['TAGOUT_RECORDER_STORE']
  const shape = z.looseObject({ recorder: z.looseObject({ storePath: z.string().optional() }).optional() })
  try {
    return shape.parse(JSON.parse(readFileSync(join(dataDir, 'tagout.json'), 'utf8'))).recorder?.storePath
  } catch {
    return undefined
  }
}
