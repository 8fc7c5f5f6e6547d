import { X509Certificate } from 'node:crypto'
import type { CertificateFacts, HostKeySeen } from '../contract.ts'
import { printable } from '../ssh/sentence.ts'
import { fingerprintOf } from './fingerprint.ts'

/** Characters of a name that somebody reads; a certificate can carry thousands. */
const mostName = 300

/** A certificate (DER) that a machine showed, as a person compares it. */
export function seenCertificate(raw: Buffer): HostKeySeen {
  const facts = factsOf(raw)
  return {
    ...{ type: 'x509', fingerprint: fingerprintOf(raw), key: '', needs: [] },
    ...(facts === undefined ? {} : { certificate: facts }),
  }
}

/**
 * What a certificate says of itself; undefined where it is none that can be read.
 *
 * SECURITY: the machine's own words, which nobody has checked: they help to recognise it, and the fingerprint alone is
 * what is approved.
 */
function factsOf(raw: Buffer): CertificateFacts | undefined {
  try {
    const { subject, issuer, validFromDate, validToDate } = new X509Certificate(raw)
    return {
      subject: named(subject),
      issuer: named(issuer),
      notBefore: validFromDate.toISOString(),
      notAfter: validToDate.toISOString(),
    }
  } catch {
    return undefined
  }
}

/** A name of X.500 in one line: `CN=scada-1, O=Plant`. */
function named(name: string | undefined): string {
  const line = printable(
    (name ?? '')
      .split('\n')
      .filter((part) => part !== '')
      .join(', '),
  )
  return line.length > mostName ? `${line.slice(0, mostName)}…` : line
}
