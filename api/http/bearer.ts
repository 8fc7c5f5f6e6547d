import type { IncomingMessage } from 'node:http'
import { readToken } from './cookie.ts'
import { HttpRefusal } from './problem.ts'

const form = /^Bearer (tagout_[A-Za-z0-9_-]{43})$/

/**
 * The token of a service that the request carries (RFC 6750 §2.1), or undefined where it names none.
 *
 * SECURITY: in this header alone: never in an address, which logs and histories keep, nor in a cookie, which a browser
 * sends by itself. A request that carries a person's login beside it is refused: nobody can tell whose it is.
 */
export function readBearer(request: Pick<IncomingMessage, 'headers'>): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const [, token] = form.exec(header) ?? []
  if (token === undefined)
    throw new HttpRefusal({
      code: 'unauthenticated',
      message: 'this is not the token of a service',
      next: 'send it as it was shown: Authorization: Bearer tagout_…',
    })
  if (readToken(request) !== undefined)
    throw new HttpRefusal({
      code: 'invalid',
      message: 'the request carries the token of a service and somebody’s login',
      next: 'send one of them',
    })
  return token
}
