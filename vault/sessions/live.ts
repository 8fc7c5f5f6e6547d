import type { EndReason } from '../contract.ts'
import type {
  AccountId,
  GrantId,
  KeyId,
  LeaseId,
  LoginId,
  RecordingId,
  SafeId,
  SessionId,
  TargetId,
  UserId,
  WatchId,
} from '../kernel/id.ts'
import type { Peer } from '../kernel/rpc.ts'
import type { Taken } from './take.ts'
import { orderCut, orderExtend, orderFreeze } from './workers.ts'

export type Cut = {
  readonly reason: EndReason
  readonly message: string
  /** Ordered by somebody who may thaw the session, who knew that it was frozen: its freeze ends with it. */
  readonly endsFreeze?: boolean
}

/** Somebody holds the input of a session's user. */
export type Freeze = { readonly by: string; readonly reason: string; readonly at: string }

/** A session that has not ended, as the vault's memory has it. */
export type LiveSession = {
  readonly id: SessionId
  readonly recording: RecordingId
  readonly user: UserId
  readonly userName: string
  readonly account: AccountId
  readonly accountName: string
  readonly target: TargetId
  readonly safe: SafeId
  readonly grant: GrantId
  readonly lease: LeaseId
  readonly node: string
  readonly worker: string
  /** The key by which its user logged in; null for none, undefined where this process did not open it. */
  readonly key: KeyId | null | undefined
  /** The console's login from whose browser it is used; null for a native client's. */
  readonly login: LoginId | null
  /** From where it was opened, and when its user had shown their second factor; undefined as with `key`. */
  readonly source: string | undefined
  readonly factorAt: number | null | undefined
  endsAt: number
  /** Has what a row says been held against guarded ones? Not yet of a session found in the table. */
  isVetted: boolean
  /** The connection of the worker that carries it; undefined while none claims it. */
  peer: Peer | undefined
  /** Since when nobody claims it, in milliseconds; null while somebody does. */
  lostSince: number | null
  /** When this process opened it: null for one that it found in the table, whose credential cannot leave again. */
  readonly openedAt: number | null
  /** Moments at which the credential left and the target was reached. */
  releasedAt: number | null
  /** Has its start committed? Before that, and where it was refused, nothing is signed. */
  started: boolean
  connected: boolean
  signatures: number
  /** X25519 key to which its credential was sealed; null for a session that this process did not start. */
  boxKey: Buffer | null
  /** When it was elevated lately, and when secrets were typed into it. */
  elevations: readonly number[]
  typeIns: readonly number[]
  /** Who was last logged in as for the files beside its desktop, when, how often, and what was signed for that. */
  files: {
    readonly account: AccountId
    readonly moments: readonly number[]
    readonly at: number
    signatures: number
  } | null
  /** Where a forwarding goes and how many connections its grant gives there; null for those found in the table. */
  readonly forward: { readonly to: string; readonly connections: number | null } | null
  /** Connections that a forwarding has open, as its worker says. */
  forwarding: number
  cut: Cut | null
  cutOrderedAt: number
  freeze: Freeze | null
  /** Who has taken it over: with a freeze, and only while nothing else holds it. */
  taken: Taken | null
  isBeingTaken: boolean
  /** The plant switch that holds it; null: none does. */
  stop: string | null
  /** The groups of the policy of whom somebody must watch, and those of whom nobody does: its input is held then. */
  supervisors: readonly string[]
  /** Whom to call where one of them is missing; null: the policy does not say. */
  contact: string | null
  missing: readonly string[]
  /** Since when somebody is missing, in milliseconds. */
  missingSince: number
  /** Who spoke last: an unfreeze has somebody's name too. */
  freezeBy: string
  /** Has its worker said that it does what `freeze` says? */
  freezeTold: boolean
  /** Has its worker said that it ends when `endsAt` says? False only where that has become later. */
  endTold: boolean
}

/** What holds the input of a session's user now: a freeze, a plant switch, or that a supervisor is missing; null: nothing. */
export function heldBy({
  freeze,
  stop,
  missing,
  contact,
}: Pick<LiveSession, 'freeze' | 'stop' | 'missing' | 'contact'>): {
  readonly by: string
  readonly reason: string
  readonly waits: boolean
} | null {
  if (freeze !== null) return { by: freeze.by, reason: freeze.reason, waits: false }
  if (stop !== null) return { by: `plant switch ${stop}`, reason: 'it is off', waits: false }
  if (missing.length === 0) return null
  const call = contact === null ? '' : `; call ${contact}`
  return {
    by: 'policy',
    reason: `waits for a supervisor of ${missing.join(', ')} to watch it${call}`,
    waits: true,
  }
}

