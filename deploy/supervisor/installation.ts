import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import { type Plane, planes } from '../../vault/plane.ts'
import { examine } from '../doctor/examine.ts'
import { doubtOfGiven, provideCertificate, readGiven } from '../tls/certificate.ts'
import { type Announcement, hostForPeople, writeReadyFile } from './announcement.ts'
import { findApplication } from './application.ts'
import { type Ready, startChild } from './child.ts'
import { findOwners, layOut, openDataFolder, removeEmpty } from './data-folder.ts'
import {
  type Database,
  prepareDatabase,
  requireGivenDatabase,
  startEmbeddedDatabase,
  useGivenDatabase,
} from './database.ts'
import { type DemoMachines, requireNoHalfRemoval, runDemoMachines } from './demo-machines.ts'
import { type Guacd, guacdVariables, runGuacd } from './guacd.ts'
import { openVaultAtStart, requireSealChoice, type SealChoice, unsealByItself } from './first-run.ts'
import { requirePlaneSettings, unreadVariables } from './known-settings.ts'
import { type Kept, keepRunning } from './keep-running.ts'
import { takeLock } from './lock.ts'
import { readSecrets, writePlaneFiles } from './plane-files.ts'
import { clearSockets } from './plane-folder.ts'
import { requireFreePorts } from './ports.ts'
import { identifyProcess } from './process-identity.ts'
import { type Flags, planeVariables, readSettings, type Settings } from './settings.ts'
import { rememberAddresses } from './settings-file.ts'

export type StartOptions = {
  readonly data: string
  /** Where root's data lie when `data` is the usual folder of a clone that others cannot enter. */
  readonly fallback: string | undefined
  readonly flags: Flags
  readonly seal: SealChoice
  /** Whether what the machine lacks may be installed on it. */
  readonly mayInstall: boolean
  readonly env: NodeJS.ProcessEnv
  readonly say: (line: string) => void
  /** Aborted when the start is to be given up. */
  readonly signal: AbortSignal
  /** Other entry files for the planes: a test's own. */
  readonly entries?: Partial<Record<(typeof planes)[number], string>>
}

export type Installation = AsyncDisposable & {
  readonly announcement: Announcement
  /** Looks at everything once more and announces what was found: after a fill of the demo plant, say. */
  readonly announceAgain: () => Promise<Announcement>
  readonly firstAdmin: string | undefined
}

/**
 * Starts everything in order: data folder, database, vault, recorder, api. What has been started is stopped again in
 * the opposite order when a later step fails, and by disposing of the installation.
 */
