import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run as runProgram } from '../support/gateway.ts'
import { startSshd, whyNoSshd } from '../support/sshd.ts'
import { startBrokered } from './brokered.ts'
import type { Row } from './row.ts'

const megabytes = Number(process.env['TAGOUT_BENCH_MB'] ?? 1000)
const cipher = 'aes256-gcm@openssh.com'

/** One way to a file server: straight, over OpenSSH's jump host, over the gateway. */
type Way = { readonly name: string; readonly options: readonly string[]; readonly place: string }

/** Files and output in bulk, beside a direct connection and an OpenSSH jump host in the same run. */
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

  const {
    vault,
    recorder,
    users: [bob],
  } = stack.use(await startBrokered(1, { quotaBytes: 4 * 1024 ** 3 }))
  if (bob === undefined) throw new Error('there is no user')
  const { port } = recorder.ready().address
  const authorizedKey = bob.publicLine
  const target = stack.use(await startSshd({ authorizedKey }))
  const jump = stack.use(await startSshd({ authorizedKey }))
  const pin = target.pins[0]?.fingerprint ?? ''
  await vault.account({
    target: 'press-3',
    login: target.user,
    address: `ssh://127.0.0.1:${target.port}`,
    pin,
    password: target.password,
  })
  await vault.grant(bob.name, `press-3/${target.user}`)

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
      place: `${bob.name}@${target.user}@press-3@127.0.0.1`,
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
  return [
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
}