/** The watch whose watcher types in the user's place now. SECURITY: what holds everybody holds them too. */
function handsOf({ freeze, stop, missing, taken, cut }: LiveSession): WatchId | null {
  if (freeze === null || stop !== null || missing.length > 0 || cut !== null) return null
  return taken === null || taken.isOver ? null : taken.watch
}

/** Milliseconds between orders to a worker that has not ended a session it was told to cut. */
const orderAgainAfter = 2_000

/** All sessions that have not ended. One vault is active at a time, so this process knows them all. */
export class LiveSessions {
  readonly #sessions = new Map<SessionId, LiveSession>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  add(session: LiveSession): void {
    this.#sessions.set(session.id, session)
  }

  get(id: SessionId): LiveSession | undefined {
    return this.#sessions.get(id)
  }

  remove(id: SessionId): void {
    this.#sessions.delete(id)
  }

  all(): readonly LiveSession[] {
    return [...this.#sessions.values()]
  }

  where(is: (session: LiveSession) => boolean): readonly LiveSession[] {
    return this.all().filter(is)
  }

  /** The connection of a worker is gone: its sessions wait to be claimed again. */
  lose(peer: Peer): void {
    for (const session of this.#sessions.values())
      if (session.peer === peer) {
        session.peer = undefined
        session.lostSince = this.#now()
      }
  }

  /** Orders a session's end. The first reason stands; the order is repeated until the session has ended. */
  cut(session: LiveSession, cut: Cut): void {
    session.cut ??= cut
    session.cutOrderedAt = this.#now()
    if (session.peer !== undefined)
      void orderCut(session.peer, session.id, session.cut.reason, session.cut.message)
  }

  /** Gives a session a later end, and has its worker told; again at each tick until it has answered. */
  extend(session: LiveSession, endsAt: number): void {
    session.endsAt = endsAt
    session.endTold = false
    void this.#tellEnd(session)
  }

  async #tellEnd(session: LiveSession): Promise<void> {
    const { peer, endsAt } = session
    if (peer === undefined || !session.connected || !session.isVetted || session.cut !== null) return
    const isTold = await orderExtend(peer, session.id, new Date(endsAt).toISOString())
    if (isTold && session.endsAt === endsAt && session.peer === peer) session.endTold = true
  }

  /** Holds a session's input, or lets it go on, and has its worker told; again at each tick until it has answered. */
  freeze(session: LiveSession, freeze: Freeze | null, by: string): Promise<void> {
    session.freeze = freeze
    session.freezeBy = by
    session.freezeTold = false
    return this.tell(session)
  }

  /** Holds a session's input while supervisors of these groups are missing; none: it goes on, unless it is frozen. */
  await(session: LiveSession, missing: readonly string[], by: string): Promise<void> {
    if (session.missing.length === 0) session.missingSince = this.#now()
    session.missing = missing
    session.freezeBy = by
    session.freezeTold = false
    return this.tell(session)
  }

  /** Holds a session's input for a plant switch that is off; null: it goes on, unless something else holds it. */
  stop(session: LiveSession, name: string | null): Promise<void> {
    session.freezeBy = `plant switch ${session.stop ?? name ?? ''}`
    if (name !== null) session.missingSince = this.#now()
    session.stop = name
    session.freezeTold = false
    return this.tell(session)
  }

  /** Tells a worker how the freeze of a session stands. What rows say is told only after they were checked. */
  async tell(session: LiveSession): Promise<void> {
    const { peer, freeze, stop, missing, taken } = session
    if (peer === undefined || !session.connected || !session.isVetted) return
    const held = heldBy(session)
    const order = held === null ? { by: session.freezeBy, reason: '', waits: false } : held
    const hands = handsOf(session)
    const isTold = await orderFreeze(peer, session.id, {
      ...{ frozen: held !== null, ...order },
      ...(hands === null ? {} : { hands }),
    })
    // It may have been told something else meanwhile, or another worker may carry it now.
    const isSame =
      session.freeze === freeze &&
      session.missing === missing &&
      session.stop === stop &&
      session.taken === taken
    if (isTold && isSame && session.peer === peer) session.freezeTold = true
  }

  /** Cuts what is due: sessions whose time is up, and again those that were told and go on. */
  tick(): void {
    const now = this.#now()
    for (const session of this.#sessions.values()) {
      if (!session.freezeTold) void this.tell(session)
      if (!session.endTold) void this.#tellEnd(session)
      if (session.cut === null) {
        if (session.endsAt <= now)
          this.cut(session, { reason: 'time is up', message: 'the time of this session is up' })
      } else if (now - session.cutOrderedAt >= orderAgainAfter) this.cut(session, session.cut)
    }
  }
}
