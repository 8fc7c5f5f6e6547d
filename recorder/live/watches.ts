import type { WatchTicket } from '../../vault/contract.ts'
import type { WatchId } from '../../vault/kernel/id.ts'
import type { Carried } from '../broker/ssh/carried.ts'
import type { BrokerPorts } from '../broker/ssh/ports.ts'
import { printable } from '../../vault/ssh/sentence.ts'
import { DesktopWatch } from './desktop-watch.ts'
import type { LiveSocket } from './live-socket.ts'
import { liveClose } from './protocol.ts'
import { Watch } from './watch.ts'

/** How often the vault is told again that a watch has ended, in milliseconds, and how many times. */
const tellAgainMs = 2_000
const tellTimes = 300

/** The watches that a worker shows now. */
export class Watches {
  readonly #ports: Pick<BrokerPorts, 'ask' | 'log' | 'desktops'>
  readonly #carried: Carried
  readonly #shown = new Map<WatchId, (message: string) => void>()

  constructor(ports: Pick<BrokerPorts, 'ask' | 'log' | 'desktops'>, carried: Carried) {
    this.#ports = ports
    this.#carried = carried
  }

  /**
   * Shows a session over a live socket until either ends.
   *
   * SECURITY: a watcher only looks, until the vault hands them the session. Whatever else comes over the socket before
   * than that bytes were drawn, or that they leave, ends the watch, and nothing of it goes any further.
   */
  show(live: LiveSocket, ticket: WatchTicket): void {
    const session = this.#carried.sessions.get(ticket.session)
    if (session === undefined || session.isEnding || live.isGone) {
      live.send({ kind: 'unwatched', message: 'the session has ended' })
      live.close(1000)
      return void this.#tellEnd(ticket)
    }
    session.watched(ticket.by, true, ticket.notice)
    const { user, account, notice } = ticket
    const { desktop } = session
    const isDesktop = desktop !== undefined
    live.send({
      kind: 'watching',
      session: ticket.session,
      watch: ticket.watch,
      user,
      account,
      notice,
      ...(isDesktop ? { desktop: true } : {}),
    })
    const write = (bytes: Uint8Array, taken: () => void) => void live.output.write(bytes, taken)
    // Of a desktop this passes on the marks alone: it has no terminal.
    const watch = new Watch(session.writer, { send: (message) => live.send(message), write })
    const guacd = this.#ports.desktops?.guacd
    const picture =
      desktop === undefined || guacd === undefined
        ? undefined
        : new DesktopWatch(guacd, desktop.id, {
            write,
            over: (why) => {
              if (why !== undefined)
                this.#ports.log('a watcher could not be shown a desktop', {
                  watch: ticket.watch,
                  error: printable(why.message).slice(0, 200),
                })
              over('the desktop cannot be shown any more')
            },
          })
    // Keys may be on their way when it is taken back: of who has had the session once they are dropped.
    let hasTyped = false
    let into: number | undefined
    const seat = session.seat(ticket.watch, {
      by: ticket.by,
      told: (may) => {
        hasTyped ||= may
        live.send({ kind: 'typing', may })
      },
    })
    let isOver = false
    const over = (message?: string) => {
      if (isOver) return
      isOver = true
      seat.leave()
      watch[Symbol.dispose]()
      picture?.[Symbol.dispose]()
      this.#shown.delete(ticket.watch)
      session.watched(ticket.by, false, ticket.notice)
      if (message !== undefined) {
        live.send({ kind: 'unwatched', message: printable(message) })
        live.close(1000)
      }
      void this.#tellEnd(ticket)
    }
    this.#shown.set(ticket.watch, over)
    live.listen({
      message: (message) => {
        if (message.kind === 'leave') return over('you left')
        // The size of a watcher's own window is of no use here: they see the session's.
        if (message.kind === 'resize') return
        if (message.kind === 'into' && hasTyped) {
          into = message.channel
          return
        }
        live.close(liveClose.malformed, 'a watcher only looks')
        over()
      },
      input: (bytes) => {
        if (hasTyped) {
          const taken = () => live.takeInput(bytes.length)
          if (into === undefined) taken()
          else session.typeFor(ticket.watch, into, bytes, taken)
          return
        }
        live.close(liveClose.malformed, 'a watcher only looks')
        over()
      },
      gone: () => over(),
    })
    void session.ended.then(() => over('the session has ended'))
  }

  /** Ends a watch on the vault's word. False when it is not shown here. */
  cut(watch: WatchId, message: string): boolean {
    const over = this.#shown.get(watch)
    over?.(message)
    return over !== undefined
  }

  /** The vault is away: whether they still may cannot be known. */
  endAll(message: string): void {
    for (const over of [...this.#shown.values()]) over(message)
  }

  async #tellEnd({ watch, session, by }: WatchTicket): Promise<void> {
    for (let left = tellTimes; left > 0; left -= 1) {
      // The vault is away or starts: asked again until it answers, and logged when it never does.
      const told = await this.#ports.ask('watch.end', { watch, session, by }).catch(() => undefined)
      if (told?.ok === true) return
      await new Promise((resolve) => setTimeout(resolve, tellAgainMs).unref())
    }
    this.#ports.log('the vault was not told that a watch has ended', { watch })
  }
}
