import type { EndReason } from '../../../vault/contract.ts'
import type { SessionId } from '../../../vault/kernel/id.ts'
import type { BrokeredSession } from './session.ts'

/** The sessions that a worker carries, and the connections of each user to it, whatever front they came in by. */
export class Carried {
  readonly #sessions = new Map<SessionId, BrokeredSession>()
  readonly #perUser = new Map<string, number>()

  get sessions(): ReadonlyMap<SessionId, BrokeredSession> {
    return this.#sessions
  }

  /** Keeps a session until it has ended. */
  add(session: BrokeredSession): void {
    const { session: id } = session.permit
    this.#sessions.set(id, session)
    void session.ended.then(() => this.#sessions.delete(id))
  }

  /** Ends a session and tells its user why. False when it is not one of this worker's. */
  cut(session: SessionId, reason: EndReason, message?: string): boolean {
    const found = this.#sessions.get(session)
    if (found === undefined) return false
    void found.end(reason, message)
    return true
  }

  async endAll(reason: EndReason): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.end(reason)))
  }

  /** Counts a connection of a user; answers how many there are now, this one with them. */
  enter(user: string): number {
    const count = (this.#perUser.get(user) ?? 0) + 1
    this.#perUser.set(user, count)
    return count
  }

  leave(user: string): void {
    const left = (this.#perUser.get(user) ?? 1) - 1
    if (left > 0) this.#perUser.set(user, left)
    else this.#perUser.delete(user)
  }
}
