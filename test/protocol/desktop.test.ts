import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../vault/kernel/id.ts'
import {
  type DesktopGateway,
  keysOf,
  openDesktopEnd,
  startDesktopGateway,
  vncAccount,
} from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { openLive } from '../support/live.ts'
import { startVnc, type VncServer, whyNoDesktop } from '../support/vnc.ts'

/** A desktop on the session path: fake vault, real guacd, real VNC server. */

const why = whyNoDesktop()
if (why !== undefined) console.warn(`desktops are left out: ${why}`)

describe.skipIf(why !== undefined)('a desktop over a live socket', () => {
  let desk: DesktopGateway
  let vnc: VncServer
  let notVnc: Server | undefined
  const password = 'Kanarie7'
  const mask = { unit: 'pixels', x: 0, y: 0, width: 400, height: 300 } as const
  beforeAll(async () => {
    vnc = await startVnc(password)
    desk = await startDesktopGateway()
    const add = (target: string, change: Parameters<typeof vncAccount>[1] = {}) =>
      desk.gateway.vault.accounts.push(vncAccount(vnc, { target, ...change }))
    add('hmi-3')
    add('look', { actions: ['observe'] })
    add('nobody', { pins: [] })
    add('wrong', { credential: { kind: 'password', password: 'wrong' } })
    add('away', { port: 1 })
    notVnc = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    notVnc.listen(0, '127.0.0.1')
    await once(notVnc, 'listening')
    add('no-vnc', { port: (notVnc.address() as AddressInfo).port })
    add('full', { inputPolicy: 'full' })
    add('timed', { inputPolicy: 'timing_only' })
    add('masked', { mask: { regions: [mask], reason: 'recipe' } })
  })
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await vnc?.[Symbol.asyncDispose]()
    notVnc?.close()
  })
  const open = (target: string) => openDesktopEnd(desk.gateway, target, 'operator')
  const file = (name: string) => join(vnc.home, name)
  const written = (name: string) =>
    until(
      () =>
        existsSync(file(name)) && readFileSync(file(name), 'utf8') !== ''
          ? readFileSync(file(name), 'utf8')
          : undefined,
      20_000,
    )
  const sessionOf = async (end: Awaited<ReturnType<typeof open>>) => (await end.live.hear('started')).session

  test('its picture comes, and what is typed arrives at the target', async () => {
    const end = await open('hmi-3')
    expect(await end.live.hear('started')).toMatchObject({
      desktop: true,
      target: 'hmi-3',
      account: 'operator',
    })
    expect((await end.see('size')).args).toEqual(['0', '800', '600'])
    await end.see('img')
    await end.see('sync')
    end.type('echo "on the desktop" > typed\n')
    expect(await written('typed')).toBe('on the desktop\n')
    end.live.say({ kind: 'leave' })
    expect(await end.live.hear('ended')).toMatchObject({ reason: 'closed by the user' })
    await allEnded(desk.gateway.vault)
    expect(desk.gateway.vault.inputsOf('session.open').at(-1)).toMatchObject({ wants: 'observe' })
    expect(desk.gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({ reason: 'closed by the user' })
  })

  test('the recording has every drawing instruction that the browser had, the mouse, and no key', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    end.send('mouse', 100, 120, 0)
    end.send('mouse', 110, 130, 1)
    end.send('mouse', 110, 130, 0)
    end.type('echo hidden$((1+1))words > second\n')
    await written('second')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const frames = await desk.gateway.frames()
    expect(frames[0]).toMatchObject({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'desktop' } })
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [Buffer.from(frame.bytes)] : []))
    const { InstructionParser } = await import('../../recorder/broker/desktop/instruction.ts')
    const recorded = new InstructionParser().push(Buffer.concat(output))
    const drawn = (list: readonly { readonly opcode: string; readonly args: readonly string[] }[]) =>
      list
        .filter(({ opcode }) => !['mouse', 'nop', ''].includes(opcode))
        .map(({ opcode, args }) => [opcode, ...args].join(' '))
    const shown = drawn(end.shown)
    // What was on its way when the user left is in the recording too.
    expect(drawn(recorded).slice(0, shown.length)).toEqual(shown)
    const mouse = recorded
      .filter(({ opcode }) => opcode === 'mouse')
      .map(({ args }) => args.slice(0, 3).join(' '))
    expect(mouse).toEqual(['100 120 0', '110 130 1', '110 130 0'])
    expect(recorded.filter(({ opcode }) => opcode === 'key')).toEqual([])
  })

  test.each([
    ['hmi-3', 'that something was typed, and nothing of what'],
    ['timed', 'that something was typed, and nothing of what'],
    ['full', 'each key'],
  ])('%s: of the keyboard its recording has %s', async (target) => {
    const end = await open(target)
    await end.see('sync')
    end.type(`Geheim$((1+1)) > key-${target}; echo done > key-${target}\n`)
    await written(`key-${target}`)
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const frames = await desk.gateway.frames()
    const { InstructionParser } = await import('../../recorder/broker/desktop/instruction.ts')
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [Buffer.from(frame.bytes)] : []))
    const keys = new InstructionParser()
      .push(Buffer.concat(output))
      .filter(({ opcode, args }) => opcode === 'key' && args[1] === '1')
    const typed = String.fromCodePoint(...keys.map(({ args }) => Number(args[0])))
    const timing = frames.filter(({ kind }) => kind === 'timing')
    expect(frames.filter(({ kind }) => kind === 'input')).toEqual([])
    if (target === 'full') {
      expect(typed).toContain('Geheim')
      expect(timing).toEqual([])
      return
    }
    expect(keys).toEqual([])
    expect(timing.length).toBeGreaterThan(40)
    expect(timing.filter((frame) => frame.kind === 'timing' && frame.submit)).toHaveLength(1)
    expect(new Set(timing.map((frame) => frame.kind === 'timing' && frame.length))).toEqual(new Set([1]))
  })

  test('of a masked region nothing is recorded, its user sees it, and the header and a mark say so', async () => {
    const end = await open('masked')
    await end.see('sync')
    for (const [x, y] of [
      [100, 100],
      [500, 400],
    ] as const)
      end.send('mouse', x, y, 0)
    end.type('clear; echo masked > masked\n')
    await written('masked')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const frames = await desk.gateway.frames()
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks).toContainEqual({
      kind: 'policy',
      event: 'masked',
      detail: '0,0,400,300 px of the screen is not recorded: recipe',
    })
    const { InstructionParser } = await import('../../recorder/broker/desktop/instruction.ts')
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [Buffer.from(frame.bytes)] : []))
    const recorded = new InstructionParser().push(Buffer.concat(output))
    const covers = recorded.filter(({ opcode, args }) => opcode === 'rect' && args.join() === '0,0,0,400,300')
    expect(covers.length).toBeGreaterThan(0)
    const at = recorded.filter(({ opcode }) => opcode === 'mouse').map(({ args }) => args.slice(0, 2).join())
    expect(at).toEqual(['500,400'])
    // What the user saw holds pictures that the recording has not.
    const pictures = (list: readonly { readonly opcode: string; readonly args: readonly string[] }[]) =>
      new Set(list.filter(({ opcode }) => opcode === 'blob').map(({ args }) => args[1]))
    const seen = pictures(end.shown)
    expect([...seen].filter((one) => !pictures(recorded).has(one)).length).toBeGreaterThan(0)
  })

  test('its recording gets keyframes of the real guacd, and the session goes on as before', async () => {
    const end = await open('hmi-3')
    const session = await sessionOf(end)
    await end.see('sync')
    // Letters all over the screen, again and again, and no scrolling.
    // It ends by a file: a key to interrupt it may fall between two of its programs, and ends one of them alone.
    end.type(
      "until [ -e enough ]; do printf '\\033[H'; head -c 3000 /dev/urandom | base64 -w 130; done; touch after-keyframe\n",
    )
    const { recording } = desk.gateway.vault.permits.get(session)?.permit ?? {}
    const found = await until(async () => {
      const frames = await desk.gateway.frames(recording)
      const at = frames.findIndex(
        ({ kind, ...rest }) => kind === 'mark' && 'mark' in rest && rest.mark.kind === 'keyframe',
      )
      return at < 0 ? undefined : { frames, at }
    }, 60_000)
    expect(found.frames[found.at]).toMatchObject({ mark: { width: 800, height: 600 } })
    expect(found.frames[found.at + 1]).toMatchObject({
      kind: 'keyframe',
      channel: 0,
      columns: 800,
      rows: 600,
    })
    writeFileSync(file('enough'), '')
    await until(() => existsSync(file('after-keyframe')) || undefined, 20_000)
    end.live.say({ kind: 'leave' })
    expect(await end.live.hear('ended')).toMatchObject({ reason: 'closed by the user' })
    expect(desk.gateway.logged.filter((line) => line.includes('keyframe'))).toEqual([])
  })

  test('a grant to look lets nothing of the keyboard through', async () => {
    const end = await open('look')
    await end.see('sync')
    end.type('touch looked\n')
    const other = await open('hmi-3')
    await other.see('sync')
    other.type('\ntouch after-look\n')
    await until(() => existsSync(file('after-look')) || undefined, 20_000)
    expect(existsSync(file('looked'))).toBe(false)
    end.live.say({ kind: 'leave' })
    other.live.say({ kind: 'leave' })
    await Promise.all([end.live.closed, other.live.closed])
  })

  test('frozen, what is typed is dropped and said so; thawed, it goes on; terminated, it ends with the reason', async () => {
    const end = await open('hmi-3')
    const session = await sessionOf(end)
    await end.see('sync')
    const order = (frozen: boolean) => desk.gateway.vault.setFrozen(session, frozen, 'sven', 'wait')
    await order(true)
    await until(
      () => end.live.messages.find((one) => one.kind === 'warning' && one.about === 'freeze'),
      10_000,
    )
    end.type('touch while-frozen\n')
    await until(() => end.taken() === end.sent() || undefined, 10_000)
    await order(false)
    await until(
      () => end.live.messages.find((one) => one.kind === 'warning' && one.text.includes('goes on')),
      10_000,
    )
    end.type('touch after-freeze\n')
    await until(() => existsSync(file('after-freeze')) || undefined, 20_000)
    expect(existsSync(file('while-frozen'))).toBe(false)
    await desk.gateway.vault.cut(session, 'terminated', 'by sven: enough')
    expect(await end.live.hear('ended')).toEqual({
      kind: 'ended',
      reason: 'terminated',
      message: 'by sven: enough',
    })
    const marks = (await desk.gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' ? [frame.mark] : [],
    )
    expect(marks).toContainEqual({ kind: 'freeze', by: 'sven', frozen: true, reason: 'wait' })
  })

  const watch = async (session: string, by: string) => {
    const [login, ticket, id] = [newId('lgn'), `tkt_${newId('lgn')}`, newId('wch')]
    desk.gateway.vault.watchTickets.set(ticket, {
      login,
      answer: {
        ...{ kind: 'watch', watch: id, session: session as never, by, notice: true },
        ...{ user: 'bob', account: 'hmi-3/operator' },
      } as const,
    })
    const watcher = await openLive(desk.gateway.liveSocket, { login })
    watcher.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
    await watcher.hear('watching')
    return { watcher, id }
  }
  /** A watcher who was handed the session. */
  const takes = async (session: string, by: string) => {
    const one = await watch(session, by)
    await desk.gateway.vault.hand(session, one.id, by)
    await until(
      () => one.watcher.messages.some((told) => told.kind === 'typing' && told.may) || undefined,
      20_000,
    )
    one.watcher.say({ kind: 'into', channel: 0 })
    return { ...one, type: (text: string) => one.watcher.type(keysOf(text)) }
  }
  const told = (end: Awaited<ReturnType<typeof open>>, text: string) =>
    until(
      () => end.live.messages.some((one) => one.kind === 'warning' && one.text.includes(text)) || undefined,
      20_000,
    )
  const exists = (name: string) => until(() => existsSync(file(name)) || undefined, 20_000)

  test('somebody watches from the present picture on, and nothing of theirs gets through', async () => {
    const end = await open('hmi-3')
    const session = await sessionOf(end)
    await end.see('sync')
    const { watcher } = await watch(session, 'sven')
    expect(await watcher.hear('watching')).toMatchObject({ desktop: true, user: 'bob' })
    await watcher.see(/4\.size,1\.0,3\.800,3\.600;/)
    await watcher.see('4.sync,')
    const before = watcher.bytes()
    end.type('echo seen-by-the-watcher\n')
    await until(() => watcher.bytes() > before + 500 || undefined, 20_000)
    watcher.type('3.key,2.97,1.1;')
    expect(await watcher.closed).toBe(4400)
    end.live.say({ kind: 'leave' })
    expect(await end.live.closed).toBe(1000)
  })

  test('taken over, only who has it works there, in their own name; then its user goes on', async () => {
    const end = await open('hmi-3')
    const session = await sessionOf(end)
    await end.see('sync')
    const sue = await takes(session, 'sue')
    await told(end, 'sue has taken this session over')
    end.type('touch bob-while-taken\n')
    sue.type('touch of-sue\n')
    await exists('of-sue')
    // A key that she holds down does not stay down when it is given back.
    sue.watcher.type('3.key,5.65505,1.1;')
    await desk.gateway.vault.setFrozen(session, false, 'sue')
    await told(end, 'this session goes on')
    // Keys that were on their way then reach nothing, and are no violation.
    sue.type('touch sue-afterwards\n')
    end.type('touch bob-again\n')
    await exists('bob-again')
    expect(existsSync(file('bob-while-taken'))).toBe(false)
    expect(existsSync(file('sue-afterwards'))).toBe(false)
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const marks = (await desk.gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'take' ? [frame.mark] : [],
    )
    expect(marks).toEqual([
      { kind: 'take', by: 'sue', taken: true },
      { kind: 'take', by: 'sue', taken: false },
    ])
  })

  test('who took it over and leaves, or sends what is no instruction, leaves it frozen', async () => {
    const end = await open('hmi-3')
    const session = await sessionOf(end)
    await end.see('sync')
    const sue = await takes(session, 'sue')
    sue.watcher.type('9.clipboard,1.0,10.text/plain;')
    sue.type('touch sue-was-here\n')
    await exists('sue-was-here')
    sue.watcher.type('no instruction at all\n')
    sue.type('touch sue-after-nonsense\n')
    sue.watcher.socket.terminate()
    await told(end, 'sue types in this session no more')
    end.type('touch bob-thinks-it-is-his\n')
    const tom = await takes(session, 'tom')
    tom.type('touch of-tom\n')
    await exists('of-tom')
    expect(existsSync(file('bob-thinks-it-is-his'))).toBe(false)
    expect(existsSync(file('sue-after-nonsense'))).toBe(false)
    await desk.gateway.vault.cut(session, 'terminated', 'by ann: enough')
    await end.live.hear('ended')
  })

  test('a session that only looks gives nobody hands', async () => {
    const end = await open('look')
    await end.see('sync')
    const sue = await takes(await sessionOf(end), 'sue')
    sue.type('touch sue-in-a-look\n')
    const other = await open('hmi-3')
    await other.see('sync')
    other.type('\ntouch after-the-look\n')
    await exists('after-the-look')
    expect(existsSync(file('sue-in-a-look'))).toBe(false)
    end.live.say({ kind: 'leave' })
    other.live.say({ kind: 'leave' })
    await Promise.all([end.live.closed, other.live.closed])
  })

  test('a browser that does not draw is shown no more than so much, loses nothing, and works blind on nothing', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    const other = await open('hmi-3')
    await other.see('sync')
    end.live.draws = false
    const from = end.live.bytes()
    other.type(flood('flood-1'))
    await exists('flood-1')
    await until(() => (end.live.bytes() - from > 1024 * 1024 ? true : undefined), 20_000)
    end.type('touch typed-blind\n')
    // Another session of the same guacd and worker goes on meanwhile, and is shown all of it.
    await until(() => (other.live.bytes() > 3_000_000 ? true : undefined), 30_000)
    expect(end.live.bytes() - from).toBeLessThan(2_500_000)
    expect(existsSync(file('typed-blind'))).toBe(false)
    // One keyboard for all who are connected: its keys are not to fall among these.
    writeFileSync(file('flood-1-over'), '')
    other.type('\ntouch stopped\n')
    await exists('stopped')
    expect(existsSync(file('typed-blind'))).toBe(false)
    const held = end.live.bytes()
    end.live.draws = true
    end.live.say({ kind: 'taken', bytes: held - from })
    await exists('typed-blind')
    await until(() => end.live.bytes() > held || undefined, 20_000)
    for (const one of [end, other]) {
      one.live.say({ kind: 'leave' })
      await one.live.hear('ended')
    }
  })

  test('a browser that never draws again is given up with a sentence', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    end.live.draws = false
    end.type(flood('flood-2'))
    const ended = await until(() => end.live.messages.find(({ kind }) => kind === 'ended'), 60_000)
    expect(ended, JSON.stringify(ended)).toMatchObject({
      reason: 'closed by the user',
      message: expect.stringContaining('took no more of the picture'),
    })
    writeFileSync(file('flood-2-over'), '')
  })

  test('a watcher who falls behind slows nobody, and sees the present picture afterwards', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    const { watcher } = await watch(await sessionOf(end), 'sven')
    await watcher.see('4.sync,')
    watcher.draws = false
    const from = watcher.bytes()
    end.type(flood('flood-3'))
    await exists('flood-3')
    await until(() => (watcher.bytes() - from > 2_000_000 ? true : undefined), 30_000)
    const held = watcher.bytes()
    const before = end.live.bytes()
    await until(() => (end.live.bytes() > before + 3_000_000 ? true : undefined), 30_000)
    expect(watcher.bytes() - held).toBeLessThan(1_000_000)
    let again = ''
    watcher.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary && again.length < 100_000) again += data.toString('latin1')
    })
    watcher.draws = true
    watcher.say({ kind: 'taken', bytes: watcher.bytes() - from })
    await until(() => (again.includes('4.size,1.0,3.800,3.600;') ? true : undefined), 20_000)
    writeFileSync(file('flood-3-over'), '')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
  })

  test.each([
    ['wrong', /^wrong answers, and did not let operator in: it refused the stored password/, 'password'],
    ['away', /^away (refuses connections|did not answer within 20 s)$/, 'check that'],
    ['no-vnc', /^no-vnc (answers, and does not speak VNC|did not answer within 20 s)$/, 'check that'],
  ])('%s: what went wrong is said in a sentence', async (target, message, next) => {
    const end = await open(target)
    // guacd 1.3 says nothing of a port that is closed where it learns so too soon: then it is not waited for without end.
    const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 40_000)
    expect(refused).toMatchObject({
      message: expect.stringMatching(message),
      next: expect.stringContaining(next),
    })
    expect(await end.live.closed).toBe(1000)
  })

  test('a browser that says nothing more ends its session in its own name, not in the machine’s', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    end.end.answers = false
    expect(await end.live.hear('ended')).toMatchObject({
      reason: 'closed by the user',
      message: expect.stringContaining('did not answer'),
    })
    // Meanwhile it heard that the gateway is there.
    expect(end.live.messages.some(({ kind }) => kind === 'alive')).toBe(true)
  }, 40_000)

  test('a machine that is switched off in mid-session has closed it', async () => {
    const other = await startVnc(password)
    desk.gateway.vault.accounts.push(vncAccount(other, { target: 'off' }))
    const end = await open('off')
    await end.see('sync')
    await other[Symbol.asyncDispose]()
    expect(await end.live.hear('ended')).toMatchObject({ reason: 'closed by the target' })
  })

  test('guacd killed under a session: it ends with the reason, its recording is whole, the next one opens', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    const before = desk.guacd.pid() ?? 0
    process.kill(before, 'SIGKILL')
    // The machine had no part in it, and nobody is sent to look at it.
    expect(await end.live.hear('ended')).toMatchObject({
      reason: 'protocol error',
      message: expect.stringContaining('guacd'),
    })
    await allEnded(desk.gateway.vault)
    expect(desk.gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({
      reason: 'protocol error',
      recording: { state: 'complete' },
    })
    await until(() => ((desk.guacd.pid() ?? before) === before ? undefined : true), 20_000)
    const again = await open('hmi-3')
    await again.see('sync')
    again.live.say({ kind: 'leave' })
    await again.live.hear('ended')
  })

  test('the password is in nothing that comes to the browser, the recording or the log', async () => {
    const end = await open('hmi-3')
    await end.see('sync')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const seen = JSON.stringify(end.live.messages) + end.live.text()
    const frames = JSON.stringify(await desk.gateway.frames(), (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    const places = [seen, frames, desk.gateway.logged.join('\n')]
    // The control: what was really shown is found in the same places.
    expect(places.slice(0, 2).every((text) => text.includes('4.size'))).toBe(true)
    for (const secret of [
      password,
      Buffer.from(password).toString('base64').slice(0, 10),
      Buffer.from(password).toString('hex'),
    ])
      for (const text of places) expect(text).not.toContain(secret)
  })
})

/**
 * A command that scrolls the whole screen until there is a file `NAME-over`, or for a while, and says that it has begun. A Ctrl+C
 * may come between two programs of the loop, and end one of them alone.
 */
function flood(name: string): string {
  return `\ntouch ${name}; i=0; while [ ! -e ${name}-over ] && [ $i -lt 1500 ]; do i=$((i+1)); head -c 9000 /dev/urandom | base64 -w 129; done\n`
}
