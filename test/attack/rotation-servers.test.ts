import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Secret } from '../../vault/kernel/secret.ts'
import type { Connector, Credential, Place } from '../../vault/rotation/connector.ts'
import { adPassword } from '../../vault/rotation/connectors/ad-password.ts'
import { ldapPassword } from '../../vault/rotation/connectors/ldap-password.ts'
import { mysqlUser } from '../../vault/rotation/connectors/mysql-user.ts'
import { postgresqlRole } from '../../vault/rotation/connectors/postgresql-role.ts'
import { fingerprintOf } from '../../vault/tls/fingerprint.ts'
import { makeDirectoryCertificates } from '../support/directory-certificates.ts'
import { bindRequest, bindResponse, result } from '../support/hostile-ldap.ts'

/**
 * Directories and databases that have the pinned certificate, and are hostile all the same: what they are told of the
 * passwords that a rotation has, and what is believed of what they say.
 */

let folder: string
let identity: { readonly cert: Buffer; readonly key: Buffer }
let pin: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-hostile-'))
  const { files, certificate } = makeDirectoryCertificates(folder)
  identity = { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
  pin = fingerprintOf(new X509Certificate(certificate).raw)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const present = 'Present-canary-7411'
const coming = 'Coming-canary-9922'
const password = (text: string): Credential & { readonly kind: 'password' } => ({
  kind: 'password',
  secret: new Secret(Buffer.from(text)),
})

type Say = (bytes: Buffer) => void
/** What a server does: `clear` before TLS, then with each piece that it hears under it. */
type Server = {
  readonly clear?: (socket: Socket) => Promise<void>
  readonly begin?: (say: Say) => void
  readonly hear: (heard: Buffer, say: Say, socket: TLSSocket) => void
}

/** Has a connector change a password at such a server; what came of it, and all that the server heard under TLS. */
async function meets(connector: Connector, login: string, server: Server) {
  const heard: Buffer[] = []
  const sockets = new Set<Socket>()
  const listening = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    const begin = async () => {
      await server.clear?.(socket)
      const tls = new TLSSocket(socket, { isServer: true, ...identity })
      tls.on('error', () => undefined)
      const say: Say = (bytes) => void tls.write(bytes)
      tls.once('secure', () => server.begin?.(say))
      tls.on('data', (chunk: Buffer) => {
        heard.push(chunk)
        server.hear(chunk, say, tls)
      })
    }
    void begin()
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const address = listening.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const at: Place = {
    target: {
      ...{ name: 'srv', host: '127.0.0.1', port: address.port, legacy: null },
      pins: [{ type: 'x509', fingerprint: pin }],
    },
    account: { login, name: `srv/${login}` },
    ...{ withinMs: 4_000, signal: AbortSignal.timeout(4_000) },
  }
  const seen = await connector.change(at, password(present), password(coming))
  for (const socket of sockets) socket.destroy()
  listening.close()
  const all = Buffer.concat(heard)
  const holds = (text: string) =>
    [text, Buffer.from(text, 'utf16le').toString('latin1'), Buffer.from(text).toString('base64')].some(
      (form) => all.toString('latin1').includes(form),
    )
  return { ...seen, heard: all, gotPresent: holds(present), gotComing: holds(coming) }
}

// ---------------------------------------------------------------- PostgreSQL

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const pg = (type: string, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}
const asks = (request: number, data = '') => pg('R', int32(request), Buffer.from(data))
const takesSsl = async (socket: Socket) => {
  await once(socket, 'data')
  socket.write('S')
}
/** Answers each message in turn by these. */
const inTurn = (...answers: readonly ((heard: Buffer) => Buffer)[]): Server => {
  let count = 0
  return {
    clear: takesSsl,
    hear: (heard, say) => {
      const answer = answers[count]
      count += 1
      if (answer !== undefined) say(answer(heard))
    },
  }
}
const sasl = () => asks(10, 'SCRAM-SHA-256\0\0')
const nonceIn = (heard: Buffer) => /r=([^,]+)$/.exec(heard.toString('latin1'))?.[1] ?? ''
const challenge =
  (rounds: number, extra = 'more') =>
  (heard: Buffer) =>
    asks(11, `r=${nonceIn(heard)}${extra},s=${Buffer.alloc(16, 5).toString('base64')},i=${rounds}`)
const letsIn = () => Buffer.concat([asks(0), pg('Z', Buffer.from('I'))])

test.each([
  ['asks for the password in clear', inTurn(() => asks(3)), 'asks for the password in clear', false],
  ['asks for it by MD5', inTurn(() => asks(5, 'salt')), 'asks for the password by MD5', false],
  ['lets everybody in', inTurn(letsIn), 'lets everybody in without a password', false],
  ['offers no SCRAM that is known', inTurn(() => asks(10, 'PLAIN\0\0')), 'does not offer SCRAM', false],
  ['asks for one round', inTurn(sasl, challenge(1)), 'asks for 1 rounds of SCRAM, which is too few', false],
  ['asks for work without end', inTurn(sasl, challenge(999_999_999)), 'which is too many', false],
  ['takes no nonce of ours', inTurn(sasl, () => challenge(4096)(Buffer.from('r=another'))), 'SCRAM', false],
  ['adds none of its own', inTurn(sasl, challenge(4096, '')), 'does not speak SCRAM', false],
  [
    'says that it took what it cannot know',
    inTurn(sasl, challenge(4096), () => Buffer.concat([asks(12, `v=${'A'.repeat(43)}=`), letsIn()])),
    'does not know the password, and says that it took it',
    true,
  ],
  ['lets in without its own proof', inTurn(sasl, challenge(4096), letsIn), 'says that it took it', true],
  ['says too much', inTurn(() => Buffer.from('R\x7f\xff\xff\xff')), 'does not speak PostgreSQL', false],
  [
    'hangs up',
    { clear: takesSsl, hear: (_h, _s, socket) => socket.destroy() },
    'closed the connection',
    false,
  ],
] satisfies (readonly [string, Server, string, boolean])[])(
  'a PostgreSQL that %s learns no password and is told no new one',
  async (_, server, why, sent) => {
    const met = await meets(postgresqlRole, 'trend', server)
    expect(met.result).toMatchObject({ kind: 'untouched', why: expect.stringContaining(why) })
    expect([met.sent, met.gotPresent, met.gotComing]).toEqual([sent, false, false])
    expect(met.result).not.toHaveProperty('rejected')
    expect(met.heard.toString('latin1')).not.toContain('ALTER ROLE')
  },
)

// ---------------------------------------------------------------- MySQL, MariaDB

const packet = (sequence: number, body: Buffer) =>
  Buffer.concat([Buffer.from([body.length & 255, body.length >> 8, 0, sequence]), body])
const greets =
  (plugin: string, version = '11.4.2-MariaDB') =>
  async (socket: Socket) => {
    const body = Buffer.concat([
      Buffer.from([10]),
      Buffer.from(`${version}\0`),
      int32(7),
      Buffer.alloc(8, 1),
      Buffer.from([0, 0xff, 0xff, 45, 2, 0, 0xff, 0xff, 21]),
      Buffer.alloc(10),
      Buffer.alloc(12, 2),
      Buffer.from([0]),
      Buffer.from(`${plugin}\0`),
    ])
    socket.write(packet(0, body))
    // What comes right behind the wish for TLS is TLS.
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    socket.pause()
    if (chunk.length > 36) socket.unshift(chunk.subarray(36))
  }
const switchTo = (plugin: string) =>
  Buffer.concat([Buffer.from([0xfe]), Buffer.from(`${plugin}\0`), Buffer.alloc(20, 3), Buffer.from([0])])
const ok = Buffer.from([0, 0, 0, 2, 0, 0, 0])
const mysql = (plugin: string, ...answers: readonly Buffer[]): Server => {
  let count = 0
  return {
    clear: greets(plugin),
    hear: (heard, say) => {
      const answer = answers[count]
      count += 1
      if (answer !== undefined) say(packet(((heard[3] ?? 0) + 1) & 255, answer))
    },
  }
}

test.each([
  ['for it in clear', switchTo('mysql_clear_password'), 'by mysql_clear_password, and was not given it'],
  ['for it by a dialog', switchTo('dialog'), 'by dialog, and was not given it'],
  ['for its own kind of clear', switchTo('sha256_password'), 'by sha256_password, and was not given it'],
  ['in the way of before 4.1', Buffer.from([0xfe]), 'in an old way, and was not given it'],
  ['by a name that is none', switchTo('x\u001b[2J'), 'by x??2J, and was not given it'],
  ['to see what was not meant', Buffer.from([1, 4]), 'does not speak MySQL as it should'],
  ['for a file', Buffer.from([0xfb, 47, 101, 116, 99]), 'does not speak MySQL as it should'],
])('a MySQL that asks %s learns no password and is told no new one', async (_, answer, why) => {
  const met = await meets(mysqlUser, 'trend', mysql('mysql_native_password', answer))
  expect(met.result).toMatchObject({ kind: 'untouched', why: expect.stringContaining(why) })
  expect([met.gotPresent, met.gotComing]).toEqual([false, false])
  expect(met.heard.toString('latin1')).not.toContain('SET PASSWORD')
})

test('a MySQL that asks for another way twice, or in two steps for clear, is told nothing more', async () => {
  const twice = mysql(
    'mysql_native_password',
    switchTo('caching_sha2_password'),
    switchTo('mysql_native_password'),
  )
  expect((await meets(mysqlUser, 'trend', twice)).result).toMatchObject({ kind: 'untouched' })
  const first = await meets(
    mysqlUser,
    'trend',
    mysql('mysql_clear_password', switchTo('mysql_clear_password')),
  )
  expect(first).toMatchObject({ result: { kind: 'untouched' }, gotPresent: false })
})

test('MariaDB is told what it keeps of a new password, also where it then asks for a file', async () => {
  const file = await meets(
    mysqlUser,
    'trend',
    mysql('mysql_native_password', ok, Buffer.concat([Buffer.from([0xfb]), Buffer.from('/etc/passwd')])),
  )
  expect(file).toMatchObject({ result: { kind: 'unknown' }, sent: true, gotPresent: false, gotComing: false })
  const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest()
  const kept = `*${sha1(sha1(Buffer.from(coming)))
    .toString('hex')
    .toUpperCase()}`
  expect(file.heard.toString('latin1')).toContain(`SET PASSWORD = '${kept}'`)
})

test('by caching_sha2_password the pinned server alone gets the password, once, and MySQL its new one', async () => {
  const server = {
    ...mysql('caching_sha2_password', Buffer.from([1, 4]), ok, ok),
    clear: greets('caching_sha2_password', '8.4.3'),
  }
  const met = await meets(mysqlUser, 'trend', server)
  expect(met).toMatchObject({ result: { kind: 'changed' }, sent: true, gotPresent: true, gotComing: true })
  const again = {
    ...mysql('caching_sha2_password', Buffer.from([1, 4]), Buffer.from([1, 4])),
    clear: greets('caching_sha2_password', '8.4.3'),
  }
  const twice = await meets(mysqlUser, 'trend', again)
  expect(twice).toMatchObject({ result: { kind: 'untouched' }, gotComing: false })
  expect(twice.heard.toString('latin1').split(present).length).toBe(2)
})

// ---------------------------------------------------------------- directories

const dn = 'uid=svc,ou=people,dc=plant,dc=example'
const idIn = (heard: Buffer) => heard[heard.indexOf(2) + 2] ?? 0
const operationIn = (heard: Buffer) => heard[heard.indexOf(2) + 3] ?? 0
/** A directory that lets everybody bind, and answers every other wish by this. */
const directory = (
  answer: (heard: Buffer) => Buffer | undefined,
  bindCode = 0,
  referral?: string,
): Server => ({
  hear: (heard, say, socket) => {
    if (operationIn(heard) === bindRequest)
      return say(result(idIn(heard), bindResponse, bindCode, '', referral))
    const said = answer(heard)
    if (said === undefined) socket.destroy()
    else say(said)
  },
})

test('a directory that refers elsewhere has nothing sent there, and is not believed to have changed anything', async () => {
  const elsewhere = createServer((socket) => {
    elsewhereHeard += 1
    socket.destroy()
  })
  let elsewhereHeard = 0
  elsewhere.listen(0, '127.0.0.1')
  await once(elsewhere, 'listening')
  const address = elsewhere.address()
  const url = `ldap://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`
  const atBind = await meets(
    ldapPassword,
    dn,
    directory(() => undefined, 10, url),
  )
  expect(atBind.result).toMatchObject({
    kind: 'untouched',
    why: expect.stringContaining('another directory'),
  })
  expect(atBind.gotComing).toBe(false)
  const atChange = await meets(
    ldapPassword,
    dn,
    directory((heard) => result(idIn(heard), 0x78, 10, '', url)),
  )
  expect(atChange.result).toMatchObject({
    kind: 'refused',
    why: expect.stringContaining('another directory'),
  })
  expect(elsewhereHeard).toBe(0)
  elsewhere.close()
})

test.each([
  ['hangs up when it has heard the new one', directory(() => undefined), 'unknown'],
  ['never stops talking', directory(() => Buffer.alloc(3 * 1024 * 1024, 0x30)), 'unknown'],
  [
    'answers an error with a text of its own',
    directory((heard) => result(idIn(heard), 0x78, 80, coming)),
    'refused',
  ],
] satisfies (readonly [string, Server, string])[])('a directory that %s', async (_, server, kind) => {
  const met = await meets(ldapPassword, dn, server)
  expect(met.result.kind).toBe(kind)
  expect(JSON.stringify(met.result)).not.toContain(coming)
  // Bound once, over one connection: what broke is not opened anew.
  expect(met.heard.toString('latin1').split(present).length - 1).toBeLessThanOrEqual(2)
})

test('a domain controller that shows no entry, or two, is told no new password', async () => {
  const empty = directory((heard) => result(idIn(heard), 0x65, 0))
  expect(await meets(adPassword, 'PLANT\\svc', empty)).toMatchObject({
    result: { kind: 'untouched' },
    gotComing: false,
  })
})

test('nobody is bound by a name that could be a mechanism, or without a password', async () => {
  for (const login of ['EXTERNAL', 'PLAIN', 'svc']) {
    const met = await meets(
      ldapPassword,
      login,
      directory(() => undefined),
    )
    expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false })
    expect(met.heard.length).toBe(0)
  }
})

test('whoever shows another certificate hears nothing from any connector', async () => {
  const own = pin
  pin = `SHA256:${'A'.repeat(43)}`
  try {
    const silent: Server = { hear: () => undefined }
    for (const [connector, login, server] of [
      [ldapPassword, dn, silent],
      [adPassword, 'PLANT\\svc', silent],
      [postgresqlRole, 'trend', { ...silent, clear: takesSsl }],
      [mysqlUser, 'trend', { ...silent, clear: greets('mysql_native_password') }],
    ] as const) {
      const met = await meets(connector, login, server)
      expect(met).toMatchObject({ result: { kind: 'untouched' }, sent: false })
      expect(met.heard.length).toBe(0)
    }
  } finally {
    pin = own
  }
})
