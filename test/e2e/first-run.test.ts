import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { findUser, isRoot } from '../../deploy/supervisor/system-user.ts'
import { issueServerCertificate, makeAuthority } from '../../deploy/tls/authority.ts'
import { startTestInstallation } from '../support/installation.ts'
import { freePorts } from '../support/ports.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'tagout-first-'))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const noExpect = !existsSync('/usr/bin/expect')
if (noExpect)
  console.warn('expect is not installed (deploy/test-packages.txt): first runs on a terminal are left out')

/** Runs `npm start`'s own entry on a terminal, by a script of what to wait for and what to type. All that was shown. */
async function onTerminal(data: string, script: string): Promise<string> {
  const [http, ssh] = await freePorts(2)
  const command = [process.execPath, join(root, 'deploy', 'start.mjs'), '--data', data]
  const child = spawn(
    '/usr/bin/expect',
    [
      '-c',
      `set timeout 60
       proc wait_for {what} {
         expect {
           $what {}
           timeout { puts "\\nMISSING $what"; exit 3 }
           eof { puts "\\nENDED BEFORE $what"; exit 4 }
         }
       }
       spawn ${command.join(' ')} --http-port ${http} --ssh-port ${ssh}
       ${script}
       expect {
         eof {}
         timeout { puts "\\nMISSING THE END"; exit 5 }
       }
       catch wait result
       puts "CODE [lindex $result 3]"`,
    ],
    {
      cwd: root,
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, TERM: 'xterm' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  await new Promise((resolve) => child.once('close', resolve))
  expect(shown).not.toMatch(/MISSING|ENDED BEFORE/)
  return shown
}

const passphrase = 'wide open window'
const ask = 'passphrase of the vault, 8 characters at least: '

describe.skipIf(noExpect)('a first start on a terminal', () => {
  const data = join(folder, 'new', 'typed')

  test('asks for a passphrase twice, says what is wrong with it, and asks again', {
    timeout: 120_000,
  }, async () => {
    const shown = await onTerminal(
      data,
      `wait_for "${ask}"; send "${passphrase}\\r"
       wait_for "once more: "; send "another window\\r"
       wait_for "the two do not match"
       wait_for "${ask}"; send "short\\r"
       wait_for "8 characters at least: "; send "${passphrase}\\r"
       wait_for "once more: "; send "${passphrase}\\r"
       wait_for "Write it down now"
       wait_for "first admin, for 15 minutes: "
       wait_for "Ctrl-C stops it."
       send "\\003"`,
    )
    expect(shown).toContain('the passphrase is shorter than 8 characters')
    expect(shown).toContain('CODE 0')
    // Typed in the dark.
    expect(shown).not.toContain(passphrase)
    expect(shown).toMatch(/\n\s+(?:[0-9A-Z]{4}-){8}[0-9A-Z]{4}\s/)
    // The key is on the terminal alone.
    const kept = spawnSync('grep', ['-rla', /(?:[0-9A-Z]{4}-){8}[0-9A-Z]{4}/.exec(shown)?.[0] ?? 'x', data])
    expect(kept.stdout.toString()).toBe('')
  })

  test('the next start asks once, and goes on sealed after three that are wrong', {
    timeout: 120_000,
  }, async () => {
    const opened = await onTerminal(
      data,
      `wait_for "passphrase of the vault: "; send "another window\\r"
       wait_for "that passphrase does not open this vault"
       wait_for "passphrase of the vault: "; send "${passphrase}\\r"
       wait_for "Ctrl-C stops it."
       send "\\003"`,
    )
    expect(opened).not.toContain('the vault is sealed')
    // Nobody has used the first link.
    expect(opened).toContain('first admin')
    const wrong = `wait_for "passphrase of the vault: "; send "another window\\r"\n`
    const sealed = await onTerminal(data, `${wrong.repeat(3)} wait_for "Ctrl-C stops it."; send "\\003"`)
    expect(sealed).toContain('the vault is sealed: nothing opens')
  })

  test('Ctrl-C at the question gives up, and all that was started ends', { timeout: 120_000 }, async () => {
    const shown = await onTerminal(join(folder, 'given-up'), `wait_for "${ask}"; send "\\003"`)
    expect(shown).toContain('given up')
    expect(shown).toContain('CODE 1')
    expect(existsSync(join(folder, 'given-up', 'supervisor', 'lock'))).toBe(false)
    // Nor does a start that is ended from outside wait for an answer.
    const ended = await onTerminal(join(folder, 'ended'), `wait_for "${ask}"; exec kill -TERM [exp_pid]`)
    expect(ended).toContain('CODE 130')
    expect(spawnSync('pgrep', ['-f', join(folder, 'given-up')]).stdout.toString()).toBe('')
  })
})

/** A certificate for `name`, made so many days ago; it is good for 396. */
async function certificate(
  name: string,
  daysAgo: number,
): Promise<{ readonly cert: string; readonly key: string }> {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const then = new Date(Date.now() - daysAgo * 86_400_000)
  const made = await issueServerCertificate(await makeAuthority(then, name), [name], then)
  writeFileSync(cert, made.certificate)
  writeFileSync(key, made.privateKey, { mode: 0o600 })
  return { cert, key }
}

/** The common name of what the console serves with. */
function servedName(address: string): Promise<string | undefined> {
  const { port } = new URL(address)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () => {
      const { subject } = socket.getPeerCertificate()
      socket.destroy()
      resolve(String(subject.CN))
    })
    socket.once('error', reject)
  })
}

