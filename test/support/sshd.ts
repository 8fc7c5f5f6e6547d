import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from './ports.ts'

/** A real SSH server on a free loopback port, with a throw-away system user. */
export type TestSshd = AsyncDisposable & {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly home: string
  readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
  /** Lines that the server wrote to its log so far. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

export type SshdOptions = {
  /** `password` (shadow file), `keyboard-interactive` (PAM) or `publickey` alone. */
  readonly login?: 'password' | 'keyboard-interactive' | 'publickey'
  /** Line for the user's authorized_keys. */
  readonly authorizedKey?: string
  readonly config?: readonly string[]
  /** Types of host keys, default ed25519. */
  readonly hostKeys?: readonly ('ed25519' | 'ecdsa' | 'rsa' | 'dsa')[]
}

/** Why no such server can run here, or undefined when it can. Print it where a test is left out. */
export function whyNoSshd(): string | undefined {
  if (process.getuid?.() !== 0) return 'a test sshd needs root (it makes a system user)'
  if (!existsSync('/usr/sbin/sshd')) return 'openssh-server is not installed (deploy/test-packages.txt)'
  return undefined
}

export async function startSshd(options: SshdOptions = {}): Promise<TestSshd> {
  const login = options.login ?? 'password'
  const account = await makeAccount(options.authorizedKey)
  const folder = await mkdtemp(join(tmpdir(), 'tagout-sshd-'))
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const pins = (options.hostKeys ?? ['ed25519']).map((type) => makeHostKey(folder, type))
  const port = await freePort()
  const lines = [
    // Of two values sshd takes the first.
    ...(options.config ?? []),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...(options.hostKeys ?? ['ed25519']).map((type) => `HostKey ${join(folder, type)}`),
    `PidFile ${join(folder, 'pid')}`,
    `UsePAM ${login === 'keyboard-interactive' ? 'yes' : 'no'}`,
    `PasswordAuthentication ${login === 'password' ? 'yes' : 'no'}`,
    `KbdInteractiveAuthentication ${login === 'keyboard-interactive' ? 'yes' : 'no'}`,
    `PubkeyAuthentication ${options.authorizedKey === undefined ? 'no' : 'yes'}`,
    'MaxStartups 1000:100:2000',
    'MaxSessions 100',
    'UseDNS no',
    'PrintMotd no',
    'PrintLastLog no',
    'AcceptEnv LANG LC_*',
    'Subsystem sftp internal-sftp',
  ]
  writeFileSync(join(folder, 'config'), `${lines.join('\n')}\n`)
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(folder, 'config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return running(child, port, account, pins, folder)
}

/** Dropbear, another server that targets really have. */
export async function startDropbear(authorizedKey?: string): Promise<TestSshd> {
  const account = await makeAccount(authorizedKey)
  const folder = await mkdtemp(join(tmpdir(), 'tagout-dropbear-'))
  const key = join(folder, 'key')
  execFileSync('dropbearkey', ['-t', 'ed25519', '-f', key], { stdio: 'ignore' })
  const line = execFileSync('dropbearkey', ['-y', '-f', key], { encoding: 'utf8' })
    .split('\n')
    .find((text) => text.startsWith('ssh-'))
  const port = await freePort()
  const child = spawn(
    '/usr/sbin/dropbear',
    ['-F', '-E', '-p', `127.0.0.1:${port}`, '-r', key, '-P', join(folder, 'pid')],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  return running(child, port, account, [pinOf(line ?? '')], folder)
}

/** `type` and `SHA256:…` of a public key line. */
export function pinOf(line: string): { readonly type: string; readonly fingerprint: string } {
  const [type = '', blob = ''] = line.trim().split(/\s+/)
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '')
  return { type, fingerprint: `SHA256:${digest}` }
}

type Account = { readonly user: string; readonly password: string; readonly home: string }

async function makeAccount(authorizedKey: string | undefined): Promise<Account> {
  const user = `tt${randomBytes(5).toString('hex')}`
  sweepSudoers()
  const password = randomBytes(12).toString('base64url')
  const home = join('/home', user)
  // The password file is locked by whoever changes it: other test files do so at the same time.
  await retry(() => execFileSync('useradd', ['-m', '-d', home, '-s', '/bin/bash', user], { stdio: 'pipe' }))
  await retry(() => execFileSync('chpasswd', [], { input: `${user}:${password}\n`, stdio: 'pipe' }))
  writeFileSync(join(home, '.hushlogin'), '')
  if (authorizedKey !== undefined) {
    mkdirSync(join(home, '.ssh'), { mode: 0o700 })
    writeFileSync(join(home, '.ssh', 'authorized_keys'), `${authorizedKey}\n`, { mode: 0o600 })
    execFileSync('chown', ['-R', `${user}:`, join(home, '.ssh')])
  }
  return { user, password, home }
}

/** Where a test gives the user of a server what sudo lets them do: gone when the server stops. */
export function sudoersOf({ user }: Pick<TestSshd, 'user'>): string {
  return `/etc/sudoers.d/${user}`
}

/** Takes away what killed tests left: a broken file there would be a complaint of every later sudo. */
function sweepSudoers(): void {
  if (!existsSync('/etc/sudoers.d')) return
  for (const name of readdirSync('/etc/sudoers.d').filter((one) => /^tt[0-9a-f]{10}$/.test(one)))
    if (!existsSync(join('/home', name))) rmSync(sudoersOf({ user: name }), { force: true })
}

async function retry(act: () => unknown): Promise<void> {
  for (let left = 50; ; left -= 1) {
    try {
      act()
      return
    } catch (error) {
      if (left === 0) throw error
      await wait(100)
    }
  }
}

function makeHostKey(folder: string, type: 'ed25519' | 'ecdsa' | 'rsa' | 'dsa') {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(folder, type)])
  chmodSync(join(folder, type), 0o600)
  return pinOf(readFileSync(join(folder, `${type}.pub`), 'utf8'))
}

async function running(
  child: ChildProcess,
  port: number,
  account: Account,
  pins: TestSshd['pins'],
  folder: string,
): Promise<TestSshd> {
  let log = ''
  child.stderr?.on('data', (piece: Buffer) => {
    log = (log + piece.toString()).slice(-200_000)
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let isStopped = false
  const stop = async () => {
    if (isStopped) return
    isStopped = true
    child.kill()
    await exited
    await retry(() => {
      try {
        execFileSync('userdel', ['-f', '-r', account.user], { stdio: 'pipe' })
      } catch (error) {
        // 6: gone already; 12: the home could not be removed, which rm does below.
        const status = (error as { status?: number }).status
        if (status !== 6 && status !== 12) throw error
      }
    })
    await rm(sudoersOf(account), { force: true })
    await rm(account.home, { recursive: true, force: true })
    await rm(folder, { recursive: true, force: true })
  }
  const deadline = Date.now() + 10_000
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`the test sshd did not start: ${log}`)
    }
    await wait(20)
  }
  return { port, ...account, pins, log: () => log, stop, [Symbol.asyncDispose]: stop }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
