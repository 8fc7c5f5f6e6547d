import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeClone, makeSystemUser, type SystemUser } from '../support/linked-clone.ts'
import { freePorts } from '../support/ports.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`the scripted path is left out: ${why}`)

let target: TestSshd
/** Half a minute on two idle cores; beside other tests it takes its time. */
const patienceMs = 400_000
beforeAll(async () => {
  if (why === undefined) target = await startSshd()
})
afterAll(() => target?.stop())

type Run = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

async function runScript(folder: string, user: SystemUser | undefined): Promise<Run> {
  const [http, ssh] = await freePorts(2)
  const home = user?.home ?? folder
  const child = spawn('bash', [join(folder, 'test', 'e2e', 'scripted-path.sh')], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      LANG: 'C.UTF-8',
      PORT_HTTP: String(http),
      PORT_SSH: String(ssh),
      PORT_TARGET: String(target.port),
      LOGIN: target.user,
      SECRET: target.password,
      SHORT: user === undefined ? '1' : '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that a script that hangs takes all that it started with it.
    detached: true,
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const late = setTimeout(() => {
    stderr += '## too late: ended by the test\n'
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  }, patienceMs)
  const [code] = await once(child, 'close')
  clearTimeout(late)
  return { code, stdout, stderr }
}

function checkWhatIsLeft(folder: string, run: Run): void {
  expect(run.code, run.stderr).toBe(0)
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  expect(read('uname.txt')).toMatch(/^Linux /)

  const ready = JSON.parse(read('ready.json'))
  expect(ready).toMatchObject({ ready: true, ssh: { host: '127.0.0.1' } })

  const shape = {
    id: expect.any(String),
    session: expect.stringMatching(/^ses_/),
    user: 'bob',
    target: 'press-3',
    account: `press-3/${target.user}`,
    protocol: 'ssh',
    startedAt: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
    endedAt: expect.stringMatching(/Z$/),
    state: expect.any(String),
    sizeBytes: expect.any(Number),
  }
  const recordings = JSON.parse(read('recordings.json'))
  const sessions = JSON.parse(read('sessions.json'))
  expect(recordings).toHaveLength(2)
  for (const row of recordings) expect(row).toMatchObject({ ...shape, state: 'complete' })
  for (const row of sessions) expect(row).toMatchObject({ ...shape, state: 'ended' })
  expect(recordings[0].sizeBytes).toBeGreaterThan(500)

  const [head, ...events] = read('s.cast')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(head.version).toBe(2)
  expect(events.map((event) => event[2]).join('')).toContain('Linux')
  expect(read('s.txt')).toContain('Linux')
  if (existsSync('/usr/bin/asciinema')) {
    // asciinema opens the terminal that it plays on: `script` gives it one.
    const played = execFileSync(
      'script',
      ['-qec', `asciinema play -s 1000 ${join(folder, 's.cast')}`, '/dev/null'],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', HOME: folder, TERM: 'xterm' },
      },
    )
    expect(played).toContain(read('uname.txt').trim())
  } else console.warn('the cast is not played: asciinema is not installed (deploy/test-packages.txt)')
  for (const file of ['auditor.key', 'recordings-recovery.key', 's.cast', 'd/vault/seal.key'])
    expect(statSync(join(folder, file)).mode & 0o077, file).toBe(0)

  expect(run.stdout).toMatch(/SHA256:/)
  expect(run.stdout).toMatch(/complete and as it was signed/)
  expect(run.stdout).toMatch(/entries are whole, in order and signed/)
  expect(read('terminated.txt')).toMatch(/terminated/)
  expect(read('revoked.txt')).not.toBe('')
  // The password went to the target, and nowhere that a person can see.
  const seen = [
    run.stdout,
    run.stderr,
    ...['s.cast', 's.txt', 'audit.json', 'start.log', 'ready.json'].map(read),
  ]
  for (const text of seen) expect(text).not.toContain(target.password)
}

test.skipIf(why !== undefined)(
  'the scripted path works as written, as root, in a clone that others cannot enter',
  async () => {
    const folder = mkdtempSync('/root/tagout-clone-')
    try {
      makeClone(folder)
      checkWhatIsLeft(folder, await runScript(folder, undefined))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  patienceMs + 60_000,
)

test.skipIf(why !== undefined)(
  'the scripted path works as written, as an ordinary user',
  async () => {
    using user = makeSystemUser(`tu${randomBytes(4).toString('hex')}`)
    const folder = join(user.home, 'tagout')
    makeClone(folder, user)
    checkWhatIsLeft(folder, await runScript(folder, user))
  },
  patienceMs + 60_000,
)
