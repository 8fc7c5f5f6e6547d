import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientChannel } from 'ssh2'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { toPcap } from '../../recorder/replay/index.ts'
import type { ForwardRule } from '../../vault/contract.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { joined, replayOf, valueOf } from '../support/recordings.ts'
import { type LoggedIn, logInWith } from '../support/ssh-raw.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`forwardings through a real sshd are left out: ${why}`)

/** A TCP server that sends back what it gets, and ends when its client has ended. */
async function startEcho(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

describe.skipIf(why !== undefined)('forwarding through the gateway (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let echo: Awaited<ReturnType<typeof startEcho>>
  let other: Awaited<ReturnType<typeof startEcho>>
  let key: Buffer

  const rule = (port: number, change: Partial<ForwardRule> = {}): ForwardRule => ({
    host: '127.0.0.1',
    port,
    record: 'stream',
    connections: 8,
    megabytes: null,
    ...change,
  })

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway({ refusalsPerConnection: 30 })
    echo = await startEcho()
    other = await startEcho()
    key = readFileSync(gateway.keyFile)
    const actions = ['shell', 'exec', 'forward']
    addTarget(gateway, 'jump', sshd, { actions, forwards: [rule(echo.port), rule(sshd.port)] })
    addTarget(gateway, 'counting', sshd, { actions, forwards: [rule(echo.port, { record: 'counts' })] })
    addTarget(gateway, 'two', sshd, { actions, forwards: [rule(echo.port, { connections: 2 })] })
    addTarget(gateway, 'one-mega', sshd, { actions, forwards: [rule(echo.port, { megabytes: 1 })] })
    addTarget(gateway, 'by-name', sshd, { actions, forwards: [rule(echo.port, { host: 'localhost' })] })
    addTarget(gateway, 'shell-only', sshd, { actions: ['shell'], forwards: [rule(echo.port)] })
    addTarget(gateway, 'nothing-there', sshd, { actions, forwards: [rule(1)] })
  })
  afterEach(() => allEnded(gateway.vault))
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
    echo.server.close()
    other.server.close()
  })

  const logIn = (target: string) => logInWith(gateway.port, `bob@${sshd.user}@${target}`, key)
  const open = ({ client }: LoggedIn, port: number, host = '127.0.0.1') =>
    new Promise<ClientChannel | undefined>((resolve) =>
      client.forwardOut('127.0.0.1', 40_000, host, port, (error, channel) =>
        resolve(error === undefined ? channel : undefined),
      ),
    )
  /** Sends bytes and the end, and answers all that came back. */
  const exchange = (channel: ClientChannel | undefined, bytes: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      if (channel === undefined) return reject(new Error('the forwarding was refused'))
      const pieces: Buffer[] = []
      channel.on('data', (piece: Buffer) => pieces.push(piece))
      channel.on('close', () => resolve(Buffer.concat(pieces)))
      channel.end(bytes)
    })
  const events = () =>
    gateway.vault.inputsOf('session.event').map(({ event, detail }) => `${event}: ${detail}`)
  const permits = () => [...gateway.vault.permits.values()].map(({ permit }) => permit)
  const lastPermit = () => permits().at(-1)
  const recordingOf = async () => {
    await allEnded(gateway.vault)
    return gateway.frames(lastPermit()?.recording as RecordingId)
  }

  test('what a forwarding carries arrives whole in both directions, counted and recorded whole', async () => {
    const bytes = randomBytes(3_000_000)
    {
      await using made = await logIn('jump')
      expect((await exchange(await open(made, echo.port), bytes)).equals(bytes)).toBe(true)
      expect((await exchange(await open(made, echo.port), Buffer.from('again'))).toString()).toBe('again')
    }
    const frames = await recordingOf()
    expect(gateway.vault.inputsOf('session.forwarded').at(-1)).toMatchObject({
      session: lastPermit()?.session,
      connections: 2,
      bytesUp: bytes.length + 5,
      bytesDown: bytes.length + 5,
    })
    expect(lastPermit()?.forward).toEqual(rule(echo.port))
    for (const kind of ['input', 'output'] as const) {
      expect(joined(frames, kind, 0).equals(bytes)).toBe(true)
      expect(joined(frames, kind, 1).toString()).toBe('again')
    }
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks).toContainEqual({ kind: 'open', type: 'forward', command: `127.0.0.1:${echo.port}` })
    expect(marks).toContainEqual({ kind: 'close', up: bytes.length, down: bytes.length })
  })

  test('a forwarding is a session of its own beside the shell of the same connection', async () => {
    const before = permits().length
    await using made = await logIn('jump')
    const ran = new Promise<number>((resolve, reject) =>
      made.client.exec('exit 3', (error, channel) => {
        if (error !== undefined) return reject(error)
        channel.on('exit', (code: number) => resolve(code))
        channel.resume()
      }),
    )
    expect(await ran).toBe(3)
    await exchange(await open(made, echo.port), Buffer.from('x'))
    const made2 = permits().slice(before)
    expect(made2.map(({ forward }) => forward?.port)).toEqual([undefined, echo.port])
    expect(new Set(made2.map(({ recording }) => recording)).size).toBe(2)
  })

  test('where the grant says counts, nothing of the stream is kept', async () => {
    {
      await using made = await logIn('counting')
      await exchange(await open(made, echo.port), Buffer.from('not to be kept'))
    }
    const frames = await recordingOf()
    expect(joined(frames, 'input').length + joined(frames, 'output').length).toBe(0)
    expect(frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))).toContainEqual({
      kind: 'close',
      up: 14,
      down: 14,
    })
  })

  test('tshark reads the capture of a forwarding, its checksums included', async () => {
    const bytes = Buffer.from('GET /plc HTTP/1.0\r\n\r\n'.padEnd(5_000, 'x'))
    {
      await using made = await logIn('jump')
      await exchange(await open(made, echo.port), bytes)
    }
    await allEnded(gateway.vault)
    await using source = valueOf(await gateway.room.store.read(lastPermit()?.recording as RecordingId))
    const pieces: Uint8Array[] = []
    for await (const piece of toPcap(await replayOf(source, gateway.room.keys))) pieces.push(piece)
    const file = join(gateway.folder, 'forwarding.pcap')
    writeFileSync(file, Buffer.concat(pieces))
    const fields = ['ip.src', 'tcp.dstport', 'tcp.flags.str', 'tcp.checksum.status', 'ip.checksum.status']
    const ran = await gateway.run('tshark', [
      ...['-r', file, '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-T', 'fields'],
      ...fields.flatMap((field) => ['-e', field]),
    ])
    const rows = ran.out
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
    expect(rows[0]?.slice(0, 2)).toEqual(['192.0.2.1', String(echo.port)])
    // 1: good.
    expect(new Set(rows.flatMap((row) => row.slice(3)))).toEqual(new Set(['1']))
    const bad = await gateway.run('tshark', [
      '-r',
      file,
      '-Y',
      'tcp.analysis.flags',
      '-T',
      'fields',
      '-e',
      'frame.number',
    ])
    expect(bad.out.toString()).toBe('')
    const followed = await gateway.run('tshark', ['-r', file, '-q', '-z', 'follow,tcp,raw,0'])
    const sent = followed.out
      .toString()
      .split('\n')
      .filter((line) => /^[0-9a-f]+$/.test(line))
      .join('')
    expect(Buffer.from(sent, 'hex').equals(bytes)).toBe(true)
  }, 60_000)

  test.each([
    ['a port that is not listed', 'jump', () => other.port, '127.0.0.1'],
    ['a host that is not listed', 'jump', () => echo.port, '127.0.0.2'],
    ['the listed host by another name', 'jump', () => echo.port, 'localhost'],
    ['the listed host as a number', 'jump', () => echo.port, '2130706433'],
    ['the listed host with blanks', 'jump', () => echo.port, '127.0.0.1 '],
    ['the address of a listed name', 'by-name', () => echo.port, '127.0.0.1'],
    ['a grant without forwarding', 'shell-only', () => echo.port, '127.0.0.1'],
  ])('%s is refused and written down', async (_what, target, port, host) => {
    const before = gateway.logged.length
    await using made = await logIn(target)
    expect(await open(made, port(), host)).toBeUndefined()
    const lines = gateway.logged.slice(before).join('\n')
    expect(lines).toContain(`direct-tcpip to ${host.trim()}`)
  })

  test('a listed name is reached by its name', async () => {
    await using made = await logIn('by-name')
    const answer = await exchange(await open(made, echo.port, 'LOCALHOST'), Buffer.from('named'))
    expect(answer.toString()).toBe('named')
  })

  test('a destination that does not answer is refused, and the session goes on', async () => {
    await using made = await logIn('nothing-there')
    expect(await open(made, 1)).toBeUndefined()
    expect(await open(made, 1)).toBeUndefined()
    expect(events().filter((line) => line.includes('the target does not reach 127.0.0.1:1')).length).toBe(2)
  })

  test('no more connections at a time than the grant says', async () => {
    await using made = await logIn('two')
    const [first, second] = [await open(made, echo.port), await open(made, echo.port)]
    expect([first, second]).not.toContain(undefined)
    expect(await open(made, echo.port)).toBeUndefined()
    await exchange(first, Buffer.from('done'))
    const third = await open(made, echo.port)
    expect((await exchange(third, Buffer.from('third'))).toString()).toBe('third')
  })

  test('no more connections than the vault has left for all sessions under the grant, which hears of each end', async () => {
    const said = () => gateway.vault.inputsOf('session.forwarding').map(({ open: count }) => count)
    gateway.vault.connectionsLeft = 2
    try {
      await using made = await logIn('jump')
      const [first, second] = [await open(made, echo.port), await open(made, echo.port)]
      expect([first, second]).not.toContain(undefined)
      expect(await open(made, echo.port)).toBeUndefined()
      expect(events().at(-1)).toContain('more than 8 connections at a time, all sessions together')
      await exchange(first, Buffer.from('done'))
      const third = await open(made, echo.port)
      expect((await exchange(third, Buffer.from('third'))).toString()).toBe('third')
      await exchange(second, Buffer.from('done'))
      await until(() => said().at(-1) === 0)
      // Five at once: two of them are let through, whatever the order in which they are asked for.
      const many = await Promise.all(Array.from({ length: 5 }, () => open(made, echo.port)))
      expect(many.filter((one) => one !== undefined).length).toBeLessThanOrEqual(2)
    } finally {
      gateway.vault.connectionsLeft = undefined
    }
  })

  test('a forwarding that has carried its megabytes ends, and does not begin again on that connection', async () => {
    await using made = await logIn('one-mega')
    const channel = await open(made, echo.port)
    const closed = new Promise<void>((resolve) => channel?.once('close', () => resolve()))
    channel?.resume()
    channel?.write(Buffer.alloc(1_500_000))
    await closed
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('quota reached')
    expect(await open(made, echo.port)).toBeUndefined()
  })

  test('a forwarding that is terminated is cut at once, and stays cut on that connection', async () => {
    await using made = await logIn('jump')
    const channel = await open(made, echo.port)
    const closed = new Promise<void>((resolve) => channel?.once('close', () => resolve()))
    channel?.resume()
    const session = lastPermit()?.session
    expect(session !== undefined && gateway.front.cut(session, 'terminated', 'wrong machine')).toBe(true)
    await closed
    expect(await open(made, echo.port)).toBeUndefined()
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('terminated')
  })

  test('a frozen forwarding takes nothing to its destination, opens nothing new, and goes on without a gap', async () => {
    {
      await using made = await logIn('jump')
      const channel = await open(made, echo.port)
      if (channel === undefined) throw new Error('the forwarding was refused')
      let back = Buffer.alloc(0)
      channel.on('data', (piece: Buffer) => {
        back = Buffer.concat([back, piece])
      })
      channel.write('before ')
      await until(() => back.toString() === 'before ')
      const session = lastPermit()?.session ?? ''
      await gateway.vault.setFrozen(session, true, 'sue', 'wrong valve')
      channel.write('while frozen ')
      expect(await open(made, echo.port)).toBeUndefined()
      await pause(700)
      // What the destination was sent comes back: nothing was.
      expect(back.toString()).toBe('before ')
      await gateway.vault.setFrozen(session, false, 'sue')
      await until(() => back.toString() === 'before while frozen ')
      channel.write('after')
      await until(() => back.toString() === 'before while frozen after')
      expect((await exchange(await open(made, echo.port), Buffer.from('new again'))).toString()).toBe(
        'new again',
      )
      channel.end()
    }
    const marks = (await recordingOf()).flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks.filter(({ kind }) => kind === 'freeze')).toMatchObject([{ frozen: true }, { frozen: false }])
  })

  test('OpenSSH forwards with -L, and an SSH connection inside is noticed', async () => {
    const options = gateway.ssh(['-p', String(gateway.port)])
    const proxy = ['ssh', ...options, '-W', `127.0.0.1:${sshd.port}`, `bob@${sshd.user}@jump@127.0.0.1`].join(
      ' ',
    )
    const ran = await gateway.run('sshpass', [
      ...['-p', sshd.password, 'ssh', '-F', 'none', '-o', `ProxyCommand=${proxy}`],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
      ...['-o', 'PubkeyAuthentication=no', `${sshd.user}@inner`, 'echo inside'],
    ])
    expect([ran.out.toString(), ran.err]).toEqual(['inside\n', ''])
    await until(() => events().some((line) => line.startsWith('nested ssh: ')))
    expect(events().filter((line) => line.startsWith('nested ssh: ')).length).toBe(1)
  })

  test('OpenSSH shows its user why a forwarding was refused', async () => {
    const refusedTo = async (target: string, port: number) => {
      const options = gateway.ssh(['-p', String(gateway.port)])
      const ran = await gateway.run('ssh', [
        ...['-o', 'LogLevel=INFO', ...options, '-W', `127.0.0.1:${port}`],
        `bob@${sshd.user}@${target}@127.0.0.1`,
      ])
      return ran.err
    }
    expect(await refusedTo('nothing-there', 1)).toContain(
      'administratively prohibited: the target does not reach 127.0.0.1:1, or not now',
    )
    expect(await refusedTo('jump', 2)).toContain(
      'administratively prohibited: your grant does not allow this forwarding: ask for',
    )
  })
})