test('a key file and a certificate of the site’s own are used, from where they lie', {
  timeout: 180_000,
}, async () => {
  const keys = join(folder, 'stick')
  mkdirSync(keys, { mode: 0o755 })
  const keyFile = join(keys, 'seal.key')
  const data = join(folder, 'given')
  mkdirSync(join(data, 'own'), { recursive: true })
  chmodSync(data, 0o711)
  const first = await certificate('own', 0)
  for (const [from, to] of [
    [first.cert, 'site.crt'],
    [first.key, 'site.key'],
  ] as const)
    writeFileSync(join(data, 'own', to), readFileSync(from))
  // As seen from the data folder.
  const tls = { certFile: 'own/site.crt', keyFile: 'own/site.key' }
  writeFileSync(join(data, 'tagout.json'), JSON.stringify({ http: { tls } }))
  {
    await using made = await startTestInstallation({ dataDir: data, args: ['--key-file', keyFile] })
    expect(await servedName(made.console)).toBe('own')
    expect(made.log()).toContain(`the vault opens by itself with ${keyFile}`)
    expect(await made.tagoutJson(['status'])).toMatchObject({ sealed: false })
    const { mode, uid } = statSync(keyFile)
    expect([mode & 0o777, uid]).toEqual([
      0o600,
      isRoot() ? findUser('tagout-vault')?.uid : process.getuid?.(),
    ])
    expect(existsSync(join(data, 'vault', 'seal.key'))).toBe(false)
  }
  const expired = await certificate('old', 500)
  {
    // By itself, without the option; with a certificate that is over.
    await using again = await startTestInstallation({
      dataDir: data,
      env: { TAGOUT_HTTP_TLS_CERT: expired.cert, TAGOUT_HTTP_TLS_KEY: expired.key },
    })
    expect(await again.tagoutJson(['status'])).toMatchObject({ sealed: false })
    expect(await servedName(again.console)).toBe('old')
    expect(again.log()).toMatch(
      /the certificate of TAGOUT_HTTP_TLS_CERT expired on \d{4}-\d\d-\d\d, and browsers refuse it: renew it and start again/,
    )
    expect(again.findings.join()).toContain("the console's certificate expired on")
  }
  rmSync(keyFile)
  {
    await using sealed = await startTestInstallation({ dataDir: data })
    expect(sealed.log()).toContain(`the vault stays sealed: there is no key file ${keyFile}`)
    expect(sealed.findings).toContain('the vault is sealed: nothing opens')
    // Without the variables the one of the file serves again.
    expect(await servedName(sealed.console)).toBe('own')
    expect(sealed.findings.join()).not.toContain('certificate expired')
  }
})

test('a key file that the vault could not read is refused before there is a vault', async () => {
  const start = (keyFile: string) => {
    const data = join(folder, 'refused')
    const ran = spawnSync(
      process.execPath,
      [
        ...['--disable-warning=ExperimentalWarning', join(root, 'deploy', 'main.ts'), '--data', data],
        ...['--http-port', '0', '--ssh-port', '0', '--unattended', '--key-file', keyFile],
      ],
      { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '' } },
    )
    expect(existsSync(data)).toBe(false)
    return [ran.status, ran.stderr.trim()]
  }
  const missing = join(folder, 'unmounted', 'seal.key')
  expect(start(missing)).toEqual([
    1,
    `tagout: --key-file names ${missing}, whose folder is not there: make it, or mount what it is on`,
  ])
  const other = join(folder, 'other.key')
  writeFileSync(other, 'not a key', { mode: 0o600 })
  if (isRoot()) chownSync(other, findUser('tagout-vault')?.uid ?? 0, 0)
  expect(start(other)).toEqual([1, `tagout: ${other} is not a key file`])
  chmodSync(other, 0o640)
  expect(start(other)).toEqual([1, `tagout: others may read the key file ${other}: chmod 600 ${other}`])
  if (!isRoot()) return
  chownSync(other, 0, 0)
  chmodSync(other, 0o600)
  expect(start(other)).toEqual([
    1,
    `tagout: the key file ${other} belongs to user 0, and the vault runs as tagout-vault: chown tagout-vault ${other}`,
  ])
  const closed = join(folder, 'closed')
  mkdirSync(closed, { mode: 0o700 })
  expect(start(join(closed, 'seal.key'))).toEqual([
    1,
    `tagout: --key-file names ${join(closed, 'seal.key')}, which lies below ${closed}, where the vault's user cannot go: chmod go+x ${closed}, or give another path`,
  ])
})