export async function startInstallation(options: StartOptions): Promise<Installation> {
  await using stack = new AsyncDisposableStack()
  const { say } = options
  const step = () => options.signal.throwIfAborted()

  const folder = openDataFolder(options.data, options.fallback)
  const dataDir = folder.path
  let begun = false
  stack.defer(() => {
    if (!begun) folder.takeBack()
  })
  requireNoHalfRemoval(dataDir)
  const settings = readSettings(dataDir, options.flags, options.env)
  requirePlaneSettings({ ...planeEnvironment(options.env, settings), TAGOUT_DATA: dataDir })
  for (const sentence of unreadVariables(options.env)) say(sentence)
  if (settings.certificate !== undefined && !settings.http.plain) readGiven(settings.certificate)
  stack.defer(() => {
    if (!begun) removeEmpty(join(dataDir, 'supervisor'))
  })
  mkdirSync(join(dataDir, 'supervisor'), { recursive: true, mode: 0o700 })
  const lock = stack.use(await takeLock(join(dataDir, 'supervisor'), dataDir))
  stack.defer(() => rmSync(join(dataDir, 'ready.json'), { force: true }))
  step()
  await requireFreePorts(settings)
  if (settings.databaseUrl !== undefined) await requireGivenDatabase(settings.databaseUrl)
  const owners = findOwners()
  await requireSealChoice(dataDir, options.seal, owners.vault)
  step()
  // INVARIANT: up to here nothing is made that a refused start does not take back; from here on the folder is in use.
  begun = true
  layOut(dataDir, owners)
  clearSockets(join(dataDir, 'run'))
  rememberAddresses(dataDir, settings)
  const secrets = readSecrets(dataDir)
  const kept: Kept[] = []
  const database: { present?: Database } = {}
  const demo: { machines?: DemoMachines } = {}
  const desktops: { guacd?: Guacd } = {}
  const note = () => {
    const running = [
      { name: 'postgres', pid: database.present?.pid() },
      ...kept.map(({ name, pid }) => ({ name, pid: pid() })),
      { name: 'demo plant', pid: demo.machines?.pid() },
      { name: 'guacd', pid: desktops.guacd?.pid() },
    ]
    lock.note(
      running.flatMap(({ name, pid }) => {
        const identity = pid === undefined ? undefined : identifyProcess(pid)
        return identity === undefined ? [] : [{ name, ...identity }]
      }),
    )
  }

  if (settings.databaseUrl === undefined) say('starting PostgreSQL')
  database.present =
    settings.databaseUrl === undefined
      ? await startEmbeddedDatabase(dataDir, owners.postgres, secrets, { say, onChange: note })
      : useGivenDatabase(settings.databaseUrl, secrets)
  const { stop, planeUrl } = database.present
  stack.defer(stop)
  note()
  step()
  await prepareDatabase(database.present, dataDir, secrets, say)
  writePlaneFiles(dataDir, owners, secrets, planeUrl)
  const tls = await provideCertificate(dataDir, settings, owners.api, new Date())
  if (tls.changed !== undefined) say(tls.changed)
  sayDoubt(settings, say)

  const application = findApplication(say)
  desktops.guacd = stack.use(
    await runGuacd({ dataDir, given: settings.guacd, mayInstall: options.mayInstall, say, onChange: note }),
  )
  step()
  const opening = { say, vaultRunsAs: owners.vault, signal: options.signal }
  const env = {
    ...planeEnvironment(options.env, settings),
    ...guacdVariables(desktops.guacd),
    ...tls.variables,
    TAGOUT_DATA: dataDir,
  }
  const sshPort = () => addressOf((kept[1] as Kept).ready(), settings.ssh).port
  let firstAdmin: { readonly path: string } | undefined
  for (const name of planes) {
    step()
    say(`starting the ${name}`)
    // SECURITY: the password in its address is for the one plane that uses it.
    const queue =
      name === 'rotation' && settings.redisUrl !== undefined ? { REDIS_URL: settings.redisUrl } : {}
    const child = {
      name,
      file: options.entries?.[name] ?? join(application.folder, entryOf(name)),
      node: application.node,
      env: name === 'api' ? { ...env, TAGOUT_SSH_PORT: String(sshPort()) } : { ...env, ...queue },
      runAs: owners[name],
      signal: options.signal,
    }
    const plane = await keepRunning(
      { name, start: () => startChild(child) },
      {
        say,
        onChange: note,
        onReady: async (_ready, again) => {
          if (name !== 'vault' || options.entries?.vault !== undefined) return
          if (!again) firstAdmin = await openVaultAtStart(dataDir, options.seal, opening)
          else if (!(await unsealByItself(dataDir))) say('the vault is sealed: open it with tagout unseal')
        },
      },
    )
    kept.push(plane)
    note()
    stack.defer(() => plane.stop(stopWithinMs[name]))
  }
  const [, recorder, , api] = kept as [Kept, Kept, Kept, Kept]
  stack.use(renewDaily(dataDir, settings, owners.api, api, say))
  demo.machines = stack.use(runDemoMachines(dataDir, application, { say, onChange: note }))

  const scheme = settings.http.plain ? 'http' : 'https'
  const http = addressOf(api.ready(), settings.http)
  const ssh = addressOf(recorder.ready(), settings.ssh)
  const { hostKey, knownHosts } = recorder.ready()
  const addresses = {
    console: `${scheme}://${inAddress(hostForPeople(http.host))}:${http.port}`,
    ssh: {
      host: forSsh(ssh.host),
      port: ssh.port,
      ...(typeof hostKey === 'string' ? { hostKey } : {}),
      ...(Array.isArray(knownHosts) ? { knownHosts: knownHosts.map(String) } : {}),
    },
    data: dataDir,
    guacd: { ...desktops.guacd.address, isOwn: desktops.guacd.isOwn },
  }
  writeReadyFile(dataDir, { ...addresses, findings: [] })
  const announce = async () => {
    const examined = options.entries === undefined ? await examine(dataDir) : []
    const findings = examined.filter((found) => found.level !== 'fine').map((found) => found.text)
    const announcement = { ...addresses, findings }
    writeReadyFile(dataDir, announcement)
    return announcement
  }
  const announcement = await announce()
  const own = stack.move()
  return {
    announcement,
    announceAgain: announce,
    firstAdmin: firstAdmin === undefined ? undefined : `${addresses.console}${firstAdmin.path}`,
    [Symbol.asyncDispose]: () => {
      lock.stopping()
      return own.disposeAsync()
    },
  }
}

/** How long each may take to end: the recorder closes its recordings, the vault its audit log. */
const stopWithinMs = { vault: 10_000, recorder: 15_000, rotation: 10_000, api: 5_000 } as const

/** The worker of rotation lies with the rest of it, and is a process of its own. */
function entryOf(plane: Plane): string {
  return plane === 'rotation' ? join('vault', 'rotation', 'worker', 'main.ts') : join(plane, 'main.ts')
}

/** Of the environment of the start, a plane sees the product's own variables and nothing else. */
function planeEnvironment(env: NodeJS.ProcessEnv, settings: Settings): Record<string, string> {
  const own = Object.entries(env).filter(([name]) => name.startsWith('TAGOUT_'))
  return {
    ...(Object.fromEntries(own) as Record<string, string>),
    ...planeVariables(settings),
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    NODE_ENV: 'production',
  }
}

type Address = { readonly host: string; readonly port: number }

/** A plane that was given port 0 says which it got: at the end of its `address`, in it, or as `port`. */
function addressOf(ready: Ready, asked: Address): Address {
  const { address, port } = ready
  const text = typeof address === 'string' ? /:(\d+)\/?$/.exec(address)?.[1] : port
  const told = Number(isObject(address) ? address['port'] : text)
  if (Number.isInteger(told) && told > 0) return { host: asked.host, port: told }
  if (asked.port === 0) throw new Fault('protocol', 'a plane did not say on which port it listens')
  return asked
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function inAddress(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function forSsh(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}

/** Looks after the certificate once a day; the api takes a new one up by starting again. */
function renewDaily(
  dataDir: string,
  settings: Settings,
  owner: Parameters<typeof provideCertificate>[2],
  api: Kept,
  say: (line: string) => void,
): Disposable {
  const look = async () => {
    const { changed } = await provideCertificate(dataDir, settings, owner, new Date())
    sayDoubt(settings, say)
    if (changed === undefined) return
    say(`${changed}; starting the api again with it`)
    await api.startAgain()
  }
  const timer = setInterval(() => {
    look().catch((error: Error) => say(`the certificate could not be looked after: ${error.message}`))
  }, 24 * 3_600_000)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function sayDoubt({ certificate, http }: Settings, say: (line: string) => void): void {
  const doubt = certificate === undefined || http.plain ? undefined : doubtOfGiven(certificate, new Date())
  if (doubt !== undefined) say(doubt)
}
