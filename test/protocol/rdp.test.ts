import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchCertificate } from '../../recorder/broker/desktop/open-rdp.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { type RdpServer, startShadow, startXrdp, whyNoRdp } from '../support/rdp.ts'

/** RDP on the session path: fake vault, real guacd, real servers: xrdp with TLS, FreeRDP's with and without NLA. */

const why = whyNoRdp()
if (why !== undefined) console.warn(`RDP is left out: ${why}`)

describe.skipIf(why !== undefined)('a desktop of RDP', () => {
  let desk: DesktopGateway
  let xrdp: RdpServer
  let shadow: RdpServer
  let old: RdpServer
  beforeAll(async () => {
    xrdp = await startXrdp('Kanarie7')
    shadow = await startShadow('Kanarie9-and-more')
    old = await startShadow('Kanarie8', 'rdp')
    desk = await startDesktopGateway()
    const add = (target: string, server: RdpServer, change: object = {}) =>
      desk.gateway.vault.accounts.push({
        target,
        login: 'operator',
        host: '127.0.0.1',
        port: server.port,
        protocol: 'rdp',
        pins: [{ type: 'x509', fingerprint: server.fingerprint }],
        actions: ['observe', 'interact'],
        credential: { kind: 'password', password: server.password },
        ...change,
      })
    const unverified = { pins: [{ type: '', fingerprint: 'unverified' }] }
    add('xrdp', xrdp, { desktop: { security: 'tls' } })
    add('look', xrdp, { desktop: { security: 'tls' }, actions: ['observe'] })
    add('nla', shadow)
    add('old', old, { desktop: { security: 'rdp' }, ...unverified })
    add('wrong', shadow, { credential: { kind: 'password', password: 'wrong' } })
    add('swapped', shadow, { pins: [{ type: 'x509', fingerprint: xrdp.fingerprint }] })
    add('no-nla', xrdp)
    add('only-nla', shadow, { desktop: { security: 'tls' } })
    add('nobody', shadow, { pins: [] })
    add('shrugged', shadow, unverified)
    add('away', shadow, { port: 1 })
  }, 120_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await old?.[Symbol.asyncDispose]()
    await shadow?.[Symbol.asyncDispose]()
    await xrdp?.[Symbol.asyncDispose]()
  })
  const open = (target: string) => openDesktopEnd(desk.gateway, target, 'operator')
  const written = (path: string) =>
    until(
      () => (existsSync(path) && readFileSync(path, 'utf8') !== '' ? readFileSync(path, 'utf8') : undefined),
      20_000,
    )
  const refusalOf = async (target: string) => {
    const end = await open(target)
    const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 40_000)
    expect(await end.live.closed).toBe(1000)
    await allEnded(desk.gateway.vault)
    return { refused, reason: desk.gateway.vault.inputsOf('session.end').at(-1)?.reason }
  }

  test.each(['xrdp', 'nla', 'old'] as const)(
    '%s: its picture comes, and what is typed arrives',
    async (target) => {
      const server = { xrdp, nla: shadow, old }[target]
      const end = await open(target)
      await end.see('sync')
      end.type('echo "over RDP" > typed\n')
      expect(await written(join(server.home, 'typed'))).toBe('over RDP\n')
      await end.see('img')
      end.live.say({ kind: 'leave' })
      expect(await end.live.hear('ended')).toMatchObject({ reason: 'closed by the user' })
      await allEnded(desk.gateway.vault)
    },
  )

  test('the password is in nothing that comes to the browser, the recording or the log', async () => {
    for (const [target, { password }] of [
      ['nla', shadow],
      ['xrdp', xrdp],
    ] as const) {
      const end = await open(target)
      await end.see('sync')
      end.live.say({ kind: 'leave' })
      await end.live.hear('ended')
      const frames = JSON.stringify(await desk.gateway.frames(), (_key, value) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
      )
      const seen = JSON.stringify(end.live.messages) + end.live.text()
      const places = [seen, frames, desk.gateway.logged.join('\n')]
      // The control: what was really shown is found in the same places.
      expect(places.slice(0, 2).every((text) => text.includes('4.size'))).toBe(true)
      const bytes = Buffer.from(password)
      const wide = Buffer.from(password, 'utf16le')
      for (const secret of [password, wide.toString('latin1'), bytes.toString('base64').slice(0, 10)])
        for (const text of [...places, ...places.map(unpacked)]) expect(text).not.toContain(secret)
    }
  })

  test('a grant to look lets nothing of the keyboard through', async () => {
    const end = await open('look')
    await end.see('sync')
    end.type('touch looked\n')
    const other = await open('xrdp')
    await other.see('sync')
    other.type('\necho after > after-look\n')
    await written(join(xrdp.home, 'after-look'))
    expect(existsSync(join(xrdp.home, 'looked'))).toBe(false)
    for (const one of [end, other]) {
      one.live.say({ kind: 'leave' })
      await one.live.closed
    }
  })

  test('frozen, what is typed is dropped; terminated, it ends with the reason', async () => {
    const end = await open('nla')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    await desk.gateway.vault.setFrozen(session, true, 'sven', 'wait')
    await until(() => end.live.messages.find((one) => one.kind === 'warning'), 10_000)
    end.type('touch while-frozen\n')
    await until(() => end.taken() === end.sent() || undefined, 10_000)
    await desk.gateway.vault.setFrozen(session, false, 'sven', 'wait')
    await until(
      () => end.live.messages.find((one) => one.kind === 'warning' && one.text.includes('goes on')),
      10_000,
    )
    end.type('echo after > after-freeze\n')
    await written(join(shadow.home, 'after-freeze'))
    expect(existsSync(join(shadow.home, 'while-frozen'))).toBe(false)
    await desk.gateway.vault.cut(session, 'terminated', 'by sven: enough')
    expect(await end.live.hear('ended')).toMatchObject({ reason: 'terminated', message: 'by sven: enough' })
    await allEnded(desk.gateway.vault)
  })

  test('a wrong password is told apart from a machine that is away', async () => {
    expect(await refusalOf('wrong')).toMatchObject({
      refused: { message: 'wrong refused the stored credential of operator' },
      reason: 'target refused the credential',
    })
    expect(await refusalOf('away')).toMatchObject({
      refused: { message: 'away refuses connections' },
      reason: 'target unreachable',
    })
  })

  test('another certificate than the pinned one: nothing is sent, and the administrator sees which', async () => {
    expect(await refusalOf('swapped')).toMatchObject({
      refused: {
        code: 'changed_key',
        message: `swapped shows a certificate (${shadow.fingerprint}) that is not the pinned one, so no credential was sent`,
      },
      reason: 'target key changed',
    })
    expect(desk.gateway.vault.inputsOf('session.event').at(-1)).toMatchObject({
      event: 'changed key',
      detail: `x509 ${shadow.fingerprint}`,
    })
  })

  test.each([
    [
      'no-nla',
      'no-nla has no login before the desktop (NLA), so no credential was sent',
      'set its security to tls',
    ],
    ['only-nla', 'lets in only who logs in before the desktop (NLA)', 'set its security to nla'],
  ])('%s: the machine and the target do not agree on the security', async (target, message, next) => {
    const { refused } = await refusalOf(target)
    expect(refused).toMatchObject({
      message: expect.stringContaining(message),
      next: expect.stringContaining(next),
    })
  })

  test('a certificate that was renewed is refused until somebody approves the new one', async () => {
    const renewed = await xrdp.renew()
    expect(renewed).not.toBe(xrdp.fingerprint)
    expect(await refusalOf('xrdp')).toMatchObject({
      refused: { code: 'changed_key', message: expect.stringContaining(renewed) },
    })
  })

  test.each(['nobody', 'shrugged'])(
    '%s: without a pinned certificate nothing is connected to',
    async (target) => {
      const end = await open(target)
      const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 40_000)
      expect(refused).toMatchObject({
        message: `nobody has approved the certificate of ${target} yet, so no credential was sent`,
        next: `ask an administrator to approve it: tagout target pin ${target}`,
      })
    },
  )

  test('whoever looks sees the certificate that a session finds, and what is no RDP is said', async () => {
    const fetched = await fetchCertificate('127.0.0.1', shadow.port, 'nla')
    expect(fetched).toMatchObject({
      ok: true,
      value: [
        {
          ...{ type: 'x509', fingerprint: shadow.fingerprint, needs: [] },
          certificate: {
            ...{ subject: expect.stringMatching(/CN=/), issuer: expect.stringMatching(/CN=/) },
            notBefore: expect.stringMatching(/^20.*Z$/),
            notAfter: expect.stringMatching(/^20.*Z$/),
          },
        },
      ],
    })
    expect(await fetchCertificate('127.0.0.1', 1, 'nla')).toMatchObject({
      refusal: {
        message: '127.0.0.1:1 refuses connections',
        next: expect.stringContaining('Remote Desktop'),
      },
    })
    expect(await fetchCertificate('no-such-machine.invalid', 3389, 'nla')).toMatchObject({
      refusal: { message: expect.stringContaining('has an address that does not resolve') },
    })
    expect(await fetchCertificate('127.0.0.1', desk.guacd.address.port, 'tls')).toMatchObject({
      ok: false,
      refusal: { code: 'unavailable' },
    })
  })
})

/** The pieces of pictures and whatever else came as base64, as what they are. */
function unpacked(text: string): string {
  return [...text.matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)]
    .map(([found]) => Buffer.from(found, 'base64').toString('latin1'))
    .join('\n')
}
