import type { Connection, KeyboardAuthContext, ServerChannel } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fetchHostKeys } from '../../recorder/broker/ssh/fetch-host-key.ts'
import { allEnded, type Gateway, run, startGateway, until } from '../support/gateway.ts'
import { type OddOptions, startOddTarget } from '../support/odd-target.ts'
import { sendPayload, sshString, uint32 } from '../support/ssh-raw.ts'
import { openTerminal } from '../support/terminal-user.ts'

vi.setConfig({ testTimeout: 60_000 })

const password = 'pw'
/** Every character that drives a terminal, turns writing round or hides. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const harmful = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u
const sequences = '\u001b[2J\u001b]52;c;cm0gLXJmIC8=\u0007\u009b31m\u202egnirts\u202c\u0000\u0008'

describe('an odd target that means harm (fake vault)', () => {
  let gateway: Gateway

  beforeAll(async () => {
    gateway = await startGateway({ targetConnect: 2_500 })
  })
  afterAll(() => gateway?.[Symbol.asyncDispose]())

  const against = async (options: OddOptions) => {
    const odd = await startOddTarget(options)
    gateway.vault.accounts.length = 0
    gateway.vault.accounts.push({
      target: 'press-3',
      login: 'engineer',
      host: '127.0.0.1',
      port: odd.port,
      pins: odd.pins,
      credential: { kind: 'password', password },
    })
    return odd
  }
  const args = () => [...gateway.ssh(), '-p', String(gateway.port), 'bob@engineer@press-3@127.0.0.1']
  const ran = async () => {
    const { code, err } = await gateway.run('ssh', [...args(), 'true'])
    await allEnded(gateway.vault)
    return { code, err, reason: gateway.vault.inputsOf('session.end').at(-1)?.reason }
  }
  const events = () => gateway.vault.inputsOf('session.event').map(({ event }) => event)

  test('what it writes in banner, instruction and question drives nobody’s terminal', async () => {
    await using _odd = await against({
      banner: `Welcome${sequences}\nto the press`,
      rounds: [
        { instructions: `Read${sequences} this`, prompts: [] },
        { prompts: [{ prompt: `${sequences}Passcode${sequences}: `, echo: false }] },
      ],
    })
    const { err, code } = await ran()
    expect(code).toBe(255)
    expect(err).toContain('something other than the password of engineer: “gnirtsPasscodegnirts:”')
    expect(err.trimEnd()).not.toMatch(harmful)
    const marks = (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'policy' ? [frame.mark.detail] : [],
    )
    expect(marks).toEqual(['Welcomegnirts\nto the press\n\nReadgnirts this'])
  })

  test('what it says in place of SSH drives nobody’s terminal, in a session and in a scan', async () => {
    await using odd = await against({ whenBusy: 'say so' })
    const bob = openTerminal(args())
    await bob.see('odd>')
    const second = await gateway.run('ssh', [...args(), 'true'])
    expect(second.err).toContain('saying “% All VTY lines are in use, try again later”')
    expect(second.err.trimEnd()).not.toMatch(harmful)
    const scanned = await fetchHostKeys('127.0.0.1', odd.port)
    expect(scanned.ok ? '' : scanned.refusal.message).toContain(
      '“% All VTY lines are in use, try again later”',
    )
    bob.type('exit\r')
    await bob.exited
    await allEnded(gateway.vault)
  })

  const endlessly = (round: (context: KeyboardAuthContext, again: () => void) => void) => ({
    onConnection: (connection: Connection) => {
      connection.on('authentication', (context) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
        const again = () => {
          if (!isOver) round(context, () => setImmediate(again))
        }
        let isOver = false
        connection.on('close', () => {
          isOver = true
        })
        again()
      })
    },
  })

  test('rounds without a question and without end are left when the login takes too long', async () => {
    let rounds = 0
    await using odd = await against(
      endlessly((context, again) => {
        rounds += 1
        context.prompt([], 'name', 'x'.repeat(10_000), again)
      }),
    )
    const before = process.memoryUsage().rss
    const { code, err, reason } = await ran()
    expect([code, reason]).toEqual([255, 'target unreachable'])
    expect(err).toContain('press-3 did not finish the login within 3 s')
    expect(rounds).toBeGreaterThan(10)
    expect(odd.given).toEqual([])
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20)
    // Of all that it said a page is kept.
    const [mark] = (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'policy' ? [frame.mark.detail] : [],
    )
    expect(mark?.length).toBeLessThan(20_000)
  })

  test('four thousand million questions in one packet are none', async () => {
    await using odd = await against({
      onConnection: (connection: Connection) => {
        connection.on('authentication', (context) => {
          if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
          sendPayload(
            connection,
            Buffer.concat([
              Buffer.from([60]),
              ...['n', 'i', ''].map((text) => sshString(text)),
              uint32(0xffff_ffff),
              sshString('Password:'),
              Buffer.from([0]),
            ]),
          )
        })
      },
    })
    const { code, reason } = await ran()
    expect([code, reason, odd.given]).toEqual([255, 'protocol error', []])
  })

  test('a question that shows what is typed, and then one that does not, are both left unanswered', async () => {
    await using odd = await against({
      rounds: [
        { prompts: [{ prompt: 'Password: ', echo: true }] },
        { prompts: [{ prompt: 'Password: ', echo: false }] },
      ],
    })
    expect(await ran()).toMatchObject({ code: 255, reason: 'target refused the credential' })
    expect(odd.given).toEqual([])
  })

  test('a demand for a new password is given nothing, however it is put', async () => {
    const entered: string[] = []
    await using odd = await against({
      onShell: (channel) => {
        channel.on('data', (bytes: Buffer) => void entered.push(bytes.toString()))
        channel.write(`Changing password for engineer.\r\n${sequences} Current password ${sequences}: `)
      },
    })
    const before = events().length
    const bob = openTerminal(args())
    await bob.see('press-3 wants the password of engineer changed before anybody works')
    await bob.exited
    await allEnded(gateway.vault)
    expect([entered, odd.given]).toEqual([[], [password]])
    expect(events().slice(before)).toEqual(['password change demanded'])
  })

  test('after a person entered something, such a demand ends nothing', async () => {
    await using _odd = await against({
      onShell: (channel: ServerChannel) => {
        channel.write('odd>')
        channel.on('data', (bytes: Buffer) => {
          if (bytes.includes(4)) {
            channel.exit(0)
            channel.end()
          } else if (bytes.includes(13)) channel.write('\r\nCurrent password: ')
        })
      },
    })
    const before = events().length
    const bob = openTerminal(args())
    await bob.see('odd>')
    bob.type('passwd\r')
    await bob.see('Current password: ')
    bob.type('\x04')
    expect(await bob.exited).toBe(0)
    await allEnded(gateway.vault)
    expect(events().slice(before)).toEqual([])
  })

  test('a machine that reads nothing of a paste holds it up at the sender, not in memory', async () => {
    let channel: ServerChannel | undefined
    await using _odd = await against({
      onShell: (opened) => {
        channel = opened
        opened.write('odd>')
        opened.pause()
      },
    })
    const before = process.memoryUsage().rss
    const paste = `head -c 256000000 /dev/zero | tr '\\0' x | exec ssh -tt "$@"`
    const pasted = run('sh', ['-c', paste, 'sh', ...args()])
    await until(() => channel !== undefined)
    let highest = 0
    const began = performance.now()
    await until(() => {
      highest = Math.max(highest, process.memoryUsage().rss)
      return performance.now() - began > 3_000
    })
    expect(highest - before).toBeLessThan(150 * 2 ** 20)
    // What it prints still comes through.
    channel?.write('still here')
    channel?.exit(0)
    channel?.close()
    expect((await pasted).out.toString()).toContain('odd>still here')
    await allEnded(gateway.vault)
  })
})
