import { spawnSync } from 'node:child_process'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examineCertificate } from '../../deploy/doctor/certificate.ts'
import { examineDatabase } from '../../deploy/doctor/database.ts'
import type { Finding } from '../../deploy/doctor/examine.ts'
import { clockAndDisk } from '../../deploy/doctor/machine.ts'
import { examineOwners } from '../../deploy/doctor/owners.ts'
import { isRoot } from '../../deploy/supervisor/system-user.ts'
import { issueServerCertificate, makeAuthority } from '../../deploy/tls/authority.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

/** What `tagout doctor` says to do, for each thing that goes wrong in practice. */

let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation()
})
afterAll(() => installation[Symbol.asyncDispose]())

async function doctor(): Promise<readonly Finding[]> {
  const { stdout } = await installation.tagout(['doctor', '--json'])
  return JSON.parse(stdout)
}
const wrong = (findings: readonly Finding[]) => findings.filter(({ level }) => level === 'wrong')

test('nothing is wrong with a new installation, and everything was looked at', async () => {
  const findings = await doctor()
  expect(wrong(findings)).toEqual([])
  expect(findings.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'clock',
      'disk',
      'file modes',
      'owners',
      'console',
      'ssh',
      'certificate',
      'vault',
      'database',
    ]),
  )
})

test.runIf(isRoot())('data of the wrong owner are named, with the command that puts them right', async () => {
  const path = join(installation.dataDir, 'vault', 'vault.state')
  const { uid, gid } = statSync(path)
  chownSync(path, 0, 0)
  const found = examineOwners(installation.dataDir)
  expect(found.level).toBe('wrong')
  expect(found.text).toBe(`belong to the wrong user in ${installation.dataDir}: vault/vault.state`)
  const command = found.next?.replace('stop it, then: ', '') ?? ''
  expect(command).toBe(`chown -R tagout-vault:tagout ${join(installation.dataDir, 'vault')}`)
  expect(spawnSync('sh', ['-c', command]).status).toBe(0)
  expect([statSync(path).uid, statSync(path).gid]).toEqual([uid, gid])
  expect(examineOwners(installation.dataDir).level).toBe('fine')
})

test("a clock far from the database's is found, either way", async () => {
  for (const [ahead, word] of [
    [3600_000, 'behind'],
    [-3600_000, 'ahead of'],
  ] as const) {
    const [found] = await examineDatabase(installation.dataDir, () => Date.now() + ahead)
    expect(found?.level).toBe('wrong')
    expect(found?.text).toMatch(
      new RegExp(`the database's clock is (3599|3600|3601) s ${word} this machine's`),
    )
    expect(found?.next).toContain('time server')
  }
})

test('a disk that is nearly full is found, by the room that the recorder was told to keep', () => {
  const free = (floor: string) =>
    clockAndDisk(installation.dataDir, { TAGOUT_RECORDER_FLOOR_BYTES: floor }).find(
      ({ name }) => name === 'disk',
    )
  expect(free(String(2 ** 52))).toMatchObject({
    level: 'wrong',
    text: expect.stringContaining('no session starts with so little'),
    next: expect.stringContaining('make room'),
  })
  const { bavail, bsize } = statfsSync(installation.dataDir)
  expect(free(String(Math.floor((bavail * bsize) / 3)))).toMatchObject({ level: 'note' })
  expect(free('0')).toMatchObject({ level: 'fine' })
})

test.each([
  [500, 'wrong', 'expired on'],
  [390, 'note', 'expires on'],
  [0, 'fine', 'is good until'],
] as const)('a certificate made %i days ago: %s', async (daysAgo, level, text) => {
  const then = new Date(Date.now() - daysAgo * 86_400_000)
  const made = await issueServerCertificate(await makeAuthority(then, 'x'), ['localhost'], then)
  const folder = mkdtempSync(join(tmpdir(), 'tagout-doctor-'))
  mkdirSync(join(folder, 'api', 'tls'), { recursive: true })
  writeFileSync(join(folder, 'api', 'tls', 'server.crt'), made.certificate)
  const [found] = examineCertificate(folder)
  rmSync(folder, { recursive: true })
  expect(found).toMatchObject({ name: 'certificate', level, text: expect.stringContaining(text) })
  expect(found?.next === undefined).toBe(level === 'fine')
})

test('a sealed vault, then a stopped one, then a port that somebody took', { timeout: 120_000 }, async () => {
  await installation.tagoutJson(['seal'])
  expect(wrong(await doctor())).toEqual([
    { name: 'vault', level: 'wrong', text: 'the vault is sealed: nothing opens', next: 'tagout unseal' },
  ])
  await installation.stop()
  expect(wrong(await doctor())).toEqual([
    {
      name: 'running',
      level: 'wrong',
      text: 'the installation does not run',
      next: 'start it with npm start',
    },
  ])
  const taken = createServer()
  const { port } = installation.ssh
  taken.listen(port, '127.0.0.1')
  await once(taken, 'listening')
  expect(wrong(await doctor())).toContainEqual({
    name: 'ports',
    level: 'wrong',
    text: `another program listens on 127.0.0.1 port ${port}`,
    next: 'give --ssh-port (or TAGOUT_SSH_PORT) a free port',
  })
  taken.close()
  const file = join(installation.dataDir, 'tagout.json')
  const before = readFileSync(file, 'utf8')
  writeFileSync(file, '{ "ssh": { "prt": 1 } }')
  expect(wrong(await doctor())).toContainEqual({
    name: 'ports',
    level: 'wrong',
    text: `ssh.prt in ${file} is not known`,
    next: 'did you mean ssh.port?',
  })
  writeFileSync(file, before)
})
