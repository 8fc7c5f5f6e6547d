import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { readPlaneFile } from '../supervisor/plane-folder.ts'
import type { Finding } from './examine.ts'

const day = 24 * 3600 * 1000
/** An own one is renewed a month ahead; a given one needs somebody to do it. */
const soon = 14 * day

/** When the certificate ends that the console serves with. Nothing where there is none, or it may not be read. */
export function examineCertificate(dataDir: string, now = Date.now()): readonly Finding[] {
  const end = servedUntil(join(dataDir, 'api', 'tls'))
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

function servedUntil(folder: string): Date | undefined {
  try {
    // A start without a given one takes `given.crt` away.
    const text = readPlaneFile(join(folder, 'given.crt')) ?? readPlaneFile(join(folder, 'server.crt'))
    return text === undefined ? undefined : new X509Certificate(text).validToDate
  } catch {
    return undefined
  }
}
