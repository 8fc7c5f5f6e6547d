import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { liveBounds } from '../../recorder/live/protocol.ts'
import { refuse } from '../../vault/kernel/outcome.ts'
import { addTarget, allEnded, type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { giveTicket, openLive, openTerminal } from '../support/live.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`live terminals against a real sshd are left out: ${why}`)

describe.skipIf(why !== undefined)('a terminal over a live socket (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
    addTarget(gateway, 'short', sshd, { lengthMs: 3_000 })
    addTarget(gateway, 'files-only', sshd, { actions: ['sftp-read'] })
    addTarget(gateway, 'nowhere', sshd, { port: 1 })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })
  const open = (target: string, size?: { readonly columns: number; readonly rows: number }) =>
    openTerminal(gateway, target, sshd.user, size)

  test('what is typed runs on the target, and the recording has it as a native session’s', async () => {
    const live = await open('press-3', { columns: 90, rows: 25 })
    const started = await live.hear('started')
    expect(started).toMatchObject({ user: 'bob', target: 'press-3', account: sshd.user })
    expect(started.secondsLeft).toBeGreaterThan(3_590)
    live.type('stty size; tty; echo "é$((6*7))"; exit 3\n')
    await live.see('25 90')
    await live.see('é42')
    expect(await live.hear('ended')).toEqual({ kind: 'ended', reason: 'finished', exit: { code: 3 } })
    expect(await live.closed).toBe(1000)
    const frames = await gateway.frames()
    expect(frames[0]).toMatchObject({
      kind: 'mark',
      mark: { kind: 'open', type: 'shell', term: 'xterm-256color', columns: 90, rows: 25 },
    })
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [Buffer.from(frame.bytes)] : []))
    expect(Buffer.concat(output).toString()).toContain('é42')
    expect(gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({ reason: 'finished' })
    expect(gateway.vault.inputsOf('session.open').at(-1)).toMatchObject({
      source: '192.0.2.7',
      wants: 'shell',
    })
  })

  test('the terminal is resized at the target and in the recording, also before the session began', async () => {
    const { ticket, login } = giveTicket(gateway, 'press-3', sshd.user)
    const live = await openLive(gateway.liveSocket, { login })
    live.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
    live.say({ kind: 'resize', columns: 132, rows: 43 })
    await live.hear('started')
    live.type('stty size\n')
    await live.see('43 132')
    live.say({ kind: 'resize', columns: 70, rows: 20 })
    live.type('stty size; exit\n')
    await live.see('20 70')
    await live.hear('ended')
    const frames = await gateway.frames()
    expect(frames).toContainEqual(expect.objectContaining({ kind: 'resize', columns: 70, rows: 20 }))
  })

  test('ten megabytes come whole to who draws them, and nothing more than a window to who does not', async () => {
    const live = await open('press-3')
    await live.hear('started')
    live.draws = false
    live.type("stty -echo; head -c 10000000 /dev/zero | tr '\\0' x; echo done-$((1+1))\n")
    await until(() => live.bytes() > 400_000 || undefined, 20_000)
    let held = 0
    let same = 0
    await until(() => {
      same = live.bytes() === held ? same + 1 : 0
      held = live.bytes()
      return same > 20 || held > 2_000_000 || undefined
    }, 20_000)
    expect(live.bytes()).toBeLessThan(1_000_000)
    live.draws = true
    live.say({ kind: 'taken', bytes: live.bytes() })
    await until(() => live.bytes() > 10_000_000 || undefined, 60_000)
    live.say({ kind: 'leave' })
    expect(await live.hear('ended')).toMatchObject({ reason: 'closed by the user' })
  })

  test('a large paste goes through while the target echoes it, window by window', async () => {
    const live = await open('press-3')
    await live.hear('started')
    live.type('cat > pasted; wc -c < pasted\n')
    await live.see('cat > pasted')
    const line = `${'y'.repeat(79)}\n`
    const text = Buffer.from(line.repeat(5_000))
    let sent = 0
    let taken = 0
    live.socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? undefined : JSON.parse(data.toString())
      if (message?.kind === 'taken') taken += message.bytes
    })
    await until(() => {
      while (sent < text.length && sent - taken + 16_384 <= liveBounds.inputWindow) {
        live.socket.send(text.subarray(sent, sent + 16_384), { binary: true })
        sent = Math.min(text.length, sent + 16_384)
      }
      return sent === text.length || undefined
    }, 30_000)
    live.type('\x04')
    await live.see(`\n${text.length}`)
    live.say({ kind: 'leave' })
    expect(await live.closed).toBe(1000)
  })

  test('a socket that breaks ends the session: the user left', async () => {
    const live = await open('press-3')
    await live.hear('started')
    live.socket.terminate()
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({
      reason: 'closed by the user',
      recording: { state: 'complete' },
    })
  })

  test('time up is told with its reason, and so is a cut by the vault', async () => {
    const live = await open('short')
    expect((await live.hear('started')).secondsLeft).toBe(3)
    expect(await live.hear('ended')).toEqual({
      kind: 'ended',
      reason: 'time is up',
      message: 'this session ends because its time is up',
    })
    const other = await open('press-3')
    const { session } = await other.hear('started')
    await gateway.vault.cut(session, 'grant revoked', 'your grant was revoked')
    expect(await other.hear('ended')).toMatchObject({
      reason: 'grant revoked',
      message: 'your grant was revoked',
    })
    expect(await other.closed).toBe(1000)
  })

  test('what is refused says why and what to do next, in a last message', async () => {
    gateway.vault.refuseOpen = refuse('held', 'alice holds it until 14:00', 'ask alice, or wait')
    const held = await open('press-3')
    expect(await held.hear('refused')).toEqual({
      kind: 'refused',
      code: 'held',
      message: 'alice holds it until 14:00',
      next: 'ask alice, or wait',
    })
    gateway.vault.refuseOpen = undefined
    expect(await held.closed).toBe(1000)
    expect(await (await open('files-only')).hear('refused')).toMatchObject({ code: 'forbidden' })
    expect(await (await open('nowhere')).hear('refused')).toMatchObject({ code: 'unavailable' })
  })

  test('a terminal and a native session end together when the worker closes', async () => {
    const own = await startGateway()
    addTarget(own, 'press-3', sshd)
    const live = await openTerminal(own, 'press-3', sshd.user)
    await live.hear('started')
    await own[Symbol.asyncDispose]()
    expect(await live.hear('ended')).toMatchObject({ reason: 'shut down' })
    await live.closed
  })
})
