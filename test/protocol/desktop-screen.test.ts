import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { type RdpServer, startXrdp, whyNoRdp } from '../support/rdp.ts'
import { screenSize } from '../support/screen-size.ts'
import { startVnc, type VncServer } from '../support/vnc.ts'

/** The size of a machine's own screen: what the user's window asks for, and what the machine does by itself. */

const why = whyNoRdp() ?? (existsSync('/usr/bin/xrandr') ? undefined : 'xrandr is not installed')
if (why !== undefined) console.warn(`sizes of screens are left out: ${why}`)

describe.skipIf(why !== undefined)('the screen of a desktop', () => {
  let desk: DesktopGateway
  let vnc: VncServer
  let xrdp: RdpServer
  beforeAll(async () => {
    vnc = await startVnc('Kanarie7')
    xrdp = await startXrdp('Kanarie7')
    desk = await startDesktopGateway()
    const { accounts } = desk.gateway.vault
    accounts.push(vncAccount(vnc, { target: 'hmi-3' }))
    const rdp = {
      protocol: 'rdp',
      desktop: { security: 'tls' },
      pins: [{ type: 'x509', fingerprint: xrdp.fingerprint }],
    } as const
    accounts.push(vncAccount(xrdp, { target: 'ews-1', ...rdp }))
    accounts.push(vncAccount(xrdp, { target: 'look', actions: ['observe'], ...rdp }))
  }, 60_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await xrdp?.[Symbol.asyncDispose]()
    await vnc?.[Symbol.asyncDispose]()
  })
  const open = async (target: string) => {
    const end = await openDesktopEnd(desk.gateway, target, 'operator')
    // The size that it begins with: another one is a change.
    await end.see('size')
    await end.see('sync')
    return end
  }
  type End = Awaited<ReturnType<typeof open>>
  /** Leaves them; what their recordings have of sizes. */
  const marked = async (...ends: readonly End[]) => {
    const sessions = await Promise.all(ends.map(async ({ live }) => (await live.hear('started')).session))
    for (const { live } of ends) live.say({ kind: 'leave' })
    await allEnded(desk.gateway.vault)
    const recordings = sessions.map((session) => desk.gateway.vault.permits.get(session)?.permit.recording)
    const frames = await Promise.all(recordings.map((recording) => desk.gateway.frames(recording)))
    return frames
      .flat()
      .flatMap((frame) => (frame.kind === 'mark' && frame.mark.kind === 'resize' ? [frame.mark] : []))
  }
  const shows = (end: End, size: string) =>
    until(
      () =>
        end.shown.some(({ opcode, args }) => opcode === 'size' && args.join(' ') === `0 ${size}`) ||
        undefined,
      20_000,
    )
  const becomes = (display: number, size: string) =>
    until(
      () => screenSize(display) === size || undefined,
      20_000,
      () => false,
      () => `its screen is ${screenSize(display)}`,
    )

  test('a machine of RDP has as many pixels as the window has room for, and the recording says so', async () => {
    const end = await open('ews-1')
    // Its first picture has a size, or it would begin with the next one and have taken no other.
    await until(
      () => end.shown.some(({ opcode, args }) => opcode === 'size' && args[0] === '0') || undefined,
      30_000,
    )
    end.send('size', 1000, 640)
    await becomes(xrdp.display, '1000x640')
    await shows(end, '1000 640')
    end.send('size', 1280, 720)
    await becomes(xrdp.display, '1280x720')
    await shows(end, '1280 720')
    const marks = await marked(end)
    expect(marks.slice(-2)).toEqual([
      { kind: 'resize', width: 1000, height: 640 },
      { kind: 'resize', width: 1280, height: 720 },
    ])
  })

  test('who only looks, or is frozen, has no machine take another size', async () => {
    const before = screenSize(xrdp.display)
    const look = await open('look')
    look.send('size', 800, 600)
    const end = await open('ews-1')
    const { session } = await end.live.hear('started')
    await desk.gateway.vault.setFrozen(session, true, 'sven', 'wait')
    await until(
      () => end.live.messages.find((one) => one.kind === 'warning' && one.about === 'freeze'),
      10_000,
    )
    end.send('size', 800, 600)
    await until(() => end.taken() === end.sent() || undefined, 10_000)
    await until(() => look.taken() === look.sent() || undefined, 10_000)
    await desk.gateway.vault.setFrozen(session, false, 'sven')
    end.send('size', 1024, 700)
    await becomes(xrdp.display, '1024x700')
    expect(before).not.toBe('800x600')
    expect(await marked(look, end)).not.toContainEqual({ kind: 'resize', width: 800, height: 600 })
  })

  test('a panel of VNC keeps its size whatever the window has; what it changes itself is followed and marked', async () => {
    const end = await open('hmi-3')
    end.send('size', 1000, 640)
    await until(() => end.taken() === end.sent() || undefined, 10_000)
    execFileSync('/usr/bin/xrandr', ['-s', '1024x768'], {
      env: { PATH: '/usr/bin', DISPLAY: `:${vnc.display}` },
    })
    await becomes(vnc.display, '1024x768')
    await shows(end, '1024 768')
    expect(end.shown.filter(({ opcode, args }) => opcode === 'size' && args[1] === '1000')).toEqual([])
    expect(await marked(end)).toEqual([{ kind: 'resize', width: 1024, height: 768 }])
  })
})
