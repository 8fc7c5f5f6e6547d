import { useCallback, useEffect, useRef, useState } from 'react'
import type { DesktopScreen } from '../desktop/screen.ts'
import { visible } from '../parts/wording.ts'
import { actOfKey } from '../terminal/keys.ts'
import { mountWatchScreens, type WatchScreens } from './screens.ts'
import { Watching, type WatchState } from './watching.ts'

export type Told = { readonly key: number; readonly at: string; readonly text: string }

/** The channel of a desktop, which is the only one of its session. */
const desktopChannel = 0

/** Marks that are kept for reading; all of them are in the recording. */
const mostTold = 200

/** Watches `session` into the element that `room` is given to, for as long as the component lives. */
export function useWatch(session: string, leastFont: number) {
  const room = useRef<HTMLDivElement>(null)
  const screens = useRef<WatchScreens | null>(null)
  const [state, setState] = useState<WatchState>({ kind: 'connecting' })
  const [told, setTold] = useState<readonly Told[]>([])
  const [channels, setChannels] = useState<readonly number[]>([])
  const [front, setFront] = useState<number | undefined>()
  const [times, setTimes] = useState(0)
  const [typing, setTyping] = useState(false)
  const [desktop, setDesktop] = useState<DesktopScreen | null>(null)
  const watch = useRef<Watching | null>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: `times` counts the tries, each of which is a watch of its own
  useEffect(() => {
    if (room.current === null) return
    const mounted = mountWatchScreens(room.current, leastFont, (all, now) => {
      setChannels(all)
      setFront(now)
    })
    screens.current = mounted
    setTold([])
    setTyping(false)
    let count = 0
    let coming: Promise<DesktopScreen> | undefined
    let seen: HTMLElement | undefined
    setDesktop(null)
    const watching: Watching = Watching.begin(session, {
      state: (next) => {
        if (next.kind !== 'watching') setTyping(false)
        if (next.kind === 'watching' && next.as.desktop === true && room.current !== null) {
          const host = desktopHost(room.current)
          seen = host
          // Its reader is loaded by who watches one.
          coming = import('../desktop/screen.ts').then(({ mountDesktop }) => {
            const made = mountDesktop(host, { send: (bytes) => watching.type(bytes), isWatched: true })
            setDesktop(made)
            return made
          })
          setChannels([desktopChannel])
        }
        setState(next)
      },
      typing: setTyping,
      output: (bytes, drawn) => {
        if (coming === undefined) mounted.output(bytes, drawn)
        else void coming.then((screen) => screen.write(bytes, drawn))
      },
      told: (message) => {
        mounted.told(message)
        if (message.kind !== 'mark') return
        count += 1
        const line = { key: count, at: new Date().toISOString(), text: visible(message.text) }
        setTold((before) => [...before.slice(1 - mostTold), line])
      },
    })
    watch.current = watching
    return () => {
      watch.current = null
      watching.close()
      screens.current = null
      void coming?.then((screen) => screen[Symbol.dispose]())
      seen?.remove()
      mounted[Symbol.dispose]()
    }
  }, [session, leastFont, times])

  // The whole desktop, as its user had it.
  useEffect(() => {
    if (!typing || desktop === null) return
    watch.current?.into(desktopChannel)
    desktop.use((event) => {
      const isOwn = actOfKey(event) === 'leave'
      if (isOwn) desktop.blur()
      return isOwn
    })
    return () => desktop.use(null)
  }, [typing, desktop])

  // Into the terminal that is in front, and no other: whoever chooses another one types there.
  useEffect(() => {
    const to = screens.current
    if (!typing || front === undefined || to === null) return
    watch.current?.into(front)
    to.choose(front)
    to.type({ channel: front, typed: (bytes) => watch.current?.type(bytes) })
    return () => to.type(null)
  }, [typing, front])

  const choose = useCallback((channel: number) => screens.current?.choose(channel), [])
  const focus = useCallback(() => (desktop === null ? screens.current?.focus() : desktop.focus()), [desktop])
  const again = useCallback(() => setTimes((before) => before + 1), [])
  return { room, state, told, channels, front, typing, focus, choose, again }
}

function desktopHost(room: HTMLElement): HTMLElement {
  const host = document.createElement('div')
  host.className = 'desktop-host'
  host.tabIndex = 0
  host.setAttribute('role', 'application')
  host.setAttribute('aria-label', 'Desktop')
  room.append(host)
  return host
}
