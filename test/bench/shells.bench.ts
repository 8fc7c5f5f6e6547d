import { once } from 'node:events'
import { freemem } from 'node:os'
import { childrenOf } from '../support/recorder-process.ts'
import { cpuSeconds, startBrokered, startHelper } from './brokered.ts'
import type { Row } from './row.ts'
import type { Login, Order, Report } from './shell-users.ts'

const held = Number(process.env['TAGOUT_BENCH_SESSIONS'] ?? 2_000)
/** A person has so many at most; a worker refuses a person more than 100. */
const perUser = 100

/** Starts, latency and shells held: users and target are processes of their own, on the same cores. */
export async function run(): Promise<Row[]> {
  await using stack = new AsyncDisposableStack()
  const { vault, recorder, users } = stack.use(await startBrokered(Math.ceil(held / perUser) + 1))
  const { port } = recorder.ready().address
  const target = await startHelper('echo-target.ts')
  stack.defer(() => void target.child.kill())
  const echo = target.said as { readonly port: number; readonly fingerprint: string }
  const { child: people } = await startHelper('shell-users.ts')
  stack.defer(() => void people.kill())
  for (const { name } of users) {
    await vault.account({
      target: `press-${name}`,
      login: 'engineer',
      address: `ssh://127.0.0.1:${echo.port}`,
      pin: echo.fingerprint,
    })
    await vault.grant(name, `press-${name}/engineer`)
  }

  const through = (index: number): Login => {
    const user = users[Math.floor(index / perUser)]
    if (user === undefined) throw new Error('there are too few users')
    return { port, username: `${user.name}@engineer@press-${user.name}`, keyFile: user.keyFile }
  }
  const order = async <Kind extends Report['kind']>(what: Order, kind: Kind) => {
    people.send(what)
    const [report] = (await once(people, 'message')) as [Report]
    if (report.kind === 'failed') throw new Error(report.why)
    if (report.kind !== kind) throw new Error(`${report.kind} instead of ${kind}`)
    return report as Extract<Report, { kind: Kind }>
  }
  const echoesOf = async (login: Login) => {
    await order({ kind: 'open', logins: [login], atOnce: 1 }, 'opened')
    const { waits } = await order({ kind: 'type', keys: 2_000, every: 0 }, 'typed')
    await order({ kind: 'close' }, 'closed')
    return quantiles(waits)
  }
  const rows: Row[] = []
  const straight = await echoesOf({ port: echo.port, username: 'engineer' })
  const ours = await echoesOf(through(held))
  rows.push({
    what: 'added keystroke latency, one recorded shell, p50',
    figure: ours.p50 - straight.p50,
    unit: 'ms',
    reach: '≤ 0.2 ms',
    peer: `direct p50 ${straight.p50.toFixed(2)} p99 ${straight.p99.toFixed(2)}, gateway p50 ${ours.p50.toFixed(2)} p99 ${ours.p99.toFixed(2)} ms`,
  })

  const processes = {
    users: people.pid ?? 0,
    target: target.child.pid ?? 0,
    vault: process.pid,
    recorder: recorder.child().pid ?? 0,
  }
  const sum = (pids: readonly number[]) => pids.reduce((all, pid) => all + cpuSeconds(pid), 0)
  const used = () => [
    ...Object.values(processes).map(cpuSeconds),
    sum(recorder.workers()),
    sum(childrenOf(vault.postgres.cluster.process.pid ?? 0)),
  ]
  const names = [...Object.keys(processes), 'workers', 'database']
  /** What each process used since, in `unit`s of a second, for each of `count`. */
  const shares = (since: readonly number[], unit: number, count: number) =>
    used()
      .map((now, at) => `${names[at]} ${(((now - (since[at] ?? 0)) * unit) / count).toFixed(1)}`)
      .join(', ')
  const before = used()
  const memory = freemem()
  let seconds = 0
  const steps = [Math.min(300, held), held].filter((step, index, all) => index === 0 || step > (all[0] ?? 0))
  let open = 0
  for (const step of steps) {
    const logins = Array.from({ length: step - open }, (_, index) => through(open + index))
    seconds += (await order({ kind: 'open', logins, atOnce: 16 }, 'opened')).seconds
    open = step
    if (step === held) {
      rows.push({
        what: `recorded shells started (proven, decided, audited, logged in), ${held} in a row`,
        figure: held / seconds,
        unit: '/s',
        reach: '200/s',
        peer: `processor milliseconds for each: ${shares(before, 1_000, held)}; with users, target and database on the same cores`,
      })
    }
    const [typedFrom, usedBefore] = [performance.now(), used()]
    const typed = await order({ kind: 'type', keys: 5, every: 1_000 }, 'typed')
    const all = quantiles(typed.waits)
    const busy = shares(usedBefore, 100, (performance.now() - typedFrom) / 1_000)
    rows.push({
      what: `echo with ${step} recorded shells held, a key a second in each, p99`,
      figure: all.p99,
      unit: 'ms',
      reach: step <= 300 ? '≤ 5 ms added' : '≤ 150 ms, none dropped',
      peer: `p50 ${all.p50.toFixed(2)} ms; ${typed.open} of ${step} held; percent of a core: ${busy}`,
    })
  }
  rows.push({
    what: `memory of all processes for each of ${held} shells held`,
    figure: (memory - freemem()) / held / 1000,
    unit: 'KB',
    reach: '2,000 in 24 GB',
    peer: 'users and target included',
  })
  await order({ kind: 'close' }, 'closed')
  return rows
}

function quantiles(waits: readonly number[]) {
  const sorted = waits.toSorted((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}
