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

/** The token that the request carries, or `undefined`. Two cookies of the name are none: one of them was planted. */
export function readToken(request: Pick<IncomingMessage, 'headers'>): string | undefined {
  const header = request.headers.cookie
  if (header === undefined) return undefined
  const found = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookieName}=`))
    .map((pair) => pair.slice(cookieName.length + 1))
  const [token] = found
  return found.length === 1 && token !== undefined && tokenForm.test(token) ? token : undefined
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
