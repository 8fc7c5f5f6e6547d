import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { liveBounds } from '../../recorder/live/protocol.ts'
import { newId } from '../../vault/kernel/id.ts'
import { addTarget, type Gateway, startGateway, until } from '../support/gateway.ts'
import { type LiveEnd, openLive, openTerminal } from '../support/live.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`watching a real shell is left out: ${why}`)

describe.skipIf(why !== undefined)('watching a session (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let shell: LiveEnd
  let session: string

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
    shell = await openTerminal(gateway, 'press-3', sshd.user, { columns: 80, rows: 24 })
    session = (await shell.hear('started')).session
    shell.type('echo on-the-$((1))-screen\n')
    await shell.see('on-the-1-screen')
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const take = (by: string, more: { readonly notice?: boolean; readonly session?: string } = {}) => {
    const login = newId('lgn')
    const ticket = `tkt_watch-${newId('lgn')}`
    const watch = newId('wch')
    gateway.vault.watchTickets.set(ticket, {
      login,
      answer: {
        kind: 'watch',
        watch,
        session: (more.session ?? session) as never,
        by,
        notice: more.notice ?? true,
        user: 'bob',
        account: 'press-3/engineer',
      },
    })
    return { login, ticket, watch }
  }
  const open = async ({ login, ticket }: { readonly login: string; readonly ticket: string }) => {
    const live = await openLive(gateway.liveSocket, { login })
    live.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
    return live
  }
  const isTold = (text: string) =>
    shell.messages.some((one) => one.kind === 'warning' && one.text.includes(text))
  const endsOf = (watch: string) =>
    gateway.vault.inputsOf('watch.end').filter((input) => input.watch === watch)

  test('a watcher sees the present screen and what follows, the user reads who watches, and both ends are told', async () => {
    const given = take('sue')
    const live = await open(given)
    expect(await live.hear('watching')).toMatchObject({ user: 'bob', notice: true })
    expect(await live.hear('screen')).toMatchObject({ columns: 80, rows: 24 })
    await live.see('on-the-1-screen')
    await until(() => isTold('this session is watched by sue'))
    shell.type('echo and-$((1+1))-more\n')
    await live.see('and-2-more')
    await until(() => live.messages.some((one) => one.kind === 'mark' && one.text.startsWith('command: ')))
    live.say({ kind: 'leave' })
    expect(await live.closed).toBe(1000)
    await until(() => isTold('this session is no longer watched by sue'))
    await until(() => endsOf(given.watch).length === 1)
  })

  test('where the safe says so the user is not told; the recording is', async () => {
    const live = await open(take('quiet', { notice: false }))
    await live.hear('screen')
    shell.type('echo still-$((2))-unaware\n')
    await live.see('still-2-unaware')
    live.socket.close()
    expect(isTold('this session is watched by quiet')).toBe(false)
  })

  test.each([
    ['keys', (live: LiveEnd) => live.type('touch by-a-watcher\n')],
    ['another ticket', (live: LiveEnd) => live.say({ kind: 'ticket', ticket: 'x', columns: 80, rows: 24 })],
    ['a flood', (live: LiveEnd) => live.type('x'.repeat(liveBounds.inputWindow + 1))],
    ['a message of no kind', (live: LiveEnd) => live.say({ kind: 'freeze', session: 'all' })],
  ])('a watcher who sends %s is cut off, and nothing of it reaches the target', async (_what, send) => {
    const given = take('eve')
    const live = await open(given)
    await live.hear('screen')
    send(live)
    expect(await live.closed).toBeGreaterThanOrEqual(1009)
    await until(() => endsOf(given.watch).length === 1)
    shell.type(`echo after-${given.watch.slice(-4)}-$((3))\n`)
    await shell.see(`after-${given.watch.slice(-4)}-3`)
    expect(existsSync(join(sshd.home, 'by-a-watcher'))).toBe(false)
  })

  test('a watcher who asks for another size changes nothing of the session', async () => {
    const live = await open(take('sue'))
    await live.hear('screen')
    live.say({ kind: 'resize', columns: 200, rows: 60 })
    shell.type('stty size; echo size-$((1))\n')
    await live.see('size-1')
    expect(live.text()).toContain('24 80')
    live.socket.close()
  })

  test('a ticket of another login, one used before and one for a session elsewhere show nothing', async () => {
    const foreign = take('eve')
    const other = await open({ ...foreign, login: newId('lgn') })
    expect((await other.hear('refused')).code).toBe('unauthenticated')
    const again = await open(foreign)
    expect((await again.hear('refused')).code).toBe('unauthenticated')
    const elsewhere = await open(take('eve', { session: newId('ses') }))
    expect((await elsewhere.hear('unwatched')).message).toBe('the session has ended')
  })

  test('a watcher who does not draw slows nobody, and is shown the screen anew', async () => {
    const live = await open(take('sue'))
    await live.hear('screen')
    live.draws = false
    const before = live.bytes()
    const begun = Date.now()
    shell.type("head -c 20000000 /dev/zero | tr '\\0' x; echo; echo through-$((1+1))\n")
    await until(() => shell.bytes() > 20_000_000, 60_000)
    expect(Date.now() - begun).toBeLessThan(60_000)
    expect(live.bytes() - before).toBeLessThan(2_500_000)
    live.draws = true
    live.say({ kind: 'taken', bytes: live.bytes() - before })
    await until(() => live.messages.filter(({ kind }) => kind === 'screen').length > 1, 20_000)
    live.socket.close()
  }, 90_000)

  test('nothing that is typed without echo is shown', async () => {
    const live = await open(take('sue'))
    await live.hear('screen')
    shell.type('read -s -p "pass""word: " secret; echo got-${#secret}\n')
    await live.see('password: ')
    shell.type('correct-horse\n')
    await live.see('got-13')
    expect(live.text() + JSON.stringify(live.messages)).not.toContain('correct-horse')
    live.socket.close()
  })

  test('a watch ends on the vault’s word, and with its session', async () => {
    const given = take('sue')
    const first = await open(given)
    const second = await open(take('tom'))
    await first.hear('screen')
    await second.hear('screen')
    await gateway.vault.cutWatch(given.watch, 'you may not watch\x1b[2J any more')
    expect((await first.hear('unwatched')).message).toBe('you may not watch\ufffd[2J any more')
    expect(await first.closed).toBe(1000)
    shell.type('exit\n')
    await second.see(/exit|logout/)
    expect((await second.hear('unwatched')).message).toBe('the session has ended')
    const marks = (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'watch' ? [frame.mark] : [],
    )
    expect(marks.slice(0, 2)).toEqual([
      { kind: 'watch', by: 'sue', watching: true },
      { kind: 'watch', by: 'sue', watching: false },
    ])
    expect(marks).toContainEqual({ kind: 'watch', by: 'quiet', watching: true })
  })
})
