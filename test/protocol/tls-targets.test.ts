import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RotatedProtocol } from '../../vault/contract.ts'
import { connectPinned } from '../../vault/tls/connect.ts'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { lookAtCertificate } from '../../vault/tls/look.ts'
import { ownLoopback, startMariadb, startPostgresServer, whyNoMariadb } from '../support/databases.ts'
import { makeDirectoryCertificates } from '../support/directory-certificates.ts'
import { startSlapd, whyNoSlapd } from '../support/slapd.ts'
import { must, refusalOf, somePin } from '../support/vault.ts'

/** Certificates of targets that open no session, as their real servers show them. */

const why = whyNoSlapd() ?? whyNoMariadb()
if (why !== undefined) console.warn(`left out: ${why}`)

type Server = {
  readonly protocol: RotatedProtocol
  readonly host: string
  readonly port: number
  readonly certificate: string
}
const servers = new Map<string, Server>()
const running: AsyncDisposable[] = []

describe.skipIf(why !== undefined)('what shows a certificate', () => {
  beforeAll(async () => {
    const clearAt = ownLoopback()
    const folder = await mkdtemp(join(tmpdir(), 'tagout-https-'))
    const { files, certificate } = makeDirectoryCertificates(folder)
    const web = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) })
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    const address = web.address()
    running.push({
      [Symbol.asyncDispose]: async () => {
        web.close()
        await rm(folder, { recursive: true, force: true })
      },
    })
    const [slapd, postgres, mariadb] = await Promise.all([
      startSlapd({ clearAt }),
      startPostgresServer(),
      startMariadb(),
    ])
    running.push(slapd, postgres, mariadb)
    const of = (pem: string) => fingerprintOf(new X509Certificate(pem).raw)
    const add = (name: string, protocol: RotatedProtocol, host: string, port: number, pem: string) =>
      servers.set(name, { protocol, host, port, certificate: of(pem) })
    const ldap = of(slapd.certificates.certificate)
    servers.set('LDAPS', {
      ...{ protocol: 'ldap', host: '127.0.0.1', port: Number(new URL(slapd.url).port) },
      certificate: ldap,
    })
    servers.set('StartTLS', { protocol: 'ldap', host: clearAt, port: 389, certificate: ldap })
    add('PostgreSQL', 'postgresql', postgres.host, postgres.port, postgres.certificate())
    add('MariaDB', 'mysql', mariadb.host, mariadb.port, mariadb.certificate())
    if (typeof address === 'object' && address !== null)
      add('HTTPS', 'https', '127.0.0.1', address.port, certificate)
  }, 60_000)
  afterAll(async () => {
    for (const one of running) await one[Symbol.asyncDispose]()
  })

  const names = ['LDAPS', 'StartTLS', 'PostgreSQL', 'MariaDB', 'HTTPS']
  const serverOf = (name: string) => {
    const server = servers.get(name)
    if (server === undefined) throw new Error(`no ${name}`)
    return server
  }
  const connects = (name: string, fingerprint: string) =>
    connectPinned(
      serverOf(name).protocol,
      { ...serverOf(name), name, pins: [{ fingerprint }] },
      AbortSignal.timeout(10_000),
    )

  test.each(names)('%s: it is read, and a connection is let through by it alone', async (name) => {
    const { protocol, host, port, certificate } = serverOf(name)
    const [seen, ...more] = must(await lookAtCertificate(protocol, host, port))
    expect([seen, more]).toMatchObject([
      {
        type: 'x509',
        fingerprint: certificate,
        key: '',
        needs: [],
        certificate: { notAfter: expect.stringMatching(/^20/) },
      },
      [],
    ])
    const open = await connects(name, certificate)
    expect(open.kind).toBe('open')
    if (open.kind === 'open') open.socket.destroy()
    expect(await connects(name, somePin)).toEqual({
      kind: 'failed',
      why: `${name} shows a certificate (${certificate}) that is not the pinned one, so nothing was sent`,
    })
    expect(await connects(name, 'unverified')).toMatchObject({
      why: `nobody has approved the certificate of ${name}, so nothing was sent`,
    })
  })

  test('what speaks another protocol is no server of this one', async () => {
    const { host, port } = serverOf('MariaDB')
    const refused = refusalOf(await lookAtCertificate('postgresql', host, port))
    expect(refused.code).toBe('unavailable')
    expect(refused.message).toContain('says more before TLS than it should')
  })
})
