import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Client, type ClientChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addTarget, allEnded, type Gateway, run, startGateway, until } from '../support/gateway.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`freezing against a real sshd is left out: ${why}`)

describe.skipIf(why !== undefined)('a frozen session at the target (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  const running: ChildProcessWithoutNullStreams[] = []

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
  })
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL')
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const start = async (command: readonly string[], extra: readonly string[] = []) => {
    const args = [
      ...gateway.ssh(['-p', String(gateway.port), ...extra]),
      `bob@${sshd.user}@press-3@127.0.0.1`,
      ...command,
    ]
    const before = gateway.vault.inputsOf('session.connected').length
    const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] })
    running.push(child)
    child.stdin.on('error', () => undefined)
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (text += piece.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await until(() => gateway.vault.inputsOf('session.connected').length > before, 20_000)
    const session = gateway.vault.inputsOf('session.connected').at(-1)?.session ?? ''
    return { child, text: () => text, exited, session }
  }
  const shell = async () => {
    const one = await start([], ['-tt'])
    await until(() => /[$#] $/.test(one.text()), 20_000)
    return one
  }
  const atTarget = (name: string) => join(sshd.home, name)
  const size = (name: string) => (existsSync(atTarget(name)) ? statSync(atTarget(name)).size : 0)
  test('what is typed while frozen is dropped and said to be; the output goes on, and after it the shell too', async () => {
    const one = await shell()
    one.child.stdin.write('echo be""gun; (sleep 1; echo still-prints) &\n')
    // What has not come to the gateway yet would be dropped.
    await until(() => one.text().includes('begun'), 20_000)
    await gateway.vault.setFrozen(one.session, true, 'sue', 'wrong valve')
    await until(() => one.text().includes('*** tagout: frozen by sue: wrong valve.'))
    one.child.stdin.write('touch typed-while-frozen\n')
    await until(() =>
      one
        .text()
        .includes('*** tagout: this session is frozen by sue: wrong valve. What you type is dropped ***'),
    )
    await until(() => /still-prints\r?\n/.test(one.text()), 20_000)
    await gateway.vault.setFrozen(one.session, false, 'ann')
    await until(() => one.text().includes('*** tagout: this session goes on, unfrozen by ann'))
    one.child.stdin.write('touch typed-after\n')
    await until(() => existsSync(atTarget('typed-after')), 20_000)
    expect(existsSync(atTarget('typed-while-frozen'))).toBe(false)
    one.child.stdin.write('exit\n')
    await one.exited
    const marks = (await gateway.frames()).flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks.filter(({ kind }) => kind === 'freeze')).toEqual([
      { kind: 'freeze', by: 'sue', frozen: true, reason: 'wrong valve' },
      { kind: 'freeze', by: 'ann', frozen: false },
    ])
    expect(marks).toContainEqual({
      kind: 'policy',
      event: 'input dropped',
      detail: '25 bytes typed while frozen reached nothing',
    })
  }, 60_000)

  test('a stream into a command stops at the target within a second of the freeze, and goes on without a gap', async () => {
    const one = await start(['cat > stream'])
    let sent = 0
    const send = setInterval(() => {
      // Each line says which it is; what is read back shows a gap.
      one.child.stdin.write(`${String(sent++).padStart(15, '0')}\n`)
    }, 2)
    await until(() => size('stream') > 10_000, 20_000)
    await gateway.vault.setFrozen(one.session, true)
    const held = size('stream')
    await wait(1_000)
    const afterSecond = size('stream')
    await wait(2_000)
    expect(size('stream')).toBe(afterSecond)
    // At most what was on its way to the target's disk when the worker had answered.
    expect(afterSecond - held).toBeLessThan(4_096)
    await gateway.vault.setFrozen(one.session, false)
    await until(() => size('stream') > afterSecond + 1_000, 20_000)
    clearInterval(send)
    one.child.stdin.end()
    expect(await one.exited).toBe(0)
    const lines = readFileSync(atTarget('stream'), 'utf8').trim().split('\n')
    expect(lines).toEqual(Array.from({ length: sent }, (_, at) => String(at).padStart(15, '0')))
  }, 60_000)

  test('the end of input waits for the end of the freeze', async () => {
    const ended = await start(['cat > ended; echo done'])
    ended.child.stdin.write('kept')
    await until(() => size('ended') === 4, 20_000)
    await gateway.vault.setFrozen(ended.session, true)
    ended.child.stdin.end(' back')
    await wait(700)
    expect([size('ended'), ended.text()]).toEqual([4, ''])
    await gateway.vault.setFrozen(ended.session, false)
    expect(await ended.exited).toBe(0)
    expect(readFileSync(atTarget('ended'), 'utf8')).toBe('kept back')
  }, 60_000)

  test('a signal is dropped and a new size is held while frozen', async () => {
    const client = new Client()
    const opened = new Promise<ClientChannel>((resolve, reject) => {
      client.on('error', reject)
      client.on('ready', () =>
        client.exec(
          'trap "stty size > size" WINCH; trap "touch signalled" USR1; echo up; while :; do sleep 0.05; done',
          { pty: { cols: 80, rows: 24 } },
          (error, channel) => (error === undefined ? resolve(channel) : reject(error)),
        ),
      )
    })
    client.connect({
      host: '127.0.0.1',
      port: gateway.port,
      username: `bob@${sshd.user}@press-3`,
      privateKey: readFileSync(gateway.keyFile),
      hostVerifier: () => true,
    })
    const channel = await opened
    let text = ''
    channel.on('data', (piece: Buffer) => (text += piece.toString()))
    await until(() => text.includes('up'), 20_000)
    const session = gateway.vault.inputsOf('session.connected').at(-1)?.session ?? ''
    await gateway.vault.setFrozen(session, true)
    channel.setWindow(40, 100, 0, 0)
    channel.setWindow(50, 132, 0, 0)
    channel.signal('USR1')
    await wait(700)
    expect(size('size')).toBe(0)
    await gateway.vault.setFrozen(session, false)
    await until(() => size('size') > 0, 20_000)
    expect(readFileSync(atTarget('size'), 'utf8')).toBe('50 132\n')
    expect(existsSync(atTarget('signalled'))).toBe(false)
    client.end()
  }, 60_000)

  test('an upload that is frozen half way stays there, and ends whole after it', async () => {
    const bytes = randomBytes(6_000_000)
    writeFileSync(join(gateway.folder, 'program'), bytes)
    const before = gateway.vault.inputsOf('session.connected').length
    // 16 Mbit/s: three seconds.
    const upload = run('scp', [
      ...gateway.ssh(['-P', String(gateway.port), '-l', '16000']),
      join(gateway.folder, 'program'),
      `bob@${sshd.user}@press-3@127.0.0.1:program`,
    ])
    await until(() => gateway.vault.inputsOf('session.connected').length > before, 20_000)
    const session = gateway.vault.inputsOf('session.connected').at(-1)?.session ?? ''
    await until(() => size('program') > 500_000, 20_000)
    await gateway.vault.setFrozen(session, true)
    await wait(1_000)
    const held = size('program')
    await wait(1_500)
    expect(size('program')).toBe(held)
    expect(held).toBeLessThan(bytes.length)
    await gateway.vault.setFrozen(session, false)
    expect((await upload).code).toBe(0)
    expect(readFileSync(atTarget('program')).equals(bytes)).toBe(true)
    await until(() => gateway.vault.inputsOf('session.file').length > 0)
    expect(gateway.vault.inputsOf('session.file').at(-1)).toMatchObject({
      complete: true,
      size: bytes.length,
    })
  }, 60_000)

  test('nothing new is opened on a frozen connection', async () => {
    const control = join(gateway.folder, 'c')
    const master = await start(['sleep 30'], ['-M', '-S', control])
    const isMaster = async () =>
      (await run('ssh', ['-F', 'none', '-S', control, '-O', 'check', 'gateway'])).code === 0
    await until(isMaster)
    await gateway.vault.setFrozen(master.session, true, 'sue')
    const second = await run('ssh', ['-F', 'none', '-S', control, 'gateway', 'touch by-a-second-channel'])
    expect(second.err).toContain('tagout: this session is frozen by sue: wait until it goes on')
    expect(existsSync(atTarget('by-a-second-channel'))).toBe(false)
    await gateway.vault.setFrozen(master.session, false)
    const third = await run('ssh', ['-F', 'none', '-S', control, 'gateway', 'touch opened-after'])
    expect([third.code, third.err]).toEqual([0, ''])
    expect(existsSync(atTarget('opened-after'))).toBe(true)
    master.child.kill()
    await master.exited
  }, 60_000)

  test('a session that is frozen before it begins passes nothing on', async () => {
    gateway.vault.freeze = { by: 'sue', reason: '', waits: false }
    const refused = await run(
      'ssh',
      [
        ...gateway.ssh(['-p', String(gateway.port)]),
        `bob@${sshd.user}@press-3@127.0.0.1`,
        'touch born-frozen',
      ],
      '',
    )
    gateway.vault.freeze = null
    expect([refused.code, refused.err]).toEqual([
      255,
      'tagout: this session is frozen by sue: wait until it goes on\n',
    ])
    expect(existsSync(atTarget('born-frozen'))).toBe(false)
  }, 60_000)

  const waiting = { by: 'policy', reason: 'waits for a supervisor of ot to watch it', waits: true }

  test('a session that waits for a supervisor says so, passes nothing on, and begins when one is there', async () => {
    gateway.vault.freeze = waiting
    const terminal = await start([], ['-tt'])
    const command = await start(['touch after-the-supervisor; echo done'])
    const copy = await start(['sh'])
    gateway.vault.freeze = null
    const sentence = 'this session waits for a supervisor of ot to watch it. It begins then; Ctrl+C gives up'
    await until(
      () => terminal.text().includes(sentence) && command.text().includes(`tagout: ${sentence}`),
      20_000,
    )
    terminal.child.stdin.write('touch typed-while-waiting\n')
    copy.child.stdin.write('touch piped-while-waiting\n')
    await wait(500)
    for (const name of ['after-the-supervisor', 'typed-while-waiting', 'piped-while-waiting'])
      expect(existsSync(atTarget(name))).toBe(false)
    await gateway.vault.setFrozen(command.session, false, 'sue')
    expect(await command.exited).toBe(0)
    expect(existsSync(atTarget('after-the-supervisor'))).toBe(true)
    await gateway.vault.setFrozen(terminal.session, false, 'sue')
    await until(() => /[$#] $/.test(terminal.text()), 20_000)
    terminal.child.stdin.write('touch supervised\n')
    await until(() => existsSync(atTarget('supervised')), 20_000)
    // The supervisor leaves: what is typed is dropped, as in a freeze, until one is there again.
    await gateway.vault.setFrozen(terminal.session, true, waiting.by, waiting.reason, true)
    await until(
      () => terminal.text().includes('to watch it. What you type is dropped until it goes on'),
      20_000,
    )
    terminal.child.stdin.write('touch unsupervised\n')
    await until(() => terminal.text().includes('to watch it. What you type is dropped ***'), 20_000)
    await gateway.vault.setFrozen(terminal.session, false, 'tom')
    await until(() => terminal.text().includes('this session goes on, tom supervises it'), 20_000)
    expect([existsSync(atTarget('unsupervised')), existsSync(atTarget('typed-while-waiting'))]).toEqual([
      false,
      false,
    ])
    await gateway.vault.setFrozen(copy.session, false, 'sue')
    await until(() => existsSync(atTarget('piped-while-waiting')), 20_000)
    terminal.child.stdin.write('exit\n')
    await terminal.exited
    copy.child.kill()
    await copy.exited
  }, 90_000)

  test('who gives up waiting leaves nothing behind, and a session that is cut while it waits ends', async () => {
    gateway.vault.freeze = waiting
    const gone = await start(['touch never'])
    const cut = await start(['touch never'])
    const typed = await start(['touch never'], ['-tt'])
    gateway.vault.freeze = null
    await until(() => typed.text().includes('Ctrl+C gives up'), 20_000)
    typed.child.stdin.write('\u0003')
    await typed.exited
    await until(() => gone.text().includes('waits for') && cut.text().includes('waits for'), 20_000)
    gone.child.kill()
    await gone.exited
    await gateway.vault.cut(cut.session, 'terminated', 'enough')
    expect(await cut.exited).toBe(255)
    await until(() => {
      const ended = gateway.vault.inputsOf('session.end').map(({ session }): string => session)
      return ended.includes(gone.session) && ended.includes(cut.session)
    }, 20_000)
    expect(existsSync(atTarget('never'))).toBe(false)
  }, 60_000)

  test('a frozen session stays frozen while the vault is away', async () => {
    const one = await shell()
    await gateway.vault.setFrozen(one.session, true)
    await gateway.vault.goAway()
    one.child.stdin.write('touch while-away\n')
    await until(() => one.text().includes('What you type is dropped ***'))
    await gateway.vault.listen()
    await until(() => gateway.vault.callers.size > 0, 20_000)
    await wait(300)
    expect(existsSync(atTarget('while-away'))).toBe(false)
    one.child.stdin.end()
    one.child.kill()
    await one.exited
  }, 60_000)

  test('a frozen session is cut within three seconds, measured at the target', async () => {
    const one = await start(
      ['trap "date +%s%3N > cut-at; exit" HUP TERM; while :; do sleep 0.05; done'],
      ['-tt'],
    )
    await wait(500)
    await gateway.vault.setFrozen(one.session, true)
    const at = Date.now()
    await gateway.vault.cut(one.session, 'terminated', 'enough')
    await until(() => size('cut-at') > 0, 20_000)
    expect(Number(readFileSync(atTarget('cut-at'), 'utf8')) - at).toBeLessThan(3_000)
    expect(await one.exited).toBe(255)
  }, 60_000)

  test('a line for the user stands on a line of its own, drives no terminal, and is a mark', async () => {
    const one = await shell()
    const hostile = 'stop\x1b]0;owned\x07\x1b[2J\r\nroot# \u202e\u009b31m'
    expect(await gateway.vault.message(one.session, 'sue\x1b[2J', hostile)).toEqual({
      ok: true,
      value: { terminals: 1 },
    })
    await until(() => one.text().includes('message from sue'))
    const [, line] = /\r\n\*\*\* tagout: (message from .*) \*\*\*\r\n/.exec(one.text()) ?? []
    expect(line).toMatch(/^message from sue\ufffd\[2J: stop\ufffd\]0;owned/)
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    one.child.stdin.write('exit\n')
    await one.exited
    await allEnded(gateway.vault)
    const marks = (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'message' ? [frame.mark] : [],
    )
    expect(marks).toHaveLength(1)
    expect(JSON.stringify(marks)).not.toMatch(/\\u001b|\\u009b/)
  }, 60_000)

  test('a session without a terminal shows the line nowhere, and says so', async () => {
    const one = await start(['cat > quiet'])
    await until(() => existsSync(atTarget('quiet')), 20_000)
    expect(await gateway.vault.message(one.session, 'sue', 'hello')).toEqual({
      ok: true,
      value: { terminals: 0 },
    })
    one.child.stdin.end()
    expect([await one.exited, one.text()]).toEqual([0, ''])
    expect(size('quiet')).toBe(0)
  }, 60_000)
})
