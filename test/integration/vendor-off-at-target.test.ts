import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startBrokered } from '../bench/brokered.ts'
import { makeSshUser, until } from '../support/gateway.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`taking a vendor off at a real target is left out: ${why}`)

test.skipIf(why !== undefined)(
  'when a company is taken off, what its people ran at the target has ended within three seconds',
  async () => {
    await using stack = new AsyncDisposableStack()
    const { vault, recorder } = stack.use(await startBrokered(0))
    const { knownHosts, address } = recorder.ready()
    const sponsor = await vault.person('sue', ['approver'])
    await vault.ask('company.add', {
      name: 'acme',
      contractEndsAt: new Date(Date.now() + 24 * 3600_000).toISOString(),
      sponsor: sponsor.name,
      mailDomains: ['acme.com'],
    })
    const people = ['vera', 'vito'].map((name) => ({
      name,
      ...makeSshUser(vault.dataDir, name, knownHosts, address.port),
    }))
    const target = stack.use(await startSshd({ authorizedKey: people[0]?.publicLine ?? '' }))
    await vault.account({
      target: 'press-3',
      login: target.user,
      address: `ssh://127.0.0.1:${target.port}`,
      pin: target.pins[0]?.fingerprint ?? '',
      password: target.password,
    })
    const running: ChildProcess[] = []
    stack.defer(() => {
      for (const child of running) child.kill('SIGKILL')
    })
    const at = (name: string) => join(target.home, name)
    for (const { name, publicLine, ssh } of people) {
      const { enrolment } = await vault.ask('company.invite', {
        company: 'acme',
        name,
        mail: `${name}@acme.com`,
      })
      await vault.enrol(enrolment.token)
      await vault.ask('user.key.add', { user: name, publicKey: publicLine })
      await vault.grant(name, `press-3/${target.user}`)
      const child = spawn(
        'ssh',
        [
          ...ssh(['-p', String(address.port)]),
          `${name}@${target.user}@press-3@127.0.0.1`,
          `trap 'date +%s%3N > ended-${name}' EXIT HUP TERM; cat > stream-${name}`,
        ],
        { stdio: ['pipe', 'ignore', 'ignore'] },
      )
      child.stdin.on('error', () => undefined)
      running.push(child)
      const timer = setInterval(() => child.stdin.write('0123456789abcde\n'), 5)
      stack.defer(() => clearInterval(timer))
    }
    await until(
      () =>
        people.every(
          ({ name }) => existsSync(at(`stream-${name}`)) && statSync(at(`stream-${name}`)).size > 500,
        ),
      60_000,
    )

    const offAt = Date.now()
    const report = await vault.ask('company.off', { company: 'acme', reason: 'the contract ended' })
    expect(report.sessions).toHaveLength(2)
    await until(
      () =>
        people.every(
          ({ name }) =>
            existsSync(at(`ended-${name}`)) && readFileSync(at(`ended-${name}`), 'utf8').length > 5,
        ),
      30_000,
    )
    for (const { name } of people)
      expect(Number(readFileSync(at(`ended-${name}`), 'utf8')) - offAt).toBeLessThan(3_000)
    await expect
      .poll(
        async () =>
          (await vault.ask('offboarding.show', { offboarding: report.id })).sessions.every(
            ({ endedAfterMs }) => endedAfterMs !== null && endedAfterMs < 3_000,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
    // Who comes again is not let in.
    const [again] = people
    const back = spawn('ssh', [
      ...(again?.ssh(['-p', String(address.port)]) ?? []),
      `${again?.name}@${target.user}@press-3@127.0.0.1`,
      'true',
    ])
    expect(await new Promise((resolve) => back.once('exit', resolve))).not.toBe(0)
  },
  120_000,
)
