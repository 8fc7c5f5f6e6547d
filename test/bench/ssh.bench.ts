import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientChannel, Client as SshClient } from 'ssh2'
import { Client } from '../../recorder/broker/ssh/library.ts'
import { makeSshUser, run as runProgram } from '../support/gateway.ts'
import { spawnRecorder } from '../support/recorder-process.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'
import { startTestVault } from '../support/vault.ts'
import type { Row } from './row.ts'

const megabytes = Number(process.env['TAGOUT_BENCH_MB'] ?? 1000)
const held = Number(process.env['TAGOUT_BENCH_SESSIONS'] ?? 300)
const cipher = 'aes256-gcm@openssh.com'

/** One way to a file server: straight, over OpenSSH's jump host, over the gateway. */
type Way = { readonly name: string; readonly options: readonly string[]; readonly place: string }

/** Bulk, latency, starts and sessions held, beside a direct connection and an OpenSSH jump host in the same run. */
export async function run(): Promise<Row[]> {
  const why = whyNoSshd()
  if (why !== undefined) throw new Error(why)
  await using stack = new AsyncDisposableStack()
  const shared = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const folder = mkdtempSync(join(shared, 'tagout-bench-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  execFileSync('chmod', ['1777', folder])
  const file = join(folder, 'big')
  execFileSync('sh', [
    '-c',
    `head -c 1000000 /dev/urandom > ${file}.1; for i in $(seq ${megabytes}); do cat ${file}.1; done > ${file}`,
  ])

  const vault = stack.use(await startTestVault({ quotaBytes: 4 * 1024 ** 3 }))
  const recorder = stack.use(
    await spawnRecorder(vault.dataDir, vault.identities.recorder, { quotaBytes: 4 * 1024 ** 3 }),
  )
  const { port } = recorder.ready().address
  const bob = makeSshUser(vault.dataDir, 'bob', recorder.ready().knownHosts, port)
  const authorizedKey = bob.publicLine
  const target = stack.use(await startSshd({ authorizedKey }))
  const jump = stack.use(await startSshd({ authorizedKey }))
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: bob.publicLine })
  const pin = target.pins[0]?.fingerprint ?? ''
  await vault.account({
    target: 'press-3',
    login: target.user,
    address: `ssh://127.0.0.1:${target.port}`,
    pin,
    password: target.password,
  })
  await vault.grant('bob', `press-3/${target.user}`)

  const plain = [
    '-F',
    'none',
    '-i',
    bob.keyFile,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'BatchMode=yes',
  ]
  const proxy = `ssh ${plain.join(' ')} -c ${cipher} -W %h:%p -p ${jump.port} ${jump.user}@127.0.0.1`
  const ways: readonly Way[] = [
    {
      name: 'direct',
      options: [...plain, '-c', cipher, '-o', `Port=${target.port}`],
      place: `${target.user}@127.0.0.1`,
    },
    {
      name: 'jump host',
      options: [...plain, '-c', cipher, '-o', `Port=${target.port}`, '-o', `ProxyCommand=${proxy}`],
      place: `${target.user}@127.0.0.1`,
    },
    {
      name: 'gateway',
      options: [...bob.ssh(['-c', cipher, '-o', `Port=${port}`])],
      place: `bob@${target.user}@press-3@127.0.0.1`,
    },
  ]
  const bulk = async (
    what: string,
    reach: string,
    command: (way: Way) => readonly [string, readonly string[]],
  ) => {
    const speeds: number[] = []
    for (const way of ways) {
      const [program, args] = command(way)
      const at = performance.now()
      const ran = await runProgram('sh', ['-c', '"$0" "$@" > /dev/null', program, ...args])
      if (ran.code !== 0) throw new Error(`${what} over ${way.name}: ${ran.err}`)
      speeds.push(megabytes / ((performance.now() - at) / 1000))
    }
    const [direct = 0, jumped = 1, ours = 0] = speeds
    return {
      what: `${what}, as a share of an OpenSSH jump host`,
      figure: ours / jumped,
      unit: '×',
      reach,
      peer: `direct ${Math.round(direct)}, jump host ${Math.round(jumped)}, gateway ${Math.round(ours)} MB/s`,
    }
  }
  const rows: Row[] = [
    await bulk('sftp upload, hashed', '≥ 1.0 ×', ({ options, place }) => [
      'scp',
      [...options, file, `${place}:${folder}/up`],
    ]),
    await bulk('sftp download, hashed', '≥ 1.0 ×', ({ options, place }) => [
      'scp',
      [...options, `${place}:${file}`, `${folder}/down`],
    ]),
    await bulk('scp -O download, hashed', '≥ 1.0 ×', ({ options, place }) => [
      'scp',
      ['-O', ...options, `${place}:${file}`, `${folder}/down`],
    ]),
    await bulk('command output, recorded whole', '≥ 0.8 ×', ({ options, place }) => [
      'ssh',
      [...options, place, `cat ${file}`],
    ]),
  ]

  const echo = fork(join(import.meta.dirname, 'echo-target.ts'))
  stack.defer(() => void echo.kill())
  const [said] = (await once(echo, 'message')) as [{ port: number; fingerprint: string }]
  await vault.account({
    target: 'echo',
    login: 'engineer',
    address: `ssh://127.0.0.1:${said.port}`,
    pin: said.fingerprint,
  })
  await vault.grant('bob', 'echo/engineer')
  const privateKey = readFileSync(bob.keyFile)
  const viaUs = () => shell({ host: '127.0.0.1', port, username: 'bob@engineer@echo', privateKey })
  const straight = () => shell({ host: '127.0.0.1', port: said.port, username: 'engineer', password: 'x' })

  const direct = await straight()
  const own = await viaUs()
  const [before, through] = [await echoes(direct, 1_000), await echoes(own, 1_000)]
  rows.push({
    what: 'added keystroke latency, one recorded shell, p50',
    figure: through.p50 - before.p50,
    unit: 'ms',
    reach: '≤ 0.2 ms',
    peer: `direct p50 ${before.p50.toFixed(2)} p99 ${before.p99.toFixed(2)}, gateway p50 ${through.p50.toFixed(2)} p99 ${through.p99.toFixed(2)} ms`,
  })
  own.client.end()

  const at = performance.now()
  const shells: Shell[] = []
  const opened = await Promise.allSettled(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let made = lane; made < held; made += 8) shells.push(await viaUs())
    }),
  )
  const failed = opened.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  rows.push({
    what: `recorded session starts (proven, decided, audited, connected), ${held} in a row`,
    figure: held / ((performance.now() - at) / 1000),
    unit: '/s',
    reach: '200/s',
    peer: 'client, gateway, vault, database and target on the same cores',
  })
  const waits = await Promise.all(
    shells.map(async (one, index) => {
      await pause((index / held) * 1_000)
      return echoes(one, 5, 1_000)
    }),
  )
  const all = waits.flatMap(({ waits: each }) => each).sort((a, b) => a - b)
  rows.push({
    what: `echo with ${held} recorded shells held, a key a second each, p99`,
    figure: quantile(all, 0.99),
    unit: 'ms',
    reach: '≤ 5 ms added at 300; ≤ 150 ms at 2,000, none dropped',
    peer: `p50 ${quantile(all, 0.5).toFixed(2)} ms, ${shells.filter(({ isOpen }) => isOpen()).length} of ${held} held`,
  })
  for (const { client } of [...shells, direct]) client.end()
  return rows
}

