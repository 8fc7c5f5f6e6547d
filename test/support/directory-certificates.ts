import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type DirectoryCertificates = {
  readonly ca: string
  readonly certificate: string
  readonly files: { readonly ca: string; readonly certificate: string; readonly key: string }
}

/** A CA of a plant and the certificate of one directory, for a name and an address. */
export function makeDirectoryCertificates(
  folder: string,
  name = 'localhost',
  address = '127.0.0.1',
): DirectoryCertificates {
  const file = (one: string) => join(folder, one)
  const openssl = (...args: readonly string[]) => execFileSync('openssl', [...args], { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '30',
    '-subj',
    '/CN=Plant CA',
  )
  openssl('req', ...key, '-keyout', file('server.key'), '-out', file('server.csr'), '-subj', `/CN=${name}`)
  writeFileSync(file('ext'), `subjectAltName=DNS:${name},IP:${address}\n`)
  openssl(
    'x509',
    '-req',
    '-in',
    file('server.csr'),
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-days',
    '30',
    '-extfile',
    file('ext'),
    '-out',
    file('server.pem'),
  )
  return {
    ca: readFileSync(file('ca.pem'), 'utf8'),
    certificate: readFileSync(file('server.pem'), 'utf8'),
    files: { ca: file('ca.pem'), certificate: file('server.pem'), key: file('server.key') },
  }
}
