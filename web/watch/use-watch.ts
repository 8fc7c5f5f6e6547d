import { useCallback, useEffect, useRef, useState } from 'react'
import { visible } from '../parts/wording.ts'
import { mountWatchScreens, type WatchScreens } from './screens.ts'
import { Watching, type WatchState } from './watching.ts'

export type Told = { readonly key: number; readonly at: string; readonly text: string }

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
    const watching = Watching.begin(session, {
      state: (next) => {
        if (next.kind !== 'watching') setTyping(false)
        setState(next)
      },
      typing: setTyping,
      output: mounted.output,
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
      mounted[Symbol.dispose]()
    }
  }, [session, leastFont, times])

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
  const focus = useCallback(() => screens.current?.focus(), [])
  const again = useCallback(() => setTimes((before) => before + 1), [])
  return { room, state, told, channels, front, typing, focus, choose, again }
}
