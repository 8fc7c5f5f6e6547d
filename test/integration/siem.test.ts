import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startSiem } from '../../api/siem/sender.ts'
import { issueServerCertificate, makeAuthority } from '../../deploy/tls/authority.ts'
import { withClient } from '../../migrations/roles.ts'
import type { AuditLeafView, SiemReceiver } from '../../vault/contract.ts'
import type { VaultClient } from '../../vault/index.ts'
import { tagout } from '../support/cli.ts'
import { testAuthority } from '../support/mail-server.ts'
import { startRsyslog, type TestRsyslog, whyNoRsyslog } from '../support/rsyslog.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../support/vault.ts'
import { until } from '../support/vault-ssh.ts'

// The log sent on, by the sender as it runs in the api, to an rsyslog and to receivers over HTTPS that are real.

let vault: TestVault
let api: VaultClient
let rsyslog: TestRsyslog | undefined
const why = whyNoRsyslog()
if (why !== undefined) process.stderr.write(`rsyslog is left out: ${why}\n`)
const faults: unknown[] = []
let sender: AsyncDisposable | undefined
let count = 0

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  if (why === undefined) rsyslog = await startRsyslog()
})
afterEach(async () => {
  await stop()
  for (const { name } of await vault.ask('siem.list', {})) await vault.ask('siem.remove', { receiver: name })
  // What was taken off is told so no more: its receiver is gone with the test.
  await withClient(vault.postgres.ownerUrl, async (client) => {
    await client.query('update siem_receiver set is_over = true where ended_at is not null')
  })
  expect(faults).toEqual([])
})
afterAll(async () => {
  await rsyslog?.[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
})

function start(loopback = true) {
  sender = startSiem(
    { loopback },
    { ask: (...given) => api.call(...given), onFault: (error) => faults.push(error) },
  )
}
async function stop() {
  await sender?.[Symbol.asyncDispose]()
  sender = undefined
}
const receiver = async (name: string): Promise<SiemReceiver | undefined> =>
  (await vault.ask('siem.list', {})).find((one) => one.name === name)
/** What the log holds from a number on, without the checkpoints of recordings. */
const logged = async (from: number): Promise<readonly AuditLeafView[]> =>
  (await vault.ask('audit.list', { from, limit: 1_000 })).filter(({ kind }) => kind !== 'session.checkpoint')
/** Something that is written down. */
const act = async (reason = 'x') => {
  count += 1
  await vault.ask('safe.add', { name: `safe-${count}` })
  return `safe-${count}-${reason}`
}
const caughtUp = (name: string) =>
  until(async () => {
    const now = await receiver(name)
    return now?.waiting === 0 && now.error === null ? now : undefined
  }, 20_000)
const member = (data: string, name: string) => new RegExp(`${name}="([^"]*)"`).exec(data)?.[1]

test.skipIf(why !== undefined)(
  'rsyslog gets every entry once in order, each saying which was before it',
  async () => {
    if (rsyslog === undefined) throw new Error('no rsyslog')
    const first = (await vault.ask('audit.list', { limit: 1 }))[0]?.seq ?? 0
    const added = await vault.ask('siem.add', {
      name: 'soc',
      address: rsyslog.address,
      format: 'rfc5424',
      certificates: rsyslog.authority,
    })
    expect(added).toMatchObject({ toldSeq: null, error: null, ownCertificates: true })
    start()
    for (let n = 0; n < 20; n += 1) await act()
    await caughtUp('soc')
    const entries = await logged(first + 1)
    const lines = await until(() => {
      const now = (rsyslog?.lines() ?? []).filter(({ kind }) => kind !== 'audit.checkpoint')
      return now.length >= entries.length ? now : undefined
    }, 10_000)
    expect(lines.map(({ data }) => Number(member(data, 'seq')))).toEqual(entries.map(({ seq }) => seq))
    expect(lines.map(({ kind }) => kind)).toEqual(entries.map(({ kind }) => kind))
    expect(lines.map(({ text }) => text.trim())).toEqual(entries.map(({ text }) => text))
    expect(lines.map(({ at }) => Date.parse(at))).toEqual(entries.map(({ at }) => Date.parse(at)))
    expect(lines.map(({ data }) => member(data, 'after'))).toEqual([
      undefined,
      ...entries.slice(0, -1).map(({ seq }) => String(seq)),
    ])
    expect(lines[0]).toMatchObject({ facility: 'audit', app: 'tagout', kind: 'siem.added' })

    // What it keeps witnesses the log.
    const [point] = rsyslog.lines().filter(({ kind }) => kind === 'audit.checkpoint')
    expect(point).toMatchObject({ facility: 'audit', severity: 'info', app: 'tagout' })
    expect(point?.text.trim()).toBe(
      `the log has ${member(point?.data ?? '', 'size')} entries, as it was signed`,
    )
    const verify = (file: string) =>
      tagout(['audit', 'verify', '--witness', file], { env: { TAGOUT_DATA: vault.dataDir } })
    expect(await verify(rsyslog.file)).toMatchObject({ code: 0, out: expect.stringMatching(/are whole/) })
    const forged = join(vault.dataDir, 'forged.log')
    const place = rsyslog.text().indexOf('checkpoint=') + 60
    const text = rsyslog.text()
    writeFileSync(forged, text.slice(0, place) + (text[place] === 'A' ? 'B' : 'A') + text.slice(place + 1))
    expect(await verify(forged)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is not signed by this log's key/),
    })
  },
)

