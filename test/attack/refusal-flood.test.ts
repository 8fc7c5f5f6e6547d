import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { ClientChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writtenSingly } from '../../recorder/broker/ssh/denials.ts'
import { addTarget, allEnded, type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { giveTicket, openLive, openTerminal } from '../support/live.ts'
import { logInWith } from '../support/ssh-raw.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`floods of refused acts are left out: ${why}`)

// Somebody with a grant asks for what they do not get, over and over, and leaves before they are answered.
describe.skipIf(why !== undefined)('a user who asks without end', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let there: Server
  let port: number

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway({ connectionsPerUser: 1 })
    addTarget(gateway, 'press-3', sshd, {
      actions: ['shell', 'elevate'],
      elevation: { kind: 'sudo', secret: sshd.password },
    })
    there = createServer((socket) => void socket.on('error', () => undefined))
    await new Promise<void>((resolve) => there.listen(0, '127.0.0.1', resolve))
    port = (there.address() as AddressInfo).port
    const rule = { host: '127.0.0.1', port, record: 'stream', connections: 1, megabytes: null }
    addTarget(gateway, 'jump', sshd, { actions: ['shell', 'forward'], forwards: [rule] })
    addTarget(gateway, 'nothing-there', sshd, {
      actions: ['shell', 'forward'],
      forwards: [{ ...rule, port: 1 }],
    })
  })
  afterAll(async () => {
    there.close()
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const terminal = async () => {
    const live = await openTerminal(gateway, 'press-3', sshd.user)
    await live.hear('started')
    await live.see(/\$\s*$/)
    return live
  }

  const redeemed = () => gateway.vault.calls.filter(({ verb }) => verb === 'ticket.redeem').length

  test('for an elevation where nothing asks for a password is written down so often, then counted', async () => {
    const live = await terminal()
    const asked = writtenSingly * 5
    for (let count = 0; count < asked; count += 1) {
      live.say({ kind: 'elevate' })
      await until(
        () => live.messages.filter(({ kind }) => kind === 'warning').length > count || undefined,
        20_000,
      )
    }
    live.socket.terminate()
    await allEnded(gateway.vault)
    const written = gateway.vault
      .inputsOf('session.event')
      .filter(({ event }) => event === 'elevation refused')
    expect(written.length).toBeLessThan(writtenSingly + 10)
    expect(written.at(-1)?.detail).toBe(`elevation refused: ${asked} in all`)
  })

  test.each([
    ['one connection more than its grant gives', 'jump', 'forwarding refused: more than 1 connections'],
    ['a destination that does not answer', 'nothing-there', 'forwarding refused: the target does not reach'],
  ])('for %s is written down so often, then counted', async (_what, target, line) => {
    const before = gateway.vault.inputsOf('session.event').length
    const asked = writtenSingly * 5
    {
      await using made = await logInWith(
        gateway.port,
        `bob@${sshd.user}@${target}`,
        readFileSync(gateway.keyFile),
      )
      const open = () =>
        new Promise<ClientChannel | undefined>((resolve) =>
          made.client.forwardOut(
            '127.0.0.1',
            40_000,
            '127.0.0.1',
            target === 'jump' ? port : 1,
            (error, one) => resolve(error === undefined ? one : undefined),
          ),
        )
      if (target === 'jump') expect(await open()).toBeDefined()
      for (let count = 0; count < asked; count += 1) expect(await open()).toBeUndefined()
    }
    await allEnded(gateway.vault)
    const written = gateway.vault
      .inputsOf('session.event')
      .slice(before)
      .map(({ event, detail }) => `${event}: ${detail}`)
    expect(written[0]).toContain(line)
    expect(written.length).toBeLessThan(writtenSingly + 10)
    expect(written.at(-1)).toBe(`forwarding refused: forwarding refused: ${asked} in all`)
  })

  test('and has closed the page before the ticket was taken holds no connection afterwards', async () => {
    const opens = gateway.vault.inputsOf('session.open').length
    for (let count = 1; count <= 3; count += 1) {
      const gate = Promise.withResolvers<null>()
      gateway.vault.beforeRedeem = gate.promise
      const redeems = redeemed()
      const { ticket, login } = giveTicket(gateway, 'press-3', sshd.user)
      const live = await openLive(gateway.liveSocket, { login })
      live.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
      await until(() => redeemed() > redeems || undefined, 20_000)
      live.socket.terminate()
      await live.closed
      // Its worker, in this process, hears of the end of one socket before it hears what comes over another later.
      const after = await openLive(gateway.liveSocket)
      after.say({ kind: 'nothing' })
      await after.closed
      gate.resolve(null)
    }
    gateway.vault.beforeRedeem = Promise.resolve()
    const live = await terminal()
    live.socket.terminate()
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.open')).toHaveLength(opens + 1)
  })
})
