import type { RequestHandler } from 'express'
import { isLoopback } from '../config.ts'
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
  const scheme = options.tls ? 'https' : 'http'
  return (request, _response, next) => {
    const { host } = request.headers
    // Node keeps the first of two: what stands in front of us may have looked at the second.
    const hosts = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
    if (host === undefined || hosts.length !== 1 || !isOurName(hostName(host), options))
      throw new HttpRefusal({ code: 'invalid', message: 'this is not a name of this console' }, 421)
    const site = request.headers['sec-fetch-site']
    const reads = request.method === 'GET' || request.method === 'HEAD'
    const fromHere = site === undefined || site === 'same-origin' || (reads && site === 'none')
    const { origin } = request.headers
    const originFits = origin === undefined ? reads : origin === `${scheme}://${host}`
    if (!fromHere || !originFits)
      throw new HttpRefusal(
        { code: 'forbidden', message: 'the request does not come from this console' },
        403,
      )
    next()
  }
}

function hostName(host: string): string {
  return host.replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1')
}

function isOurName(name: string, options: OriginOptions): boolean {
  if (isLoopback(name)) return true
  return options.names.length === 0 ? options.tls : options.names.includes(name)
}
