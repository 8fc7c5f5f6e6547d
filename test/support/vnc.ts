import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createCipheriv } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findGuacd } from '../../deploy/setup/guacd.ts'
import { until } from './installation.ts'
import { freePort } from './ports.ts'

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
  /** Number of its X display. */
  readonly display: number
  /** The first eight characters count. */
  readonly password: string
  /** Where the shell on the desktop works. */
  readonly home: string
  /** Its password file, of which eight bytes count. */
  readonly passwordFile: string
  readonly pid: number | undefined
}

/** How a VNC server lets in: by a password, within anonymous TLS, or by name and password of a system user within it. */
export type VncSecurity = 'VncAuth' | 'TLSVnc' | { readonly plainUser: string }

/** `password` is nobody's where a system user's is asked for. `owner`: a system user that it runs as. */
export async function startVnc(
  password: string,
  security: VncSecurity = 'VncAuth',
  owner?: string,
): Promise<VncServer> {
  const home = await mkdtemp(join(tmpdir(), 'tagout-vnc-'))
  const passwordFile = join(home, 'passwd')
  writeFileSync(passwordFile, passwordFileOf(password), { mode: 0o600 })
  const idOf = (kind: '-u' | '-g') =>
    Number(execFileSync('id', [kind, owner ?? 'root'], { encoding: 'utf8' }))
  const as = owner === undefined ? {} : { uid: idOf('-u'), gid: idOf('-g') }
  if (owner !== undefined) execFileSync('chown', ['-R', `${owner}:`, home])
  const started: ChildProcess[] = []
  const display = freeDisplay()
  const port = 5900 + display
  const run = (program: string, ...args: readonly string[]) => {
    const child = spawn(program, [...args], {
      cwd: home,
      env: { PATH: '/usr/bin:/bin', HOME: home, DISPLAY: `:${display}`, LANG: 'C.UTF-8' },
      stdio: 'ignore',
      ...as,
    })
    started.push(child)
    return child
  }
  const server = run(
    'Xtigervnc',
    ...[`:${display}`, '-geometry', '800x600', '-depth', '24', '-rfbport', String(port), '-localhost'],
    ...(typeof security === 'string'
      ? ['-SecurityTypes', security, '-PasswordFile', passwordFile]
      : ['-SecurityTypes', 'TLSPlain', '-PlainUsers', security.plainUser, '-PAMService', 'tigervnc']),
    ...['-nolisten', 'tcp'],
  )
  const isOver = () => server.exitCode !== null
  await until(() => (existsSync(`/tmp/.X11-unix/X${display}`) ? true : undefined), 20_000, isOver)
  run('xterm', '-geometry', '130x44+0+0', '-e', '/bin/sh')
  return {
    port,
    display,
    password,
    home,
    passwordFile,
    pid: server.pid,
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

/** Why the clipboard of a desktop cannot be looked at here, or undefined when it can. */
export function whyNoClipboard(): string | undefined {
  return existsSync('/usr/bin/xclip') ? undefined : 'xclip is not installed (deploy/test-packages.txt)'
}

/** The clipboard of a desktop, as a program there has it. */
export function clipboardOf({ display }: Pick<VncServer, 'display'>) {
  const env = { PATH: '/usr/bin:/bin', DISPLAY: `:${display}`, LANG: 'C.UTF-8' }
  const own = ['-selection', 'clipboard', '-t', 'UTF8_STRING']
  return {
    /** Somebody copies a text there. */
    copy: (text: string) => {
      const done = spawnSync('/usr/bin/xclip', [...own, '-i'], {
        env,
        input: text,
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      if (done.status !== 0) throw new Error('xclip took no text')
    },
    /** What somebody would paste there; empty where nothing is. */
    read: (): string =>
      spawnSync('/usr/bin/xclip', [...own, '-o'], { env, encoding: 'utf8', timeout: 5_000 }).stdout,
  }
}

/** Why x11vnc cannot be had here, or undefined when it can. */
export function whyNoX11vnc(): string | undefined {
  return existsSync('/usr/bin/x11vnc') ? undefined : 'x11vnc is not installed (deploy/test-packages.txt)'
}

/** x11vnc, which shows the display of another server, as it does on panels with a screen of their own. */
export async function startX11vnc(
  { display, home }: Pick<VncServer, 'display' | 'home'>,
  password: string,
): Promise<AsyncDisposable & { readonly port: number }> {
  const port = await freePort()
  const passwordFile = join(home, 'x11vnc-passwd')
  writeFileSync(passwordFile, passwordFileOf(password), { mode: 0o600 })
  const server = spawn(
    '/usr/bin/x11vnc',
    [
      ...['-display', `:${display}`, '-rfbport', String(port), '-localhost', '-rfbauth', passwordFile],
      ...['-forever', '-shared', '-noipv6', '-norc', '-quiet'],
    ],
    { env: { PATH: '/usr/bin:/bin', HOME: home, LANG: 'C.UTF-8' }, stdio: 'ignore' },
  )
  await until(
    async () => ((await answers(port)) ? true : undefined),
    20_000,
    () => server.exitCode !== null,
  )
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      if (server.exitCode !== null || server.signalCode !== null) return
      const gone = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGKILL')
      await gone
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** What `vncpasswd -f` writes: eight bytes under DES with the key that all VNC servers share. It hides nothing. */
export function passwordFileOf(password: string): Buffer {
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
