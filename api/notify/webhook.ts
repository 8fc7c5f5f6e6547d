import { request } from 'node:https'
import { Forbidden, outbound } from '../outbound.ts'
import { oneLine, type Sent } from './sent.ts'

/** What is posted, signed by the vault. */
export type SignedPost = Readonly<Record<'url' | 'id' | 'body' | 'timestamp' | 'signature', string>>

/** Milliseconds for a receiver to answer, from the first step to the last. */
const patience = 15_000

/** Posts something. What goes wrong is an answer: nothing is thrown. */
export type Post = (post: SignedPost) => Promise<Sent>

type Options = {
  readonly ca: string | undefined
  readonly loopback: boolean
  /** Who is told, in sentences; and the setting that lets it be this machine. */
  readonly named: string
  readonly setting: string
}

/**
 * Makes what posts to a receiver, as the Standard Webhooks specification has it.
 *
 * SECURITY: over TLS that is checked, to addresses that may be called (`outbound`). No redirect is followed, and nothing of
 * an answer is read but its status.
 */
export function makePost({ ca, loopback, named, setting }: Options): Post {
  const { lookup, refused } = outbound(loopback)
  return (post) =>
    new Promise((resolve) => {
      const url = new URL(post.url)
      const bad = refused(url)
      if (bad !== undefined) {
        resolve(failed(bad.why(named, setting)))
        return
      }
      const body = Buffer.from(post.body)
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
            'webhook-id': post.id,
            'webhook-timestamp': post.timestamp,
            'webhook-signature': post.signature,
          },
        },
        (answer) => {
          const status = answer.statusCode ?? 0
          answer.destroy()
          const isTaken = status >= 200 && status < 300
          resolve(isTaken ? { kind: 'sent' } : failed(`${named} answered ${status}`))
        },
      )
      sending.on('error', (error) => {
        if (error instanceof Forbidden) return resolve(failed(error.why(named, setting)))
        const code = 'code' in error ? String(error.code) : error.name
        return resolve(failed(`${named} could not be told (${oneLine(code)})`))
      })
      sending.end(body)
    })
}

function failed(why: string): Sent {
  return { kind: 'failed', why: why.slice(0, 300), forGood: false }
}
