import { existsSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { refuse } from '../../vault/kernel/outcome.ts'
import { addTarget, allEnded, type Gateway, startGateway, until } from '../support/gateway.ts'
import { openTerminal as openLiveTerminal } from '../support/live.ts'
import { type OldSwitch, startOldSwitch } from '../support/old-switch.ts'
import { startSshd, sudoersOf, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { openTerminal, type TerminalUser } from '../support/terminal-user.ts'

vi.setConfig({ testTimeout: 60_000 })

const why =
  whyNoSshd() ??
  (existsSync('/usr/bin/sudo') ? undefined : 'sudo is not installed (deploy/test-packages.txt)')
if (why !== undefined) console.warn(`elevation is not tried with real programs: ${why}`)

const actions = ['shell', 'exec', 'elevate'] as const
const enablePassword = 'Enable-Secret-4711'

describe.skipIf(why !== undefined)('elevation', () => {
  let gateway: Gateway
  let sshd: TestSshd
  let other: TestSshd
  let oldSwitch: OldSwitch
  const sudoers = () => sudoersOf(sshd)

  beforeAll(async () => {
    gateway = await startGateway()
    sshd = await startSshd()
    other = await startSshd()
    oldSwitch = await startOldSwitch({ login: 'tech', password: 'tech-pw', enablePassword })
    writeFileSync(
      sudoers(),
      `Defaults:${sshd.user} !lecture, timestamp_timeout=0, passwd_tries=3\n${sshd.user} ALL=(ALL) ALL\n`,
      { mode: 0o440 },
    )
    const elevatedBy = (kind: 'sudo' | 'su', secret: string) => ({ actions, elevation: { kind, secret } })
    addTarget(gateway, 'by-sudo', sshd, elevatedBy('sudo', sshd.password))
    addTarget(gateway, 'by-su', sshd, elevatedBy('su', other.password))
    addTarget(gateway, 'wrong', sshd, elevatedBy('sudo', 'a wrong secret'))
    addTarget(gateway, 'ungranted', sshd, { ...elevatedBy('sudo', sshd.password), actions: ['shell'] })
    gateway.vault.accounts.push({
      target: 'switch-7',
      login: 'tech',
      host: '127.0.0.1',
      port: oldSwitch.port,
      pins: oldSwitch.pins,
      credential: { kind: 'password', password: 'tech-pw' },
      actions: [...actions],
      elevation: { kind: 'enable', secret: enablePassword },
    })
  }, 120_000)

  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await sshd?.stop()
    await other?.stop()
    await oldSwitch?.[Symbol.asyncDispose]()
  })

  const open = (target: string, login = sshd.user): TerminalUser =>
    openTerminal([...gateway.ssh(), '-p', String(gateway.port), `bob@${login}@${target}@127.0.0.1`])
  const leave = async (user: TerminalUser) => {
    user.type('exit\r')
    await user.exited
    await allEnded(gateway.vault)
  }
  const events = (kind: string) =>
    gateway.vault.inputsOf('session.event').filter(({ event }) => event === kind)
  /** Everything that was recorded of the last session, as text. */
  const recorded = async () => {
    const frames = await gateway.frames()
    return frames
      .map((frame) => ('bytes' in frame ? Buffer.from(frame.bytes).toString() : JSON.stringify(frame)))
      .join('\n')
  }

  test('at the prompt of the real sudo the secret is typed, and is nowhere in what is recorded or logged', async () => {
    const bob = open('by-sudo')
    await bob.see('when sudo asks for a password, type ~e and Enter')
    bob.type('sudo id -un\r')
    await bob.see(/\[sudo\] password for \w+: /)
    bob.type('~e\r')
    await bob.see(/\r\nroot\r\n[^]*\$ $/)
    await leave(bob)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(1)
    const text = await recorded()
    expect(text).toContain('{"detail":"sudo","event":"elevation typed","kind":"policy"}')
    expect(text).not.toContain(sshd.password)
    expect(bob.text()).not.toContain(sshd.password)
    expect(bob.text().split('~e')).toHaveLength(2) // in the notice alone
    expect(gateway.logged.join('\n')).not.toContain(sshd.password)
    expect(JSON.stringify(gateway.vault.calls)).not.toContain(sshd.password)
  })

  test('a wrong secret is asked for again by sudo, and is typed again on another act alone', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    const bob = open('wrong')
    bob.type('sudo id -un\r')
    await bob.see(/\[sudo\] password for \w+: /)
    bob.type('~e\r')
    await bob.see(/Sorry, try again\.[\s\S]*\[sudo\] password for \w+: /)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before + 1)
    bob.type('~e\r')
    await bob.see(/Sorry, try again\.[\s\S]*\[sudo\] password for \w+: /)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before + 2)
    bob.type('\x03')
    await bob.see(/\$ $/)
    await leave(bob)
  })

  test('sudo that shows stars is no echo, and the stars are not shown', async () => {
    writeFileSync(
      sudoers(),
      `Defaults:${sshd.user} !lecture, timestamp_timeout=0, pwfeedback\n${sshd.user} ALL=(ALL) ALL\n`,
      { mode: 0o440 },
    )
    const bob = open('by-sudo')
    bob.type('sudo id -un\r')
    await bob.see(/\[sudo\] password for \w+: /)
    bob.type('~e\r')
    await bob.see(/\r\nroot\r\n[^]*\$ $/)
    // The one star of the probe is taken back; how long the secret is does not show.
    expect(bob.text().split('password for')[1]).not.toContain('**')
    expect(bob.text().split('password for')[1]).not.toContain('\b \b\b \b')
    await leave(bob)
  })

  test('at the prompt of the real su the secret of the other account is typed', async () => {
    const bob = open('by-su')
    await bob.see('when su asks')
    await bob.see(/\$ $/)
    bob.type(`su ${other.user}\r`)
    await bob.see(/Password: $/)
    bob.type('~e\r')
    await bob.see(/\$ $/)
    bob.type('id -un\r')
    await bob.see(`\r${other.user}\r\n`)
    bob.type('exit\r')
    await leave(bob)
    expect(await recorded()).not.toContain(other.password)
  })

  test('a switch is enabled, and the probe is taken back before', async () => {
    const bob = open('switch-7', 'tech')
    await bob.see('switch-7>')
    bob.type('enable\r')
    await bob.see('Password: ')
    bob.type('~e\r')
    await bob.see('switch-7#')
    expect(oldSwitch.entered).toEqual(['enable', enablePassword])
    await leave(bob)
    expect(await recorded()).not.toContain(enablePassword)
  })

  test('anywhere but at the prompt nothing is typed, released or sent, and the user is told', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    const bob = open('by-sudo')
    await bob.see(/\$ $/)
    bob.type('~e\r')
    await bob.see(
      'nothing was typed, since this is not the password prompt of sudo: type ~e and Enter when it asks',
    )
    // The prompt of another program, with echo off.
    bob.type('read -rsp "Password: " it; echo "got <$it>"\r')
    await bob.see(/Password: $/)
    bob.type('~e\r')
    await bob.see('nothing was typed, since this is not the password prompt of sudo')
    bob.type('\r')
    await bob.see('got <>')
    await leave(bob)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before)
    expect(events('elevation refused').length).toBeGreaterThanOrEqual(2)
  })

  test('a login further on asks for a password too, and is given none', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    const bob = open('by-su')
    await bob.see(/\$ $/)
    bob.type('bash -c \'echo "telnet switch-9"; read -rsp "Password: " it; echo "got <$it>"\'\r')
    await bob.see(/Password: $/)
    bob.type('~e\r')
    await bob.see('nothing was typed, since this is not the password prompt of su')
    bob.type('\r')
    await bob.see('got <>')
    await leave(bob)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before)
  })

  test('a fake prompt that shows what is typed gets nothing', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    writeFileSync(`${sshd.home}/fake`, `[sudo] password for ${sshd.user}: `)
    const bob = open('by-sudo')
    await bob.see(/\$ $/)
    bob.type('cat fake; cat > taken\r')
    await bob.see(/password for \w+: $/)
    bob.type('~e\r')
    await bob.see('nothing was typed, since this prompt shows what is typed: it is not the one it looks like')
    bob.type('\x04\x04')
    await leave(bob)
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before)
    expect(events('elevation refused').at(-1)?.detail).toContain('shows what is typed')
    expect(await recorded()).not.toContain(sshd.password)
  })

  test('without the permission, and where the vault refuses, nothing is typed', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    const bob = open('ungranted')
    await bob.see(/\$ $/)
    bob.type('sudo id -un\r')
    await bob.see(/password for \w+: /)
    bob.type('~e\r')
    await bob.see('your grant does not allow elevation: ask for a grant that allows elevate')
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before)
    bob.type('\x03')
    await bob.see(/\$ $/)
    await leave(bob)

    gateway.vault.refuseElevation = refuse(
      'rate_limited',
      'this session was elevated a moment ago',
      'try again later',
    )
    const eve = open('by-sudo')
    await eve.see(/\$ $/)
    eve.type('sudo id -un\r')
    await eve.see(/password for \w+: /)
    eve.type('~e\r')
    await eve.see('this session was elevated a moment ago: try again later')
    gateway.vault.refuseElevation = undefined
    // The prompt is as it was: the probe has been taken back.
    eve.type('~e\r')
    await eve.see(/\r\nroot\r\n[^]*\$ $/)
    await leave(eve)
  })

  test('in the browser it is asked for by a message, and what is typed meanwhile does not get into it', async () => {
    const live = await openLiveTerminal(gateway, 'by-sudo', sshd.user)
    expect(await live.hear('started')).toMatchObject({ elevation: 'sudo' })
    await live.see(/\$ $/)
    live.say({ kind: 'elevate' })
    await until(() =>
      live.messages.some((one) => one.kind === 'warning' && /nothing was typed/.test(one.text)),
    )
    live.type('sudo id -un\r')
    await live.see(/password for \w+: $/)
    live.type('x')
    live.say({ kind: 'elevate' })
    await until(() => live.messages.some((one) => one.kind === 'warning' && /begun to type/.test(one.text)))
    live.type('\x03')
    await live.see(/password for \w+: [^]*\$ $/)
    live.type('sudo id -un\r')
    await live.see(/password for [^]*password for \w+: $/)
    live.say({ kind: 'elevate' })
    // Were it not held, it would be a part of the secret, and that wrong.
    live.type('typed too early\r')
    await live.see(/\r\nroot\r\n[^]*\$ $/)
    live.type('exit\r')
    expect(await live.hear('ended')).toMatchObject({ reason: 'finished' })
    expect(live.text()).not.toContain(sshd.password)
    const text = await recorded()
    expect(text).toContain('"event":"elevation typed"')
    expect(text).not.toContain(sshd.password)
  })

  test('in the browser nobody elevates who may not, and there is no button for it', async () => {
    const before = gateway.vault.inputsOf('session.elevate').length
    const live = await openLiveTerminal(gateway, 'ungranted', sshd.user)
    expect(await live.hear('started')).not.toHaveProperty('elevation')
    await live.see(/\$ $/)
    live.type('sudo id -un\r')
    await live.see(/password for \w+: $/)
    live.say({ kind: 'elevate' })
    await until(() => live.messages.some((one) => one.kind === 'warning' && /does not allow/.test(one.text)))
    live.say({ kind: 'leave' })
    await live.hear('ended')
    expect(gateway.vault.inputsOf('session.elevate')).toHaveLength(before)
  })

  test('what only looks like the escape is typed as it is', async () => {
    const bob = open('by-sudo')
    await bob.see(/\$ $/)
    bob.type('echo ~e')
    bob.type('\r')
    await bob.see(/\r~e\r\n/)
    for (const key of '~eve/bin') bob.type(key)
    bob.type('\r')
    await bob.see(/~eve\/bin: No such file/)
    await leave(bob)
  })

  test('a machine that echoes the secret after all has it taken out of screen and recording', async () => {
    await using loud = await startOldSwitch({
      login: 'tech',
      password: 'tech-pw',
      enablePassword,
      repeatsPassword: true,
    })
    gateway.vault.accounts.push({
      target: 'switch-loud',
      login: 'tech',
      host: '127.0.0.1',
      port: loud.port,
      pins: loud.pins,
      credential: { kind: 'password', password: 'tech-pw' },
      actions: [...actions],
      elevation: { kind: 'enable', secret: enablePassword },
    })
    const bob = open('switch-loud', 'tech')
    await bob.see('switch-7>')
    bob.type('enable\r')
    await bob.see('Password: ')
    bob.type('~e\r')
    await bob.see(/you typed \r\nswitch-7#/)
    expect(bob.text()).not.toContain(enablePassword)
    await leave(bob)
    expect(await recorded()).not.toContain(enablePassword)
  })
})
