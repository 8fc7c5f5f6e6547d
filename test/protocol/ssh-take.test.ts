import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newId, type WatchId } from '../../vault/kernel/id.ts'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { type LiveEnd, openLive, openTerminal } from '../support/live.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`taking over a real shell is left out: ${why}`)

describe.skipIf(why !== undefined)('a session that was taken over (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let gateway: Gateway
  let shell: LiveEnd
  let session: string

  beforeAll(async () => {
    sshd = await startSshd()
    gateway = await startGateway()
    addTarget(gateway, 'press-3', sshd)
  })
  beforeEach(async () => {
    shell = await openTerminal(gateway, 'press-3', sshd.user, { columns: 80, rows: 24 })
    session = (await shell.hear('started')).session
    // Everything that comes to the target from here on is a line of this file, in the order in which it came.
    shell.type(`cat > ${session}; echo cat is ov""er\n`)
    await until(() => existsSync(atTarget()), 20_000)
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const atTarget = () => join(sshd.home, session)
  const lines = () => readFileSync(atTarget(), 'utf8').split('\n').filter(Boolean)
  const arrives = (line: string) => until(() => lines().includes(line), 20_000)
  const watch = async (by: string) => {
    const [login, ticket, id] = [newId('lgn'), `tkt_${newId('lgn')}`, newId('wch')]
    gateway.vault.watchTickets.set(ticket, {
      login,
      answer: {
        ...{ kind: 'watch', watch: id, session: session as never, by, notice: true },
        ...{ user: 'bob', account: 'press-3/engineer' },
      } as const,
    })
    const live = await openLive(gateway.liveSocket, { login })
    live.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
    await live.hear('watching')
    return { live, id: id as WatchId }
  }
  const takes = async (by: string) => {
    const one = await watch(by)
    await gateway.vault.hand(session, one.id, by)
    await until(() => one.live.messages.some((told) => told.kind === 'typing' && told.may))
    one.live.say({ kind: 'into', channel: 0 })
    return one
  }
  const told = (text: string) =>
    until(() => shell.messages.some((one) => one.kind === 'warning' && one.text.includes(text)), 20_000)
  const ends = async () => {
    await gateway.vault.setFrozen(session, false, 'sue')
    shell.type('\x04')
    await shell.see('cat is over')
    shell.type('exit\n')
    await shell.hear('ended')
    await allEnded(gateway.vault)
  }

  test('what each types arrives in order, and of the other nothing while it is not theirs', async () => {
    shell.type('one of bob\n')
    await arrives('one of bob')
    const sue = await takes('sue')
    await told('sue has taken this session over')
    shell.type('bob while it is taken\n')
    await told('What you type is dropped')
    sue.live.type('one of sue\n')
    sue.live.type('two of sue\n')
    await arrives('two of sue')
    await gateway.vault.setFrozen(session, false, 'sue')
    await told('this session goes on, unfrozen by sue')
    // Keys that were on their way when it was given back reach nothing, and are no violation.
    sue.live.type('sue after giving back\n')
    shell.type('two of bob\n')
    await arrives('two of bob')
    expect(lines()).toEqual(['one of bob', 'one of sue', 'two of sue', 'two of bob'])
    expect(sue.live.messages.some(({ kind }) => kind === 'unwatched')).toBe(false)
    await ends()
    const frames = await gateway.frames()
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks.filter(({ kind }) => kind === 'take')).toEqual([
      { kind: 'take', by: 'sue', taken: true },
      { kind: 'take', by: 'sue', taken: false },
    ])
  }, 60_000)

  test('a supervisor who leaves, or whose connection breaks, leaves the session frozen', async () => {
    const sue = await takes('sue')
    sue.live.type('sue was here\n')
    await arrives('sue was here')
    sue.live.socket.terminate()
    await told('sue types in this session no more')
    shell.type('bob thinks it is his\n')
    const tom = await takes('tom')
    tom.live.type('tom is here\n')
    await arrives('tom is here')
    tom.live.say({ kind: 'leave' })
    await told('tom types in this session no more')
    await gateway.vault.setFrozen(session, false, 'ann')
    shell.type('bob again\n')
    await arrives('bob again')
    expect(lines()).toEqual(['sue was here', 'tom is here', 'bob again'])
    await ends()
  }, 60_000)

  test('when the vault takes it back nothing more of theirs arrives, and nothing of the user’s either', async () => {
    const sue = await takes('sue')
    sue.live.type('before\n')
    await arrives('before')
    await gateway.vault.hand(session, null, 'plant switch line-3')
    await until(() => sue.live.messages.some((one) => one.kind === 'typing' && !one.may))
    for (let count = 0; count < 20; count += 1) {
      sue.live.type(`sue ${count}\n`)
      shell.type(`bob ${count}\n`)
    }
    // It goes on with her once what held everybody is gone.
    await gateway.vault.hand(session, sue.id, 'sue')
    await until(() => sue.live.messages.filter((one) => one.kind === 'typing' && one.may).length === 2)
    sue.live.type('after\n')
    await arrives('after')
    expect(lines()).toEqual(['before', 'after'])
    sue.live.say({ kind: 'leave' })
    await ends()
  }, 60_000)

  test('who only watches types nothing, and the session is handed to the watch that was named alone', async () => {
    const eve = await watch('eve')
    const sue = await takes('sue')
    eve.live.type('eve\n')
    expect(await eve.live.closed).toBe(4400)
    const mal = await watch('mal')
    mal.live.say({ kind: 'into', channel: 0 })
    expect(await mal.live.closed).toBe(4400)
    sue.live.type('sue alone\n')
    await arrives('sue alone')
    expect(lines()).toEqual(['sue alone'])
    sue.live.say({ kind: 'leave' })
    await ends()
  }, 60_000)

  test('keys that come with escapes in a name, for another terminal, or for none, reach nothing', async () => {
    const sue = await takes('s\x1b[2Jue')
    await told('has taken this session over')
    expect(JSON.stringify(shell.messages)).not.toContain('\\u001b')
    sue.live.say({ kind: 'into', channel: 7 })
    sue.live.type('nowhere\n')
    sue.live.say({ kind: 'into', channel: 0 })
    sue.live.type('here\n')
    await arrives('here')
    expect(lines()).toEqual(['here'])
    sue.live.say({ kind: 'leave' })
    await ends()
  }, 60_000)
})
