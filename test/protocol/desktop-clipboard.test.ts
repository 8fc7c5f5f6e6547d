import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Action } from '../../vault/contract.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { until } from '../support/installation.ts'
import { type RdpServer, startXrdp, whyNoRdp } from '../support/rdp.ts'
import { clipboardOf, startVnc, type VncServer, whyNoClipboard } from '../support/vnc.ts'

/** The clipboard of real desktops: fake vault, real guacd, TigerVNC and xrdp, programs of X that copy and paste there. */

const why = whyNoRdp() ?? whyNoClipboard()
if (why !== undefined) console.warn(`clipboards of desktops are left out: ${why}`)

const use = ['observe', 'interact'] as const satisfies readonly Action[]
const actionsOf = {
  both: [...use, 'clipboard-in', 'clipboard-out'],
  in: [...use, 'clipboard-in'],
  out: [...use, 'clipboard-out'],
  none: use,
  look: ['observe', 'clipboard-in', 'clipboard-out'],
} as const satisfies Readonly<Record<string, readonly Action[]>>
const long = 'The pump of line 3 ran dry at 04:12; see the log of the shift before you start it again.'

describe.skipIf(why !== undefined)('the clipboard of a desktop', () => {
  let desk: DesktopGateway
  let vnc: VncServer
  let xrdp: RdpServer
  const password = 'Kanarie7'
  beforeAll(async () => {
    vnc = await startVnc(password)
    xrdp = await startXrdp(password)
    desk = await startDesktopGateway()
    const { accounts } = desk.gateway.vault
    for (const [name, actions] of Object.entries(actionsOf)) {
      accounts.push(vncAccount(vnc, { target: `vnc-${name}`, actions }))
      accounts.push({
        ...{ target: `rdp-${name}`, login: 'operator', host: '127.0.0.1', port: xrdp.port, protocol: 'rdp' },
        pins: [{ type: 'x509', fingerprint: xrdp.fingerprint }],
        desktop: { security: 'tls' },
        actions,
        credential: { kind: 'password', password },
      })
    }
    accounts.push(vncAccount(vnc, { target: 'vnc-full', actions: actionsOf.both, inputPolicy: 'full' }))
  }, 120_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await xrdp?.[Symbol.asyncDispose]()
    await vnc?.[Symbol.asyncDispose]()
  })

  const framesOf = async (session: string) => {
    const { vault } = desk.gateway
    await until(
      () => vault.inputsOf('session.end').some((one) => one.session === session) || undefined,
      20_000,
    )
    return desk.gateway.frames(vault.permits.get(session)?.permit.recording)
  }
  const open = async (target: string) => {
    const end = await openDesktopEnd(desk.gateway, target, 'operator')
    let frames: Awaited<ReturnType<typeof framesOf>> = []
    await end.see('sync')
    return {
      ...end,
      machine: clipboardOf(target.startsWith('vnc') ? vnc : xrdp),
      put: (text: string, stream = '0') => {
        end.send('clipboard', stream, 'text/plain')
        end.send('blob', stream, Buffer.from(text).toString('base64'))
        end.send('end', stream)
      },
      /** The status of the next answer after `from`. */
      answer: async (from = 0) => (await end.see('ack', from)).args[2],
      texts: () => textsOf(end.shown),
      /** All that its recording holds, as text. */
      recorded: () =>
        JSON.stringify(frames, (_key, value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
        ),
      leave: async () => {
        end.live.say({ kind: 'leave' })
        await end.live.hear('ended')
        frames = await framesOf((await end.live.hear('started')).session)
        return frames.flatMap((frame) =>
          frame.kind === 'mark' && (frame.mark.kind === 'clipboard' || frame.mark.kind === 'policy')
            ? [frame.mark]
            : [],
        )
      },
    }
  }
  const reads = (machine: ReturnType<typeof clipboardOf>, text: string) =>
    until(
      () => machine.read() === text || undefined,
      20_000,
      () => false,
      () => `the machine has ${JSON.stringify(machine.read())}`,
    )
  const told = () => desk.gateway.vault.inputsOf('session.clipboard')

  test.each(['vnc-both', 'rdp-both'])('%s: a text goes there and another comes back', async (target) => {
    const end = await open(target)
    const before = told().length
    end.put(long)
    expect(await end.answer()).toBe('0')
    await reads(end.machine, long)
    const copied = `copied on ${target}`
    end.machine.copy(copied)
    await until(() => end.texts().includes(copied) || undefined, 20_000)
    const marks = await end.leave()
    const sha256 = createHash('sha256').update(long).digest('hex')
    const mimetype = 'text/plain'
    // A text that could be guessed by its digest has none.
    expect(marks).toEqual([
      { kind: 'clipboard', way: 'in', mimetype, size: long.length, sha256 },
      { kind: 'clipboard', way: 'out', mimetype, size: copied.length },
    ])
    expect(told().slice(before)).toMatchObject([
      { way: 'in', mimetype, size: long.length, sha256 },
      { way: 'out', mimetype, size: copied.length },
    ])
    expect(told().at(-1)).not.toHaveProperty('sha256')
  })

  test.each(['vnc', 'rdp'])('%s: what the grant does not allow reaches neither side', async (protocol) => {
    const [into, out, none, look] = [
      await open(`${protocol}-in`),
      await open(`${protocol}-out`),
      await open(`${protocol}-none`),
      await open(`${protocol}-look`),
    ]
    const { machine } = into
    for (const [index, end] of [out, none, look].entries()) {
      end.put(`not allowed ${index}`)
      expect(await end.answer()).toBe('771')
    }
    into.put(`${protocol} allowed`)
    expect(await into.answer()).toBe('0')
    await reads(machine, `${protocol} allowed`)
    machine.copy(`${protocol} copied there`)
    await until(() => out.texts().includes(`${protocol} copied there`) || undefined, 20_000)
    expect([into, none, look].flatMap((end) => end.texts())).toEqual([])
    expect(machine.read()).toBe(`${protocol} copied there`)
    expect(await look.leave()).toContainEqual({
      kind: 'policy',
      event: 'clipboard refused',
      detail: 'to the machine: not allowed',
    })
    for (const end of [into, out, none]) await end.leave()
  })

  test('frozen, it carries nothing either way, and nothing of it comes later', async () => {
    const end = await open('vnc-both')
    const { session } = await end.live.hear('started')
    const order = (frozen: boolean) => desk.gateway.vault.setFrozen(session, frozen, 'sven', 'wait')
    end.put('before')
    await reads(end.machine, 'before')
    // Begun before, and ended while it is held.
    end.send('clipboard', '5', 'text/plain')
    end.send('blob', '5', Buffer.from('half').toString('base64'))
    await until(() => end.taken() === end.sent() || undefined, 10_000)
    const from = end.shown.length
    await order(true)
    expect(await end.answer(from)).toBe('771')
    end.send('end', '5')
    end.put('while frozen', '6')
    await until(
      () => end.shown.slice(from).filter(({ opcode }) => opcode === 'ack').length === 2 || undefined,
      10_000,
    )
    end.machine.copy('copied while frozen')
    await until(
      () =>
        desk.gateway.vault
          .inputsOf('session.event')
          .some((one) => one.session === session && one.detail === 'from the machine: not allowed') ||
        undefined,
      20_000,
    )
    await order(false)
    await until(
      () => end.live.messages.find((one) => one.kind === 'warning' && one.text.includes('goes on')),
      10_000,
    )
    end.machine.copy('copied afterwards')
    await until(() => end.texts().includes('copied afterwards') || undefined, 20_000)
    end.put('afterwards')
    await reads(end.machine, 'afterwards')
    expect(end.texts()).not.toContain('copied while frozen')
    const marks = await end.leave()
    expect(marks.map((mark) => (mark.kind === 'clipboard' ? mark.size : mark.event))).toEqual([
      'before'.length,
      'clipboard refused',
      'copied afterwards'.length,
      'afterwards'.length,
    ])
  })

  test('the text itself is in the recording of a safe that keeps all input, and of no other', async () => {
    const kept = await open('vnc-full')
    kept.put('pasted and kept')
    await reads(kept.machine, 'pasted and kept')
    expect(await kept.leave()).toMatchObject([{ way: 'in', text: 'pasted and kept' }])
    const end = await open('vnc-both')
    end.put('a pasted secret')
    await reads(end.machine, 'a pasted secret')
    end.machine.copy('a copied secret')
    await until(() => end.texts().includes('a copied secret') || undefined, 20_000)
    await end.leave()
    const frames = end.recorded()
    // The control: what is kept of it is found in the same place.
    expect(frames).toContain('"kind":"clipboard"')
    for (const text of ['a pasted secret', 'a copied secret'])
      for (const form of [
        text,
        Buffer.from(text).toString('base64').slice(0, 16),
        createHash('sha256').update(text).digest('hex'),
      ])
        expect(frames + JSON.stringify(told()) + desk.gateway.logged.join('\n')).not.toContain(form)
  })

  test('the password that was injected comes by no clipboard', async () => {
    for (const target of ['vnc-both', 'rdp-both']) {
      const end = await open(target)
      // xrdp hears of no clipboard before its own is there.
      end.put(target)
      await reads(end.machine, target)
      end.machine.copy(`the control on ${target}`)
      await until(() => end.texts().includes(`the control on ${target}`) || undefined, 20_000)
      expect(end.texts().join('\n')).not.toContain(password)
      await end.leave()
    }
  })
})

/** The texts that a browser was given: of streams that ended. */
function textsOf(shown: readonly { readonly opcode: string; readonly args: readonly string[] }[]): string[] {
  const open = new Map<string, Buffer[]>()
  const texts: string[] = []
  for (const { opcode, args } of shown) {
    const [stream = '', piece = ''] = args
    if (opcode === 'clipboard') open.set(stream, [])
    else if (opcode === 'blob') open.get(stream)?.push(Buffer.from(piece, 'base64'))
    else if (opcode === 'end' && open.has(stream)) {
      texts.push(Buffer.concat(open.get(stream) ?? []).toString('utf8'))
      open.delete(stream)
    }
  }
  return texts
}
