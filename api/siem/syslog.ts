import { connect } from 'node:tls'
import { oneLine, type Sent } from '../notify/sent.ts'
import { Forbidden, outbound } from '../outbound.ts'

/** Milliseconds for a receiver to take a batch, from the first step to the last. */
const patience = 30_000

export type SyslogPost = {
  /** `syslog+tls://host:port`. */
  readonly address: string
  readonly ca: string | undefined
  readonly loopback: boolean
  readonly messages: readonly string[]
}

/**
 * Sends messages of RFC 5424 over TLS, each with its length before it (RFC 5425).
 *
 * Syslog has no answers. What was written may lie in a buffer of a machine that has just lost its power: so each batch has a
 * connection of its own, which we end first, and which counts as taken once the receiver has ended it too: it has then read
 * to our end. Whatever else happens, it is sent again.
 *
 * SECURITY: the receiver is who its certificate says. What it sends is read and thrown away.
 */
export function sendSyslog({ address, ca, loopback, messages }: SyslogPost): Promise<Sent> {
  const url = new URL(address.replace(/^syslog\+tls:/, 'https:'))
  const { lookup, refused } = outbound(loopback)
  const bad = refused(url)
  if (bad !== undefined) return Promise.resolve(failed(bad.why('the receiver', 'siem.loopback')))
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve) => {
    const begun = performance.now()
    // Node takes it; its types do not know it.
    const halfOpen: { readonly allowHalfOpen: boolean } = { allowHalfOpen: true }
    const socket = connect({
      ...{ host, port: url.port === '' ? 443 : Number(url.port), lookup, minVersion: 'TLSv1.2' },
      ...(ca === undefined ? {} : { ca }),
      ...halfOpen,
    })
    const timer = setTimeout(() => over(failed('the receiver did not take it in half a minute')), patience)
    const over = (sent: Sent) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(sent)
    }
    socket.on('error', (error) => {
      if (error instanceof Forbidden) return over(failed(error.why('the receiver', 'siem.loopback')))
      const code = 'code' in error ? String(error.code) : error.name
      return over(failed(`the receiver could not be told (${oneLine(code)})`))
    })
    let isEnded = false
    socket.on('secureConnect', () => {
      for (const message of messages) {
        const bytes = Buffer.from(message)
        socket.write(`${bytes.length} `)
        socket.write(bytes)
      }
      // Whoever ends before us has not read to our end: we hear of that within the time that a way there and back takes.
      const roundTrip = performance.now() - begun
      socket.write('', () => {
        setTimeout(
          () => {
            isEnded = true
            socket.end()
          },
          Math.min(1_000, Math.max(20, roundTrip)),
        )
      })
    })
    socket.on('end', () =>
      over(isEnded ? { kind: 'sent' } : failed('the receiver hung up before it had everything')),
    )
    socket.on('close', () => over(failed('the receiver hung up before it had everything')))
    socket.resume()
  })
}

function failed(why: string): Sent {
  return { kind: 'failed', why: why.slice(0, 300), forGood: false }
}
