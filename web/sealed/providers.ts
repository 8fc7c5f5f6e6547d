import type { VerbAnswer } from '../../vault/contract.ts'
import { ask } from '../api.ts'

/** Where a link that is being followed waits while its person is away at a provider: in this tab, for that long. */
const linkKey = 'tagout link'

/** Sends this browser to a provider of OpenID Connect; it comes back to `/sign-in/return`. */
export async function leaveFor(directory: string, link?: string): Promise<void> {
  const { url } = await ask<{ readonly url: string }>('POST', '/api/login/leave', { directory })
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

/** Hands on what a provider sent this browser back with. */
export async function comeBack(search: string): Promise<Arrived> {
  const said = new URLSearchParams(search)
  const given = Object.fromEntries(
    (['state', 'code', 'iss', 'error'] as const).flatMap((name) => {
      const value = said.get(name)
      return value === null ? [] : [[name, value] as const]
    }),
  )
  return ask<Arrived>('POST', '/api/login/return', { state: 'none', ...given })
}
