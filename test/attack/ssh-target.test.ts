import { createServer, type Server as TcpServer, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import type { AuthContext, Connection, KeyboardAuthContext, ServerChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Server, sendEof, sendExit, generateKeyPair, utils } from '../../vault/ssh/library.ts'
import { describeHostKey } from '../../vault/ssh/verify-host-key.ts'
import { allEnded, type Gateway, startGateway } from '../support/gateway.ts'
import { makeAccountKey } from '../support/contract-vault.ts'
import { protocolOf, sendPayload, sshString, uint32 } from '../support/ssh-raw.ts'

const hostKey = generateKeyPair('ed25519').private
const password = 'canary-of-the-press'

/** A target of the test's own making. */
type Evil = AsyncDisposable & { readonly port: number; readonly passwords: string[] }

async function evilSsh(serve: (connection: Connection, passwords: string[]) => void): Promise<Evil> {
  const passwords: string[] = []
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    serve(connection, passwords)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    port: (server.address() as { port: number }).port,
    passwords,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

async function evilTcp(serve: (socket: Socket) => void): Promise<Evil> {
  const sockets = new Set<Socket>()
  const server: TcpServer = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    passwords: [],
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** Lets the password in, and notes it. */
function letIn(connection: Connection, passwords: string[]): void {
  connection.on('authentication', (context) => {
    if (context.method !== 'password') return context.reject(['password'])
    passwords.push(context.password)
    context.accept()
  })
}

describe('a hostile target (fake vault)', () => {
  let gateway: Gateway
  const key = utils.parseKey(hostKey)
  if (key instanceof Error) throw key
  const { type, fingerprint } = describeHostKey(key.getPublicSSH())

  beforeAll(async () => {
    gateway = await startGateway({ targetConnect: 2_500 })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const against = async (evil: Evil, change: object = {}, command = 'true', input?: string) => {
    gateway.vault.accounts.length = 0
    gateway.vault.accounts.push({
      target: 'press-3',
      login: 'engineer',
      host: '127.0.0.1',
      port: evil.port,
      pins: [{ type, fingerprint }],
      credential: { kind: 'password', password },
      ...change,
    })
    const ran = await gateway.run(
      'ssh',
      [...gateway.ssh(['-p', String(gateway.port)]), 'bob@engineer@press-3@127.0.0.1', command],
      input,
    )
    await allEnded(gateway.vault)
    const end = gateway.vault.inputsOf('session.end').at(-1)
    return { code: ran.code, err: ran.err, out: ran.out.toString(), reason: end?.reason, end }
  }

  test('another host key than the pinned one gets no password, is told and written down', async () => {
    await using evil = await evilSsh(letIn)
    const ran = await against(evil, { pins: [{ type, fingerprint: `SHA256:${'A'.repeat(43)}` }] })
    expect([ran.code, ran.reason, evil.passwords]).toEqual([255, 'target key changed', []])
    expect(ran.err).toContain(fingerprint)
    expect(gateway.vault.inputsOf('session.event').at(-1)).toMatchObject({
      event: 'changed key',
      detail: `${type} ${fingerprint}`,
    })
  })

  test('no pin at all is no pin: nothing is sent', async () => {
    await using evil = await evilSsh(letIn)
    expect(await against(evil, { pins: [] })).toMatchObject({ code: 255, reason: 'target key changed' })
    expect(evil.passwords).toEqual([])
  })

  const questions =
    (ask: (context: KeyboardAuthContext, passwords: string[]) => void) =>
    (connection: Connection, passwords: string[]): void => {
      connection.on('authentication', (context: AuthContext) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
        ask(context, passwords)
      })
    }
  const note = (passwords: string[]) => (answers: string[]) =>
    void (Array.isArray(answers) && passwords.push(...answers))

  test('a single question without echo is answered with the password', async () => {
    await using evil = await evilSsh((connection, passwords) => {
      questions((context) =>
        context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
          passwords.push(...answers)
          context.accept()
        }),
      )(connection, passwords)
      connection.on('session', (accept) => accept().on('exec', (run) => exitWith(run(), 3)))
    })
    expect(await against(evil)).toMatchObject({ code: 3, reason: 'finished' })
    expect(evil.passwords).toEqual([password])
  })

  test('an exit status that comes long after the end of the output is not lost', async () => {
    await using evil = await evilSsh((connection, passwords) => {
      letIn(connection, passwords)
      connection.on('session', (accept) =>
        accept().on('exec', (run) => {
          const channel = run()
          sendEof(channel)
          setTimeout(() => {
            sendExit(channel, { code: 3 })
            channel.close()
          }, 500)
        }),
      )
    })
    expect(await against(evil, {}, 'true', '')).toMatchObject({ code: 3, reason: 'finished' })
  })

  test.each([
    ['with echo', [{ prompt: 'Password: ', echo: true }]],
    [
      'twice at once',
      [
        { prompt: 'Password: ', echo: false },
        { prompt: 'Again: ', echo: false },
      ],
    ],
    ['a thousand times at once', Array.from({ length: 1_000 }, () => ({ prompt: 'x', echo: false }))],
  ])('a question %s gets no answer', async (_what, prompts) => {
    await using evil = await evilSsh((connection, passwords) =>
      questions((context) => context.prompt(prompts, note(passwords)))(connection, passwords),
    )
    const ran = await against(evil)
    expect([ran.code, ran.reason, evil.passwords]).toEqual([255, 'target refused the credential', []])
  })

  test('the password is given once: a second question gets nothing', async () => {
    await using evil = await evilSsh((connection, passwords) =>
      questions((context) =>
        context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
          passwords.push(...answers)
          context.prompt([{ prompt: 'Once more: ', echo: false }], note(passwords))
        }),
      )(connection, passwords),
    )
    expect(await against(evil)).toMatchObject({ code: 255, reason: 'target refused the credential' })
    expect(evil.passwords).toEqual([password])
  })

  test('a refused password is not tried another way: one failed login a session', async () => {
    await using evil = await evilSsh((connection, passwords) =>
      connection.on('authentication', (context) => {
        if (context.method === 'password') passwords.push(context.password)
        if (context.method === 'keyboard-interactive')
          context.prompt([{ prompt: 'P', echo: false }], note(passwords))
        else context.reject(['password', 'keyboard-interactive', 'publickey'])
      }),
    )
    const ran = await against(evil)
    expect([ran.code, ran.reason, evil.passwords]).toEqual([255, 'target refused the credential', [password]])
    expect(ran.err).toContain('press-3 refused the stored credential of engineer: ')
  })

  test('a request for a new password gets neither a new one nor the old one again', async () => {
    await using evil = await evilSsh((connection, passwords) =>
      connection.on('authentication', (context) => {
        if (context.method !== 'password') return context.reject(['password'])
        passwords.push(context.password)
        context.requestChange('expired, choose another', (changed) => void passwords.push(changed))
      }),
    )
    expect(await against(evil)).toMatchObject({ code: 255, reason: 'target refused the credential' })
    expect(evil.passwords).toEqual([password])
  })

  test('a target that only takes keys gets no password, and one that only takes passwords no signature', async () => {
    await using keys = await evilSsh((connection) =>
      connection.on('authentication', (context) => context.reject(['publickey'])),
    )
    expect(await against(keys)).toMatchObject({ code: 255, reason: 'target refused the credential' })
    let asked = 0
    const account = makeAccountKey()
    const credential = {
      kind: 'ssh-key',
      publicKey: account.publicKey,
      sign: (data: Buffer) => {
        asked += 1
        return account.sign(data)
      },
    }
    await using words = await evilSsh(letIn)
    expect(await against(words, { credential })).toMatchObject({
      code: 255,
      reason: 'target refused the credential',
    })
    expect(asked).toBe(0)
  })

  test.each([
    ['random bytes', (socket: Socket) => void socket.end(randomBytes(4_000))],
    [
      'a banner of 100 MB before its name',
      (socket: Socket) => flood(socket, Buffer.from(`${'x'.repeat(1_000)}\r\n`)),
    ],
    ['a name without end', (socket: Socket) => flood(socket, Buffer.alloc(1_002, 'x'))],
    [
      'its name, then noise',
      (socket: Socket) => void socket.end(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(500)])),
    ],
    ['nothing at all', () => undefined],
    ['its name, then nothing', (socket: Socket) => void socket.write('SSH-2.0-x\r\n')],
    ['a hang-up', (socket: Socket) => void socket.destroy()],
  ])('%s ends with one sentence', async (_what, serve) => {
    await using evil = await evilTcp(serve)
    const ran = await against(evil)
    expect(ran.code).toBe(255)
    expect(ran.err).toMatch(/^tagout: press-3 [^\n]+: [^\n]+\n$/)
    expect(['protocol error', 'target unreachable']).toContain(ran.reason)
    expect(ran.end?.recording.state).toBe('complete')
  })

  test('a target that dies in the middle of the key exchange', async () => {
    await using evil = await evilSsh((connection) => {
      ;(connection as unknown as { _sock: Socket })._sock.destroy()
    })
    expect((await against(evil)).reason).toMatch(/target unreachable|protocol error/)
  })

  test('nothing listens there', async () => {
    const evil = await evilTcp(() => undefined)
    await evil[Symbol.asyncDispose]()
    const ran = await against(evil)
    expect(ran).toMatchObject({ code: 255, reason: 'target unreachable' })
    expect(ran.err).toMatch(/^tagout: press-3 refuses connections: /)
  })

  test('a banner of the target without end does not hold the login up', async () => {
    await using evil = await evilSsh((connection, passwords) => {
      connection.on('authentication', (context) => {
        const banner = Buffer.concat([Buffer.from([53]), sshString('b'.repeat(30_000)), sshString('')])
        for (let at = 0; at < 300; at += 1) sendPayload(connection, banner)
        if (context.method !== 'password') return context.reject(['password'])
        passwords.push(context.password)
        context.accept()
      })
      connection.on('session', (accept) => accept().on('exec', (run) => exitWith(run(), 0)))
    })
    const ran = await against(evil)
    expect([ran.code, ran.out, ran.err]).toEqual([0, '', ''])
  })

  const inside = (serve: (channel: ServerChannel, connection: Connection) => void) =>
    evilSsh((connection, passwords) => {
      letIn(connection, passwords)
      connection.on('session', (accept) => accept().on('exec', (run) => serve(run(), connection)))
    })

  test('a target that refuses the command says so', async () => {
    await using evil = await evilSsh((connection, passwords) => {
      letIn(connection, passwords)
      connection.on('session', (accept) => accept().on('exec', (_run, reject) => reject?.()))
    })
    const ran = await against(evil)
    expect([ran.code, ran.err]).toEqual([255, 'tagout: the target does not open a command\n'])
  })

  test('a target that vanishes in the middle ends the session, with a sentence and all that it had sent', async () => {
    await using evil = await inside((channel, connection) => {
      channel.write('the last words\n', () =>
        setTimeout(() => (connection as unknown as { _sock: Socket })._sock.destroy(), 200),
      )
    })
    const ran = await against(evil)
    expect([ran.code, ran.out, ran.reason]).toEqual([255, 'the last words\n', 'closed by the target'])
  })

  test('a target that sends more than its window ends the session alone', async () => {
    await using evil = await inside((channel, connection) => {
      const { id } = (channel as unknown as { outgoing: { id: number } }).outgoing
      for (let sent = 0; sent < 8 * 2 ** 20; sent += 30_000)
        protocolOf(connection).channelData(id, Buffer.alloc(30_000))
    })
    const before = process.memoryUsage().rss
    expect((await against(evil)).reason).toMatch(/protocol error|closed by the target/)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20)
  })

  test('channels, forwardings and requests that the target opens towards the user are refused', async () => {
    const refused: number[] = []
    await using evil = await inside((channel, connection) => {
      const protocol = (connection as unknown as { _protocol: { _handlers: Record<string, unknown> } })
        ._protocol
      protocol._handlers['CHANNEL_OPEN_FAILURE'] = (_protocol: unknown, recipient: number) =>
        void refused.push(recipient)
      for (const [at, kind] of ['auth-agent@openssh.com', 'x11', 'session', 'tun@openssh.com'].entries())
        sendPayload(
          connection,
          Buffer.concat([
            Buffer.from([90]),
            sshString(kind),
            uint32(500 + at),
            uint32(1 << 20),
            uint32(32_768),
            sshString('127.0.0.1'),
            uint32(1),
          ]),
        )
      sendPayload(
        connection,
        Buffer.concat([
          Buffer.from([90]),
          sshString('forwarded-tcpip'),
          uint32(504),
          uint32(1 << 20),
          uint32(32_768),
          sshString('a'),
          uint32(1),
          sshString('b'),
          uint32(2),
        ]),
      )
      setTimeout(() => exitWith(channel, 0), 300)
    })
    expect(await against(evil)).toMatchObject({ code: 0 })
    expect(refused.toSorted((a, b) => a - b)).toEqual([500, 501, 502, 503, 504])
  })

  test('an exit status of nonsense and a signal of nonsense harm nobody', async () => {
    await using evil = await inside((channel, connection) => {
      const { id } = (channel as unknown as { outgoing: { id: number } }).outgoing
      sendPayload(
        connection,
        Buffer.concat([
          Buffer.from([98]),
          uint32(id),
          sshString('exit-signal'),
          Buffer.from([0]),
          sshString('NO\nSUCH\u001b[2J'),
          Buffer.from([0]),
          sshString('x'.repeat(5_000)),
          sshString(''),
        ]),
      )
      channel.end()
    })
    const ran = await against(evil)
    expect(ran.err).toBe('')
    expect(ran.reason).toBe('finished')
  })

  test('the password is in no log line and in no recording', async () => {
    expect(gateway.logged.join('\n')).not.toContain(password)
    for (const { permit } of gateway.vault.permits.values()) {
      const frames = await gateway.frames(permit.recording)
      expect(JSON.stringify(frames)).not.toContain(password)
      expect(frames.some((frame) => 'bytes' in frame && Buffer.from(frame.bytes).includes(password))).toBe(
        false,
      )
    }
  })
})

function exitWith(channel: ServerChannel, code: number): void {
  channel.exit(code)
  channel.end()
}

function flood(socket: Socket, piece: Buffer): void {
  let left = 100_000
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= 1
      if (!socket.write(piece)) return void socket.once('drain', more)
    }
  }
  more()
}
