import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { isLoopback } from '../loopback.ts'
import { HttpRefusal } from './problem.ts'

export type OriginOptions = { readonly tls: boolean; readonly names: readonly string[] }

/**
 * Refuses what another site made a browser send.
 *
 * SECURITY: a change needs an `Origin` that is this console's own, and where the browser says whence a request came
 * (`Sec-Fetch-Site`), it must have come from here. Over plain HTTP only loopback names are this console, so that a
 * name that somebody points at 127.0.0.1 (DNS rebinding) is not.
 */
export function checkOrigin(options: OriginOptions): RequestHandler {
  return (request, _response, next) => {
    const reads = request.method === 'GET' || request.method === 'HEAD'
    // SECURITY: no site can make a browser send this header here: it asks us first, and we let none.
    const isService = request.headers.authorization !== undefined
    const refusal = refuseForeign(request, options, reads || isService ? 'read' : 'change')
    if (refusal !== undefined && !(refusal.status === 403 && isReturn(request))) throw refusal
    next()
  }
}

/** The page to which a provider of OpenID Connect sends a browser back. */
const returnPath = '/sign-in/return'

/**
 * A provider sends a browser back from its own site.
 *
 * SECURITY: it is a page of the console like any other, which shows nobody's things: it is read, as a whole document,
 * and what it says is for the vault to judge. Everything that it asks for is held to the rule.
 */
function isReturn(request: Parameters<RequestHandler>[0]): boolean {
  return (
    request.method === 'GET' &&
    request.path === returnPath &&
    request.headers['sec-fetch-mode'] === 'navigate' &&
    request.headers['sec-fetch-dest'] === 'document' &&
    request.headers.origin === undefined
  )
}

/**
 * Why this request does not come from this console, or undefined. A live socket is held to the rule of a change: no
 * other site may open one with its visitor's cookie.
 */
export function refuseForeign(
  request: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
  options: OriginOptions,
  kind: 'read' | 'change',
): HttpRefusal | undefined {
  const { host, origin } = request.headers
  // Node keeps the first of two: what stands in front of us may have looked at the second.
  const hosts = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  if (host === undefined || hosts.length !== 1 || !isOurName(hostName(host), options))
    return new HttpRefusal({ code: 'invalid', message: 'this is not a name of this console' }, 421)
  const site = request.headers['sec-fetch-site']
  const reads = kind === 'read'
  const fromHere = site === undefined || site === 'same-origin' || (reads && site === 'none')
  const originFits = origin === undefined ? reads : origin === `${options.tls ? 'https' : 'http'}://${host}`
  if (fromHere && originFits) return undefined
  return new HttpRefusal({ code: 'forbidden', message: 'the request does not come from this console' }, 403)
}

function hostName(host: string): string {
  return host.replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1')
}

function isOurName(name: string, options: OriginOptions): boolean {
  if (isLoopback(name)) return true
  return options.names.length === 0 ? options.tls : options.names.includes(name)
}
