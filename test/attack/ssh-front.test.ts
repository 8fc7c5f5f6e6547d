import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClientChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writtenSingly } from '../../recorder/broker/ssh/denials.ts'
import { parseDestination, parseInnerLogin } from '../../recorder/broker/ssh/destination.ts'
import { Client } from '../../vault/ssh/library.ts'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { logInWith, protocolOf, rawSocket, sendPayload, sshString, uint32 } from '../support/ssh-raw.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`attacks on the gateway are left out: ${why}`)

describe.skipIf(why !== undefined)('a hostile client (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let place: string
  let key: Buffer

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway({ channelsPerConnection: 8, refusalsPerConnection: 30 })
    addTarget(gateway, 'press-3', sshd)
    place = `bob@${sshd.user}@press-3`
    key = readFileSync(gateway.keyFile)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const ssh = (args: readonly string[], extra: readonly string[] = []) =>
    gateway.run('ssh', [...gateway.ssh(['-p', String(gateway.port), ...extra]), ...args])
  const stillServes = async () => expect((await ssh([`${place}@127.0.0.1`, 'exit 9'])).code).toBe(9)

  test('a flood of malformed file transfers is counted, and floods neither log nor recording', async () => {
    const told = () => gateway.vault.inputsOf('session.event').length
    const before = told()
    await using made = await logInWith(gateway.port, place, key)
    const { client } = made
    const once = () =>
      new Promise<void>((resolve, reject) => {
        client.subsys('sftp', (error, channel) => {
          if (error !== undefined) return reject(error)
          channel.on('close', () => resolve())
          channel.resume()
          channel.stderr.resume()
          channel.write(Buffer.from([0, 0, 0, 1, 0]))
        })
      })
    for (let round = 0; round < 60; round += 1) await Promise.all([once(), once(), once(), once()])
    client.end()
    await allEnded(gateway.vault)
    expect(told() - before).toBeGreaterThan(writtenSingly)
    expect(told() - before).toBeLessThan(writtenSingly + 10)
  })

  test('random bytes, 300 times, disturb nobody', async () => {
    const bystander = ssh([`${place}@127.0.0.1`, 'sleep 1; echo undisturbed'])
    for (let round = 0; round < 300; round += 1) {
      const { socket } = await rawSocket(gateway.port)
      const isLateNoise = round % 3 === 0
      socket.write(
        isLateNoise ? Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(200)]) : randomBytes(400),
      )
      if (round % 2 === 0) socket.end()
      else socket.destroy()
    }
    expect((await bystander).out.toString()).toBe('undisturbed\n')
  })

  test.each([
    ['an endless identification', Buffer.alloc(10 * 2 ** 20, 'A')],
    ['an identification without its end, then nothing', Buffer.from('SSH-2.0-')],
    [
      'a packet of 4 GiB',
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.from([255, 255, 255, 255, 4]), Buffer.alloc(64)]),
    ],
    ['a packet of no bytes', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(64)])],
    ['version 1', Buffer.from('SSH-1.5-old\r\n')],
  ])('%s ends that connection alone', async (_what, bytes) => {
    await using impatient = await startGateway({ loginGrace: 2_000 })
    const { socket, closed } = await rawSocket(impatient.port)
    socket.write(bytes)
    await closed
    await stillServes()
  })

  test('fifty connections that prove nothing are closed after the grace', async () => {
    await using impatient = await startGateway({ loginGrace: 500 })
    const idle = await Promise.all(Array.from({ length: 50 }, () => rawSocket(impatient.port)))
    // Half of them speak, and then say nothing more.
    for (const { socket } of idle.slice(25)) socket.write('SSH-2.0-idle\r\n')
    await Promise.all(idle.map(({ closed }) => closed))
  }, 20_000)

  test('four wrong passwords close the connection, and each refusal reads alike', async () => {
    const tried: number[] = []
    const client = new Client()
    client.on('error', () => undefined)
    client.on('keyboard-interactive', (_name, _text, _language, prompts, answer) => {
      expect(prompts.map(({ prompt, echo }) => [prompt, echo])).toEqual([
        [tried.length % 2 === 0 ? 'Password: ' : 'Code: ', false],
      ])
      tried.push(tried.length)
      answer(['wrong'])
    })
    client.connect({
      host: '127.0.0.1',
      port: gateway.port,
      username: 'bob',
      hostVerifier: () => true,
      authHandler: ((_left: unknown, _partial: unknown, next: (method: unknown) => void) =>
        next({
          type: 'keyboard-interactive',
          username: 'bob',
          prompt: (...args: unknown[]) => client.emit('keyboard-interactive', ...args),
        })) as never,
    })
    await new Promise<void>((resolve) => client.once('close', () => resolve()))
    expect(tried.length).toBe(8)
    expect(gateway.vault.inputsOf('ssh.password').length).toBe(4)
  })

  test('after twenty keys that nobody registered the connection is closed', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    expect(publicKey.asymmetricKeyType).toBe('ed25519')
    const before = gateway.vault.inputsOf('ssh.publickey').length
    const client = new Client()
    client.on('error', () => undefined)
    client.connect({
      host: '127.0.0.1',
      port: gateway.port,
      username: 'bob',
      hostVerifier: () => true,
      authHandler: ((_left: unknown, _partial: unknown, next: (method: unknown) => void) => {
        const { privateKey } = generateKeyPairSync('rsa', {
          modulusLength: 2048,
          privateKeyEncoding: { format: 'pem', type: 'pkcs1' },
          publicKeyEncoding: { format: 'pem', type: 'pkcs1' },
        })
        next({ type: 'publickey', username: 'bob', key: privateKey })
      }) as never,
    })
    await new Promise<void>((resolve) => client.once('close', () => resolve()))
    expect(gateway.vault.inputsOf('ssh.publickey').length - before).toBeLessThanOrEqual(21)
  }, 30_000)

  test('a registered key without a signature, or with another’s, lets nobody in', async () => {
    const other = join(gateway.folder, 'other')
    if (!existsSync(other)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other])
    const registered = readFileSync(`${gateway.keyFile}.pub`, 'utf8').split(' ')[1] ?? ''
    const blob = Buffer.from(registered, 'base64')
    const request = (sessionless: boolean, signature?: Buffer) =>
      Buffer.concat([
        ...(sessionless ? [] : []),
        Buffer.from([50]),
        sshString(place),
        sshString('ssh-connection'),
        sshString('publickey'),
        Buffer.from([signature === undefined ? 0 : 1]),
        sshString('ssh-ed25519'),
        sshString(blob),
        ...(signature === undefined
          ? []
          : [sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(signature)]))]),
      ])
    const opened = gateway.vault.permits.size
    for (const payload of [
      request(true),
      request(true, randomBytes(64)),
      request(true, Buffer.alloc(64)),
      request(true, Buffer.alloc(0)),
    ]) {
      const client = new Client()
      client.on('error', () => undefined)
      let isIn = false
      client.on('ready', () => {
        isIn = true
      })
      client.connect({
        host: '127.0.0.1',
        port: gateway.port,
        username: place,
        hostVerifier: () => true,
        authHandler: ((_left: unknown, _partial: unknown, next: (method: unknown) => void) => {
          if (_left !== null) return next(false)
          // Our own request goes out instead of one that the library makes, and then a channel is asked for.
          sendPayload(client, payload)
          sendPayload(
            client,
            Buffer.concat([
              Buffer.from([90]),
              sshString('session'),
              uint32(0),
              uint32(1 << 20),
              uint32(32_768),
            ]),
          )
        }) as never,
      })
      await Promise.race([
        new Promise<void>((resolve) => client.once('close', () => resolve())),
        new Promise((resolve) => setTimeout(resolve, 700)),
      ])
      client.destroy()
      expect(isIn).toBe(false)
    }
    expect(gateway.vault.permits.size).toBe(opened)
  })

  test('a signature seen on one connection opens no other', async () => {
    await using first = await logInWith(gateway.port, place, key)
    expect(first.client).toBeDefined()
    const seen = gateway.vault.inputsOf('ssh.publickey').findLast(({ signature }) => signature !== undefined)
    const bare = Buffer.from(seen?.signature ?? '', 'base64')
    const blob = Buffer.from(seen?.key ?? '', 'base64')
    const client = new Client()
    client.on('error', () => undefined)
    let isIn = false
    client.on('ready', () => {
      isIn = true
    })
    client.connect({
      host: '127.0.0.1',
      port: gateway.port,
      username: place,
      hostVerifier: () => true,
      authHandler: ((left: unknown, _partial: unknown, next: (method: unknown) => void) => {
        if (left !== null) return next(false)
        sendPayload(
          client,
          Buffer.concat([
            Buffer.from([50]),
            sshString(place),
            sshString('ssh-connection'),
            sshString('publickey'),
            Buffer.from([1]),
            sshString('ssh-ed25519'),
            sshString(blob),
            sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(bare)])),
          ]),
        )
      }) as never,
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    client.destroy()
    expect(isIn).toBe(false)
  })

  test('`none` opens no outer connection', async () => {
    const client = new Client()
    client.on('error', () => undefined)
    const outcome = await new Promise<string>((resolve) => {
      client.on('ready', () => resolve('in'))
      client.on('close', () => resolve('refused'))
      client.connect({
        host: '127.0.0.1',
        port: gateway.port,
        username: place,
        hostVerifier: () => true,
        authHandler: ['none'],
      })
    })
    expect(outcome).toBe('refused')
  })

  test.each([
    'bob@a@b@c',
    'bob@a:b@press-3',
    'bob@../x@press-3',
    'bob@%h@press-3',
    '@press-3',
    'bob@\u0000@press-3',
    `bob@${'a'.repeat(300)}@press-3`,
    'bob@ad min@press-3',
    '-oProxyCommand=x@press-3',
    'bob@press-3@',
  ])('the name %j is refused like a wrong password', async (username) => {
    expect(parseDestination(username)).toBeUndefined()
    await expect(logInWith(gateway.port, username, key)).rejects.toThrow('refused')
  })

  test('an inner login names no other user and no other target', () => {
    const outer = { user: 'bob', target: 'press-3' }
    expect(parseInnerLogin('engineer', outer)).toEqual({ account: 'engineer' })
    expect(parseInnerLogin('bob', outer)).toEqual({})
    expect(parseInnerLogin('bob@engineer', outer)).toEqual({ account: 'engineer' })
    expect(parseInnerLogin('bob@engineer@press-3', outer)).toEqual({ account: 'engineer' })
    for (const name of ['alice@engineer', 'bob@engineer@press-4', 'bob@a@press-3@x', 'a:b', '', 'bob@'])
      expect(parseInnerLogin(name, outer)).toBeUndefined()
  })

  test('more channels than are allowed are refused, the others go on', async () => {
    await using made = await logInWith(gateway.port, place, key)
    const outcomes = await Promise.all(
      Array.from(
        { length: 20 },
        () =>
          new Promise<string>((resolve) =>
            made.client.exec('sleep 0.5; exit 4', (error, channel) => {
              if (error) return resolve('refused')
              channel.on('exit', (code) => resolve(String(code)))
              channel.resume()
            }),
          ),
      ),
    )
    expect(outcomes.filter((outcome) => outcome === '4').length).toBe(8)
    expect(outcomes.filter((outcome) => outcome === 'refused').length).toBe(12)
  })

  test('a client that goes on being refused is closed, and the audit log is not flooded', async () => {
    await using made = await logInWith(gateway.port, place, key)
    await exec(made.client, 'true')
    const before = gateway.vault.inputsOf('session.event').length
    for (let at = 0; at < 200; at += 1)
      sendPayload(
        made.client,
        Buffer.concat([
          Buffer.from([90]),
          sshString('tun@openssh.com'),
          uint32(at + 100),
          uint32(1),
          uint32(1),
          uint32(1),
          uint32(1),
        ]),
      )
    await made.closed
    expect(gateway.vault.inputsOf('session.event').length - before).toBeLessThanOrEqual(10)
    await allEnded(gateway.vault)
  })

  test('data beyond the window ends the connection', async () => {
    await using made = await logInWith(gateway.port, place, key)
    const channel = await exec(made.client, 'sleep 20')
    const { id } = (channel as unknown as { outgoing: { id: number } }).outgoing
    for (let sent = 0; sent < 8 * 2 ** 20; sent += 30_000)
      protocolOf(made.client).channelData(id, Buffer.alloc(30_000))
    await made.closed
    await allEnded(gateway.vault)
    await stillServes()
  })

  test('a client that grants 4 GiB and reads nothing costs little memory, and the target waits', async () => {
    await using made = await logInWith(gateway.port, place, key)
    const channel = await exec(made.client, 'cat /dev/zero')
    const { id } = (channel as unknown as { outgoing: { id: number } }).outgoing
    protocolOf(made.client).channelWindowAdjust(id, 0xf0_00_00_00)
    const before = process.memoryUsage().rss
    ;(made.client as unknown as { _sock: { pause: () => void } })._sock.pause()
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20)
    await stillServes()
  })

  test.each([
    [
      'a terminal of 2^31 columns',
      [
        98,
        'pty-req',
        Buffer.concat([
          Buffer.from([1]),
          sshString('xterm'),
          uint32(2 ** 31),
          uint32(2 ** 31),
          uint32(0),
          uint32(0),
          sshString(''),
        ]),
      ],
    ],
    [
      'a terminal whose name is an escape',
      [
        98,
        'pty-req',
        Buffer.concat([
          Buffer.from([1]),
          sshString('\u001b[2J$(id)'),
          uint32(80),
          uint32(24),
          uint32(0),
          uint32(0),
          sshString(''),
        ]),
      ],
    ],
    [
      'a signal that there is none of',
      [98, 'signal', Buffer.concat([Buffer.from([0]), sshString('STOPEVERYTHING')])],
    ],
    ['a request cut short', [98, 'exec', Buffer.from([1, 0, 0])]],
    [
      'an exec of a megabyte that is not there',
      [98, 'exec', Buffer.concat([Buffer.from([1]), uint32(1 << 20)])],
    ],
  ] as const)('%s harms nobody', async (_what, [type, name, rest]) => {
    await using made = await logInWith(gateway.port, place, key)
    sendPayload(
      made.client,
      Buffer.concat([Buffer.from([90]), sshString('session'), uint32(7), uint32(1 << 20), uint32(32_768)]),
    )
    sendPayload(made.client, Buffer.concat([Buffer.from([type]), uint32(0), sshString(name), rest]))
    sendPayload(
      made.client,
      Buffer.concat([Buffer.from([98]), uint32(0), sshString('shell'), Buffer.from([1])]),
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    await stillServes()
  })

  test('variables other than language and terminal do not reach the target', async () => {
    const child = await gateway.run('ssh', [
      ...gateway.ssh([
        '-p',
        String(gateway.port),
        '-o',
        'SendEnv=LC_TEST EVIL',
        '-o',
        'SetEnv=LD_PRELOAD=/evil LC_TEST=kept',
      ]),
      `${place}@127.0.0.1`,
      'env',
    ])
    expect(child.out.toString()).toContain('LC_TEST=kept')
    expect(child.out.toString()).not.toContain('LD_PRELOAD')
  })

  test.each([
    ['to the client (-R)', ['-R', '0:127.0.0.1:1', '-o', 'ExitOnForwardFailure=yes'], 'tcpip-forward'],
    [
      'of a socket to the client (-R)',
      ['-R', '/tmp/x.sock:127.0.0.1:1', '-o', 'ExitOnForwardFailure=yes'],
      'streamlocal-forward',
    ],
    ['of the agent (-A)', ['-A'], 'agent'],
    ['of X11 (-X)', ['-X'], 'X11'],
    ['of a tunnel (-w)', ['-w', '0:0'], 'tun'],
  ] as const)('forwarding %s is refused and written down', async (_what, options, word) => {
    const socket = join(gateway.folder, 'agent.sock')
    const env = { ...process.env, DISPLAY: ':9', SSH_AUTH_SOCK: socket }
    const before = gateway.logged.length
    await gateway.run(
      'ssh',
      [
        ...gateway.ssh(['-p', String(gateway.port), ...options, '-o', 'IdentityAgent=none']),
        `${place}@127.0.0.1`,
        'true',
      ],
      undefined,
      { env },
    )
    const lines = gateway.logged.slice(before).filter((line) => line.startsWith('forwarding refused'))
    // Without an agent, an X server or a tun device OpenSSH does not even ask.
    if (lines.length === 0) expect(['agent', 'X11', 'tun']).toContain(word)
    else expect(lines.join('\n')).toContain(word)
    await stillServes()
  })

  test('agent and X11 forwarding asked for by hand are refused and written down', async () => {
    await using made = await logInWith(gateway.port, place, key)
    await exec(made.client, 'true')
    const channel = () =>
      Buffer.concat([Buffer.from([90]), sshString('session'), uint32(50), uint32(1 << 20), uint32(32_768)])
    sendPayload(made.client, channel())
    for (const recipient of [0, 1, 2]) {
      sendPayload(
        made.client,
        Buffer.concat([
          Buffer.from([98]),
          uint32(recipient),
          sshString('auth-agent-req@openssh.com'),
          Buffer.from([1]),
        ]),
      )
      sendPayload(
        made.client,
        Buffer.concat([
          Buffer.from([98]),
          uint32(recipient),
          sshString('x11-req'),
          Buffer.from([1, 0]),
          sshString('MIT-MAGIC-COOKIE-1'),
          sshString('00'),
          uint32(0),
        ]),
      )
    }
    const details = () => gateway.vault.inputsOf('session.event').map(({ detail }) => detail)
    await until(() => details().includes('agent forwarding') && details().includes('X11 forwarding'))
  })

  test('ssh -L and ssh -D through a session reach nothing', async () => {
    await using made = await logInWith(gateway.port, place, key)
    await exec(made.client, 'true')
    for (const [host, port] of [
      ['127.0.0.1', sshd.port],
      ['press-3', 22],
      ['169.254.169.254', 80],
    ] as const) {
      const outcome = await new Promise<string>((resolve) =>
        made.client.forwardOut('127.0.0.1', 1, host, port, (error) =>
          resolve(error === undefined ? 'open' : 'refused'),
        ),
      )
      expect(outcome).toBe('refused')
    }
    const local = await new Promise<string>((resolve) =>
      made.client.openssh_forwardOutStreamLocal('/var/run/docker.sock', (error) =>
        resolve(error === undefined ? 'open' : 'refused'),
      ),
    )
    expect(local).toBe('refused')
    await until(() =>
      gateway.vault.inputsOf('session.event').some(({ detail }) => detail.includes('169.254.169.254:80')),
    )
  })

  test('a jump to an address instead of a name opens nothing, and nothing but SSH is spoken to a name', async () => {
    await using made = await logInWith(gateway.port, 'bob', key)
    const open = (host: string) =>
      new Promise<ClientChannel | undefined>((resolve) =>
        made.client.forwardOut('127.0.0.1', 1, host, 22, (error, channel) =>
          resolve(error === undefined ? channel : undefined),
        ),
      )
    for (const host of ['a b', '::1', 'x/y', '-oProxyCommand=x', 'ü', ''])
      expect(await open(host)).toBeUndefined()
    const channel = await open('press-3')
    const received = new Promise<string>((resolve) =>
      channel?.once('data', (piece: Buffer) => resolve(piece.toString())),
    )
    channel?.write('GET / HTTP/1.0\r\n\r\n')
    expect(await received).toContain('SSH-2.0-Tagout')
    await new Promise<void>((resolve) => {
      channel?.once('close', () => resolve())
      channel?.resume()
    })
  })

  test('without any target named, the sentence says how to name one', async () => {
    const ran = await ssh(['bob@127.0.0.1', 'true'])
    expect([ran.code, ran.err]).toEqual([
      255,
      expect.stringMatching(/^tagout: name the machine you want: ssh /),
    ])
  })

  test.skipIf(!existsSync('/usr/bin/ssh-audit'))('ssh-audit finds nothing to fail', async () => {
    const ran = await gateway.run('ssh-audit', ['-n', '-p', String(gateway.port), '127.0.0.1'])
    const text = ran.out.toString()
    expect(text).toContain('SSH-2.0-Tagout')
    expect(text).toContain('curve25519-sha256')
    expect(text.split('\n').filter((line) => line.includes('[fail]'))).toEqual([])
  })

  test('no handler was missing: nothing escaped into the process', async () => {
    expect(gateway.logged.filter((line) => line.startsWith('a channel failed'))).toEqual([])
    await stillServes()
  })
})

function exec(client: InstanceType<typeof Client>, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) =>
    client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel))),
  )
}
