import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { examineDesktops } from '../../../deploy/doctor/desktops.ts'
import { installGuacd } from '../../../deploy/setup/guacd.ts'
import { type Guacd, runGuacd } from '../../../deploy/supervisor/guacd.ts'
import { findUser, isRoot } from '../../../deploy/supervisor/system-user.ts'
import { askGuacd } from '../../../recorder/broker/desktop/ask-guacd.ts'
import { encodeInstruction } from '../../../recorder/broker/desktop/instruction.ts'
import { until } from '../../support/installation.ts'
import { whyNoDesktop } from '../../support/vnc.ts'

/** guacd below the supervisor, its installation, and what the doctor says of it. */

const folder = mkdtempSync(join(tmpdir(), 'tagout-guacd-'))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const why = whyNoDesktop()
if (why !== undefined) console.warn(`left out: ${why}`)

describe.skipIf(why !== undefined)('a guacd of our own', () => {
  const said: string[] = []
  const run = () =>
    runGuacd({
      dataDir: folder,
      given: undefined,
      mayInstall: false,
      say: (line) => said.push(line),
      onChange: () => undefined,
    })
  const pidOf = (guacd: Guacd) => until(() => guacd.pid(), 10_000)

  test('runs confined: loopback alone, no core dumps, nothing to gain, a home of its own', async () => {
    await using guacd = await run()
    const pid = await pidOf(guacd)
    expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0/m)
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^NoNewPrivs:\t1$/m)
    const home = join(folder, 'guacd')
    expect(statSync(home).mode & 0o777).toBe(0o700)
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toEqual(
      expect.arrayContaining([`HOME=${home}`]),
    )
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    for (const { address } of addresses.filter(({ internal, family }) => !internal && family === 'IPv4')) {
      const socket = createConnection({ host: address, port: guacd.address.port })
      const [error] = await once(socket, 'error')
      expect(error.code).toBe('ECONNREFUSED')
    }
  })

  test.runIf(isRoot())('as root it is a user that is in no group of the planes', async () => {
    await using guacd = await run()
    const status = readFileSync(`/proc/${await pidOf(guacd)}/status`, 'utf8')
    const user = findUser('tagout-guacd')
    expect(user?.gid).not.toBe(findUser('tagout-recorder')?.gid)
    expect(status).toContain(`Uid:\t${user?.uid}\t`)
    expect(status).toContain(`Gid:\t${user?.gid}\t`)
    expect(status).toMatch(new RegExp(`^Groups:\\t(${user?.gid})? ?$`, 'm'))
    expect(statSync(join(folder, 'guacd')).uid).toBe(user?.uid)
  })

  test('killed, it is started again at the same address, and a connection of before is over', async () => {
    await using guacd = await run()
    const before = await pidOf(guacd)
    const socket = createConnection(guacd.address)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    socket.write(encodeInstruction('select', 'vnc'))
    await once(socket, 'data')
    const closed = once(socket, 'close')
    process.kill(before, 'SIGKILL')
    await closed
    await until(() => (guacd.pid() !== undefined && guacd.pid() !== before ? true : undefined), 20_000)
    expect((await askGuacd(guacd.address, 'vnc', 5_000)).parameters).toContain('password')
    expect(said.join('\n')).toContain('the guacd ended (SIGKILL); starting it again')
  })

  test('stopped, nothing of it is left', async () => {
    const guacd = await run()
    const pid = await pidOf(guacd)
    await guacd[Symbol.asyncDispose]()
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    const refusal = () =>
      askGuacd(guacd.address, 'vnc', 5_000).then(
        () => '',
        (error: Error) => error.message,
      )
    await until(async () => ((await refusal()).includes('ECONNREFUSED') ? true : undefined), 5_000)
  })
})

describe('what the doctor says', () => {
  const dataDir = join(folder, 'doctor')
  const ready = (port: number, isOwn: boolean) => {
    mkdirSync(dataDir, { recursive: true })
    writeFileSync(
      join(dataDir, 'ready.json'),
      JSON.stringify({ ready: true, guacd: { host: '127.0.0.1', port, isOwn } }),
    )
  }
  /** Something that answers a `select` with these bytes. */
  const pretend = async (answer: string | Buffer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    ready(typeof address === 'object' && address !== null ? address.port : 0, false)
    return { [Symbol.dispose]: () => server.close() }
  }

  test('a guacd of the line for plants is fine, an older one is for evaluation', async () => {
    const args = ['VERSION_1_5_0', 'hostname', 'port', 'password']
    using _current = await pretend(encodeInstruction('args', ...args, 'disable-display-resize'))
    expect(await examineDesktops(dataDir)).toMatchObject([{ name: 'desktops', level: 'fine' }])
    using _older = await pretend(encodeInstruction('args', ...args))
    expect(await examineDesktops(dataDir)).toMatchObject([
      {
        level: 'note',
        text: expect.stringContaining('older than 1.6'),
        next: expect.stringContaining('1.6 or newer'),
      },
    ])
  })

  test('one without VNC, something else, and nothing are each said', async () => {
    using _without = await pretend('')
    expect((await examineDesktops(dataDir))[0]?.text).toContain('has no support for vnc')
    using _other = await pretend('HTTP/1.1 400 Bad Request\r\n\r\n')
    expect((await examineDesktops(dataDir))[0]?.text).toContain('is no guacd')
    ready(1, false)
    expect(await examineDesktops(dataDir)).toEqual([
      {
        name: 'desktops',
        level: 'wrong',
        text: 'desktops are off: nothing answers at 127.0.0.1 port 1 (ECONNREFUSED)',
        next: 'start guacd there, or correct GUACD_HOST and GUACD_PORT and start again',
      },
    ])
  })

  test('an installation that does not run is not asked', async () => {
    expect(await examineDesktops(join(folder, 'nowhere'))).toEqual([])
  })
})

