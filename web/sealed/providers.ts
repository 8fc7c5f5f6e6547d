import type { VerbAnswer } from '../../vault/contract.ts'
import { ask } from '../api.ts'

/** Where a link that is being followed waits while its person is away at a provider: in this tab, for that long. */
const linkKey = 'tagout link'

/** What a tab is away at a provider for, where it is no sign-in. */
const anewKey = 'tagout anew'
/** Where a tab that was asked anew says so to the one that sent it. */
const anewChannel = 'tagout signed in anew'

/** Sends this tab to the provider of whoever is signed in, which asks them anew. */
export async function leaveAnew(): Promise<void> {
  const { url } = await ask<{ readonly url: string }>('POST', '/api/login/step-up')
  window.sessionStorage.setItem(anewKey, 'yes')
  window.location.assign(url)
}

/** Was this tab away to be asked anew? It is forgotten by that. */
export function takeAnew(): boolean {
  const was = window.sessionStorage.getItem(anewKey) !== null
  window.sessionStorage.removeItem(anewKey)
  return was
}

/** Hands on what a provider sent this tab back with, and tells the others. */
export async function comeBackAnew(search: string): Promise<{ readonly directory: string }> {
  const came = await ask<{ readonly directory: string }>('POST', '/api/login/step-up/return', saidIn(search))
  const channel = new BroadcastChannel(anewChannel)
  channel.postMessage(null)
  channel.close()
  return came
}

/** Calls `then` where another tab was asked anew. Answers how to stop. */
export function onAnew(then: () => void): () => void {
  const channel = new BroadcastChannel(anewChannel)
  channel.onmessage = then
  return () => channel.close()
}

/** Sends this browser to a provider of OpenID Connect; it comes back to `/sign-in/return`. */
export async function leaveFor(directory: string, link?: string): Promise<void> {
  const { url } = await ask<{ readonly url: string }>('POST', '/api/login/leave', { directory })
  window.sessionStorage.removeItem(anewKey)
  if (link === undefined) window.sessionStorage.removeItem(linkKey)
  else window.sessionStorage.setItem(linkKey, link)
  window.location.assign(url)
}

/** The link that was being followed when this tab left; it is forgotten by that. */
export function takeLink(): string | null {
  const link = window.sessionStorage.getItem(linkKey)
  window.sessionStorage.removeItem(linkKey)
  return link
}

export type Arrived = VerbAnswer<'login.return'>

/** What a provider sent this browser back with. */
function saidIn(search: string): object {
  const said = new URLSearchParams(search)
  const given = Object.fromEntries(
    (['state', 'code', 'iss', 'error'] as const).flatMap((name) => {
      const value = said.get(name)
      return value === null ? [] : [[name, value] as const]
    }),
  )
  return { state: 'none', ...given }
}

/** Hands on what a provider sent this browser back with. */
export async function comeBack(search: string): Promise<Arrived> {
  return ask<Arrived>('POST', '/api/login/return', saidIn(search))
}
