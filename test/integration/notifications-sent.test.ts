import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttps, type Server } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { MailConfig, NotifyConfig } from '../../api/notify/config.ts'
import { startSender } from '../../api/notify/sender.ts'
import type { AskVault } from '../../api/vault-link.ts'
import { issueServerCertificate, makeAuthority } from '../../deploy/tls/authority.ts'
import type { NotificationView } from '../../vault/contract.ts'
import type { VaultClient } from '../../vault/index.ts'
import { parseMail, startMailServer, testAuthority, type TestMailServer } from '../support/mail-server.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../support/vault.ts'

// The sender as it runs in the api, against a vault, mail servers and receivers that are real.

const consoleUrl = 'https://tagout.plant.example'
let vault: TestVault
let api: VaultClient
let bob: TestPerson
let server: TestMailServer
let told: { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }[]
let receiver: Server
let receiverAnswers: { readonly status: number; readonly headers: Record<string, string> }
let stack: AsyncDisposableStack

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  await vault.account()
  bob = await vault.person('bob', ['operator'])
  await vault.person('sue', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'sue', permissions: ['approve'] })
  await vault.ask('user.mail', { user: 'sue', address: 'sue@plant.example' })
  server = await startMailServer()
  const { certificate, privateKey } = await issueServerCertificate(
    await testAuthority(),
    ['localhost', '127.0.0.1'],
    new Date(),
  )
  receiver = createHttps({ cert: certificate, key: privateKey }, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      told.push({ headers: request.headers, body, path: request.url ?? '' })
      response.writeHead(receiverAnswers.status, receiverAnswers.headers).end('thanks')
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
}, 60_000)
afterAll(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await server[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
})
beforeEach(() => {
  stack = new AsyncDisposableStack()
  told = []
  receiverAnswers = { status: 204, headers: {} }
  server.refuseWith = undefined
  ;(server.mails as unknown[]).length = 0
})
afterEach(async () => {
  await stack.disposeAsync()
  // Nothing is left for the next test.
  const mail = { server: 'none', from: 'none' }
  for (let more = true; more; ) {
    vault.advance(3600_000)
    const due = must(await api.call('notification.take', { mail, limit: 50 }))
    for (const { id } of due) await api.call('notification.done', { notification: id })
    more = due.length > 0
  }
})

const mailTo = (port: number, ca: string, more: Partial<MailConfig> = {}): MailConfig => ({
  host: 'localhost',
  port,
  transport: 'starttls',
  from: 'tagout@plant.example',
  login: { user: 'tagout', password: 'mail-password-1' },
  ca,
  ...more,
})
const faults: unknown[] = []
const start = (config: Partial<NotifyConfig>, ask: AskVault = (...given) => api.call(...given)) =>
  stack.use(
    startSender(
      {
        mail: undefined,
        consoleUrl,
        webhook: { ca: undefined, loopback: false },
        ...config,
      },
      'https://elsewhere.example',
      { ask, onFault: (error) => faults.push(error) },
    ),
  )
const test1 = () => vault.ask('notification.test', { user: 'sue' })
const viewOf = async (id: string): Promise<NotificationView | undefined> =>
  (await vault.ask('notification.status', {})).latest.find((one) => one.id === id)
/** Waits until something has become of it, and answers what. */
async function outcomeOf(id: string): Promise<NotificationView> {
  let view: NotificationView | undefined
  await expect
    .poll(
      async () => {
        view = await viewOf(id)
        return view?.state !== 'waiting' || view.error !== null
      },
      { timeout: 40_000 },
    )
    .toBe(true)
  if (view === undefined) throw new Error('it is gone')
  return view
}
const becomes = (id: string, state: string) =>
  expect.poll(async () => (await viewOf(id))?.state, { timeout: 20_000 }).toBe(state)

test('an approver gets a mail over TLS that opens the request, and nothing of its reason', async () => {
  start({ mail: mailTo(server.port, server.ca) })
  const request = must(
    await api.call(
      'request.add',
      { account: 'press-3/engineer', actions: ['shell'], forSeconds: 5400, reason: 'S3cret reason' },
      bob.token,
    ),
  )
  await expect.poll(() => server.mails.length, { timeout: 20_000 }).toBe(1)
  const [mail] = server.mails
  expect(mail).toMatchObject({ from: 'tagout@plant.example', to: ['sue@plant.example'] })
  expect(server.clear).toEqual([])
  const { headers, text } = parseMail(mail?.raw ?? '')
  expect(headers.get('subject')).toEqual(['Tagout: bob asks for press-3/engineer for 1 h 30 min'])
  expect(headers.get('from')).toEqual(['Tagout <tagout@plant.example>'])
  expect(headers.get('to')).toEqual(['sue@plant.example'])
  expect(headers.get('auto-submitted')).toEqual(['auto-generated'])
  expect(headers.get('message-id')?.[0]).toMatch(/^<ntf_[0-9a-z]{26}@plant\.example>$/)
  expect(headers.get('content-type')).toEqual(['text/plain; charset=utf-8'])
  expect(text).toMatch(new RegExp(`\\n${consoleUrl}/requests/open#ntf_[0-9a-z]{26}\\.[\\w-]{43}\\r?\\n`))
  expect(mail?.raw).not.toContain('S3cret')
  expect(mail?.raw).not.toContain('elsewhere.example')
  must(await api.call('request.withdraw', { request: request.id }, bob.token))
})

