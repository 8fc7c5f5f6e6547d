import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import forge from 'node-forge'

/** A certificate and its private key, both PEM. */
export type KeyedCertificate = { readonly certificate: string; readonly privateKey: string }

const makeKeyPair = promisify(generateKeyPair)
const day = 24 * 3600 * 1000

/** Makes the installation's own certificate authority, good for ten years. */
export async function makeAuthority(now: Date, installation: string): Promise<KeyedCertificate> {
  const keys = await newKeys()
  const certificate = blank(keys.publicKey, now, 3650)
  const name = [
    { name: 'organizationName', value: 'Tagout' },
    { name: 'commonName', value: `Tagout installation ${installation}` },
  ]
  certificate.setSubject(name)
  certificate.setIssuer(name)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ])
  certificate.sign(forge.pki.privateKeyFromPem(keys.privateKey), forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), privateKey: keys.privateKey }
}

/** Longest that browsers accept of a server's certificate, less a day for clocks that differ. */
const serverDays = 397

/** Makes a certificate for a server that is reached under `names` (host names and IP addresses). */
export async function issueServerCertificate(
  authority: KeyedCertificate,
  names: readonly string[],
  now: Date,
): Promise<KeyedCertificate> {
  const keys = await newKeys()
  const issuer = forge.pki.certificateFromPem(authority.certificate)
  const certificate = blank(keys.publicKey, now, serverDays)
  certificate.setSubject([{ name: 'commonName', value: (names[0] ?? 'localhost').slice(0, 64) }])
  certificate.setIssuer(issuer.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: names.map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
    },
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
    },
  ])
  certificate.sign(forge.pki.privateKeyFromPem(authority.privateKey), forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate), privateKey: keys.privateKey }
}

/** Says why the certificate cannot go on serving `names`, or undefined where it can. */
export function whyRenew(
  certificatePem: string,
  authorityPem: string,
  names: readonly string[],
  now: Date,
): string | undefined {
  const certificate = new X509Certificate(certificatePem)
  const left = certificate.validToDate.getTime() - now.getTime()
  if (left < 30 * day) return `it expires on ${certificate.validToDate.toISOString().slice(0, 10)}`
  if (certificate.validFromDate.getTime() > now.getTime()) return 'it is not valid yet'
  const authority = new X509Certificate(authorityPem)
  if (!certificate.verify(authority.publicKey)) return "it is not of the installation's own authority"
  const missing = names.find((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) === undefined : certificate.checkIP(name) === undefined,
  )
  return missing === undefined ? undefined : `it does not name ${missing}`
}

async function newKeys(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  return makeKeyPair('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
}

function blank(publicKey: string, now: Date, days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey)
  // A positive number of 127 bits at most (RFC 5280 §4.1.2.2 allows 20 bytes).
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  certificate.serialNumber = serial.toString('hex')
  // A clock that runs a little behind must not see a certificate of the future.
  certificate.validity.notBefore = new Date(now.getTime() - 3600 * 1000)
  certificate.validity.notAfter = new Date(now.getTime() + (days - 1) * day)
  return certificate
}
