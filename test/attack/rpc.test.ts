import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Fault } from '../../vault/kernel/fault.ts'
import { done, refuse } from '../../vault/kernel/outcome.ts'
import { type Dispatch, Peer } from '../../vault/kernel/rpc.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Two ends of a Unix socket: ours answers by `dispatch`, the other is the raw stream of somebody hostile. */
async function pair(dispatch: Dispatch): Promise<{ peer: Peer; raw: Socket }> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-rpc-'))
  const server = createServer()
  server.listen(join(folder, 's'))
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const raw = createConnection(join(folder, 's'))
  raw.on('error', () => undefined)
  const [socket] = (await accepted) as [Socket]
  const peer = new Peer(socket, { dispatch })
  closers.push(
    () => rm(folder, { recursive: true }),
    () => server.close(),
    () => raw.destroy(),
    () => peer.close(),
  )
  return { peer, raw }
}

function frame(json: string, attachment?: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(Buffer.byteLength(json), 0)
  head.writeUInt32BE(attachment === undefined ? 0 : attachment.length + 1, 4)
  return Buffer.concat([head, Buffer.from(json), attachment ?? Buffer.alloc(0)])
}

const echo: Dispatch = (method) =>
  method === 'echo' ? async (params, bytes) => ({ ...done(params), ...(bytes && { bytes }) }) : undefined

test.each([
  ['a length of 4 GiB', Buffer.from('ffffffff00000000', 'hex')],
  ['an attachment of 4 GiB', Buffer.from('00000002ffffffff', 'hex')],
  ['json that does not parse', frame('{"id":')],
  ['a message without an id', frame('{"method":"echo"}')],
  ['an id that is no number', frame('{"id":"1","method":"echo"}')],
  ['a bare null', frame('null')],
])('%s closes the connection and nothing else', async (_name, bytes) => {
  const { peer, raw } = await pair(echo)
  raw.write(bytes)
  await peer.closed
  expect(peer.isOpen).toBe(false)
})

test('a frame split at every byte is answered all the same', async () => {
  const { raw } = await pair(echo)
  const answers: Buffer[] = []
  raw.on('data', (chunk) => answers.push(chunk))
  const bytes = frame('{"id":7,"method":"echo","params":"pä¢🔑"}', Buffer.from('abc'))
  for (const byte of bytes) {
    raw.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  await expect.poll(() => Buffer.concat(answers).toString()).toContain('pä¢🔑')
  expect(Buffer.concat(answers).subarray(-3).toString()).toBe('abc')
})

test('an answer that nobody asked for is ignored', async () => {
  const { peer, raw } = await pair(echo)
  raw.write(frame('{"id":99,"value":"forged"}'))
  raw.write(frame('{"id":1,"method":"echo"}'))
  await once(raw, 'data')
  expect(peer.isOpen).toBe(true)
})

test('a fault inside a handler tells the other end its code and no more', async () => {
  const { raw } = await pair(() => async () => {
    throw new Error('password is hunter2')
  })
  raw.write(frame('{"id":1,"method":"anything"}'))
  const [chunk] = (await once(raw, 'data')) as [Buffer]
  expect(chunk.toString()).toContain('"internal"')
  expect(chunk.toString()).not.toContain('hunter2')
})

test('a call fails when the other end goes away, and when it stays silent', async () => {
  const { peer, raw } = await pair(echo)
  await expect(peer.call('anything', {}, undefined, 20)).rejects.toMatchObject({ code: 'timeout' })
  const lost = peer.call('anything', {})
  raw.destroy()
  await expect(lost).rejects.toBeInstanceOf(Fault)
  await expect(peer.call('anything', {})).rejects.toMatchObject({ code: 'closed' })
})

test('a refusal arrives as a value', async () => {
  const { raw } = await pair(() => async () => refuse('held', 'somebody has it', 'wait'))
  raw.write(frame('{"id":1,"method":"x"}'))
  const [chunk] = (await once(raw, 'data')) as [Buffer]
  expect(JSON.parse(chunk.subarray(8).toString())).toEqual({
    id: 1,
    refusal: { code: 'held', message: 'somebody has it', next: 'wait' },
  })
})

test('calls past the limit wait and are answered in the end', async () => {
  let most = 0
  let running = 0
  const { raw } = await pair(() => async () => {
    running += 1
    most = Math.max(most, running)
    await new Promise(setImmediate)
    running -= 1
    return done(null)
  })
  const many = Array.from({ length: 5000 }, (_, id) => frame(`{"id":${id},"method":"x"}`))
  let answered = 0
  raw.on('data', (chunk: Buffer) => {
    answered += chunk.toString('latin1').split('"value"').length - 1
  })
  raw.write(Buffer.concat(many))
  await expect.poll(() => answered, { timeout: 5000 }).toBe(5000)
  expect(most).toBeLessThanOrEqual(256)
})
