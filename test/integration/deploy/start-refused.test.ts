import { spawnSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { isRoot } from '../../../deploy/supervisor/system-user.ts'
import { issueServerCertificate, makeAuthority } from '../../../deploy/tls/authority.ts'

/** A start that is refused says one sentence, and leaves what it found. */

const root = join(import.meta.dirname, '..', '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'tagout-refused-'))
chmodSync(folder, 0o755)
const taken: Server = createServer()
let port = 0
beforeAll(async () => {
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  port = (taken.address() as { port: number }).port
})
afterAll(() => {
  taken.close()
  rmSync(folder, { recursive: true, force: true })
})

let data = ''
let count = 0
beforeEach(() => {
  count += 1
  data = join(folder, `d${count}`)
})

type Options = { readonly env?: Record<string, string>; readonly entry?: string }

/** Starts as a person would, without a terminal; what it says, each line. */
function start(args: readonly string[], { env = {}, entry = 'main.ts' }: Options = {}) {
  const ran = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      join(root, 'deploy', entry),
      ...['--http-port', '0', '--ssh-port', '0', '--unattended', '--yes', ...args],
    ],
    { encoding: 'utf8', timeout: 60_000, env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env } },
  )
  return { code: ran.status, said: ran.stderr.trim().split('\n'), out: ran.stdout }
}

const instances = () =>
  existsSync('/var/lib/tagout/instances') ? readdirSync('/var/lib/tagout/instances').sort() : []

test.each(['main.ts', 'start.mjs'])('a taken port leaves nothing, not even parents (%s)', (entry) => {
  const { code, said, out } = start(['--data', join(data, 'not', 'there'), '--ssh-port', String(port)], {
    entry,
  })
  expect([code, out]).toEqual([1, ''])
  expect(said.at(-1)).toBe(
    `tagout: another program listens on 127.0.0.1 port ${port}: give --ssh-port (or TAGOUT_SSH_PORT) a free port`,
  )
  expect(existsSync(data)).toBe(false)
})

test('a folder that was there stays as it was', () => {
  mkdirSync(data, { mode: 0o750 })
  chmodSync(data, 0o750)
  const before = statSync(data)
  expect(start(['--data', data, '--ssh-port', String(port)]).code).toBe(1)
  expect(readdirSync(data)).toEqual([])
  expect([statSync(data).mode, statSync(data).ino]).toEqual([before.mode, before.ino])
})

test.runIf(isRoot())('a refused start below a closed folder leaves no link and no folder elsewhere', () => {
  const before = instances()
  mkdirSync(data, { mode: 0o700 })
  const made = join(data, 'a', 'd')
  const empty = join(data, 'empty')
  mkdirSync(empty, { mode: 0o750 })
  for (const path of [made, empty]) expect(start(['--data', path, '--ssh-port', String(port)]).code).toBe(1)
  expect(readdirSync(data)).toEqual(['empty'])
  expect([statSync(empty).isDirectory(), statSync(empty).mode & 0o777]).toEqual([true, 0o750])
  expect(instances()).toEqual(before)
})

test.each([
  [{ http: { prot: 1 } }, 'http.prot in FILE is not known: did you mean http.port?'],
  [{ htp: { port: 1 } }, 'htp in FILE is not known: did you mean http?'],
  [{ recorder: { flor: 1 } }, 'recorder.flor in FILE is not known: there are'],
  [{ ssh: { listen: 'x' } }, 'ssh.listen in FILE is not known: there are host, port'],
  [
    { http: { tls: { certFile: '/x', keyfile: '/y', keyFile: '/y' } } },
    'http.tls.keyfile in FILE is not known: did you mean http.tls.keyFile?',
  ],
  [{ http: { tls: { certFile: '/x' } } }, 'http.tls.keyFile in FILE'],
  [{ recorder: { floorBytes: -1 } }, 'recorder.floorBytes in FILE cannot be used'],
  [{ session: { longestSeconds: 'long' } }, 'session.longestSeconds in FILE cannot be used'],
  [{ session: 7 }, 'session in FILE cannot be used'],
  [
    { http: { host: '0.0.0.0', plain: true } },
    'TAGOUT_HTTP_PLAIN serves without TLS and is for loopback only',
  ],
  [[], 'FILE cannot be used'],
])('a wrong member of tagout.json is found before anything is made: %j', (text, sentence) => {
  mkdirSync(data)
  const file = join(data, 'tagout.json')
  writeFileSync(file, JSON.stringify(text))
  const { code, said } = start(['--data', data])
  expect([code, said.length]).toEqual([1, 1])
  expect(said[0]).toContain(sentence.replace('FILE', file))
  expect(readdirSync(data)).toEqual(['tagout.json'])
  expect(readFileSync(file, 'utf8')).toBe(JSON.stringify(text))
})

