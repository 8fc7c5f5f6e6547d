import type { IncomingMessage } from 'node:http'
import type { Response } from 'express'

/**
 * The login token in its cookie.
 *
 * SECURITY: `__Host-` keeps it to this very host and to TLS; `HttpOnly` keeps scripts from it; `SameSite=Strict` keeps
 * other sites' requests from carrying it. The api cannot make a token: the vault does, and resolves it at each call.
 */
export const cookieName = '__Host-tagout'

// SECURITY: the token of a service is no login, and is not sent as one.
const tokenForm = /^(?!tagout_)[A-Za-z0-9_.~-]{1,200}$/

/** What a browser brings back from a provider of OpenID Connect: it was kept here when it left. */
const browserCookie = '__Host-tagout-away'

/** Milliseconds for which a browser keeps it: as long as the vault takes it. */
const awayMs = 5 * 60_000

type WithHeaders = Pick<IncomingMessage, 'headers'>

/** The token that the request carries, or `undefined`. */
export function readToken(request: WithHeaders): string | undefined {
  return readCookie(request, cookieName)
}

export function readBrowser(request: WithHeaders): string | undefined {
  return readCookie(request, browserCookie)
}

/** The one cookie of this name. Two of the name are none: one of them was planted. */
function readCookie(request: WithHeaders, name: string): string | undefined {
  const header = request.headers.cookie
  if (header === undefined) return undefined
  const found = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
  const [value] = found
  return found.length === 1 && value !== undefined && tokenForm.test(value) ? value : undefined
}

/**
 * SECURITY: the page to which a provider sends a browser back is asked for across sites, without it; the page itself then
 * asks from here, and `SameSite=Strict` lets it come along.
 */
export function keepBrowser(response: Response, browser: string): void {
  response.cookie(browserCookie, browser, {
    httpOnly: true,
    secure: true,
    sameSite: 'strict',
    path: '/',
    maxAge: awayMs,
    encode: String,
  })
}

export function setToken(response: Response, token: string, expiresAt: string): void {
  response.cookie(cookieName, token, {
    httpOnly: true,
    secure: true,
    sameSite: 'strict',
    path: '/',
    expires: new Date(expiresAt),
    encode: String,
  })
}

export function clearToken(response: Response): void {
  response.clearCookie(cookieName, { httpOnly: true, secure: true, sameSite: 'strict', path: '/' })
}
