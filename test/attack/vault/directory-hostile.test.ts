import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeDirectories } from '../../../vault/directory/ask-worker.ts'
import { newId } from '../../../vault/kernel/id.ts'
import {
  type DirectoryCertificates,
  makeDirectoryCertificates,
} from '../../support/directory-certificates.ts'
import {
  type Answering,
  bindRequest,
  bindResponse,
  entry,
  reference,
  result,
  searchDone,
  searchRequest,
  startHostileLdap,
} from '../../support/hostile-ldap.ts'

// A directory that somebody else runs: whatever it answers costs the process that speaks with it, and says nothing.

let folder: string
let certificates: DirectoryCertificates

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-hostile-ldap-'))
  certificates = makeDirectoryCertificates(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const subject = '11111111-2222-3333-4444-555555555555'
const settingsFor = (url: string, more: object = {}) => ({
  kind: 'ldap',
  flavour: 'ldap',
  url,
  certificates: certificates.ca,
  base: 'dc=plant',
  userFilter: null,
  bindName: 'cn=tagout,dc=plant',
  wrongPasswords: 3,
  ...more,
})
async function ask(answer: Answering, question: object, seconds = 20) {
  await using server = await startHostileLdap(certificates, answer)
  await using directories = makeDirectories()
  const id = newId('dir')
  const settings = settingsFor(server.url)
  const said = await directories.ask(id, { speak: 'ldap', settings, secret: 'reader', ...question }, seconds)
  return { said, heard: server.heard(), directories, id, settings }
}
const read = { do: 'read', groups: ['cn=ops,dc=plant'] }
const authenticate = { do: 'authenticate', subject, password: 'peoples-password' }
const letsIn: Answering = ({ id, operation }, socket) => {
  if (operation === bindRequest) socket.write(result(id, bindResponse, 0))
}

test('an answer without end, of one entry or of many, ends its process and nothing else', async () => {
  const one = await ask(({ id, operation, raw }, socket) => {
    letsIn({ id, operation, raw }, socket)
    if (operation !== searchRequest) return
    // A length of 1 GiB, and then bytes for it.
    socket.write(Buffer.from([0x30, 0x84, 0x40, 0, 0, 0]))
    const more = Buffer.alloc(1024 * 1024)
    const push = () => {
      while (!socket.destroyed && socket.write(more));
    }
    socket.on('drain', push)
    push()
  }, read)
  expect(one.said.ok ? one.said.value : one.said.refusal).not.toMatchObject({ ok: true })

  const many = await ask(
    ({ id, operation, raw }, socket) => {
      letsIn({ id, operation, raw }, socket)
      if (operation !== searchRequest) return
      const block = Buffer.concat(
        Array.from({ length: 2000 }, (_, at) =>
          entry(id, `uid=u${at},dc=plant`, { uid: [`u${at}`], entryUUID: [subject] }),
        ),
      )
      const push = () => {
        while (!socket.destroyed && socket.write(block));
      }
      socket.on('drain', push)
      push()
    },
    read,
    40,
  )
  expect(many.said.ok ? many.said.value : many.said.refusal).not.toMatchObject({ ok: true })
}, 90_000)

test('silence is not waited for, and the next question starts anew', async () => {
  let isSilent = true
  await using server = await startHostileLdap(certificates, ({ id, operation }, socket) => {
    if (isSilent) return
    if (operation === bindRequest) socket.write(result(id, bindResponse, 49))
  })
  await using directories = makeDirectories()
  const id = newId('dir')
  const question = { speak: 'ldap', settings: settingsFor(server.url), secret: 'reader', ...read }
  const began = performance.now()
  const silent = await directories.ask(id, question, 2)
  expect(performance.now() - began).toBeLessThan(4_000)
  expect(silent).toMatchObject({ ok: false, refusal: { message: 'the directory did not answer within 2 s' } })
  isSilent = false
  expect(await directories.ask(id, question, 20)).toMatchObject({
    ok: true,
    value: { ok: false, why: 'bind' },
  })
})

test('what is no LDAP, and a connection that breaks off, are no answer', async () => {
  for (const garbage of ['30050201010a00', 'ffffffffffff', '3080', '00', '47455420'])
    expect(
      (await ask((_, socket) => socket.end(Buffer.from(garbage, 'hex')), authenticate)).said,
    ).toMatchObject({ ok: true, value: { ok: false } })
})

test('a connection that is opened again without the bind is not read from', async () => {
  let binds = 0
  const { said } = await ask(({ id, operation }, socket) => {
    if (operation === bindRequest) {
      binds += 1
      socket.write(result(id, bindResponse, 0), () => socket.destroy())
    } else {
      // Strangers are shown nobody.
      socket.write(result(id, searchDone, 0))
    }
  }, read)
  expect(binds).toBe(1)
  expect(said).toMatchObject({ ok: true, value: { ok: false, why: 'away' } })
})

test('another server that it refers to is neither asked nor told a password', async () => {
  let asked = 0
  await using other = await startHostileLdap(certificates, ({ id, operation }, socket) => {
    asked += 1
    socket.write(result(id, operation === bindRequest ? bindResponse : searchDone, 0))
  })
  const refers: Answering = ({ id, operation }, socket) => {
    if (operation === bindRequest) socket.write(result(id, bindResponse, 0))
    else
      socket.write(
        Buffer.concat([
          reference(id, `${other.url}/dc=plant`),
          result(id, searchDone, 10, '', `${other.url}/dc=plant`),
        ]),
      )
  }
  expect((await ask(refers, authenticate)).said).toMatchObject({ ok: true, value: { ok: false } })
  const only: Answering = ({ id, operation }, socket) => {
    if (operation === bindRequest) socket.write(result(id, bindResponse, 10, '', `${other.url}/dc=plant`))
  }
  expect((await ask(only, authenticate)).said).toMatchObject({ ok: true, value: { ok: false } })
  expect(asked).toBe(0)
})

test.each([
  ['no entry', []],
  ['another subject', [{ dn: 'uid=eve,dc=plant', uuid: '99999999-2222-3333-4444-555555555555' }]],
  [
    'two entries',
    [
      { dn: 'uid=a,dc=plant', uuid: subject },
      { dn: 'uid=b,dc=plant', uuid: subject },
    ],
  ],
] as const)('asked for a person it answers %s: their password goes nowhere', async (_, found) => {
  const { said, heard } = await ask(({ id, operation }, socket) => {
    if (operation === bindRequest) socket.write(result(id, bindResponse, 0))
    else
      socket.write(
        Buffer.concat([
          ...found.map(({ dn, uuid }) => entry(id, dn, { uid: ['x'], entryUUID: [uuid] })),
          result(id, searchDone, 0),
        ]),
      )
  }, authenticate)
  expect(said).toMatchObject({ ok: true, value: { ok: true, verdict: 'gone' } })
  expect(heard.includes('peoples-password')).toBe(false)
})

test.each(['', 'EXTERNAL', 'PLAIN'])('a name of %j for the person binds as nobody', async (dn) => {
  const { said, heard } = await ask(({ id, operation }, socket) => {
    if (operation === bindRequest) socket.write(result(id, bindResponse, 0))
    else
      socket.write(
        Buffer.concat([entry(id, dn, { uid: ['x'], entryUUID: [subject] }), result(id, searchDone, 0)]),
      )
  }, authenticate)
  expect(said).toMatchObject({ ok: true, value: { ok: false } })
  expect(heard.includes('peoples-password')).toBe(false)
})

test('the process that speaks with it holds nothing of the vault’s, and reads nothing of the machine’s', async () => {
  await using server = await startHostileLdap(certificates, () => {})
  await using directories = makeDirectories()
  process.env['TAGOUT_OF_THE_VAULT'] = 'a-secret-of-the-vault'
  const id = newId('dir')
  const asked = directories.ask(
    id,
    { speak: 'ldap', settings: settingsFor(server.url), secret: 'r', ...read },
    15,
  )
  const mine = async () => {
    for (let tries = 0; tries < 200; tries += 1) {
      const list = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], {
        encoding: 'utf8',
      })
      const found = /^\s*(\d+) .*vault\/directory\/worker\.ts$/m.exec(list)
      if (found?.[1] !== undefined && server.heard().length > 0) return { pid: found[1], line: found[0] }
      await wait(25)
    }
    throw new Error('it did not start')
  }
  const { pid, line } = await mine()
  const { readFileSync } = await import('node:fs')
  expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('')
  expect(line).toContain('--permission')
  expect(line).not.toContain('--allow-fs-write')
  expect(line).not.toContain('--allow-child-process')
  directories.end(id)
  expect((await asked).ok).toBe(false)
  delete process.env['TAGOUT_OF_THE_VAULT']
})

test('whatever it says of people is of the shape that the vault knows, or no answer', async () => {
  const names = ['x'.repeat(5_000), '\u001b[31mred']
  const { said } = await ask(({ id, operation }, socket) => {
    if (operation === bindRequest) socket.write(result(id, bindResponse, 0))
    else
      socket.write(
        Buffer.concat([
          ...names.map((uid, at) =>
            entry(id, `uid=${at},dc=plant`, {
              uid: [uid],
              entryUUID: [`${at}`],
              member: [`uid=${at},dc=plant`],
            }),
          ),
          result(id, searchDone, 0),
        ]),
      )
  }, read)
  // The vault's own parser is held to it in test/unit/vault/directory.
  expect(said.ok).toBe(true)
})