test.each([
  [{ TAGOUT_RECORDER_FLOOR_BYTES: 'much' }, 'TAGOUT_RECORDER_FLOOR_BYTES cannot be used'],
  [{ TAGOUT_SESSION_LONGEST_SECONDS: '1' }, 'TAGOUT_SESSION_LONGEST_SECONDS cannot be used'],
  [{ TAGOUT_HTTP_PLAIN: '1', TAGOUT_HTTP_HOST: '0.0.0.0' }, 'is for loopback only'],
  [
    { TAGOUT_HTTP_TLS_CERT: '/not/there', TAGOUT_HTTP_TLS_KEY: '/not/there' },
    'TAGOUT_HTTP_TLS_CERT names /not/there, which cannot be read (ENOENT)',
  ],
  [
    { DATABASE_URL: 'postgresql://o:p@127.0.0.1:1/x' },
    'the server of DATABASE_URL does not answer (ECONNREFUSED)',
  ],
])('a wrong variable is found before anything is made: %j', (env, sentence) => {
  const { code, said } = start(['--data', data], { env })
  expect([code, said.length]).toEqual([1, 1])
  expect(said[0]).toContain(sentence)
  expect(existsSync(data)).toBe(false)
})

test('a certificate that cannot be served with is refused, with where it was given', async () => {
  const then = new Date()
  const authority = await makeAuthority(then, 'x')
  const [one, other] = await Promise.all(
    ['one', 'other'].map((name) => issueServerCertificate(authority, [name], then)),
  )
  const put = (name: string, text = '') => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const cert = put('one.crt', one?.certificate)
  const key = put('other.key', other?.privateKey)
  const words = put('words.txt', 'no certificate')
  const locked = createPrivateKey(one?.privateKey ?? '').export({
    ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  } as never) as unknown as string
  const lockedKey = put('locked.key', locked)
  for (const [certFile, keyFile, sentence] of [
    [
      cert,
      key,
      `the key of http.tls.keyFile in FILE is not that of the certificate of http.tls.certFile in FILE: give the two that belong together`,
    ],
    [words, key, `http.tls.certFile in FILE names ${words}, which holds no certificate in PEM: give one`],
    [
      cert,
      words,
      `http.tls.keyFile in FILE names ${words}, which holds no unencrypted private key in PEM: give one`,
    ],
    [
      cert,
      lockedKey,
      `http.tls.keyFile in FILE names ${lockedKey}, which holds no unencrypted private key in PEM: give one`,
    ],
    [
      cert,
      'gone.key',
      `http.tls.keyFile in FILE names ${join(data, 'gone.key')}, which cannot be read (ENOENT): correct the path or its mode`,
    ],
  ] as const) {
    mkdirSync(data, { recursive: true })
    const file = join(data, 'tagout.json')
    writeFileSync(file, JSON.stringify({ http: { tls: { certFile, keyFile } } }))
    const { code, said } = start(['--data', data])
    expect([code, said]).toEqual([1, [`tagout: ${sentence.replaceAll('FILE', file)}`]])
    expect(readdirSync(data)).toEqual(['tagout.json'])
  }
})

test('a variable of ours that nothing reads is named', () => {
  const { said } = start(['--data', data, '--ssh-port', String(port)], {
    env: { TAGOUT_RECORDER_FLOR_BYTES: '1' },
  })
  expect(said).toContainEqual(
    'tagout: TAGOUT_RECORDER_FLOR_BYTES is set and nothing reads it: did you mean TAGOUT_RECORDER_FLOOR_BYTES?',
  )
})

test('a recovery key that has no place is found before there is a vault', () => {
  const place = join(folder, 'recovery.key')
  writeFileSync(place, 'an older one')
  const { code, said } = start(['--data', data, '--recovery-out', place])
  expect([code, said]).toEqual([
    1,
    [`tagout: --recovery-out names ${place}, which exists: give the path of a new file`],
  ])
  expect(existsSync(data)).toBe(false)
})

test.runIf(isRoot())('what belongs to another user is not started on', () => {
  const owner = 65_534
  mkdirSync(join(data, 'supervisor'), { recursive: true })
  spawnSync('chown', ['-R', String(owner), data])
  const { code, said } = start(['--data', data])
  expect([code, said.length]).toEqual([1, 1])
  expect(said[0]).toContain(`the installation in ${data} belongs to user ${owner}: start it as that user`)
  expect(readdirSync(join(data, 'supervisor'))).toEqual([])
})
