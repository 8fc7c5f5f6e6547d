import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type OpenContent, parseRange } from '../../api/content.ts'
import { newId } from '../../vault/kernel/id.ts'
import { done, refuse } from '../../vault/kernel/outcome.ts'
import { startFakeConsole } from '../support/console-fake.ts'
import { send } from '../support/raw-http.ts'
import { recordingView } from '../support/views.ts'

const size = 3_000_000
const sealed = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31) % 251))

/** A recorder that lets each login read, and counts how often it was asked and closed. */
function recorder() {
  const counts = { opened: 0, closed: 0, purposes: [] as string[] }
  const open = async (_token: string, _recording: string, purpose: string) => {
    counts.opened += 1
    counts.purposes.push(purpose)
    const content: OpenContent = {
      size,
      read: async (offset, length) => sealed.subarray(offset, offset + length),
      close: async () => {
        counts.closed += 1
      },
    }
    return done(content)
  }
  return { counts, open }
}

test('ranges of a recording come as asked, and one replay is one opening', async () => {
  const { counts, open } = recorder()
  await using edge = await startFakeConsole({ open })
  const recording = newId('rec')
  edge.answers.set('recording.readable', () => recordingView({ id: recording }))
  const cookie = `__Host-tagout=${edge.signIn('ingrid', 'auditor')}`
  const ranges = [
    ['bytes=0-99', 206, 0, 100],
    ['bytes=2999990-', 206, 2_999_990, size],
    ['bytes=-7', 206, size - 7, size],
    ['bytes=1000-2500000', 206, 1000, 2_500_001],
    ['bytes=5-1', 416, 0, 0],
    ['bytes=3000000-', 416, 0, 0],
    ['bytes=0-1,5-6', 200, 0, size],
    ['lines=1-2', 200, 0, size],
  ] as const
  for (const [range, status, from, to] of ranges) {
    const answer = await fetch(`${edge.address}/api/recordings/${recording}/content`, {
      headers: { cookie, range },
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect([range, answer.status]).toEqual([range, status])
    if (status !== 416) expect(bytes.equals(sealed.subarray(from, to))).toBe(true)
    if (status === 206) expect(answer.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${size}`)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  }
  expect(counts).toMatchObject({ opened: 1, purposes: ['replay'] })
  const head = await send(edge.address, 'HEAD', `/api/recordings/${recording}/content`, {
    headers: { cookie },
  })
  expect([head.status, head.headers['content-length'], head.text]).toEqual([200, String(size), ''])
})

test('a right that is taken away ends the replay at its next read', async () => {
  const { open } = recorder()
  await using edge = await startFakeConsole({ open })
  const recording = newId('rec')
  edge.answers.set('recording.readable', () => recordingView({ id: recording }))
  const token = edge.signIn('ingrid', 'auditor')
  const read = (headers: Record<string, string>, method = 'GET') =>
    send(edge.address, method, `/api/recordings/${recording}/content`, {
      headers: { range: 'bytes=0-9', ...headers },
    })
  const mine = { cookie: `__Host-tagout=${token}` }
  expect((await read(mine)).status).toBe(206)
  // The opening of one login is of no use to another one, nor to nobody.
  expect((await read({})).status).toBe(401)
  expect((await read({ cookie: '__Host-tagout=other' })).status).toBe(401)
  edge.tokens.delete(token)
  for (const method of ['GET', 'HEAD']) expect((await read(mine, method)).status).toBe(401)
  expect((await read({ ...mine, 'if-none-match': '*' })).status).toBe(401)
})

test('a recording that grows is opened anew by whoever begins anew', async () => {
  let length = 1_000
  const open = async () => {
    const known = length
    return done({
      size: known,
      read: async (offset: number, count: number) => sealed.subarray(offset, Math.min(offset + count, known)),
      close: async () => undefined,
    })
  }
  await using edge = await startFakeConsole({ open })
  const recording = newId('rec')
  edge.answers.set('recording.readable', () => recordingView({ id: recording, sizeBytes: length }))
  const cookie = `__Host-tagout=${edge.signIn('ingrid', 'auditor')}`
  const totalOf = async (range: string) => {
    const answer = await send(edge.address, 'GET', `/api/recordings/${recording}/content`, {
      headers: { cookie, range },
    })
    return String(answer.headers['content-range']).split('/')[1]
  }
  expect(await totalOf('bytes=0-9')).toBe('1000')
  length = 2_000
  expect(await totalOf('bytes=10-19')).toBe('1000')
  expect(await totalOf('bytes=0-9')).toBe('2000')
})

test('what the recorder refuses reads as a refusal, and a recording that shrinks is cut off, never padded', async () => {
  const recording = newId('rec')
  const path = `/api/recordings/${recording}/content`
  {
    await using edge = await startFakeConsole({
      open: async () => refuse('forbidden', 'you may not replay this'),
    })
    edge.answers.set('recording.readable', () => recordingView())
    const cookie = `__Host-tagout=${edge.signIn('bob', 'operator')}`
    const answer = await send(edge.address, 'GET', path, { headers: { cookie } })
    expect([answer.status, JSON.parse(answer.text).title]).toEqual([403, 'you may not replay this'])
    for (const bad of [
      '/api/recordings/rec_x/content',
      '/api/recordings/..%2f..%2fetc/content',
      `${path}?purpose=steal`,
      `${path}?x=1`,
    ])
      expect((await send(edge.address, 'GET', bad, { headers: { cookie } })).status).toBe(400)
  }
  const shrinking = async () =>
    done({
      size,
      read: async (offset: number, length: number) =>
        sealed.subarray(offset, Math.min(offset + length, 10_000)),
      close: async () => undefined,
    })
  await using edge = await startFakeConsole({ open: shrinking })
  edge.answers.set('recording.readable', () => recordingView())
  const cookie = `__Host-tagout=${edge.signIn('ingrid', 'auditor')}`
  const read = fetch(`${edge.address}${path}`, { headers: { cookie } }).then((answer) => answer.arrayBuffer())
  await expect(read).rejects.toThrow()
})

test('no range names bytes outside of the recording', () =>
  fc.assert(
    fc.property(
      fc.string({ maxLength: 30 }),
      fc.nat(10_000),
      fc.nat(20_000),
      fc.nat(20_000),
      (text, length, a, b) => {
        for (const header of [text, `bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${text}`]) {
          const range = parseRange(header, length)
          if (range === undefined || range === 'unsatisfiable') continue
          expect(range.from).toBeGreaterThanOrEqual(0)
          expect(range.from).toBeLessThan(range.to)
          expect(range.to).toBeLessThanOrEqual(length)
        }
      },
    ),
  ))
