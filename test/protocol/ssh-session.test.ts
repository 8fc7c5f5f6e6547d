import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startClock } from '../../recorder/broker/ssh/session-clock.ts'
import { openRecording } from '../../recorder/recording/index.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { refuse } from '../../vault/kernel/outcome.ts'
import { addTarget, allEnded, type Gateway, run, startGateway, until } from '../support/gateway.ts'
import { joined } from '../support/recordings.ts'
import { startDropbear, startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`sessions against a real sshd are left out: ${why}`)

describe.skipIf(why !== undefined)('sessions of the gateway (fake vault, real servers)', () => {
  let sshd: TestSshd
  let gateway: Gateway

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway({ rekeyBytes: 2 * 2 ** 20 })
    addTarget(gateway, 'press-3', sshd)
    addTarget(gateway, 'read-only', sshd, { actions: ['sftp-read'] })
    addTarget(gateway, 'copy-only', sshd, { actions: ['sftp-read', 'sftp-write'] })
    addTarget(gateway, 'shell-only', sshd, { actions: ['shell'] })
    addTarget(gateway, 'short', sshd, { lengthMs: 2_500 })
    addTarget(gateway, 'longer', sshd, { lengthMs: 4_000 })
    addTarget(gateway, 'small', sshd, { quotaBytes: 12_000_000 })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const at = (target: string, user = sshd.user) => `bob@${user}@${target}@127.0.0.1`
  const options = (extra: readonly string[] = []) => gateway.ssh(['-p', String(gateway.port), ...extra])
  const ssh = (target: string, command: readonly string[], input?: string | Buffer) =>
    run('ssh', [...options(), at(target), ...command], input)
  const start = (target: string, command: string, extra: readonly string[] = []) => {
    const child = spawn('ssh', [...options(extra), at(target), command], { stdio: ['pipe', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (text += piece.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return { child, text: () => text, exited }
  }

  test('a refusal of the vault reaches the user before the connection closes, with what to do next', async () => {
    gateway.vault.refuseOpen = refuse(
      'held',
      'alice holds engineer on press-3 until 14:00',
      'ask alice, or wait',
    )
    const ran = await ssh('press-3', ['true'])
    const shell = start('press-3', '', ['-tt'])
    await shell.exited
    const copied = await run('sftp', [...gateway.ssh(['-P', String(gateway.port)]), at('press-3')], '')
    gateway.vault.refuseOpen = undefined
    const sentence = 'tagout: alice holds engineer on press-3 until 14:00: ask alice, or wait'
    expect([ran.code, ran.err]).toEqual([255, `${sentence}\n`])
    expect([await shell.exited, shell.text()]).toEqual([255, `\r\n${sentence}\r\n`])
    expect(copied.err).toContain(sentence)
  })

  test('rsa keys, 100 MB each way: nothing is changed, keys are exchanged many times', async () => {
    const bytes = Buffer.alloc(100_000_000, randomBytes(999_983))
    const file = join(gateway.folder, 'hundred')
    writeFileSync(file, bytes)
    const scp = (from: string, to: string) =>
      run('scp', [...gateway.ssh(['-P', String(gateway.port)]), from, to])
    expect(await scp(file, `${at('press-3')}:hundred`)).toMatchObject({ code: 0 })
    expect(await scp(`${at('press-3')}:hundred`, `${file}.back`)).toMatchObject({ code: 0 })
    const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
    const expected = hash(file)
    expect([hash(join(sshd.home, 'hundred')), hash(`${file}.back`)]).toEqual([expected, expected])
    await allEnded(gateway.vault)
    const audited = gateway.vault.inputsOf('session.file').slice(-2)
    expect(audited.map(({ sha256, complete }) => [sha256, complete])).toEqual([
      [expected, true],
      [expected, true],
    ])
  }, 120_000)

  test('a grant that only reads files reads them, and changes nothing', async () => {
    writeFileSync(join(sshd.home, 'there'), 'content')
    const batch = [
      `get there ${join(gateway.folder, 'got')}`,
      `-put ${gateway.keyFile}.pub new`,
      '-rm there',
      '-rename there gone',
      '-mkdir d',
      '-chmod 777 there',
      '-symlink there link',
      'ls -1',
    ]
    const ran = await run(
      'sftp',
      [...gateway.ssh(['-P', String(gateway.port), '-b', '-']), at('read-only')],
      `${batch.join('\n')}\n`,
    )
    expect(ran.code).toBe(0)
    expect(readFileSync(join(gateway.folder, 'got'), 'utf8')).toBe('content')
    expect(ran.err.match(/[Pp]ermission denied/g)?.length).toBe(6)
    expect(readdirSync(sshd.home).filter((name) => ['new', 'gone', 'd', 'link'].includes(name))).toEqual([])
    expect(readFileSync(join(sshd.home, 'there'), 'utf8')).toBe('content')
    await allEnded(gateway.vault)
    const refused = gateway.vault.inputsOf('session.event').map(({ detail }) => detail)
    expect(refused.filter((detail) => detail.startsWith('sftp: ')).length).toBeGreaterThanOrEqual(6)
  })

  test('a flood of refused requests is counted: it floods neither the recording nor the audit log', async () => {
    await allEnded(gateway.vault)
    const before = gateway.vault.inputsOf('session.event').length
    const batch = '-mkdir d\n'.repeat(250)
    const ran = await run(
      'sftp',
      [...gateway.ssh(['-P', String(gateway.port), '-b', '-']), at('read-only')],
      batch,
    )
    expect(ran.err.match(/[Pp]ermission denied/g)?.length).toBe(250)
    await allEnded(gateway.vault)
    const said = gateway.vault
      .inputsOf('session.event')
      .slice(before)
      .map(({ detail }) => detail)
    expect(said.slice(99)).toEqual(
      ['sftp: mkdir ', 'refused file requests: 200 so far', 'refused file requests: 250 in all'].map((text) =>
        expect.stringContaining(text),
      ),
    )
    const marks = (await gateway.frames()).filter(
      (frame) => frame.kind === 'mark' && frame.mark.kind === 'policy',
    )
    expect(marks).toHaveLength(said.length)
  })

  test('what a grant does not hold is refused by name', async () => {
    for (const [target, command] of [
      ['read-only', ['id']],
      ['copy-only', ['scp -t x; id']],
      ['copy-only', ['scp -f $(id)']],
      ['shell-only', ['id']],
    ] as const) {
      const ran = await ssh(target, command)
      expect([ran.code, ran.out.toString()]).toEqual([255, ''])
      expect(ran.err).toMatch(/^tagout: /)
    }
    const file = join(gateway.folder, 'small-file')
    writeFileSync(file, 'x')
    const old = gateway.ssh(['-P', String(gateway.port), '-O'])
    expect(await run('scp', [...old, file, `${at('copy-only')}:by-scp`])).toMatchObject({ code: 0 })
    expect((await run('scp', [...old, file, `${at('read-only')}:not-by-scp`])).code).not.toBe(0)
  })

  test('time up ends a session with a sentence in its terminal', async () => {
    const shell = start('short', 'sleep 30', ['-tt'])
    expect(await shell.exited).toBe(255)
    expect(shell.text()).toContain('its time is up')
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('time is up')
  })

  test('a session that was given more time goes on past its old end, says so, and ends at the new one', async () => {
    const before = gateway.vault.inputsOf('session.connected').length
    const shell = start('longer', 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo at-$i; sleep 1; done', [
      '-tt',
    ])
    await until(() => gateway.vault.inputsOf('session.connected').length > before, 20_000)
    const session = gateway.vault.inputsOf('session.connected').at(-1)?.session ?? ''
    await until(() => shell.text().includes('at-1'), 20_000)
    const began = performance.now()
    const endsAt = new Date(Date.now() + 8_000).toISOString()
    await gateway.vault.extend(session, endsAt)
    await gateway.vault.extend(session, endsAt)
    expect(await shell.exited).toBe(255)
    const lasted = performance.now() - began
    expect(lasted).toBeGreaterThan(6_500)
    expect(lasted).toBeLessThan(11_000)
    expect(shell.text()).toContain('at-6')
    expect(shell.text()).toContain('its time is up')
    expect(shell.text().match(/more time was granted: this session ends at \d\d:\d\d UTC/g)).toHaveLength(1)
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('time is up')
    const marks = (await gateway.frames()).flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks).toContainEqual({
      kind: 'warning',
      text: expect.stringContaining('more time was granted'),
    })
  }, 40_000)

  test('warnings that were said are taken back and said anew for the new end', async () => {
    const said: string[] = []
    const startedAt = new Date()
    using clock = startClock(
      {
        startedAt: startedAt.toISOString(),
        endsAt: new Date(startedAt.getTime() + 16 * 60_000).toISOString(),
      },
      performance.now() - (10 * 60_000 + 59_950),
      { warn: (text) => said.push(text), end: () => said.push('end') },
      performance.now(),
    )
    expect(clock).toBeDefined()
    await until(() => said.length > 0)
    // That at 15 minutes is past: it was said of the old end.
    expect(said).toEqual([expect.stringContaining('5 minutes')])
  })

  test('warnings come 15 and 5 minutes before the end, by the vault’s own length of the session', async () => {
    const said: string[] = []
    const now = performance.now()
    // Opened 10 min 59.95 s ago of 16 min: the warning at 5 min is 50 ms away, that at 15 is past and said at once.
    const startedAt = new Date(Date.now() + 7_200_000)
    using clock = startClock(
      {
        startedAt: startedAt.toISOString(),
        endsAt: new Date(startedAt.getTime() + 16 * 60_000).toISOString(),
      },
      now - (10 * 60_000 + 59_950),
      { warn: (text) => said.push(text), end: () => said.push('end') },
    )
    expect(clock).toBeDefined()
    await until(() => said.length === 2)
    expect(said[0]).toContain('15 minutes')
    expect(said[1]).toContain('5 minutes')
  })

  test('the last minute and the last 15 seconds are said too', async () => {
    const said: string[] = []
    const startedAt = new Date()
    const length = 16 * 60_000
    const clockAt = (left: number) =>
      startClock(
        { startedAt: startedAt.toISOString(), endsAt: new Date(startedAt.getTime() + length).toISOString() },
        performance.now() - (length - left),
        { warn: (text) => said.push(text), end: () => said.push('end') },
        performance.now(),
      )
    using minute = clockAt(60_050)
    using seconds = clockAt(15_050)
    expect([minute, seconds]).toHaveLength(2)
    await until(() => said.length === 2)
    expect(said.toSorted()).toEqual([
      expect.stringContaining('ends in 15 seconds, at'),
      expect.stringContaining('ends in one minute, at'),
    ])
  })

  test('a session of ten minutes is warned once, not about fifteen', async () => {
    const said: string[] = []
    const startedAt = new Date()
    using clock = startClock(
      { startedAt: startedAt.toISOString(), endsAt: new Date(startedAt.getTime() + 600_000).toISOString() },
      performance.now() - 300_001,
      { warn: (text) => said.push(text), end: () => said.push('end') },
    )
    expect(clock).toBeDefined()
    await until(() => said.length > 0)
    expect(said).toEqual([expect.stringContaining('5 minutes')])
  })

  test('the quota ends a session, after a warning', async () => {
    const shell = start('small', 'while :; do head -c 120000 /dev/urandom | base64; sleep 0.02; done', [
      '-tt',
    ])
    expect(await shell.exited).toBe(255)
    expect(shell.text().match(/\d+ % full/)?.[0]).toMatch(/^9\d %/)
    expect(shell.text().slice(-100)).toContain('its recording is full')
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({
      reason: 'quota reached',
      recording: { state: 'complete' },
    })
    expect(gateway.vault.inputsOf('session.event').some(({ event }) => event === 'quota warning')).toBe(true)
  }, 30_000)

  test('a recording that fails ends its session within 5 s and says so; no byte is relayed that it did not take', async () => {
    let fail: (() => void) | undefined
    await using failing = await startGateway(
      {},
      {
        openRecording: async (given) => {
          const writer = await openRecording(given)
          const append = writer.append.bind(writer)
          let isBroken = false
          writer.append = (frame) => {
            if (isBroken) throw new Fault('recording', 'the store is gone')
            return append(frame)
          }
          fail = () => {
            isBroken = true
            given.onFailed?.(new Fault('recording', 'the store is gone'))
          }
          return writer
        },
      },
    )
    addTarget(failing, 'press-3', sshd)
    const child = spawn('ssh', [
      ...failing.ssh(['-p', String(failing.port)]),
      at('press-3'),
      'while :; do echo tick; sleep 0.02; done',
    ])
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (text += piece.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await until(() => text.includes('tick'))
    const before = performance.now()
    fail?.()
    expect(await exited).toBe(255)
    expect(performance.now() - before).toBeLessThan(5_000)
    expect(text).toContain('can no longer be recorded')
    await allEnded(failing.vault)
    const ticks = text.match(/tick/g)?.length ?? 0
    const recorded =
      joined(await failing.frames(), 'output')
        .toString()
        .match(/tick/g)?.length ?? 0
    expect(recorded).toBeGreaterThanOrEqual(ticks)
  })

  test('a recording that cannot be begun starts no session', async () => {
    await using failing = await startGateway(
      {},
      { openRecording: () => Promise.reject(new Fault('recording', 'no disk')) },
    )
    addTarget(failing, 'press-3', sshd)
    const ran = await run('ssh', [...failing.ssh(['-p', String(failing.port)]), at('press-3'), 'echo in'])
    expect([ran.code, ran.out.toString()]).toEqual([255, ''])
    expect(ran.err).toMatch(/^tagout: this session cannot be recorded/)
    expect(failing.vault.inputsOf('session.start')).toEqual([])
    await allEnded(failing.vault)
    expect(failing.vault.inputsOf('session.end').at(-1)?.reason).toBe('recording failed')
  })

  test('a slow recording slows the session and loses nothing', async () => {
    await using slow = await startGateway(
      {},
      {
        openRecording: async (given) => {
          const writer = await openRecording(given)
          const append = writer.append.bind(writer)
          let calls = 0
          writer.append = (frame) => {
            const accepted = append(frame)
            calls += 1
            return calls % 5 === 0
              ? new Promise((resolve) => setTimeout(resolve, 3)).then(() => accepted)
              : accepted
          }
          return writer
        },
      },
    )
    addTarget(slow, 'press-3', sshd)
    const input = randomBytes(3_000_000)
    const ran = await run(
      'ssh',
      [...slow.ssh(['-p', String(slow.port)]), at('press-3'), 'tee /dev/stderr'],
      input,
      {},
    )
    expect(createHash('sha256').update(ran.out).digest('hex')).toBe(
      createHash('sha256').update(input).digest('hex'),
    )
    expect(joined(await slow.frames(), 'output').equals(input)).toBe(true)
  })

  test('a slow reader slows the target and loses nothing', async () => {
    const child = spawn('bash', [
      '-c',
      `ssh ${options().join(' ')} ${at('press-3')} 'seq 1 2000000; exit 6' | (sleep 1; md5sum); exit \${PIPESTATUS[0]}`,
    ])
    let text = ''
    child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
    const code = await new Promise((resolve) => child.once('exit', resolve))
    const expected = await run('bash', ['-c', 'seq 1 2000000 | md5sum'])
    expect([code, text]).toEqual([6, expected.out.toString()])
  }, 60_000)

  test('keys typed at a prompt without echo are in no recording', async () => {
    const shell = start('press-3', `read -s -p 'secret? ' x; echo; echo got-\${#x}`, ['-tt'])
    await until(() => shell.text().includes('secret? '), 15_000)
    shell.child.stdin.write('hunter2-canary\r')
    await until(() => shell.text().includes('got-14'), 15_000)
    expect(await shell.exited).toBe(0)
    const frames = await gateway.frames()
    expect(
      JSON.stringify(frames.map((frame) => ('bytes' in frame ? Buffer.from(frame.bytes).toString() : frame))),
    ).not.toContain('hunter2')
    expect(frames.some((frame) => frame.kind === 'hidden' && frame.length >= 14)).toBe(true)
  })

  test('an echoed key comes back at once: no leg waits for more to send', async () => {
    const shell = start('press-3', 'stty raw -echo; cat', ['-tt'])
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const waits: number[] = []
    for (let round = 0; round < 40; round += 1) {
      const before = performance.now()
      const length = shell.text().length
      shell.child.stdin.write('k')
      await new Promise<void>((resolve) => {
        const look = () => (shell.text().length > length ? resolve() : setImmediate(look))
        look()
      })
      waits.push(performance.now() - before)
    }
    shell.child.kill()
    waits.sort((a, b) => a - b)
    // With Nagle's algorithm on either leg the median is 40 ms and more.
    expect(waits[20]).toBeLessThan(30)
  }, 30_000)

  test('a password asked for by PAM, one question without echo, is answered', async () => {
    await using pam = await startSshd({ login: 'keyboard-interactive' })
    addTarget(gateway, 'pam', pam)
    const ran = await run('ssh', [...options(), at('pam', pam.user), 'id -un'])
    expect([ran.code, ran.out.toString()]).toEqual([0, `${pam.user}\n`])
  })

  test('Dropbear is a target like another: shell commands, files, exit codes', async () => {
    await using dropbear = await startDropbear()
    addTarget(gateway, 'small-box', dropbear)
    const ran = await run('ssh', [...options(), at('small-box', dropbear.user), 'id -un; exit 11'])
    expect([ran.code, ran.out.toString()]).toEqual([11, `${dropbear.user}\n`])
    const copied = await run('scp', [
      ...gateway.ssh(['-P', String(gateway.port), '-O']),
      `${gateway.keyFile}.pub`,
      `${at('small-box', dropbear.user)}:copy`,
    ])
    expect(copied).toMatchObject({ code: 0 })
  })

  test.each(['ecdsa', 'rsa'] as const)(
    'a target with an %s host key, pinned by its fingerprint alone, connects',
    async (type) => {
      await using other = await startSshd({ hostKeys: ['ed25519', type] })
      const pin = other.pins[1]
      addTarget(gateway, `with-${type}`, other, { pins: [{ type: '', fingerprint: pin?.fingerprint }] })
      const ran = await run('ssh', [...options(), at(`with-${type}`, other.user), 'exit 5'])
      expect([ran.err, ran.code]).toEqual(['', 5])
    },
  )
})