test('a server whose certificate is another’s, or that offers no TLS, gets nothing, and it is told why', async () => {
  const other = await makeAuthority(new Date(), 'other')
  start({ mail: mailTo(server.port, other.certificate) })
  const first = await test1()
  expect(await outcomeOf(first.notification)).toMatchObject({
    state: 'waiting',
    error: expect.stringMatching(/^the mail server localhost:\d+ could not be trusted/),
  })
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
  const bare = stack.use(await startMailServer({ withTls: false }))
  start({ mail: mailTo(bare.port, bare.ca, { login: undefined }) })
  const second = await test1()
  expect(await outcomeOf(second.notification)).toMatchObject({
    state: 'waiting',
    error: expect.stringMatching(/could not be trusted, or offers no TLS/),
  })
  expect([...server.mails, ...bare.mails, ...bare.clear]).toEqual([])
})

test('a wrong password is told, and is not in what is told', async () => {
  start({
    mail: mailTo(server.port, server.ca, { login: { user: 'tagout', password: 'wr0ng-mail-password' } }),
  })
  const { notification } = await test1()
  const view = await outcomeOf(notification)
  expect(view).toMatchObject({ state: 'waiting', error: expect.stringContaining('refused our user') })
  expect(view.error).not.toContain('wr0ng')
})

test('a refused address is given up; a server that is busy, or away, is asked again until it takes it', async () => {
  start({ mail: mailTo(server.port, server.ca) })
  server.refuseWith = { code: 550, text: 'no such user here \u001b[31m' }
  const first = await test1()
  await becomes(first.notification, 'failed')
  expect((await viewOf(first.notification))?.error).toMatch(
    /^the mail server localhost:\d+ refused this mail: 550 no such user here \[31m$/,
  )
  server.refuseWith = { code: 451, text: 'try later' }
  const second = await test1()
  expect(await outcomeOf(second.notification)).toMatchObject({
    state: 'waiting',
    error: expect.stringContaining('did not take this mail: 451 try later'),
  })
  server.refuseWith = undefined
  vault.advance(16_000)
  await becomes(second.notification, 'sent')
  // Away altogether, for hours.
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
  const away = await startMailServer()
  await away[Symbol.asyncDispose]()
  start({ mail: mailTo(away.port, server.ca) })
  const third = await test1()
  expect((await outcomeOf(third.notification)).error).toMatch(/could not be reached \(E[A-Z]+\)$/)
  const hourLater = async () => {
    vault.advance(3600_000)
    return (await viewOf(third.notification))?.attempts
  }
  await expect.poll(hourLater, { timeout: 20_000, interval: 500 }).toBeGreaterThan(3)
  const back = stack.use(await startMailServer({ port: away.port }))
  await expect
    .poll(async () => (await hourLater()) !== undefined && back.mails.length, {
      timeout: 20_000,
      interval: 500,
    })
    .toBe(1)
  await becomes(third.notification, 'sent')
  expect(back.mails).toHaveLength(1)
})

test('a sender that dies after it sent, before it said so: the mail comes again, under the same id', async () => {
  // The first sender's word is lost, as when its process is killed there.
  start({ mail: mailTo(server.port, server.ca) }, ((verb, ...given) =>
    verb === 'notification.done'
      ? Promise.reject(new Error('killed'))
      : api.call(verb, ...(given as [never]))) as AskVault)
  const { notification } = await test1()
  await expect.poll(() => server.mails.length, { timeout: 20_000 }).toBe(1)
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
  expect(await viewOf(notification)).toMatchObject({ state: 'waiting', attempts: 1 })
  start({ mail: mailTo(server.port, server.ca) })
  vault.advance(121_000)
  await becomes(notification, 'sent')
  const ids = server.mails.map(({ raw }) => parseMail(raw).headers.get('message-id')?.[0])
  expect(ids).toHaveLength(2)
  expect(ids[0]).toBe(ids[1])
  expect(ids[0]).toContain(notification)
})

test.each([
  ['floods', (socket: Socket) => flood(socket, '220 ')],
  ['floods without an end of line', (socket: Socket) => flood(socket, '220-'.padEnd(65_536, 'x'))],
  ['speaks no SMTP', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['hangs up', (socket: Socket) => socket.destroy()],
  ['says what drives a terminal', (socket: Socket) => socket.end('554 \u001b]0;owned\u0007\u202e\r\n')],
])('a mail server that %s takes nobody down', async (_how, act) => {
  const sockets = new Set<Socket>()
  const hostile = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    act(socket)
  })
  await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve))
  stack.defer(() => {
    for (const socket of sockets) socket.destroy()
    hostile.close()
  })
  start({ mail: mailTo((hostile.address() as AddressInfo).port, server.ca) })
  const before = process.memoryUsage().rss
  const { notification } = await test1()
  const view = await outcomeOf(notification)
  expect(view.state).toBe('waiting')
  expect(view.error).toMatch(/^the mail server localhost:\d+ /)
  // biome-ignore lint: the control characters are the point
  expect(view.error).not.toMatch(/[\u0000-\u001f\u202e]/)
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
})

