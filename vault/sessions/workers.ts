import { z } from 'zod'
import type { EndReason } from '../contract.ts'
import type { SessionId, WatchId } from '../kernel/id.ts'
import type { Peer } from '../kernel/rpc.ts'

export type Worker = { readonly node: string; readonly worker: string; readonly peer: Peer }

/** The recorder workers that are connected and have said which they are. */
export type Workers = {
  readonly hello: (worker: Worker) => void
  readonly gone: (peer: Peer) => void
  readonly of: (peer: Peer) => Worker | undefined
  readonly named: (node: string, worker: string) => Worker | undefined
  /** All that are connected, the one that said hello last first. */
  readonly all: () => readonly Worker[]
}

export function makeWorkers(): Workers {
  const byPeer = new Map<Peer, Worker>()
  const all = () => [...byPeer.values()].filter(({ peer }) => peer.isOpen).reverse()
  return {
    hello(worker) {
      byPeer.delete(worker.peer)
      byPeer.set(worker.peer, worker)
    },
    gone: (peer) => void byPeer.delete(peer),
    of: (peer) => byPeer.get(peer),
    named: (node, worker) => all().find((known) => known.node === node && known.worker === worker),
    all,
  }
}

/** Milliseconds that a worker has to take an order to cut. */
const cutTimeout = 3_000

/** Milliseconds that a worker has to hold a session's input, or let it go on. */
const freezeTimeout = 2_000

/** Tells a worker whether the input of a session is held. True once the worker does so. */
export async function orderFreeze(
  peer: Peer,
  session: SessionId,
  order: {
    readonly frozen: boolean
    readonly by: string
    readonly reason: string
    readonly waits: boolean
    readonly hands?: WatchId
  },
): Promise<boolean> {
  try {
    return (await peer.call('session.freeze', { session, ...order }, undefined, freezeTimeout)).ok
  } catch {
    // As with a cut: the next tick asks again.
    return false
  }
}

/** Tells a worker that a session ends later than it was told before. True once the worker knows. */
export async function orderExtend(peer: Peer, session: SessionId, endsAt: string): Promise<boolean> {
  try {
    return (await peer.call('session.extend', { session, endsAt }, undefined, freezeTimeout)).ok
  } catch {
    // As with a cut: the next tick asks again.
    return false
  }
}

/** Has a line shown in a session's terminals. Answers in how many; none where the worker does not answer. */
export async function orderMessage(
  peer: Peer,
  session: SessionId,
  message: { readonly by: string; readonly text: string },
): Promise<number> {
  try {
    const answer = await peer.call('session.message', { session, ...message }, undefined, freezeTimeout)
    const said = answer.ok ? z.strictObject({ terminals: z.int().min(0) }).safeParse(answer.value) : undefined
    return said?.success === true ? said.data.terminals : 0
  } catch {
    return 0
  }
}

/** Orders a worker to end a session. True once the worker has taken the order. */
export async function orderCut(
  peer: Peer,
  session: SessionId,
  reason: EndReason,
  message: string,
): Promise<boolean> {
  try {
    const answer = await peer.call('session.cut', { session, reason, message }, undefined, cutTimeout)
    return answer.ok
  } catch {
    // A worker that is away is asked again at the next tick, and told when it comes back.
    return false
  }
}
