import { Button } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLogins } from '../pages/lists.ts'
import { Note } from '../parts/note.tsx'
import { clock, span } from '../parts/wording.ts'
import { signOut } from './me.ts'

/** Seconds before the end of a sign-in at which one is told: where nothing is done, and where it is over anyway. */
const idleWarning = 120
const endWarning = 900

const kept = 'last-active'
const gestures = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

let lastActive = Date.now()
let inUse = 0

function act(): void {
  const now = Date.now()
  if (now - lastActive < 1_000) return
  lastActive = now
  // The other tabs are signed in with this one, and out with it.
  localStorage.setItem(kept, String(now))
}

/** While a component that calls this is shown, somebody is at the console: what is on a screen may be watched for hours. */
export function useInUse(uses = true): void {
  useEffect(() => {
    if (!uses) return
    inUse += 1
    return () => {
      inUse -= 1
      act()
    }
  }, [uses])
}

/** Ends a sign-in at which nobody is, and tells beforehand when one ends. */
export function SignInClock() {
  const client = useQueryClient()
  const logins = useLogins()
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    lastActive = Date.now()
    localStorage.setItem(kept, String(lastActive))
    const tick = () => {
      if (inUse > 0) act()
      lastActive = Math.max(lastActive, Number(localStorage.getItem(kept)) || 0)
      setNow(Date.now())
    }
    const timer = setInterval(tick, 1_000)
    for (const name of gestures) window.addEventListener(name, act, { capture: true, passive: true })
    return () => {
      clearInterval(timer)
      for (const name of gestures) window.removeEventListener(name, act, { capture: true })
    }
  }, [])

  const own = logins.data?.find(({ isOwn }) => isOwn)
  const idle = own?.idleSeconds ?? Number.POSITIVE_INFINITY
  const idleLeft = idle - (now - lastActive) / 1000
  const left = (own?.secondsLeft ?? Number.POSITIVE_INFINITY) - (now - logins.dataUpdatedAt) / 1000
  const isOver = idleLeft <= 0
  useEffect(() => {
    if (isOver) void signOut(client, `You were signed out: nothing was done here for ${span(idle)}.`)
  }, [isOver, client, idle])

  if (idleLeft <= Math.min(idleWarning, idle / 2))
    return (
      <div className="sign-in-clock" role="alert">
        <Note
          variant="warning"
          title="You are about to be signed out"
          actionLinks={
            <Button variant="link" isInline onClick={act}>
              Stay signed in
            </Button>
          }
        >
          Nothing was done here for a while: in <span aria-hidden="true">{clock(idleLeft)}</span>
          <span className="pf-v6-screen-reader">two minutes</span> your sign-in ends.
        </Note>
      </div>
    )
  if (left <= endWarning)
    return (
      <div className="sign-in-clock" role="status">
        <Note variant="info" title={`This sign-in ends in ${span(Math.max(60, Math.ceil(left / 60) * 60))}`}>
          However it is used, and what is open in this browser with it. Save, sign out and sign in again when
          it suits you.
        </Note>
      </div>
    )
  return null
}
