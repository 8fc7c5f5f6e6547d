import { type ChildProcess, spawn } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findGuacd } from '../../deploy/setup/guacd.ts'
import { until } from './installation.ts'

/** Why no desktop can be had here, or undefined when one can. Print it where a test is left out. */
export function whyNoDesktop(): string | undefined {
  if (findGuacd() === undefined)
    return 'guacd is not installed (npm test as root installs it, where it can be had)'
  if (!existsSync('/usr/bin/Xtigervnc') || !existsSync('/usr/bin/xterm'))
    return 'TigerVNC and xterm are not installed (deploy/test-packages.txt)'
  return undefined
}

/** A real VNC server on loopback whose desktop is a terminal that fills it. */
export type VncServer = AsyncDisposable & {
  readonly port: number
  /** The first eight characters count. */
  readonly password: string
  /** Where the shell on the desktop works. */
  readonly home: string
}

export async function startVnc(password: string): Promise<VncServer> {
  const home = await mkdtemp(join(tmpdir(), 'tagout-vnc-'))
  const passwordFile = join(home, 'passwd')
  writeFileSync(passwordFile, passwordFileOf(password), { mode: 0o600 })
  const started: ChildProcess[] = []
  const display = freeDisplay()
  const port = 5900 + display
  const run = (program: string, ...args: readonly string[]) => {
    const child = spawn(program, [...args], {
      cwd: home,
      env: { PATH: '/usr/bin:/bin', HOME: home, DISPLAY: `:${display}`, LANG: 'C.UTF-8' },
      stdio: 'ignore',
    })
    started.push(child)
    return child
  }
  const server = run(
    'Xtigervnc',
    ...[`:${display}`, '-geometry', '800x600', '-depth', '24', '-rfbport', String(port), '-localhost'],
    ...['-SecurityTypes', 'VncAuth', '-PasswordFile', passwordFile, '-nolisten', 'tcp'],
  )
  const isOver = () => server.exitCode !== null
  await until(() => (existsSync(`/tmp/.X11-unix/X${display}`) ? true : undefined), 20_000, isOver)
  run('xterm', '-geometry', '130x44+0+0', '-e', '/bin/sh')
  return {
    port,
    password,
    home,
    [Symbol.asyncDispose]: async () => {
      for (const child of started.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await gone
      }
      for (const rest of [`/tmp/.X11-unix/X${display}`, `/tmp/.X${display}-lock`])
        await rm(rest, { force: true })
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** What `vncpasswd -f` writes: eight bytes under DES with the key that all VNC servers share. It hides nothing. */
function passwordFileOf(password: string): Buffer {
  const block = Buffer.alloc(8)
  block.write(password, 'utf8')
  // Triple DES with one key three times is DES, which OpenSSL 3 has no more.
  const key = Buffer.from('e84ad660c4721ae0'.repeat(3), 'hex')
  return createCipheriv('des-ede3', key, null).setAutoPadding(false).update(block)
}

/** A display that no X server has; two tests that begin at once look at different ones. */
function freeDisplay(): number {
  const taken = existsSync('/tmp/.X11-unix') ? readdirSync('/tmp/.X11-unix') : []
  let display = 100 + (process.pid % 400)
  while (taken.includes(`X${display}`)) display += 1
  return display
}
