import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import { beforeAll, expect, test } from 'vitest'
import {
  issueServerCertificate,
  type KeyedCertificate,
  makeAuthority,
  whyRenew,
} from '../../../deploy/tls/authority.ts'

const now = new Date()
const day = 24 * 3600 * 1000
const names = ['localhost', 'plant-gateway', '127.0.0.1', '::1']
let authority: KeyedCertificate
let server: KeyedCertificate
beforeAll(async () => {
  authority = await makeAuthority(now, 'test')
  server = await issueServerCertificate(authority, names, now)
})

test('a TLS client that trusts the authority accepts the server under each of its names', async () => {
  const listener = createServer({ cert: server.certificate, key: server.privateKey }, (socket) =>
    socket.end(),
  )
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const servername of ['localhost', 'plant-gateway']) {
    const client = connect({ port, host: '127.0.0.1', servername, ca: authority.certificate })
    await once(client, 'secureConnect')
    expect(client.authorized).toBe(true)
    client.destroy()
  }
  const stranger = connect({ port, host: '127.0.0.1', servername: 'elsewhere', ca: authority.certificate })
  const [error] = await once(stranger, 'error')
  expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  listener.close()
})

test('the server certificate can issue nothing, and lives no longer than browsers accept', () => {
  const certificate = new X509Certificate(server.certificate)
  expect(certificate.ca).toBe(false)
  expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(3072)
  const days = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / day
  expect(days).toBeLessThan(398)
})

test('two installations share neither key nor serial number', async () => {
  const other = await makeAuthority(now, 'test')
  expect(other.privateKey).not.toBe(authority.privateKey)
  expect(new X509Certificate(other.certificate).serialNumber).not.toBe(
    new X509Certificate(authority.certificate).serialNumber,
  )
})

test('a certificate is renewed a month before it expires, for a new name, and under another authority', async () => {
  const why = (at: Date, wanted = names, of = authority) =>
    whyRenew(server.certificate, of.certificate, wanted, at)
  expect(why(now)).toBeUndefined()
  expect(why(new Date(now.getTime() + 367 * day))).toMatch(/^it expires on/)
  expect(why(new Date(now.getTime() + 400 * day))).toMatch(/^it expires on/)
  expect(why(now, [...names, '10.0.0.9'])).toBe('it does not name 10.0.0.9')
  expect(why(now, [...names, 'other'])).toBe('it does not name other')
  expect(why(new Date(now.getTime() - day))).toBe('it is not valid yet')
  expect(why(now, names, await makeAuthority(now, 'test'))).toBe(
    "it is not of the installation's own authority",
  )
})
