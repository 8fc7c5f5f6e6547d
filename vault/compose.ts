import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeAnswer } from './ask.ts'
import { ticketLife } from './checkout/ticket.ts'
import type { VaultConfig } from './config.ts'
import { type Prepared, preparedLife } from './custody/ceremony.ts'
import { startKeepingKits } from './kits/keeper.ts'
import { EnteredShares } from './custody/entered-shares.ts'
import { makeOidcSignIns } from './directory/oidc-sign-in.ts'
import { makeDirectories } from './directory/ask-worker.ts'
import { startSyncing } from './directory/sync.ts'
import { openDoor } from './doors.ts'
import { handlers } from './handlers.ts'
import { challengeLife } from './identity/auditor.ts'
import { makeBackOff } from './identity/back-off.ts'
import { nonceLife } from './identity/passkey.ts'
import { proofLife } from './identity/proof.ts'
import { makeShortLived } from './identity/short-lived.ts'
import { openVault, type OpenVaultOptions } from './open.ts'
import type { PlaneIdentity } from './plane.ts'
import { relations } from './relations.ts'
import { Checkpoints } from './sessions/checkpoints.ts'
import { LiveSessions } from './sessions/live.ts'
import { makeBell } from './rotation/bell.ts'
import { startTicking } from './sessions/tick.ts'
import { type MachineTime, steadyClock } from './steady-clock.ts'
import { makeWorkers } from './sessions/workers.ts'
import { scanLife } from './targets/scan.ts'
import type { World } from './world.ts'

export type VaultPlaneOptions = Omit<OpenVaultOptions, 'databaseUrl' | 'dataDir' | 'onFault'> & {
  readonly config: VaultConfig
  readonly identity: PlaneIdentity
  readonly version: string
  readonly onFault: (what: string, error: unknown) => void
  /** What the machine says of time. Default: this machine. */
  readonly machine?: MachineTime
}

/** A vault that serves: both its doors are open. */
export type VaultPlane = AsyncDisposable & { readonly world: World; readonly sockets: readonly string[] }

/** Opens the vault and its two doors. It begins sealed. */
export async function startVault(options: VaultPlaneOptions): Promise<VaultPlane> {
  const { config, identity, version, onFault, machine, ...rest } = options
  const steady = steadyClock(machine)
  await using stack = new AsyncDisposableStack()
  const vault = stack.use(
    await openVault({
      clock: steady.now,
      skippedSince: steady.skippedSince,
      ...rest,
      databaseUrl: identity.databaseUrl,
      dataDir: config.dataDir,
      sealers: config.sealers,
      onFault: (fault) => onFault('vault', fault),
    }),
  )
  const now = () => vault.clock().getTime()
  const expired = (given: number) => {
    vault
      .inTransaction((tx) =>
        tx.audit({
          kind: 'custody.forgotten',
          given,
          why: 'the others did not come',
          actor: { kind: 'vault' },
        }),
      )
      .catch((error: unknown) => onFault('custody', error))
  }
  const custody = {
    entered: stack.use(new EnteredShares(now, expired)),
    rehearsed: stack.use(new EnteredShares(now, expired)),
    prepared: makeShortLived<Prepared>(now, preparedLife, 16),
  }
  const world: World = {
    vault,
    settings: {
      quotaBytes: config.quotaBytes,
      longestSessionSeconds: config.longestSessionSeconds,
      loginIdleSeconds: config.loginIdleSeconds,
      loginLongestSeconds: config.loginLongestSeconds,
      consoleNames: config.consoleNames,
      version,
    },
    backOff: makeBackOff(now),
    workers: makeWorkers(),
    live: new LiveSessions(now),
    holds: new Map(),
    switches: { isLoaded: false, all: new Map(), tests: new Map() },
    watches: new Map(),
    checkpoints: new Checkpoints(),
    proofs: makeShortLived(now, proofLife),
    tickets: makeShortLived(now, ticketLife),
    scans: makeShortLived(now, scanLife, 10_000),
    challenges: makeShortLived(now, challengeLife, 10_000),
    totpSteps: makeShortLived(now, 10 * 60_000),
    factors: makeShortLived(now, 24 * 3600_000),
    passkeys: {
      signIns: makeShortLived(now, nonceLife, 10_000),
      acts: makeShortLived(now, nonceLife, 10_000),
      registrations: makeShortLived(now, nonceLife, 10_000),
    },
    seen: makeShortLived(now, 20_000),
    tokensSeen: makeShortLived(now, 60_000),
    oidc: makeOidcSignIns(now),
    custody,
    sender: { seenAt: null, mail: null },
    rotation: makeBell(now),
    directories: stack.use(makeDirectories()),
    onFault,
  }
  const answer = makeAnswer(world, handlers, relations)
  const openOne = async (door: 'planes' | 'admin', folder: string, mode: number) => {
    await mkdir(join(config.dataDir, folder), { recursive: true, mode: door === 'admin' ? 0o700 : 0o750 })
    const path = join(config.dataDir, folder, `${door}.sock`)
    const opened = await openDoor({
      path,
      door,
      identity,
      mode,
      answer,
      onFault,
      onClosed: ({ peer }) => {
        world.workers.gone(peer)
        world.rotation.workers.delete(peer)
        world.live.lose(peer)
        world.proofs.forget((proof) => proof.peer === peer)
      },
    })
    stack.use(opened)
    return path
  }
  stack.use(startTicking(world, steady.takeJumps))
  stack.use(startSyncing(world))
  stack.use(startKeepingKits(world, config.dataDir))
  const sockets = [await openOne('planes', 'run', 0o660), await openOne('admin', 'admin', 0o600)]
  const moved = stack.move()
  return { world, sockets, [Symbol.asyncDispose]: () => moved.disposeAsync() }
}