type Shell = { readonly client: SshClient; readonly channel: ClientChannel; readonly isOpen: () => boolean }

async function shell(options: object): Promise<Shell> {
  const client = new Client()
  let isOpen = true
  client.on('close', () => {
    isOpen = false
  })
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.once('error', reject)
  })
  client.connect({ ...options, hostVerifier: () => true, readyTimeout: 60_000 })
  await ready
  client.setNoDelay(true)
  const channel = await new Promise<ClientChannel>((resolve, reject) =>
    client.shell({ term: 'xterm' }, (error, made) => (error ? reject(error) : resolve(made))),
  )
  // The first key waits for the session to be open; what it shows is not latency.
  await key(channel)
  return { client, channel, isOpen: () => isOpen }
}

function key(channel: ClientChannel): Promise<number> {
  const at = performance.now()
  return new Promise((resolve, reject) => {
    channel.once('data', () => resolve(performance.now() - at))
    channel.once('close', () => reject(new Error('the shell was closed')))
    channel.write('k')
  })
}

async function echoes({ channel }: Shell, count: number, every = 0) {
  const waits: number[] = []
  channel.setMaxListeners(0)
  for (let round = 0; round < count; round += 1) {
    waits.push(await key(channel))
    if (every > 0) await pause(every)
  }
  const sorted = waits.toSorted((a, b) => a - b)
  return { waits, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
