import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { newId } from '../../vault/kernel/id.ts'
import { startTelnet, type TelnetServer, whyNoTelnet } from '../support/telnet.ts'

/** Telnet on the session path: fake vault, real guacd, real telnetd; and machines that are none. */

const why = whyNoTelnet()
if (why !== undefined) console.warn(`Telnet is left out: ${why}`)

const password = 'Kanarie-of-Telnet'

describe.skipIf(why !== undefined)('a terminal of Telnet', () => {
  let desk: DesktopGateway
  let telnet: TelnetServer
  const add = (target: string, port: number, change: object = {}) =>
    desk.gateway.vault.accounts.push({
      target,
      login: 'operator',
      host: '127.0.0.1',
      port,
      protocol: 'telnet',
      pins: [{ type: '', fingerprint: 'unverified' }],
      actions: ['observe', 'interact'],
      credential: { kind: 'password', password },
      ...change,
    })
  beforeAll(async () => {
    telnet = await startTelnet(password)
    desk = await startDesktopGateway()
    add('plc-7', telnet.port)
    add('wrong', telnet.port, { credential: { kind: 'password', password: 'wrong' } })
    add('feeding', telnet.port, { credential: { kind: 'password', password: `${password}\ntouch fed` } })
    add('away', 1)
    add('nobody', telnet.port, { pins: [] })
  }, 60_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await telnet?.[Symbol.asyncDispose]()
  })
  const open = (target: string) => openDesktopEnd(desk.gateway, target, 'operator')
  const written = (name: string) =>
    until(() => {
      const path = join(telnet.home, name)
      return existsSync(path) && readFileSync(path, 'utf8') !== '' ? readFileSync(path, 'utf8') : undefined
    }, 20_000)
  const refusalOf = async (target: string) => {
    const end = await open(target)
    const refused = await until(() => end.live.messages.find(({ kind }) => kind === 'refused'), 40_000)
    return { ...refused, reason: desk.gateway.vault.inputsOf('session.end').at(-1)?.reason }
  }

  /** A machine that does `talk` with whoever connects; what it heard, as text. */
  const machine = async (
    name: string,
    talk: (socket: Socket, heard: () => string) => void,
    change: object = {},
  ) => {
    let heard = ''
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        heard += chunk.toString('latin1')
      })
      talk(socket, () => heard)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no port')
    add(name, address.port, change)
    return {
      heard: () => heard,
      say: (text: string) => sockets.forEach((socket) => socket.write(text)),
      [Symbol.dispose]: () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      },
    }
  }

  test('it is logged in to, what is typed arrives, and the password is nowhere', async () => {
    const end = await open('plc-7')
    await end.see('img')
    await end.see('sync')
    end.type('echo "over Telnet" > typed\n')
    expect(await written('typed')).toBe('over Telnet\n')
    end.live.say({ kind: 'leave' })
    expect(await end.live.hear('ended')).toMatchObject({ reason: 'closed by the user' })
    await allEnded(desk.gateway.vault)
    const frames = JSON.stringify(await desk.gateway.frames(), (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    const seen = JSON.stringify(end.live.messages) + end.live.text()
    expect([seen, frames].every((text) => text.includes('4.size'))).toBe(true)
    for (const text of [seen, frames, desk.gateway.logged.join('\n')]) {
      expect(text).not.toContain(password)
      expect(text).not.toContain(Buffer.from(password).toString('base64').slice(0, 10))
    }
  })

  test('a linked secret is typed where a program asks for one, and is in no recording', async () => {
    const secret = ` Elster!"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~ of-the-PLC `
    const plc = { account: newId('acc'), name: 'plc-2/engineer', secret }
    const actions = ['observe', 'interact', 'type-in'] as const
    add('linked', telnet.port, { actions, typeIns: [plc] })
    const end = await open('linked')
    await end.see('img')
    await end.see('sync')
    // Without echo, as an engineering tool asks; the shell reads it as it is.
    end.type('stty -echo; touch asked; IFS= read -r asked; stty echo; printf "[%s]" "$asked" > typed-in\n')
    await until(() => existsSync(join(telnet.home, 'asked')) || undefined, 20_000)
    end.live.say({ kind: 'type-in', account: plc.account, enter: true })
    expect(await written('typed-in')).toBe(`[${secret}]`)
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    await allEnded(desk.gateway.vault)
    const frames = await desk.gateway.frames()
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks).toContainEqual({
      ...{ kind: 'policy', event: 'typed in' },
      detail: `plc-2/engineer: ${secret.length} keys and Enter`,
    })
    const recorded = JSON.stringify(frames, (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    for (const text of [recorded, JSON.stringify(end.live.messages), desk.gateway.logged.join('\n')])
      expect(text).not.toContain('of-the-PLC')
  })

  test('a wrong password is told apart; the machine is asked once', async () => {
    expect(await refusalOf('wrong')).toMatchObject({
      message: 'wrong refused the stored credential of operator',
      reason: 'target refused the credential',
    })
  })

  test('a password that would type commands is not typed; a machine that is away is said', async () => {
    expect(await refusalOf('feeding')).toMatchObject({
      message: expect.stringContaining('holds control characters'),
    })
    expect(existsSync(join(telnet.home, 'fed'))).toBe(false)
    expect(await refusalOf('away')).toMatchObject({ message: 'away refuses connections' })
    expect(await refusalOf('nobody')).toMatchObject({
      message: 'nobody has approved yet that nobody cannot prove what it is, so no credential was sent',
      next: 'ask an administrator to approve it: tagout target pin nobody --unverified',
    })
  })

  test('a machine that echoes the password shows it to nobody; what asks for one later gets none', async () => {
    using fake = await machine('echoing', (socket, heard) => {
      socket.write('User Name:')
      let at = 0
      socket.on('data', () => {
        if (at === 0 && heard().includes('operator\r\n')) {
          at = 1
          socket.write('operator\r\nPassword:')
        }
        if (at === 1 && heard().includes(`${password}\r\n`)) {
          at = 2
          socket.write(`${password}\r\nwelcome\r\nswitch> `)
        }
      })
    })
    const end = await open('echoing')
    await end.see('sync')
    const typed = fake.heard().split(password).length - 1
    expect(typed).toBe(1)
    fake.say('\r\nPassword:')
    end.type('x')
    await until(() => (fake.heard().endsWith('x') ? true : undefined), 10_000)
    expect(fake.heard().split(password).length - 1).toBe(1)
    // What it wrote is drawn; the control is a screen with the welcome that is larger than one without would be.
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
  })

  test('its own prompts are taken where the target names them, and without any it is given up with what to do', async () => {
    using named = await machine(
      'named',
      (socket, heard) => {
        socket.write('\x1b[1mBenutzer>\x1b[0m ')
        socket.on('data', () => {
          if (heard().endsWith('operator\r\n')) socket.write('\r\nKennwort> ')
          if (heard().endsWith(`${password}\r\n`)) socket.write('\r\n\r\n1) Menu\r\n2) More\r\n')
        })
      },
      { desktop: { userPrompt: 'benutzer>', passwordPrompt: 'Kennwort>' } },
    )
    const end = await open('named')
    await end.see('sync')
    expect(named.heard()).toContain(`${password}\r\n`)
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    using odd = await machine('odd', (socket) => void socket.write('Benutzer> '))
    expect(await refusalOf('odd')).toMatchObject({
      message: 'odd did not ask for a name and a password in a way that is known',
      next: expect.stringContaining('--prompts'),
    })
    expect(odd.heard()).not.toContain('operator')
  })
})
