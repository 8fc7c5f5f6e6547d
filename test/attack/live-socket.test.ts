import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { liveBounds, liveClose } from '../../recorder/live/protocol.ts'
import { newId } from '../../vault/kernel/id.ts'
import { addTarget, allEnded, type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { giveTicket, openLive, openTerminal } from '../support/live.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`attacks on live sockets are left out: ${why}`)

// Whoever holds a login, and speaks to the worker what no console would.
describe.skipIf(why !== undefined)('a hostile browser at a live socket', () => {
  let sshd: TestSshd
  let gateway: Gateway

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })
  const first = { kind: 'ticket', ticket: 'tkt_x', columns: 80, rows: 24 }
  const open = (login?: string) => openLive(gateway.liveSocket, login === undefined ? {} : { login })
  const terminal = async () => {
    const live = await openTerminal(gateway, 'press-3', sshd.user)
    await live.hear('started')
    return live
  }

  test.each([
    ['no JSON', 'hello'],
    ['another kind', JSON.stringify({ kind: 'watch', session: 'ses_x' })],
    ['a member too many', JSON.stringify({ ...first, user: 'alice' })],
    ['no size', JSON.stringify({ kind: 'ticket', ticket: 'tkt_x' })],
    ['an endless size', JSON.stringify({ ...first, columns: 1e9 })],
    ['a size of no number', '{"kind":"ticket","ticket":"t","columns":"80","rows":24}'],
    ['a resize first', JSON.stringify({ kind: 'resize', columns: 80, rows: 24 })],
    ['more taken than sent', JSON.stringify({ kind: 'taken', bytes: 1 })],
    ['null', 'null'],
    ['a prototype', '{"__proto__":{"kind":"ticket"},"ticket":"t","columns":80,"rows":24}'],
    ['too long a text', JSON.stringify({ ...first, ticket: 'x'.repeat(liveBounds.messageBytes) })],
  ])('%s is no first message: the socket is closed, the vault is not asked', async (_what, text) => {
    const before = gateway.vault.calls.length
    const live = await open()
    live.socket.send(text)
    expect(await live.closed).toBe(liveClose.malformed)
    expect(gateway.vault.calls.slice(before).map(({ verb }) => verb)).not.toContain('ticket.redeem')
  })

  test('bytes before a ticket, a broken frame and a frame too large close the socket', async () => {
    const early = await open()
    early.type('rm -rf /\n')
    expect(await early.closed).toBe(liveClose.malformed)
    const large = await open()
    large.socket.send(Buffer.alloc(liveBounds.inputFrameBytes + 1), { binary: true })
    expect(await large.closed).toBe(1009)
    const broken = await open()
    // Reserved bits, no mask, text that is not UTF-8: RFC 6455 §5.
    Reflect.get(broken.socket, '_socket').write(Buffer.from([0xf1, 0x02, 0xff, 0xff]))
    expect([1002, 1006, 1007]).toContain(await broken.closed)
  })

  test('a ticket is good once, and on its own login’s socket only', async () => {
    const { ticket, login } = giveTicket(gateway, 'press-3', sshd.user)
    const thief = await open(newId('lgn'))
    thief.say({ ...first, ticket })
    expect(await thief.hear('refused')).toMatchObject({ code: 'unauthenticated' })
    const late = await open(login)
    late.say({ ...first, ticket })
    expect(await late.hear('refused')).toMatchObject({ code: 'unauthenticated' })

    const own = giveTicket(gateway, 'press-3', sshd.user)
    const [one, two] = await Promise.all([open(own.login), open(own.login)])
    for (const live of [one, two]) live.say({ ...first, ticket: own.ticket })
    const kinds = await Promise.all([one, two].map((live) => until(() => live.messages[0]?.kind, 20_000)))
    expect(kinds.sort()).toEqual(['refused', 'started'])
    for (const live of [one, two]) live.socket.terminate()
    await allEnded(gateway.vault)
  })

  test('a second ticket over the same socket ends it', async () => {
    const live = await terminal()
    const { ticket } = giveTicket(gateway, 'press-3', sshd.user)
    live.say({ ...first, ticket })
    expect(await live.closed).toBe(liveClose.malformed)
    expect(gateway.vault.liveTickets.has(ticket)).toBe(true)
    await allEnded(gateway.vault)
  })

  test('more input than the window ends the session, however fast it comes', async () => {
    const live = await terminal()
    live.type('stty -echo; sleep 600\n')
    for (let count = 0; count < 64; count += 1)
      live.socket.send(Buffer.alloc(liveBounds.inputFrameBytes, 'x'), { binary: true })
    expect(await live.closed).toBe(liveClose.flood)
    await allEnded(gateway.vault)
    expect(gateway.vault.inputsOf('session.end').at(-1)).toMatchObject({ recording: { state: 'complete' } })
  })

  test('who says that it has drawn, and does not read, gets no more than its socket holds', async () => {
    const live = await terminal()
    live.draws = false
    live.type('yes | head -c 400000000\n')
    await until(() => live.bytes() > 100_000 || undefined, 20_000)
    live.socket.pause()
    const seen = live.bytes()
    // It guesses what has been sent since, and claims it without reading.
    const before = process.memoryUsage().rss
    const claims = setInterval(() => {
      if (live.socket.readyState === live.socket.OPEN) live.say({ kind: 'taken', bytes: 16_384 })
    }, 5)
    try {
      const deadline = Date.now() + 4_000
      await until(
        () => Date.now() > deadline || live.socket.readyState !== live.socket.OPEN || undefined,
        10_000,
      )
    } finally {
      clearInterval(claims)
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20)
    expect(live.bytes() - seen).toBeLessThan(2 ** 20)
    live.socket.terminate()
    await allEnded(gateway.vault)
  })

  test('a socket without the protocol, the api’s word, or an upgrade is turned away', async () => {
    const refused = await Promise.all([
      openLive(gateway.liveSocket, { protocol: 'chat' }),
      openLive(gateway.liveSocket, { login: 'nobody' }),
      openLive(gateway.liveSocket, { headers: { 'x-tagout-source': 'x'.repeat(101) } }),
    ])
    for (const live of refused) expect(await live.closed).toBe(1006)
    const status = await new Promise((resolve, reject) => {
      request({ socketPath: gateway.liveSocket, path: '/live' }, (answer) => resolve(answer.statusCode))
        .on('error', reject)
        .end()
    })
    expect(status).toBe(426)
  })

  test('one who sends nothing is let go after a time, and a flood of pings is answered by nothing that grows', async () => {
    const live = await terminal()
    live.draws = false
    live.socket.pause()
    const before = process.memoryUsage().rss
    for (let count = 0; count < 200_000 && live.socket.readyState === live.socket.OPEN; count += 1) {
      live.socket.ping(Buffer.alloc(125))
      if (count % 5_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(
      () => live.socket.bufferedAmount === 0 || live.socket.readyState !== live.socket.OPEN || undefined,
      30_000,
    )
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 2 ** 20)
    live.socket.terminate()
    await allEnded(gateway.vault)
  })
})
