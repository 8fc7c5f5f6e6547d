import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Secret } from '../../../vault/kernel/secret.ts'
import type { Credential, Place } from '../../../vault/rotation/connector.ts'
import { networkCli } from '../../../vault/rotation/connectors/network-cli.ts'
import { builtIn } from '../../../vault/rotation/recipes/built-in.ts'
import { type OldSwitchOptions, startOldSwitch } from '../../support/old-switch.ts'

/** Hostile machines with a command line: what they get of a secret, and where it stands. */

const [current, candidate] = ['Old-Secret-of-1', 'New-Secret-of-2']
const password = (text: string): Credential => ({ kind: 'password', secret: new Secret(Buffer.from(text)) })

function placeOf(
  port: number,
  recipe: string,
  more: {
    readonly pins?: Place['target']['pins']
    readonly protocol?: 'ssh' | 'telnet'
    readonly login?: string
  } = {},
): Place {
  const { protocol = 'ssh', pins = [{ type: '', fingerprint: 'unverified' }], login = 'tech' } = more
  return {
    target: { name: 'switch-7', protocol, host: '127.0.0.1', port, pins, legacy: null },
    account: { login, name: `switch-7/${login}` },
    recipe: JSON.stringify(builtIn.get(`${recipe}@1`)),
    withinMs: 20_000,
    signal: AbortSignal.timeout(20_000),
  }
}

async function attack(recipe: string, options: Partial<OldSwitchOptions>, given = candidate) {
  await using machine = await startOldSwitch({ login: 'tech', password: current, ...options })
  const place = placeOf(machine.port, recipe, { pins: machine.pins })
  const seen = await networkCli.change(place, password(current), password(given))
  return { seen, entered: machine.entered, running: machine.state.running.passwords['tech'] }
}

describe('a switch', () => {
  test('that shows the new password at a prompt for it is entered nothing more', async () => {
    const { seen, entered } = await attack('hirschmann-classic', {
      dialect: 'hirschmann',
      malice: 'echoes the new one',
    })
    expect(seen.result).toMatchObject({
      kind: 'unknown',
      why: expect.stringContaining('shows what is entered'),
    })
    expect(entered.filter((line) => line === candidate).length).toBe(1)
  })

  test('that pages without end is left', async () => {
    const { seen, entered } = await attack('cisco-ios', { malice: 'pages without end' })
    expect(seen.result).toMatchObject({ kind: 'untouched', why: expect.stringContaining('has no end') })
    expect(entered.join()).not.toContain(candidate)
  })

  test('that floods is left', async () => {
    const { seen, entered } = await attack('cisco-ios', { malice: 'floods' })
    expect(seen.result).toMatchObject({ kind: 'untouched', why: expect.stringContaining('said too much') })
    expect(entered).toEqual([])
  })

  test('that asks for a password where the recipe has none is given none', async () => {
    const { seen, entered } = await attack('cisco-ios', { malice: 'asks for the password again' })
    expect(seen.result.kind).toBe('untouched')
    expect(entered).toEqual(['terminal length 0', 'configure terminal'])
  })

  test('that asks in words which are not the recipe’s is given nothing', async () => {
    const { seen, entered } = await attack('hirschmann-classic', {
      dialect: 'hirschmann',
      malice: 'asks in other words',
    })
    expect(seen.result.kind).toBe('untouched')
    expect(entered.join()).not.toMatch(/Secret/)
  })

  test('that repeats in its error what it heard has nothing of it in what is said of it', async () => {
    const { seen } = await attack('cisco-ios', {
      malice: 'answers an error with what it heard',
      leastLength: 40,
    })
    expect(seen.result.kind).toBe('refused')
    expect(JSON.stringify(seen)).not.toContain(candidate)
  })

  test('with another key is sent nothing', async () => {
    await using machine = await startOldSwitch({ login: 'tech', password: current })
    const place = placeOf(machine.port, 'cisco-ios', {
      pins: [{ type: '', fingerprint: `SHA256:${'A'.repeat(43)}` }],
    })
    const seen = await networkCli.change(place, password(current), password(candidate))
    expect(seen).toMatchObject({ result: { kind: 'untouched' }, sent: false })
    expect(machine.logins).toEqual([])
  })
})

