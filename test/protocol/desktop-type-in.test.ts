import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { newId } from '../../vault/kernel/id.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { type Entry, openEntry, whyNoEntry } from '../support/entry.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { type RdpServer, startXrdp, whyNoRdp } from '../support/rdp.ts'
import { startVnc, type VncServer } from '../support/vnc.ts'

/** Linked secrets typed into a real program: fake vault, real guacd, TigerVNC and xrdp. */

const why = whyNoRdp() ?? whyNoEntry()
if (why !== undefined) console.warn(`type-in is left out: ${why}`)

/** Every character that can be typed, with blanks at both ends. */
const everything = ` ${Array.from({ length: 94 }, (_, at) => String.fromCharCode(0x21 + at)).join('')} `
const canary = 'Grauschimmel-4711!'.repeat(4)

describe.skipIf(why !== undefined)('a linked secret', () => {
  let desk: DesktopGateway
  let vnc: VncServer
  let xrdp: RdpServer
  const linked = (name: string, secret: string) => ({ account: newId('acc'), name, secret })
  const all = linked('plc-2/engineer', everything)
  const named = linked('plc-3/engineer', canary)
  const odd = linked('plc-4/engineer', 'Zuverlässig€')
  const other = newId('acc')
  const typeIns = [all, named, odd]
  beforeAll(async () => {
    vnc = await startVnc('Kanarie7')
    xrdp = await startXrdp('Kanarie7')
    desk = await startDesktopGateway()
    const actions = ['observe', 'interact', 'type-in'] as const
    const { accounts } = desk.gateway.vault
    accounts.push(vncAccount(vnc, { target: 'hmi-3', actions, typeIns, inputPolicy: 'full' }))
    accounts.push(vncAccount(vnc, { target: 'plain', actions: ['observe', 'interact'], typeIns }))
    accounts.push(
      vncAccount(xrdp, {
        ...{ target: 'ews-1', protocol: 'rdp', actions, typeIns, desktop: { security: 'tls' } },
        pins: [{ type: 'x509', fingerprint: xrdp.fingerprint }],
      }),
    )
  }, 60_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await xrdp?.[Symbol.asyncDispose]()
    await vnc?.[Symbol.asyncDispose]()
  })

  const open = async (target: string) => {
    const end = await openDesktopEnd(desk.gateway, target, 'operator')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    return { ...end, session }
  }
  type End = Awaited<ReturnType<typeof open>>
  const ask = (end: End, account: string, enter = false) => end.live.say({ kind: 'type-in', account, enter })
  const told = (end: End, text: string) =>
    until(
      () => end.live.messages.some((one) => one.kind === 'warning' && one.text.includes(text)) || undefined,
      20_000,
      () => false,
      () => `nothing of "${text}" was said: ${JSON.stringify(end.live.messages)}`,
    )
  const leave = async (end: End) => {
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    await allEnded(desk.gateway.vault)
  }
  const has = (entry: Entry, text: string) =>
    until(
      () => entry.text() === text || undefined,
      20_000,
      () => false,
      () => `the field has ${JSON.stringify(entry.text())}`,
    )
  const asked = () => desk.gateway.vault.inputsOf('session.type-in').length

  test.each([
    ['VNC', 'hmi-3', () => vnc],
    ['RDP', 'ews-1', () => xrdp],
  ] as const)('over %s the program gets exactly the text', async (_, target, server) => {
    using entry = await openEntry(server().display, server().home)
    const end = await open(target)
    expect(await end.live.hear('started')).toMatchObject({
      typeIns: typeIns.map(({ account, name }) => ({ account, name })),
    })
    ask(end, all.account)
    await has(entry, everything)
    await told(end, 'the secret of plc-2/engineer was typed')
    expect(entry.isEntered()).toBe(false)
    await leave(end)
  })

  test('with Enter where asked; marked, and its keys recorded and shown nowhere, where a safe keeps all input too', async () => {
    using entry = await openEntry(vnc.display, vnc.home)
    const end = await open('hmi-3')
    // The control: what the user types themself is kept there.
    end.type('u')
    await has(entry, 'u')
    // What they hold down is let go, and what they do meanwhile does not fall among the keys.
    end.send('key', 0xffe1, 1)
    await until(() => end.taken() === end.sent() || undefined, 20_000)
    ask(end, named.account, true)
    await until(() => entry.text().length > 3 || undefined, 20_000)
    end.type('x')
    await has(entry, `u${canary}`)
    await until(() => entry.isEntered() || undefined, 20_000)
    await told(end, 'the secret of plc-3/engineer was typed')
    await leave(end)
    const frames = await desk.gateway.frames()
    const marks = frames.flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'policy' ? [frame.mark] : [],
    )
    expect(marks).toEqual([
      { kind: 'policy', event: 'typed in', detail: `plc-3/engineer: ${canary.length} keys and Enter` },
    ])
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [Buffer.from(frame.bytes)] : []))
    const keys = new InstructionParser().push(Buffer.concat(output)).filter(({ opcode }) => opcode === 'key')
    expect(keys.map(({ args }) => args.slice(0, 2).join(' '))).toEqual(['117 1', '117 0', '65505 1'])
    const seen = JSON.stringify(end.live.messages) + end.live.text()
    const recorded = JSON.stringify(frames, (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    const spelled = [...canary].map((letter) => `3.key,2.${letter.charCodeAt(0)}`)
    for (const text of [seen, recorded, desk.gateway.logged.join('\n')]) {
      expect(text).not.toContain(canary)
      expect(spelled.filter((one) => text.includes(one))).toEqual([])
    }
  })

  test('characters that not every keyboard has are typed nowhere, and said', async () => {
    using entry = await openEntry(vnc.display, vnc.home)
    const end = await open('hmi-3')
    ask(end, odd.account)
    await told(end, 'nothing was typed of plc-4/engineer: it has characters that not every keyboard has')
    expect(entry.text()).toBe('')
    expect(desk.gateway.vault.inputsOf('session.event').at(-1)).toMatchObject({
      event: 'type-in refused',
      detail: 'plc-4/engineer: it has characters that not every keyboard has',
    })
    await leave(end)
  })

  test('without the action, of an account that is not linked, and while frozen the vault is not even asked', async () => {
    using entry = await openEntry(vnc.display, vnc.home)
    const before = asked()
    const plain = await open('plain')
    expect(await plain.live.hear('started')).not.toHaveProperty('typeIns')
    ask(plain, named.account)
    await told(plain, 'no such secret is linked')
    await leave(plain)
    const end = await open('hmi-3')
    ask(end, other)
    await told(end, 'no such secret is linked')
    await desk.gateway.vault.setFrozen(end.session, true, 'sven', 'wait')
    ask(end, named.account)
    await told(end, 'is frozen by sven')
    expect(asked()).toBe(before)
    expect(entry.text()).toBe('')
    await leave(end)
  })

  test('frozen in the middle it stops there, and says after how many keys', async () => {
    using entry = await openEntry(vnc.display, vnc.home)
    const end = await open('hmi-3')
    ask(end, all.account)
    await until(() => entry.text() !== '' || undefined, 20_000)
    await desk.gateway.vault.setFrozen(end.session, true, 'sven', 'wait')
    await told(end, 'was broken off after')
    const event = await until(
      () => desk.gateway.vault.inputsOf('session.event').find((one) => one.event === 'type-in broken off'),
      20_000,
    )
    expect(event.detail).toMatch(/^plc-2\/engineer: after \d+ keys?$/)
    expect(everything.startsWith(entry.text())).toBe(true)
    expect(entry.text().length).toBeLessThan(everything.length)
    await leave(end)
  })

  test('a message that is no type-in ends the socket', async () => {
    for (const message of [
      { kind: 'type-in', account: 'plc-3/engineer', enter: false },
      { kind: 'type-in', account: named.account },
      { kind: 'type-in', account: named.account, enter: false, text: 'x' },
    ]) {
      const end = await open('hmi-3')
      end.live.say(message)
      expect(await end.live.closed).toBe(4400)
    }
    await allEnded(desk.gateway.vault)
  })
})
