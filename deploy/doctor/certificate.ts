import { connect } from 'node:tls'
import type { Finding } from './examine.ts'

const day = 24 * 3600 * 1000
/** An own one is renewed a month ahead; a given one needs somebody to do it. */
const soon = 14 * day

/** When the certificate ends that the console serves with. Nothing where it serves without, or does not answer. */
export async function examineCertificate(console: URL, now = Date.now()): Promise<readonly Finding[]> {
  if (console.protocol !== 'https:') return []
  const end = await servedUntil(console)
  if (end === undefined) return []
  const date = end.toISOString().slice(0, 10)
  const next =
    'with a certificate of your own: renew it and start again; without one: start again, which makes a new one'
  const name = 'certificate'
  if (end.getTime() <= now)
    return [{ name, level: 'wrong', text: `the console's certificate expired on ${date}`, next }]
  if (end.getTime() - now < soon)
    return [{ name, level: 'note', text: `the console's certificate expires on ${date}`, next }]
  return [{ name, level: 'fine', text: `the console's certificate is good until ${date}` }]
}

function servedUntil(console: URL): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const settle = (found: Date | undefined) => {
      socket.destroy()
      resolve(found)
    }
    const host = console.hostname.replace(/^\[|\]$/g, '')
    // SECURITY: nothing is sent here; the certificate is looked at, not trusted.
    const socket = connect({ host, port: Number(console.port), rejectUnauthorized: false, timeout: 5_000 })
    socket.once('secureConnect', () => {
      const end = new Date(socket.getPeerCertificate().valid_to)
      settle(Number.isNaN(end.getTime()) ? undefined : end)
    })
    socket.once('timeout', () => settle(undefined))
    socket.once('error', () => settle(undefined))
  })
}