describe('a password never breaks out of its place', () => {
  test.each([
    ['a line of its own', 'Abc-12345\nreload'],
    ['a carriage return', 'Abc-12345\rreload'],
    ['a key that ends the mode', 'Abc-12345\x1a'],
    ['the key for help', 'Abc-12345?'],
    ['a space', 'Abc-12345 privilege 15'],
    ['a quote', 'Abc-12345"'],
    ['a pipe', 'Abc-12345|redirect'],
    ['a letter that is none of ASCII', 'Abc-12345é'],
    ['nothing', ''],
  ])('with %s it is not entered, and nobody logs in', async (_, given) => {
    await using machine = await startOldSwitch({ login: 'tech', password: current })
    const place = placeOf(machine.port, 'cisco-ios', { pins: machine.pins })
    const seen = await networkCli.change(place, password(current), password(given))
    expect(seen).toMatchObject({ result: { kind: 'untouched' }, sent: false })
    if (given !== '') expect(JSON.stringify(seen)).not.toContain(given.slice(3))
    expect([machine.logins, machine.entered]).toEqual([[], []])
  })

  test('a login name does not either', async () => {
    const login = 'tech;reload'
    await using machine = await startOldSwitch({ login, password: current })
    const place = placeOf(machine.port, 'cisco-ios', { pins: machine.pins, login })
    const seen = await networkCli.change(place, password(current), password(candidate))
    expect(seen).toMatchObject({
      result: { kind: 'untouched', why: expect.stringContaining('no word') },
      sent: false,
    })
  })

  test('at a prompt that shows nothing it may hold what a line may not', async () => {
    const odd = 'Abc 12345?"|'
    const { seen, running } = await attack(
      'hirschmann-classic',
      { dialect: 'hirschmann', forbidden: '' },
      odd,
    )
    expect([seen.result.kind, running]).toEqual(['changed', odd])
  })
})

describe('a machine of Telnet', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  async function serve(talk: (socket: Socket, heard: () => string) => void) {
    let heard = ''
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (piece: Buffer) => {
        heard += piece.toString('latin1')
      })
      talk(socket, () => heard)
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: (server.address() as AddressInfo).port, heard: () => heard }
  }
  const telnet = (port: number) => placeOf(port, 'cisco-ios', { protocol: 'telnet' })

  test('whose identity nobody has approved as unverified is not connected to', async () => {
    let connections = 0
    const { port } = await serve(() => {
      connections += 1
    })
    const place = placeOf(port, 'cisco-ios', { protocol: 'telnet', pins: [] })
    const seen = await networkCli.login(place, password(current))
    expect(seen).toMatchObject({ result: { kind: 'unreachable' }, sent: false })
    expect(connections).toBe(0)
  })

  test('that asks again is given the password once, and has refused it', async () => {
    const { port, heard } = await serve((socket, said) => {
      socket.write('Username: ')
      socket.on('data', () => {
        const lines = said().split('\r\n').length - 1
        socket.write(lines % 2 === 1 ? '\r\nPassword: ' : '\r\nUsername: ')
      })
    })
    const seen = await networkCli.login(telnet(port), password(current))
    expect(seen).toMatchObject({ result: { kind: 'rejected' }, sent: true })
    expect(heard().split(current).length - 1).toBe(1)
  })

  test('that asks for options without end is answered each once', async () => {
    const { port, heard } = await serve((socket) => {
      socket.on('data', () => socket.write(Buffer.from([255, 253, 24, 255, 251, 1])))
      socket.write(Buffer.from([255, 253, 24, 255, 251, 1]))
    })
    const seen = await networkCli.login(
      { ...telnet(port), withinMs: 1_500, signal: AbortSignal.timeout(1_500) },
      password(current),
    )
    expect(seen).toMatchObject({ result: { kind: 'unreachable' }, sent: false })
    expect(heard().length).toBeLessThanOrEqual(6)
  })
})
