import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { until } from '../support/gateway.ts'
import { startInputs } from '../../api/plant/inputs.ts'
import { startModbus, whyNoModbus } from '../support/modbus.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'
import { startBrokered } from './brokered.ts'
import type { Row } from './row.ts'

const sessionsAtOnce = Number(process.env['TAGOUT_BENCH_LIVE'] ?? 12)

/**
 * How long after the order the last byte of a user's arrives at the target, and how long until what ran there has ended,
 * with sessions spread over the recorder's workers. Times are the target's: when its file was last written.
 */
export async function run(count: number = sessionsAtOnce): Promise<Row[]> {
  const why = whyNoSshd()
  if (why !== undefined) throw new Error(why)
  await using stack = new AsyncDisposableStack()
  const {
    vault,
    recorder,
    users: [bob],
  } = stack.use(await startBrokered(1, {}))
  if (bob === undefined) throw new Error('there is no user')
  const target = stack.use(await startSshd({ authorizedKey: bob.publicLine }))
  await vault.account({
    target: 'press-3',
    login: target.user,
    address: `ssh://127.0.0.1:${target.port}`,
    pin: target.pins[0]?.fingerprint ?? '',
    password: target.password,
  })
  await vault.grant(bob.name, `press-3/${target.user}`)

  const at = (name: string) => join(target.home, name)
  const running: ChildProcess[] = []
  stack.defer(() => {
    for (const child of running) child.kill('SIGKILL')
  })
  const start = (index: number) => {
    // The command line says where; what comes in says when the last byte came, what ends says when.
    const command = `trap 'date +%s%3N > ended-${index}' EXIT HUP TERM; cat > stream-${index}`
    const child = spawn(
      'ssh',
      [
        ...bob.ssh(['-p', String(recorder.ready().address.port)]),
        `${bob.name}@${target.user}@press-3@127.0.0.1`,
        command,
      ],
      { stdio: ['pipe', 'ignore', 'ignore'] },
    )
    running.push(child)
    child.stdin.on('error', () => undefined)
    return setInterval(() => child.stdin.write('0123456789abcde\n'), 5)
  }
  const timers = Array.from({ length: count }, (_, index) => start(index))
  stack.defer(() => {
    for (const timer of timers) clearInterval(timer)
  })
  const names = Array.from({ length: count }, (_, index) => index)
  await until(
    () =>
      names.every(
        (index) => existsSync(at(`stream-${index}`)) && statSync(at(`stream-${index}`)).size > 1_000,
      ),
    60_000,
  )
  const sessions = await vault.ask('session.list', { live: true })

  /** Until the last byte arrives after an input at the plant has changed, read over Modbus/TCP. */
  const turnSwitch = async (): Promise<Row> => {
    await using modbus = await startModbus()
    await vault.ask('switch.add', {
      name: 'hall-3',
      safes: ['line-3'],
      act: 'freeze',
      input: `modbus://127.0.0.1:${modbus.port}/1/discrete/12`,
      stopsAt: true,
    })
    const api = await vault.connect('api')
    await using _reading = startInputs({
      ask: (verb, input) => api.call(verb, input),
      onFault: () => undefined,
    })
    const stands = async (state: string) => (await vault.ask('switch.list', {}))[0]?.state === state
    await until(() => stands('run'), 20_000)
    await wait(1_000)
    const turnedAt = Date.now()
    await modbus.set('discrete', 12, true)
    await until(() => stands('stop'), 20_000)
    await wait(2_000)
    const last = names.map((index) => statSync(at(`stream-${index}`)).mtimeMs - turnedAt)
    await modbus.set('discrete', 12, false)
    await until(() => stands('run'), 20_000)
    await until(
      () => names.every((index) => statSync(at(`stream-${index}`)).mtimeMs > turnedAt + 2_000),
      20_000,
    )
    await vault.ask('switch.remove', { switch: 'hall-3' })
    return {
      what: `plant switch (Modbus/TCP): last byte at the target after it was turned, worst of ${count}`,
      figure: Math.max(0, ...last),
      unit: 'ms',
      reach: '≤ 1,000 ms',
    }
  }

  const switched = whyNoModbus() === undefined ? [await turnSwitch()] : []
  const frozenAt = Date.now()
  await Promise.all(sessions.map(({ id }) => vault.ask('session.freeze', { session: id })))
  const toldMs = Date.now() - frozenAt
  await wait(2_000)
  const lastBytes = names.map((index) => statSync(at(`stream-${index}`)).mtimeMs - frozenAt)

  const cutAt = Date.now()
  await Promise.all(sessions.map(({ id }) => vault.ask('session.terminate', { session: id })))
  await until(() => names.every((index) => existsSync(at(`ended-${index}`))), 30_000)
  await until(() => names.every((index) => readFileSync(at(`ended-${index}`), 'utf8').length > 5), 5_000)
  const ends = names.map((index) => Number(readFileSync(at(`ended-${index}`), 'utf8')) - cutAt)
  return [
    {
      what: `freeze: last byte at the target after the order, worst of ${count}`,
      figure: Math.max(0, ...lastBytes),
      unit: 'ms',
      reach: '≤ 1,000 ms',
      peer: `${toldMs} ms until all were confirmed`,
    },
    {
      what: `terminate: what ran at the target has ended, worst of ${count}`,
      figure: Math.max(...ends),
      unit: 'ms',
      reach: '≤ 3,000 ms',
    },
    ...switched,
  ]
}
