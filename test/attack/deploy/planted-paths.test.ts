import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeFor } from '../../../deploy/supervisor/data-folder.ts'
import { clearSockets, holdFolder } from '../../../deploy/supervisor/plane-folder.ts'
import { readSettings } from '../../../deploy/supervisor/settings.ts'
import { isRoot } from '../../../deploy/supervisor/system-user.ts'
import { provideCertificate } from '../../../deploy/tls/certificate.ts'
import { connectReplay } from '../../../recorder/index.ts'

// A plane that was broken into, and waits for a privileged start to write or read where it points, or for others to
// speak to it in another plane's place.

const plane = isRoot() ? { uid: 65_534, gid: 65_534 } : undefined
let data: string
let victim: string

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'tagout-planted-'))
  victim = join(data, 'victim')
  mkdirSync(victim)
  for (const name of ['supervisor', 'api', 'recorder', 'run']) mkdirSync(join(data, name), { mode: 0o700 })
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

const provide = () => provideCertificate(data, readSettings(data, {}, {}), plane, new Date())
const tls = (name: string) => join(data, 'api', 'tls', name)

test('a link in the place of the certificates’ folder is refused, and nothing is written where it leads', async () => {
  symlinkSync(victim, join(data, 'api', 'tls'))
  await expect(provide()).rejects.toThrow('is a link or no folder')
  expect(readdirSync(victim)).toEqual([])
})

test('links and pipes in the place of the files are replaced, and neither read nor written through', async () => {
  mkdirSync(join(data, 'api', 'tls'))
  const secret = join(victim, 'secret')
  writeFileSync(secret, 'untouched')
  for (const name of ['ca.crt', 'server.crt']) symlinkSync(secret, tls(name))
  execFileSync('mkfifo', [tls('server.key')])
  expect((await provide()).changed).toContain('there is none yet')
  expect(readFileSync(secret, 'utf8')).toBe('untouched')
  for (const name of ['ca.crt', 'server.crt', 'server.key']) expect(lstatSync(tls(name)).isFile()).toBe(true)

  writeFileSync(tls('server.crt'), 'no certificate')
  expect((await provide()).changed).toContain('what was there is none')
  expect((await provide()).changed).toBeUndefined()
})

test.runIf(process.platform === 'linux')('a folder exchanged for a link meanwhile is not followed', () => {
  const path = join(data, 'api', 'tls')
  using held = holdFolder(path, plane)
  renameSync(path, join(data, 'api', 'aside'))
  symlinkSync(victim, path)
  writeFor(plane, held.at('server.key'), 'key', 0o600)
  expect(readdirSync(victim)).toEqual([])
  expect(readdirSync(join(data, 'api', 'aside'))).toEqual(['server.key'])
})

test.runIf(isRoot())(
  'the folder is root’s, the files are the api’s; that of another user is refused',
  async () => {
    mkdirSync(join(data, 'api', 'tls'))
    chownSync(join(data, 'api', 'tls'), 65_534, 65_534)
    await provide()
    expect(statSync(join(data, 'api', 'tls'))).toMatchObject({ uid: 0, gid: 0 })
    expect(statSync(tls('server.key'))).toMatchObject({ uid: 65_534 })
    chownSync(join(data, 'api', 'tls'), 65_533, 65_533)
    await expect(provide()).rejects.toThrow('belongs to user 65533')
  },
)

test('a start finds no socket of anybody in run/', () => {
  const run = join(data, 'run')
  writeFileSync(join(run, 'replay.sock'), '')
  symlinkSync(victim, join(run, 'planes.sock'))
  mkdirSync(join(run, 'empty'))
  clearSockets(run)
  expect(readdirSync(run)).toEqual([])
  expect(readdirSync(data)).toContain('victim')
  mkdirSync(join(run, 'planes.sock', 'full'), { recursive: true })
  expect(() => clearSockets(run)).toThrow('is in the way')
})

test.runIf(isRoot())(
  'nothing is said to a replay socket that somebody else than the recorder made',
  async () => {
    const path = join(data, 'run', 'replay.sock')
    const heard: Buffer[] = []
    const squatter = createServer((socket) => socket.on('data', (bytes) => heard.push(bytes)))
    squatter.listen(path)
    await once(squatter, 'listening')
    try {
      await using own = await connectReplay(data)
      expect(own.isOpen).toBe(true)
      chownSync(path, 65_534, 65_534)
      await expect(connectReplay(data)).rejects.toThrow("is not the recorder's")
      renameSync(path, join(data, 'elsewhere.sock'))
      chownSync(join(data, 'elsewhere.sock'), 0, 0)
      symlinkSync(join(data, 'elsewhere.sock'), path)
      await expect(connectReplay(data)).rejects.toThrow("is not the recorder's")
      expect(heard).toEqual([])
    } finally {
      squatter.close()
    }
  },
)
