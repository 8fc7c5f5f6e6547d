import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueServerCertificate } from '../../deploy/tls/authority.ts'
import { consistencyRanges } from '../../vault/audit/proof.ts'
import { toBase64 } from '../../vault/kernel/encoding.ts'
import { tagout } from '../support/cli.ts'
import { testAuthority } from '../support/mail-server.ts'
import { logKey, logOf } from '../support/scripted-package.ts'

// A gateway whose administrator has the log's key and signs whatever history they like: a witness elsewhere has seen the other.

const folder = mkdtempSync(join(tmpdir(), 'tagout-witness-'))
const file = (name: string) => join(folder, name)
const told = Array.from({ length: 9 }, (_, at) => ({ kind: 'account.revealed', at: `entry ${at}` }))
const forged = told.with(2, { kind: 'account.revealed', at: 'nothing happened here' })
let server: Server
let address: string
/** What the gateway answers to one who has seen `from` entries. */
let answer: (from: number) => unknown = () => ({})

beforeAll(async () => {
  const authority = await testAuthority()
  const { certificate, privateKey } = await issueServerCertificate(authority, ['localhost'], new Date())
  writeFileSync(file('ca.pem'), authority.certificate)
  writeFileSync(file('token'), 'tagout_x')
  server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    const from = Number(new URL(request.url ?? '', 'https://x').searchParams.get('from'))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(answer(from)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  address = `https://localhost:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

const shows = (entries: readonly object[], other = entries) => {
  const log = logOf(entries)
  answer = (from) => ({
    checkpoint: log.checkpoint,
    publicKey: toBase64(logKey.publicKey),
    consistency:
      from > entries.length
        ? []
        : consistencyRanges(from, entries.length).map((one) => toBase64(logOf(other).hash(one))),
  })
}
const witness = (name: string) =>
  tagout(['audit', 'witness', name, '--from', address, '--token-file', 'token', '--ca', 'ca.pem'], {
    cwd: folder,
  })

test.each([
  ['an entry that was seen is another now', () => shows(forged), /is not the one that w-0 has seen with 5/],
  ['that, with the proof of the true one', () => shows(forged, told), /is not the one that w-1 has seen/],
  [
    'the log was put back',
    () => shows(told.slice(0, 4)),
    /has 4 entries, and w-2 has seen 5 at .*: it was put back/,
  ],
  ['the same length, another content', () => shows(forged.slice(0, 5)), /is not the one that w-3 has seen/],
  [
    'no proof at all',
    () => {
      shows(told)
      const whole = answer
      answer = (from) => ({ ...(whole(from) as object), consistency: [] })
    },
    /is not the one that w-4 has seen/,
  ],
  [
    'a checkpoint that nobody signed',
    () => {
      shows(told)
      const whole = answer
      answer = (from) => {
        const said = whole(from) as { checkpoint: string }
        return { ...said, checkpoint: said.checkpoint.replace(/\n9\n/, '\n8\n') }
      }
    },
    /is not signed by the log’s key/,
  ],
  [
    'what is no answer',
    () => {
      answer = () => ({ checkpoint: 7 })
    },
    /what answers there is no gateway/,
  ],
])('a witness adds nothing and says so: %s', async (_what, next, says) => {
  const name = `w-${Number(/w-(\d)/.exec(String(says))?.[1] ?? 9)}`
  rmSync(file(name), { force: true })
  shows(told.slice(0, 5))
  expect((await witness(name)).code).toBe(0)
  const before = readFileSync(file(name), 'utf8')
  next()
  expect(await witness(name)).toMatchObject({ code: 1, err: expect.stringMatching(says) })
  expect(readFileSync(file(name), 'utf8')).toBe(before)
  // The true one goes on.
  shows(told)
  expect((await witness(name)).out).toMatch(
    /has seen 5 entries, and the log of 9 begins with them \(checkpoints: 2\)/,
  )
})

test('a folder is no file of a witness', async () => {
  expect(await witness('.')).toMatchObject({
    code: 2,
    err: expect.stringMatching(/is a folder\n.*name a file in it/),
  })
})
