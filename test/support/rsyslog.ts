import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'node:net'
import { issueServerCertificate } from '../../deploy/tls/authority.ts'
import { testAuthority } from './mail-server.ts'
import { freePort } from './ports.ts'

const program = '/usr/sbin/rsyslogd'

/** Why there is no rsyslog to test with; undefined: there is one. */
export function whyNoRsyslog(): string | undefined {
  const isThere = existsSync(program) && existsSync('/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so')
  return isThere ? undefined : 'rsyslog and rsyslog-gnutls are not installed (deploy/test-packages.txt)'
}

/** A real rsyslog that takes syslog over TLS. What it has parsed of each message is a line of its file. */
export type TestRsyslog = AsyncDisposable & {
  readonly address: string
  /** PEM of the authority that vouches for it. */
  readonly authority: string
  readonly start: () => Promise<void>
  /** Killed, as by a power cut. */
  readonly kill: () => Promise<void>
  /** What it keeps. */
  readonly file: string
  readonly text: () => string
  readonly lines: () => readonly RsyslogLine[]
}

export type RsyslogLine = {
  readonly facility: string
  readonly severity: string
  readonly at: string
  readonly host: string
  readonly app: string
  readonly kind: string
  readonly data: string
  readonly text: string
}

export async function startRsyslog(): Promise<TestRsyslog> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-rsyslog-'))
  const file = (name: string) => join(folder, name)
  const port = await freePort()
  const authority = await testAuthority()
  const { certificate, privateKey } = await issueServerCertificate(
    authority,
    ['localhost', '127.0.0.1'],
    new Date(),
  )
  await writeFile(file('ca.pem'), authority.certificate)
  await writeFile(file('server.pem'), certificate)
  await writeFile(file('server.key'), privateKey, { mode: 0o600 })
  const property = (name: string, as: string) => `property(outname="${as}" name="${name}" format="jsonf")`
  await writeFile(
    file('rsyslog.conf'),
    `global(workDirectory="${folder}" maxMessageSize="64k"
  defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="${file('ca.pem')}"
  defaultNetstreamDriverCertFile="${file('server.pem')}" defaultNetstreamDriverKeyFile="${file('server.key')}"
  parser.escapeControlCharactersOnReceive="on")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="parts" type="list") {
  constant(value="{")
  ${[
    property('syslogfacility-text', 'facility'),
    property('syslogseverity-text', 'severity'),
    property('timereported', 'at').replace(' format=', ' dateFormat="rfc3339" format='),
    property('hostname', 'host'),
    property('app-name', 'app'),
    property('msgid', 'kind'),
    property('structured-data', 'data'),
    property('msg', 'text'),
  ].join('\n  constant(value=",")\n  ')}
  constant(value="}\\n")
}
input(type="imtcp" port="${port}" address="127.0.0.1" ruleset="keep")
ruleset(name="keep") { action(type="omfile" file="${file('out')}" template="parts" flushOnTXEnd="on" asyncWriting="off") }
`,
  )
  let child: ChildProcess | undefined
  const start = async () => {
    let said = ''
    const mine = spawn(program, ['-n', '-f', file('rsyslog.conf'), '-i', file('pid')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = mine
    for (const stream of [mine.stdout, mine.stderr])
      stream.on('data', (text: Buffer) => (said += text.toString()))
    const until = Date.now() + 20_000
    while (!(await answers(port))) {
      if (mine.exitCode !== null || Date.now() > until) throw new Error(`rsyslog does not listen: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const kill = async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
    await rm(file('pid'), { force: true })
  }
  await start()
  return {
    address: `syslog+tls://127.0.0.1:${port}`,
    authority: authority.certificate,
    start,
    kill,
    file: file('out'),
    text: () => readFileSync(file('out'), 'utf8'),
    lines: () =>
      existsSync(file('out'))
        ? readFileSync(file('out'), 'utf8')
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as RsyslogLine)
        : [],
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