test.skipIf(why !== undefined)(
  'a receiver that is killed again and again, and is away for long, misses nothing',
  async () => {
    if (rsyslog === undefined) throw new Error('no rsyslog')
    await vault.ask('siem.add', {
      name: 'soc',
      address: rsyslog.address,
      format: 'cef',
      certificates: rsyslog.authority,
    })
    const from = (await vault.ask('audit.list', { kind: 'siem.added', limit: 1 })).at(-1)?.seq ?? 0
    start()
    for (let round = 0; round < 4; round += 1) {
      const acting = Promise.all(Array.from({ length: 10 }, () => act()))
      await rsyslog.kill()
      await acting
      await until(async () => ((await receiver('soc'))?.error !== null ? true : undefined), 20_000)
      await rsyslog.start()
      vault.advance(61_000)
    }
    await caughtUp('soc')
    const wanted = (await logged(from)).map(({ seq }) => seq)
    const got = await until(() => {
      const now = new Set(
        (rsyslog?.lines() ?? [])
          .filter(({ text }) => text.includes('CEF:0|'))
          .map(({ data }) => Number(member(data, 'seq'))),
      )
      return wanted.every((seq) => now.has(seq)) ? now : undefined
    }, 60_000)
    expect([...got].filter((seq) => seq >= from).toSorted((a, b) => a - b)).toEqual(wanted)
    const one = rsyslog.lines().find(({ text }) => text.includes('|safe.added|'))
    expect(one?.text).toMatch(
      /CEF:0\|Tagout\|Tagout\|0\.0\.0\|safe\.added\|[^|]+\|2\|rt=\d{13} externalId=\d+ cat=safe\.added suser=local:\d+ .*cs3=safe-\d+ cs3Label=safe cn1=\d+ cn1Label=after msg=/,
    )
  },
)

test('over https: signed arrays of OCSF; what is refused comes again; the removal is the last that is told', async () => {
  await using https = await startReceiver()
  await vault.ask('siem.add', {
    name: 'lake',
    address: https.address,
    format: 'ocsf',
    certificates: (await testAuthority()).certificate,
  })
  const from = (await vault.ask('audit.list', { kind: 'siem.added', limit: 1 })).at(-1)?.seq ?? 0
  https.answer(503)
  start()
  await act()
  const failing = await until(async () => {
    const now = await receiver('lake')
    return now?.error === 'the receiver answered 503' ? now : undefined
  }, 10_000)
  expect(failing.nextAt).not.toBeNull()
  https.answer(200)
  vault.advance(61_000)
  await caughtUp('lake')
  await vault.ask('siem.remove', { receiver: 'lake' })
  await act('after it was taken off')
  const last = await until(() => {
    const now = https.events().at(-1)
    return now?.metadata.event_code === 'siem.removed' ? now : undefined
  }, 10_000)
  const entries = (await logged(from)).filter(({ seq }) => seq <= last.metadata.sequence)
  const taken = https.events().filter(({ status }) => status === 200)
  expect(taken.map(({ metadata }) => metadata.sequence)).toEqual(entries.map(({ seq }) => seq))
  for (const event of taken) {
    expect(event.type_uid).toBe(event.class_uid * 100 + event.activity_id)
    expect(event.category_uid).toBe(Math.floor(event.class_uid / 1000))
  }
  expect(https.told[0]?.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': expect.stringMatching(/^sie_[0-9a-z]{26}-\d+$/),
    'webhook-signature': expect.stringMatching(/^v1a,[A-Za-z0-9+/]{86}==$/),
  })
  // Refused and sent again: the same, under the same id.
  expect(https.told[1]?.headers['webhook-id']).toBeDefined()
})

test('a receiver that is not who it says, hangs up early or never answers has got nothing', async () => {
  await using https = await startReceiver()
  const other = await makeAuthority(new Date(), 'other')
  await vault.ask('siem.add', {
    name: 'other',
    address: https.address,
    format: 'json',
    certificates: other.certificate,
  })
  const { certificate, privateKey } = await issueServerCertificate(
    await testAuthority(),
    ['127.0.0.1'],
    new Date(),
  )
  // It ends before it has read everything, as a machine does that is out of memory.
  const early = createTls({ cert: certificate, key: privateKey }, (socket) => {
    socket.on('error', () => undefined)
    socket.end()
  })
  await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve))
  const { port } = early.address() as AddressInfo
  await vault.ask('siem.add', {
    name: 'early',
    address: `syslog+tls://127.0.0.1:${port}`,
    format: 'rfc5424',
    certificates: (await testAuthority()).certificate,
  })
  start()
  for (const name of ['other', 'early'])
    await until(async () => ((await receiver(name))?.error !== null ? true : undefined), 10_000)
  expect((await receiver('other'))?.error).toMatch(/^the receiver could not be told \([A-Z_]+\)$/)
  expect((await receiver('early'))?.error).toMatch(/^the receiver (hung up|could not be told)/)
  expect((await receiver('early'))?.toldSeq).toBeNull()
  expect(https.told).toEqual([])
  early.close()
})

