import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { startVnc, startX11vnc, type VncServer, whyNoDesktop, whyNoX11vnc } from '../support/vnc.ts'

/** The servers of VNC that panels have, and the ways in which they let in: fake vault, real guacd, real servers. */

const why = whyNoDesktop() ?? whyNoX11vnc() ?? whyNoSshd()
if (why !== undefined) console.warn(`servers of VNC are left out: ${why}`)

describe.skipIf(why !== undefined)('servers of VNC', () => {
  const password = 'Kanarie7'
  const stack = new AsyncDisposableStack()
  let desk: DesktopGateway
  /** For its system user: TigerVNC asks PAM for their password. */
  let system: TestSshd
  const homes = new Map<string, VncServer['home']>()

  beforeAll(async () => {
    desk = stack.use(await startDesktopGateway())
    system = await startSshd()
    stack.defer(() => system.stop())
    const add = (
      target: string,
      server: Pick<VncServer, 'home'> & { port: number },
      login: string,
      secret: string,
    ) => {
      homes.set(target, server.home)
      desk.gateway.vault.accounts.push(vncAccount({ port: server.port, password: secret }, { target, login }))
    }
    const screen = stack.use(await startVnc(password))
    const x11vnc = stack.use(await startX11vnc(screen, password))
    add('x11vnc', { home: screen.home, port: x11vnc.port }, 'operator', password)
    add('tls', stack.use(await startVnc(password, 'TLSVnc')), 'operator', password)
    const plain = stack.use(await startVnc('', { plainUser: system.user }))
    add('plain', plain, system.user, system.password)
    add('plain-wrong', plain, system.user, 'another')
  })
  afterAll(() => stack.disposeAsync())

  const login = (target: string) => (target.startsWith('plain') ? system.user : 'operator')

  test.each(['x11vnc', 'tls', 'plain'])(
    '%s: its picture comes, and what is typed arrives',
    async (target) => {
      const end = await openDesktopEnd(desk.gateway, target, login(target))
      await end.see('img')
      await end.see('sync')
      end.type(`echo by-${target} > typed-${target}\n`)
      const file = join(homes.get(target) ?? '', `typed-${target}`)
      await until(() => (existsSync(file) && readFileSync(file, 'utf8') !== '' ? true : undefined), 20_000)
      expect(readFileSync(file, 'utf8')).toBe(`by-${target}\n`)
      end.live.say({ kind: 'leave' })
      await end.live.hear('ended')
      await allEnded(desk.gateway.vault)
      const seen = JSON.stringify(end.live.messages) + end.live.text() + desk.gateway.logged.join('\n')
      expect(seen).toContain('4.size')
      for (const secret of [password, system.password]) expect(seen).not.toContain(secret)
    },
  )

  test('the wrong password of a system user is refused, with a sentence', async () => {
    const end = await openDesktopEnd(desk.gateway, 'plain-wrong', system.user)
    const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 40_000)
    expect(refused).toMatchObject({ message: expect.stringContaining('refused the stored ') })
  })
})
