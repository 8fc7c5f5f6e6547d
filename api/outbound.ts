import { lookup as resolveName, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { addressKind, literalAddress } from '../vault/kernel/network.ts'
import { oneLine } from './notify/sent.ts'

/**
 * Which addresses may be called, of those that somebody set.
 *
 * SECURITY: the address that was looked at is the one that is connected to, so that no name leads elsewhere a moment
 * later; never the link's own addresses, where machines of a cloud tell their secrets, and this machine only where its
 * administrator says so.
 */
export type Outbound = {
  /** Where a URL names such an address itself. */
  readonly refused: (url: URL) => Forbidden | undefined
  readonly lookup: LookupFunction
}

export function outbound(loopback: boolean): Outbound {
  const isForbidden = (address: string) => {
    const kind = addressKind(address)
    return kind === 'never' || (kind === 'loopback' && !loopback)
  }
  return {
    refused: (url) => {
      const literal = literalAddress(url)
      return literal !== undefined && isForbidden(literal) ? new Forbidden(literal) : undefined
    },
    lookup: (hostname, options, callback) => {
      resolveName(hostname, { all: true, family: options.family ?? 0 }, (error, found) => {
        if (error !== null) return callback(error, '', 0)
        const bad = found.find(({ address }) => isForbidden(address))
        const [first] = found as readonly LookupAddress[]
        if (bad !== undefined || first === undefined)
          return callback(new Forbidden(bad?.address ?? hostname), '', 0)
        if (options.all === true) return callback(null, found as never, 0)
        return callback(null, first.address, first.family)
      })
    },
  }
}

/** An address where nothing is sent. */
export class Forbidden extends Error {
  readonly address: string

  constructor(address: string) {
    super('forbidden')
    this.address = address
  }

  /** `what`: of whom it is the address; `setting`: what permits this machine. */
  why(what: string, setting: string): string {
    return addressKind(this.address) === 'loopback'
      ? `${what} leads to this machine (${this.address}): say ${setting} in tagout.json if it is meant`
      : `${what} leads to ${oneLine(this.address)}, where nothing is sent`
  }
}