test('nothing goes to this machine unless its administrator says so, nor where a row was forged', async () => {
  await using https = await startReceiver()
  const certificates = (await testAuthority()).certificate
  await vault.ask('siem.add', { name: 'own', address: https.address, format: 'json', certificates })
  await vault.ask('siem.add', {
    name: 'own-syslog',
    address: https.address.replace('https:', 'syslog+tls:').replace(/\/$/, ''),
    format: 'cef',
    certificates,
  })
  start(false)
  for (const name of ['own', 'own-syslog'])
    expect(
      (
        await until(async () => {
          const now = await receiver(name)
          return now?.error === null ? undefined : now
        }, 10_000)
      )?.error,
    ).toMatch(/^the receiver leads to this machine \(127\.0\.0\.1\): say siem\.loopback in tagout\.json/)
  await stop()
  await withClient(vault.postgres.ownerUrl, async (client) => {
    await client.query(
      "update siem_receiver set address = $1, next_at = now() - interval '1 hour' where name = 'own'",
      [`${https.address}stolen`],
    )
  })
  vault.advance(61_000)
  start()
  const alarm = await until(
    async () => (await vault.ask('audit.list', { kind: 'vault.fault', limit: 5 })).at(-1),
    10_000,
  )
  expect(alarm.text).toContain('siem_receiver')
  expect(https.told).toEqual([])
  await withClient(vault.postgres.ownerUrl, async (client) => {
    await client.query("update siem_receiver set address = $1 where name = 'own'", [https.address])
  })
  // And one that was taken away is missed.
  await stop()
  await withClient(vault.postgres.ownerUrl, async (client) => {
    await client.query('create table kept as select * from siem_receiver')
    await client.query("delete from siem_receiver where name = 'own'")
  })
  // What was written within the last seconds may be missing to a statement that began before.
  await until(
    () =>
      vault.ask('siem.list', {}).then(
        () => undefined,
        () => true,
      ),
    20_000,
  )
  await withClient(vault.postgres.ownerUrl, async (client) => {
    await client.query("insert into siem_receiver select * from kept where name = 'own'")
    await client.query('drop table kept')
  })
})

test('addresses, forms and certificates that cannot be are refused with what to do', async () => {
  const refused = async (given: object) =>
    refusalOf(
      await vault.admin.call('siem.add', {
        name: 'soc',
        address: 'syslog+tls://siem.plant.example',
        format: 'cef',
        ...given,
      }),
    )
  for (const address of [
    'siem.plant.example',
    'syslog://siem.plant.example',
    'http://siem.plant.example',
    'syslog+tls://siem.plant.example/path',
    'https://user:word@siem.plant.example/',
    'https://169.254.169.254/',
  ])
    expect([address, (await refused({ address })).code]).toEqual([address, 'invalid'])
  expect((await refused({ address: 'https://siem.plant.example/' })).message).toContain('goes over syslog')
  expect((await refused({ certificates: 'none' })).message).toContain('certificates')
  const { certificate, privateKey } = await testAuthority()
  const both = await refused({ certificates: `${certificate}${privateKey}` })
  expect(both.message).toContain('private key')
  expect(JSON.stringify(both)).not.toContain(privateKey.slice(40, 80))
  expect((await vault.admin.call('siem.remove', { receiver: 'soc' })).ok).toBe(false)
  const added = must(
    await vault.admin.call('siem.add', { name: 'v6', address: 'syslog+tls://[2001:db8::7]', format: 'json' }),
  )
  expect(added.address).toBe('syslog+tls://[2001:db8::7]:6514')
})

type Event = {
  readonly metadata: { readonly sequence: number; readonly event_code: string }
  readonly class_uid: number
  readonly activity_id: number
  readonly type_uid: number
  readonly category_uid: number
}

async function startReceiver() {
  const { certificate, privateKey } = await issueServerCertificate(
    await testAuthority(),
    ['localhost', '127.0.0.1'],
    new Date(),
  )
  const told: { readonly headers: IncomingHttpHeaders; readonly body: string; readonly status: number }[] = []
  let status = 200
  const server: Server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      told.push({ headers: request.headers, body, status })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `https://127.0.0.1:${port}/`,
    told,
    answer: (next: number) => {
      status = next
    },
    events: () =>
      told.flatMap((one) =>
        (JSON.parse(one.body) as readonly Event[]).map((event) => ({ ...event, status: one.status })),
      ),
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
