import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fetchHostKeys } from '../../recorder/broker/ssh/fetch-host-key.ts'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { type OddOptions, type OddTarget, serialLine, startOddTarget } from '../support/odd-target.ts'
import { startDropbear, startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { openTerminal, type TerminalUser } from '../support/terminal-user.ts'

vi.setConfig({ testTimeout: 60_000 })

const why = whyNoSshd()
if (why !== undefined) console.warn(`left out with real servers: ${why}`)

const hidden = (prompt: string) => ({ prompt, echo: false })

describe('targets that do odd things', () => {
  let gateway: Gateway

  beforeAll(async () => {
    gateway = await startGateway({ targetConnect: 3_000, keepAlive: 800 })
  })
  afterAll(() => gateway?.[Symbol.asyncDispose]())

  let next = 0
  /** Makes a machine of the test's own a target, and gives its name. */
  const add = (odd: OddTarget, password = 'pw'): string => {
    const target = `odd-${(next += 1)}`
    gateway.vault.accounts.push({
      target,
      login: 'tech',
      host: '127.0.0.1',
      port: odd.port,
      pins: odd.pins,
      credential: { kind: 'password', password },
    })
    return target
  }
  const real = (sshd: TestSshd, change: object = {}): string => {
    const target = `real-${(next += 1)}`
    addTarget(gateway, target, sshd, change)
    return target
  }
  const args = (target: string) => {
    const login = gateway.vault.accounts.find((one) => one.target === target)?.login ?? ''
    return [...gateway.ssh(), '-p', String(gateway.port), `bob@${login}@${target}@127.0.0.1`]
  }
  const open = (target: string): TerminalUser => openTerminal(args(target))
  const ran = async (target: string, command = 'true') => {
    const { code, err, out } = await gateway.run('ssh', [...args(target), command])
    await allEnded(gateway.vault)
    return { code, err, out: out.toString(), reason: gateway.vault.inputsOf('session.end').at(-1)?.reason }
  }
  const bannerMark = async () =>
    (await gateway.frames()).flatMap((frame) =>
      frame.kind === 'mark' && frame.mark.kind === 'policy' && frame.mark.event === 'banner'
        ? [frame.mark.detail]
        : [],
    )
  const demands = () =>
    gateway.vault.inputsOf('session.event').filter(({ event }) => event === 'password change demanded')

  describe('questions at the login', () => {
    const asking = async (options: OddOptions, use: (odd: OddTarget, target: string) => Promise<void>) => {
      await using odd = await startOddTarget(options)
      await use(odd, add(odd))
    }

    test.each([
      'Password: ',
      'Passwort für tech: ',
      'Mot de passe : ',
      '密码：',
      'tech@old-switch password:',
    ])('the password is given to %j', (prompt) =>
      asking({ rounds: [{ prompts: [hidden(prompt)] }] }, async (odd, target) => {
        expect(await ran(target)).toMatchObject({ code: 0, out: 'ran true\n', reason: 'finished' })
        expect(odd.given).toEqual(['pw'])
      }),
    )

    test('rounds without a question are gone through, and what they say is kept', () =>
      asking(
        {
          rounds: [
            { instructions: 'Line 3 is down for maintenance', prompts: [] },
            { prompts: [hidden('Password: ')] },
            { instructions: 'Last login: yesterday', prompts: [] },
          ],
        },
        async (odd, target) => {
          expect(await ran(target)).toMatchObject({ code: 0, reason: 'finished' })
          expect(odd.given).toEqual(['pw'])
          expect(await bannerMark()).toEqual(['Line 3 is down for maintenance\nLast login: yesterday'])
        },
      ))

    test.each([
      ['another thing', [{ prompts: [hidden('Passcode: ')] }], 'tech: “Passcode:”'],
      ['nothing by name', [{ prompts: [hidden('')] }], 'tech: something that it does not name'],
      [
        'two things at once',
        [{ prompts: [hidden('Password: '), hidden('Domain: ')] }],
        'tech: 2 things at once',
      ],
      ['with echo', [{ prompts: [{ prompt: 'Password: ', echo: true }] }], 'tech: “Password:”'],
    ])(
      'a machine that asks for %s is given nothing, and the sentence says what it asked',
      (_what, rounds, said) =>
        asking({ rounds }, async (odd, target) => {
          const { code, err, reason } = await ran(target)
          expect([code, reason, odd.given]).toEqual([255, 'target refused the credential', []])
          expect(err).toBe(
            `tagout: ${target} asks for something other than the password of ${said}: ` +
              'nothing was sent: ask an administrator to look at the login of that machine\n',
          )
        }),
    )

    test('a machine that asks again after it was answered is given nothing more', () =>
      asking(
        { rounds: [{ prompts: [hidden('Password: ')] }, { prompts: [hidden('Password: ')] }] },
        async (odd, target) => {
          expect(await ran(target)).toMatchObject({ code: 255, reason: 'target refused the credential' })
          expect(odd.given).toEqual(['pw'])
        },
      ))

    test('a second factor after the password is not answered, and named', () =>
      asking(
        { rounds: [{ prompts: [hidden('Password: ')] }, { prompts: [hidden('Verification code: ')] }] },
        async (odd, target) => {
          const { err } = await ran(target)
          expect(err).toContain('“Verification code:”')
          expect(odd.given).toEqual(['pw'])
        },
      ))

    test('a new password is not given to who asks for one in the login', () =>
      asking(
        {
          rounds: [
            { prompts: [hidden('Password: ')] },
            {
              instructions: 'Your password has expired.',
              prompts: [hidden('New password: '), hidden('Retype new password: ')],
            },
          ],
        },
        async (odd, target) => {
          const before = demands().length
          const { err, reason } = await ran(target)
          expect(reason).toBe('target refused the credential')
          expect(odd.given).toEqual(['pw'])
          expect(err).toBe(
            `tagout: ${target} wants the password of tech changed before anybody logs in: ask an administrator to set a ` +
              `new password on the machine and to give it to Tagout with tagout account secret ${target}/tech\n`,
          )
          expect(demands()).toHaveLength(before + 1)
          expect((await bannerMark()).join()).toContain('Your password has expired.')
        },
      ))
  })

  describe.skipIf(why !== undefined)('real sshd', () => {
    test('with PAM and keyboard-interactive is logged in to, and its banner and greeting are shown and recorded', async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'tagout-banner-'))
      const banner = join(folder.path, 'banner')
      await using sshd = await startSshd({
        login: 'keyboard-interactive',
        config: [`Banner ${banner}`, 'PrintMotd no'],
      })
      writeFileSync(banner, 'Property of Press Line 3\n\u001b[2J\u001b]0;owned\u0007Keep out\n')
      writeFileSync(join(sshd.home, '.bash_profile'), 'echo "Message of the day"\n')
      const target = real(sshd)
      const bob = open(target)
      await bob.see(/Property of Press Line 3\r\nKeep out\r\n/)
      await bob.see('Message of the day')
      bob.type('exit\r')
      await bob.exited
      expect(bob.text().split('Message of the day')[0]).not.toContain('\u001b')
      expect(await bannerMark()).toEqual(['Property of Press Line 3\nKeep out'])
      const shown = (await gateway.frames()).flatMap((frame) =>
        frame.kind === 'output' ? Buffer.from(frame.bytes).toString() : [],
      )
      expect(shown.join('')).toMatch(/Property of Press Line 3\r\nKeep out[\s\S]*Message of the day/)
      // A command's output is its own: the banner is in the recording alone.
      expect(await ran(target, 'echo only this')).toMatchObject({ out: 'only this\n', err: '' })
      expect(await bannerMark()).toEqual(['Property of Press Line 3\nKeep out'])
    })

    const expire = (sshd: TestSshd) => execFileSync('chage', ['-d', '0', sshd.user])

    test('that wants the password changed in the rounds of PAM gets it once and no new one', async () => {
      await using sshd = await startSshd({ login: 'keyboard-interactive' })
      expire(sshd)
      const target = real(sshd)
      const before = demands().length
      const { err, reason } = await ran(target)
      expect(reason).toBe('target refused the credential')
      expect(err).toMatch(
        new RegExp(
          `^tagout: ${target} wants the password of ${sshd.user} changed before anybody logs in: ask`,
        ),
      )
      expect(demands().slice(before)).toMatchObject([{ detail: 'at the login: nobody is let in' }])
      // The password is what it was: nothing is stranded.
      execFileSync('chage', ['-d', '2026-11-01', sshd.user])
      expect(await ran(target)).toMatchObject({ code: 0, reason: 'finished' })
    })

    test('that runs passwd in place of the shell has nothing typed at it, and the session ends with what to do', async () => {
      await using sshd = await startSshd({ config: ['UsePAM yes'] })
      expire(sshd)
      const target = real(sshd)
      const before = demands().length
      const bob = open(target)
      await bob.see(/[Cc]urrent password: /)
      await bob.see(
        `tagout: ${target} wants the password of ${sshd.user} changed before anybody works, so this session ends and ` +
          `nothing was typed: ask an administrator to set a new password on the machine and to give it to Tagout with tagout account secret ${target}/${sshd.user}`,
      )
      expect(await bob.exited).toBe(255)
      await allEnded(gateway.vault)
      expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('target refused the credential')
      expect(demands().slice(before)).toMatchObject([{ detail: `of ${sshd.user}, in place of the shell` }])
      expect(bob.text()).not.toContain(sshd.password)

      const command = await ran(target, 'echo never')
      expect(command.out).toBe('')
      expect(command.err).toContain(
        `if it is ${target} that wants the password of ${sshd.user} changed, ask an`,
      )
      expect(demands()).toHaveLength(before + 2)
      execFileSync('chage', ['-d', '2026-11-01', sshd.user])
      expect(await ran(target, 'echo now')).toMatchObject({ code: 0, out: 'now\n' })
    })

    test('a person who runs passwd is left alone', async () => {
      await using sshd = await startSshd()
      const bob = open(real(sshd))
      await bob.see(/\$ $/)
      bob.type('passwd\r')
      await bob.see(/[Cc]urrent password: /)
      bob.type('\r')
      await bob.see(/\$ $/)
      bob.type('exit\r')
      await bob.exited
      await allEnded(gateway.vault)
    })

    test('of one session says so to the second on the same connection, and the first goes on', async () => {
      await using sshd = await startSshd({ config: ['MaxSessions 1'] })
      const target = real(sshd)
      const control = join(gateway.folder, 'control')
      const bob = openTerminal(['-M', '-S', control, ...args(target)])
      await bob.see(/\$ $/)
      const second = await gateway.run('ssh', ['-S', control, ...args(target), 'true'])
      expect(second.err).toContain(
        'tagout: the target opens no command beside what is open already: it may allow only so many sessions at a time: close the other one first',
      )
      bob.type('exit\r')
      await bob.exited
      await allEnded(gateway.vault)
    })

    test('Dropbear runs a command where old algorithms are allowed, which it has no need of', async () => {
      await using dropbear = await startDropbear()
      const target = real(dropbear, {
        legacy: [
          'group14-sha1',
          'gex-sha1',
          'group1-sha1',
          'ssh-rsa',
          'ssh-dss',
          'aes-cbc',
          '3des-cbc',
          'hmac-sha1',
        ],
      })
      const before = gateway.vault.inputsOf('session.event').length
      expect(await ran(target, 'echo from dropbear')).toMatchObject({
        code: 0,
        out: 'from dropbear\n',
        err: '',
      })
      expect(gateway.vault.inputsOf('session.event').slice(before)).toEqual([])
    })
  })

  describe('machines that take one at a time', () => {
    test.each([
      ['hang up', /^closed the connection before anything was said: it may take only so many connections/],
      ['say so', /^closed the connection, saying “% All VTY lines are in use, try again later”: it may take/],
      ['hang', /^does not answer within 3 s: check that the machine is on and reachable; it may take only/],
      [
        'disconnect',
        /^has too many connections: it may take only so many connections at a time: see who else/,
      ],
    ] as const)('and %s: the second reads a sentence, and the first goes on', async (whenBusy, sentence) => {
      await using odd = await startOddTarget({ whenBusy })
      const target = add(odd)
      const bob = open(target)
      await bob.see('odd>')
      const second = await gateway.run('ssh', [...args(target), 'true'])
      const [, rest = ''] = new RegExp(`^tagout: ${target} (.*)\n$`).exec(second.err) ?? []
      expect(rest).toMatch(sentence)
      bob.type('exit\r')
      await bob.exited
      await allEnded(gateway.vault)
      // And when it is free, the next gets in.
      await until(() => odd.connections().now === 0)
      expect(await ran(target)).toMatchObject({ code: 0 })
    })

    test('and let the login in, but open no session', async () => {
      await using odd = await startOddTarget({ whenBusy: 'no session' })
      const target = add(odd)
      const bob = open(target)
      await bob.see('odd>')
      const second = await gateway.run('ssh', [...args(target), 'true'])
      expect(second.err).toBe(
        'tagout: the target let the login in, but opens no session for a command: it may allow only so many at a time: ' +
          'see who else is on it, then try again\n',
      )
      bob.type('exit\r')
      await bob.exited
      await allEnded(gateway.vault)
    })

    test('are scanned and logged in to with one connection', async () => {
      await using odd = await startOddTarget({ whenBusy: 'hang up' })
      expect(await fetchHostKeys('127.0.0.1', odd.port)).toMatchObject({ ok: true, value: odd.pins })
      expect(odd.connections()).toMatchObject({ all: 1, most: 1 })
      await until(() => odd.connections().now === 0)
      await ran(add(odd))
      expect(odd.connections()).toMatchObject({ all: 2, most: 1 })
    })

    test('and is taken: the scan says what the machine says', async () => {
      await using odd = await startOddTarget({ whenBusy: 'say so' })
      const target = add(odd)
      const bob = open(target)
      await bob.see('odd>')
      expect(await fetchHostKeys('127.0.0.1', odd.port)).toMatchObject({
        ok: false,
        refusal: {
          message: expect.stringContaining('but says “% All VTY lines are in use, try again later”'),
        },
      })
      bob.type('exit\r')
      await bob.exited
      await allEnded(gateway.vault)
    })
  })

  describe('a serial line of 9600 baud', () => {
    test('that never answers is not given up while it prints, is interrupted at once, and is recorded in its time', async () => {
      const typed: { key: number; at: number }[] = []
      await using odd = await startOddTarget({
        isDeaf: true,
        // Longer than silence would be borne.
        onShell: serialLine(960 * 15, (key, at) => void typed.push({ key, at })),
      })
      const target = add(odd)
      const bob = open(target)
      const began = performance.now()
      await bob.see('0123456789')
      await until(() => performance.now() - began > 4_000)
      const pressed = performance.now()
      bob.type('\x03')
      await bob.see('slow>')
      const [interrupt] = typed
      expect(interrupt?.key).toBe(3)
      expect((interrupt?.at ?? Number.NaN) - pressed).toBeLessThan(1_000)
      bob.type('\x04')
      expect(await bob.exited).toBe(0)
      const took = performance.now() - began
      const frames = (await gateway.frames()).filter(({ kind }) => kind === 'output')
      const [first, last] = [(frames[0]?.at ?? 0) / 1e6, (frames.at(-1)?.at ?? 0) / 1e6]
      expect(last - first).toBeGreaterThan(3_500)
      expect(last - first).toBeLessThan(took)
    })

    test('that falls silent and answers nothing ends the session with a sentence', async () => {
      await using odd = await startOddTarget({ isDeaf: true })
      const bob = open(add(odd))
      await bob.see('odd>')
      await bob.see('the target does not answer any more')
      await bob.exited
      await allEnded(gateway.vault)
      expect(gateway.vault.inputsOf('session.end').at(-1)?.reason).toBe('target unreachable')
    })

    test('that is silent but answers stays', async () => {
      await using odd = await startOddTarget()
      const bob = open(add(odd))
      await bob.see('odd>')
      await until(() => gateway.vault.inputsOf('session.connected').length > 0)
      const began = performance.now()
      await until(() => performance.now() - began > 4_000)
      bob.type('exit\r')
      expect(await bob.exited).toBe(0)
      await allEnded(gateway.vault)
    })
  })
})
