import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { until } from './installation.ts'
import { startVnc, whyNoDesktop } from './vnc.ts'

/** Why no desktop of RDP can be had here, or undefined when one can. Print it where a test is left out. */
export function whyNoRdp(): string | undefined {
  const missing = ['xrdp', 'freerdp-shadow-cli', 'winpr-hash', 'openssl'].filter(
    (program) => !['/usr/bin', '/usr/sbin'].some((folder) => existsSync(join(folder, program))),
  )
  return missing.length === 0
    ? whyNoDesktop()
    : `${missing.join(', ')} is not installed (deploy/test-packages.txt)`
}

/** A real server of RDP on loopback whose desktop is a terminal that fills it. */
export type RdpServer = AsyncDisposable & {
  readonly port: number
  readonly user: string
  readonly password: string
  /** Where the shell on the desktop works. */
  readonly home: string
  /** Number of the X display behind it. */
  readonly display: number
  /** `SHA256:…` of the certificate that it shows. */
  readonly fingerprint: string
  /** Ends it, and starts it again with another certificate at the same port. */
  readonly renew: () => Promise<string>
}

/**
 * xrdp with TLS, before a VNC server. It lets in by a password alone: the VNC server's.
 */
export function startXrdp(password: string): Promise<RdpServer> {
  return start(password, async ({ folder, port, vncPort, certificate, run }) => {
    const file = join(folder, 'xrdp.ini')
    writeFileSync(
      file,
      `[Globals]
ini_version=1
fork=false
port=tcp://127.0.0.1:${port}
security_layer=tls
certificate=${certificate}.pem
key_file=${certificate}.key
ssl_protocols=TLSv1.2, TLSv1.3
autorun=vnc
allow_channels=true
max_bpp=32
[Logging]
LogFile=${join(folder, 'xrdp.log')}
LogLevel=INFO
EnableSyslog=false
[Channels]
drdynvc=true
cliprdr=true
[vnc]
name=vnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=${vncPort}
`,
    )
    return run('/usr/sbin/xrdp', '--nodaemon', '--config', file)
  })
}

/** FreeRDP's server before the same. With NLA it knows `operator` and their password. */
export function startShadow(password: string, security: 'nla' | 'rdp' = 'nla'): Promise<RdpServer> {
  return start(password, async ({ folder, port, certificate, run }) => {
    const accounts = join(folder, 'sam')
    const hash = spawnSync('/usr/bin/winpr-hash', ['-u', 'operator', '-p', password, '-f', 'sam'])
    writeFileSync(accounts, hash.stdout, { mode: 0o600 })
    // It looks for its certificate here, and makes one where there is none.
    const own = join(folder, 'home', '.config', 'freerdp', 'shadow')
    spawnSync('/bin/mkdir', ['-p', own])
    for (const [from, to] of [
      ['pem', 'crt'],
      ['key', 'key'],
    ])
      writeFileSync(join(own, `shadow.${to}`), readFileSync(`${certificate}.${from}`))
    return run(
      '/usr/bin/freerdp-shadow-cli',
      ...[`/port:${port}`, '/bind-address:127.0.0.1', `/sec:${security}`],
      ...(security === 'nla' ? [`/sam-file:${accounts}`, '+auth'] : ['-auth']),
    )
  })
}

type Setting = {
  readonly folder: string
  readonly port: number
  readonly vncPort: number
  /** Path of its certificate and key, without `.pem` and `.key`. */
  readonly certificate: string
  readonly run: (program: string, ...args: readonly string[]) => ChildProcess
}

async function start(
  password: string,
  begin: (setting: Setting) => Promise<ChildProcess>,
): Promise<RdpServer> {
  const vnc = await startVnc(password)
  const folder = await mkdtemp(join(tmpdir(), 'tagout-rdp-'))
  const port = await freePort()
  const display = `:${vnc.port - 5900}`
  let child: ChildProcess | undefined
  let made = 0
  const stop = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const startWith = async () => {
    made += 1
    const certificate = join(folder, `certificate-${made}`)
    makeCertificate(certificate)
    child = await begin({
      ...{ folder, port, vncPort: vnc.port, certificate },
      run: (program, ...args) =>
        spawn(program, [...args], {
          cwd: folder,
          env: { PATH: '/usr/bin:/bin', HOME: join(folder, 'home'), DISPLAY: display, LANG: 'C.UTF-8' },
          stdio: process.env['TAGOUT_RDP_LOUD'] === undefined ? 'ignore' : 'inherit',
        }),
    })
    const isOver = () => child?.exitCode !== null || child.signalCode !== null
    await until(() => answers(port), 20_000, isOver)
    const { raw } = new X509Certificate(readFileSync(`${certificate}.pem`))
    return `SHA256:${createHash('sha256').update(raw).digest('base64').replace(/=+$/, '')}`
  }
  const fingerprint = await startWith()
  return {
    port,
    ...{ user: 'operator', password, home: vnc.home, display: vnc.display, fingerprint },
    renew: async () => {
      await stop()
      return startWith()
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
      await vnc[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function makeCertificate(path: string): void {
  const made = spawnSync('/usr/bin/openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=hmi'],
    ...['-keyout', `${path}.key`, '-out', `${path}.pem`],
  ])
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`)
}

async function answers(port: number): Promise<true | undefined> {
  const socket = createConnection({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}