describe.skipIf(!isRoot() || !existsSync('/usr/bin/apt-get'))('its installation', () => {
  const programs = join(folder, 'bin')
  const log = join(folder, 'calls')
  const path = process.env['PATH']
  afterEach(() => {
    process.env['PATH'] = path
  })
  /** Puts programs of that name and text in the place of the machine's own, and installs. */
  const install = (scripts: Readonly<Record<string, string>>) => {
    rmSync(programs, { recursive: true, force: true })
    mkdirSync(programs)
    writeFileSync(log, '')
    for (const [name, text] of Object.entries({ 'update-rc.d': '', systemctl: '', ...scripts }))
      writeFileSync(join(programs, name), `#!/bin/sh\necho "${name} $*" >> ${log}\n${text}\n`, {
        mode: 0o755,
      })
    process.env['PATH'] = `${programs}:${path}`
    const answer = installGuacd(() => undefined, [join(folder, 'nowhere')])
    return { answer, calls: readFileSync(log, 'utf8') }
  }
  const has = 'echo "  Candidate: 1.6.0-1"'
  const lacks = 'echo "  Candidate: (none)"'

  test('goes by the distribution where that has it, after a rehearsal', () => {
    const { answer, calls } = install({ 'apt-cache': has, 'apt-get': '' })
    expect(answer).toBe('its packages are installed, and the program is not there')
    const installs = calls.split('\n').filter((line) => / install /.test(line))
    expect(installs).toHaveLength(2)
    expect(installs[0]).toContain('-s install --no-install-recommends --no-remove guacd libguac-client-vnc0')
    expect(calls).toContain('update-rc.d guacd disable')
  })

  test.each([
    ['upgrade', 'Inst bash [5.2-1] (5.3-1 Debian [amd64])', 'bash'],
    ['remove', 'Remv openssl [3.0]', 'openssl'],
  ])('what would %s something is not done', (_, line, name) => {
    const { answer, calls } = install({
      'apt-cache': has,
      'apt-get': `case "$*" in *-s*) echo 'Inst guacd (1.6.0-1 Debian [amd64])'; echo '${line}';; esac`,
    })
    expect(answer).toBe(`it would change ${name}, which is installed`)
    expect(calls).not.toContain('-y install')
  })

  const isBookworm =
    existsSync('/etc/debian_version') && /^12\./.test(readFileSync('/etc/debian_version', 'utf8'))
  const sources = `case "$*" in
    *indextargets*) echo 'http://mirror.example/debian/ bookworm'; echo 'http://mirror.example/security/ bookworm-security';;`

  test.runIf(isBookworm && process.arch === 'x64')(
    'a package that is another file than the pinned one is not installed',
    () => {
      const { answer, calls } = install({
        'apt-cache': lacks,
        'apt-get': `${sources}
        *download*) cat "$APT_CONFIG" "$(dirname "$APT_CONFIG")/sources.list" >> ${log}
          for one in "$@"; do case "$one" in *=*) echo evil > "\${one%%=*}_1_amd64.deb";; esac; done;;
      esac`,
      })
      expect(answer).toBe('guacd 1.3.0-1+b1 is not the file that was looked at when this was made')
      expect(calls).not.toContain('-y install')
      // SECURITY: signatures are checked with Debian's own keys, over the machine's own mirror.
      expect(calls).toContain(
        'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ bullseye main',
      )
      expect(calls).not.toMatch(/AllowUnauthenticated|AllowInsecure|trusted/i)
    },
  )

  test.runIf(isBookworm && process.arch === 'x64')(
    'a mirror that has it no more is said in a sentence',
    () => {
      const { answer } = install({
        'apt-cache': lacks,
        'apt-get': `${sources} *download*) ;; *update*) case "$APT_CONFIG" in '') ;; *) echo 'E: 404 Not Found' >&2; exit 100;; esac;; esac`,
      })
      expect(answer).toBe('the index of Debian 11 could not be fetched: E: 404 Not Found')
    },
  )
})
