import type { WatchMessage } from '../../recorder/live/protocol.ts'
import { type MountedScreen, mountScreen } from '../player/screen.ts'

/** The terminals of one watch: the newest that printed is in front, unless one was chosen. */
export type WatchScreens = Disposable & {
  readonly told: (message: WatchMessage) => void
  readonly output: (bytes: Uint8Array, drawn: () => void) => void
  readonly choose: (channel: number) => void
  /** Puts the keyboard into the terminal that is in front. */
  readonly focus: () => void
  /** Gives the keys of one terminal to somebody; null: nobody types. */
  readonly type: (
    to: { readonly channel: number; readonly typed: (bytes: Uint8Array) => void } | null,
  ) => void
}

type OneScreen = { readonly host: HTMLElement; readonly screen: MountedScreen }

/** Terminals of one session that are drawn at once: a client may open any number of channels. */
const mostScreens = 8

/** Draws what a watch is told into `room`. `changed` is told which terminals there are, and which is in front. */
export function mountWatchScreens(
  room: HTMLElement,
  leastFont: number,
  changed: (channels: readonly number[], front: number | undefined) => void,
): WatchScreens {
  const screens = new Map<number, OneScreen>()
  let named: number | undefined
  let chosen: number | undefined
  let front: number | undefined

  const show = () => {
    const next = chosen !== undefined && screens.has(chosen) ? chosen : [...screens.keys()].at(-1)
    front = next
    for (const [channel, { host }] of screens) host.hidden = channel !== next
    changed([...screens.keys()], next)
  }
  const drop = (channel: number) => {
    const one = screens.get(channel)
    if (one === undefined) return
    screens.delete(channel)
    one.screen.dispose()
    one.host.remove()
  }
  const screenOf = (channel: number): OneScreen => {
    const known = screens.get(channel)
    if (known !== undefined) return known
    // The oldest gives way; the last picture of one that was closed stays until then.
    if (screens.size >= mostScreens) drop([...screens.keys()][0] as number)
    const host = document.createElement('div')
    host.className = 'watch-terminal'
    const inner = document.createElement('div')
    host.append(inner)
    room.append(host)
    const made = { host, screen: mountScreen(inner, leastFont) }
    screens.set(channel, made)
    show()
    return made
  }

  return {
    told(message) {
      switch (message.kind) {
        case 'screen': {
          const { screen } = screenOf(message.channel)
          named = message.channel
          // After what waits to be drawn: it is of the screen before.
          return screen.resetInOrder(message.columns, message.rows)
        }
        case 'channel':
          named = message.channel
          return
        case 'resize': {
          const screen = screens.get(message.channel)?.screen
          return screen?.resizeInOrder(message.columns, message.rows)
        }
        case 'closed':
          // What it showed last is kept while it is the only one.
          if (screens.size > 1) {
            drop(message.channel)
            show()
          }
          return
        case 'mark':
          return
      }
    },
    output(bytes, drawn) {
      const one = named === undefined ? undefined : screens.get(named)
      if (one === undefined) return drawn()
      void one.screen.write(bytes).then(drawn)
    },
    choose(channel) {
      chosen = channel
      if (front !== channel) show()
    },
    focus() {
      if (front !== undefined) screens.get(front)?.host.querySelector('textarea')?.focus()
    },
    type(to) {
      for (const [channel, { screen }] of screens) screen.setTyping(to?.channel === channel ? to.typed : null)
    },
    [Symbol.dispose]() {
      for (const channel of [...screens.keys()]) drop(channel)
    },
  }
}
