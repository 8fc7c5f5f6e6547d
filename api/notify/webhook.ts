import { lookup as resolveName, type LookupAddress } from 'node:dns'
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Envelope } from '../../vault/contract.ts'
import { addressKind, literalAddress } from '../../vault/kernel/network.ts'
import { oneLine, type Sent } from './sent.ts'

type Call = Envelope & { readonly channel: 'webhook' }

/** Milliseconds for a receiver to answer, from the first step to the last. */
const patience = 15_000

/** Tells the webhook. What goes wrong is an answer: nothing is thrown. */
export type SendWebhook = (call: Call) => Promise<Sent>

type Options = { readonly ca: string | undefined; readonly loopback: boolean }

/**
 * Makes what tells the webhook.
 *
 * SECURITY: over TLS that is checked; to the very address that was looked at, so that no name leads elsewhere a moment
 * later; never to the link's own addresses, where machines of a cloud tell their secrets, and to this machine only
 * where its administrator says so. No redirect is followed, and nothing of an answer is read but its status.
 */
export function makeWebhook({ ca, loopback }: Options): SendWebhook {
  const isForbidden = (address: string) => {
    const kind = addressKind(address)
    return kind === 'never' || (kind === 'loopback' && !loopback)
  }
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolveName(hostname, { all: true, family: options.family ?? 0 }, (error, found) => {
      if (error !== null) return callback(error, '', 0)
      const bad = found.find(({ address }) => isForbidden(address))
      const [first] = found as readonly LookupAddress[]
      if (bad !== undefined || first === undefined)
        return callback(new Forbidden(bad?.address ?? hostname), '', 0)
      if (options.all === true) return callback(null, found as never, 0)
      return callback(null, first.address, first.family)
    })
  }
  return (call) =>
    new Promise((resolve) => {
      const url = new URL(call.url)
      const literal = literalAddress(url)
      if (literal !== undefined && isForbidden(literal)) {
        resolve(forbidden(literal))
        return
      }
      const body = Buffer.from(call.body)
      const sending = request(
        url,
        {
          method: 'POST',
          agent: false,
          lookup,
          signal: AbortSignal.timeout(patience),
          minVersion: 'TLSv1.2',
          ...(ca === undefined ? {} : { ca }),
          maxHeaderSize: 16 * 1024,
          headers: {
            'content-type': 'application/json',
            'content-length': body.length,
            'user-agent': 'Tagout',
            'webhook-id': call.id,
            'webhook-timestamp': call.timestamp,
            'webhook-signature': call.signature,
          },
        },
        (answer) => {
          const status = answer.statusCode ?? 0
          answer.destroy()
          const isTaken = status >= 200 && status < 300
          resolve(isTaken ? { kind: 'sent' } : failed(`the webhook answered ${status}`))
        },
      )
      sending.on('error', (error) => {
        if (error instanceof Forbidden) return resolve(forbidden(error.address))
        const code = 'code' in error ? String(error.code) : error.name
        return resolve(failed(`the webhook could not be told (${oneLine(code)})`))
      })
      sending.end(body)
    })
}

class Forbidden extends Error {
  readonly address: string

  constructor(address: string) {
    super('forbidden')
    this.address = address
  }
}

function forbidden(address: string): Sent {
  const isOwn = addressKind(address) === 'loopback'
  return failed(
    isOwn
      ? `the webhook leads to this machine (${address}): say notify.webhook.loopback in tagout.json if it is meant`
      : `the webhook leads to ${oneLine(address)}, where nothing is sent`,
  )
}

function failed(why: string): Sent {
  return { kind: 'failed', why: why.slice(0, 300), forGood: false }
}