/** The code of the documentation, run as it stands there. */
async function documentedCheck(
  key: string,
): Promise<(headers: unknown, body: Buffer, now: number) => boolean> {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'webhooks.md'), 'utf8')
  const [, code] = /```js\n([\s\S]+?)```/.exec(page) ?? []
  const folder = await mkdtemp(join(tmpdir(), 'tagout-webhook-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'check.mjs'), code ?? '')
  process.env.TAGOUT_KEY = key
  stack.defer(() => {
    delete process.env.TAGOUT_KEY
  })
  const { isFromTagout } = await import(pathToFileURL(join(folder, 'check.mjs')).href)
  return isFromTagout
}

function flood(socket: Socket, line: string): void {
  const more = () => {
    while (!socket.destroyed && socket.write(line));
  }
  socket.on('drain', more)
  more()
}

test('the webhook is called over TLS with its signature; a redirect is not followed, a refusal is tried again', async () => {
  const { port } = receiver.address() as AddressInfo
  const { key } = await vault.ask('webhook.set', { url: `https://localhost:${port}/tagout?line=3` })
  start({ webhook: { ca: (await testAuthority()).certificate, loopback: true } })
  const { notification } = await vault.ask('notification.testWebhook', {})
  await becomes(notification, 'sent')
  const [first] = told
  expect(first?.path).toBe('/tagout?line=3')
  expect(first?.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': notification,
    'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    'webhook-signature': expect.stringMatching(/^v1a,[A-Za-z0-9+/]{86}==$/),
  })
  expect(JSON.parse(first?.body ?? '')).toMatchObject({ id: notification, kind: 'test' })
  // As docs/webhooks.md tells receivers to check it.
  const isFromTagout = await documentedCheck(key)
  const { 'webhook-timestamp': timestamp } = first?.headers ?? {}
  const at = Number(timestamp) * 1000
  expect(isFromTagout(first?.headers, Buffer.from(first?.body ?? ''), at)).toBe(true)
  expect(isFromTagout(first?.headers, Buffer.from(`${first?.body} `), at)).toBe(false)
  expect(isFromTagout(first?.headers, Buffer.from(first?.body ?? ''), at + 301_000)).toBe(false)
  receiverAnswers = { status: 302, headers: { location: `https://localhost:${port}/elsewhere` } }
  const second = await vault.ask('notification.testWebhook', {})
  expect((await outcomeOf(second.notification)).error).toBe('the webhook answered 302')
  expect(told.map(({ path }) => path)).not.toContain('/elsewhere')
  receiverAnswers = { status: 200, headers: {} }
  vault.advance(16_000)
  await becomes(second.notification, 'sent')
  expect(told.at(-1)?.headers['webhook-id']).toBe(second.notification)
  await vault.ask('webhook.set', { url: null })
})

test('a webhook that leads to this machine, or is not who it says, is told nothing', async () => {
  const { port } = receiver.address() as AddressInfo
  const ca = (await testAuthority()).certificate
  for (const host of ['localhost', '127.0.0.1', '[::ffff:127.0.0.1]']) {
    await vault.ask('webhook.set', { url: `https://${host}:${port}/` })
    const sender = startSender(
      { mail: undefined, consoleUrl, webhook: { ca, loopback: false } },
      consoleUrl,
      { ask: (...given) => api.call(...given), onFault: (error) => faults.push(error) },
    )
    const { notification } = await vault.ask('notification.testWebhook', {})
    expect((await outcomeOf(notification)).error).toMatch(/^the webhook leads to this machine/)
    await sender[Symbol.asyncDispose]()
  }
  await vault.ask('webhook.set', { url: `https://localhost:${port}/` })
  start({ webhook: { ca: undefined, loopback: true } })
  const { notification } = await vault.ask('notification.testWebhook', {})
  expect((await outcomeOf(notification)).error).toMatch(/^the webhook could not be told \([A-Z_]+\)$/)
  expect(told).toEqual([])
  await vault.ask('webhook.set', { url: null })
})

test('a sealed vault hands out nothing, and what waits goes out when it is open again', async () => {
  start({ mail: mailTo(server.port, server.ca) })
  const { notification } = await test1()
  await becomes(notification, 'sent')
  const count = server.mails.length
  await vault.ask('vault.seal', { sessions: 'keep' })
  const refused = await api.call('notification.take', { mail: null, limit: 1 })
  expect(refused.ok).toBe(false)
  await vault.ask('vault.unseal', { kind: 'stored-key-file' })
  const again = await test1()
  await becomes(again.notification, 'sent')
  expect(server.mails).toHaveLength(count + 1)
})
