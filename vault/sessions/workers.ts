import type { EndReason } from '../contract.ts'
import type { SessionId } from '../kernel/id.ts'
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
