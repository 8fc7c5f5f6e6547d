import sodium from 'libsodium-wrappers'
import { beforeAll, expect, test } from 'vitest'
import {
  type Known,
  memorySource,
  openRecordingKey,
  Replay,
  ReplayError,
  readStructure,
  verifyRecording,
} from '../../recorder/replay/index.ts'
import { encodeRecord, preamble, recordHeadBytes, recordTypes } from '../../recorder/replay/record.ts'
import { isRecord, RecordScan } from '../../recorder/replay/record-scan.ts'
import { framesOf, type RecordingRoom, recordingRoom, replayOf, valueOf } from '../support/recordings.ts'
import { scriptedRecording } from '../support/scripted-recording.ts'

type Made = Awaited<ReturnType<typeof scriptedRecording>>
type Piece = { readonly type: number; readonly from: number; readonly to: number }

let room: RecordingRoom
let made: Made
let other: Made

beforeAll(async () => {
  room = await recordingRoom()
  made = await scriptedRecording(room, 3)
  other = await scriptedRecording(room, 3)
  return () => room[Symbol.asyncDispose]()
})

const verify = (bytes: Uint8Array, known: Known = made.known) =>
  verifyRecording(sodium, memorySource(bytes), known)

async function pieces(bytes: Uint8Array): Promise<Piece[]> {
  const scan = new RecordScan(memorySource(bytes), preamble.length)
  const found: Piece[] = [{ type: -1, from: 0, to: preamble.length }]
  for (let record = await scan.next(); record !== undefined && isRecord(record); record = await scan.next())
    found.push({ type: record.type, from: record.offset, to: record.end })
  return found
}

async function join(bytes: Uint8Array, order: readonly Piece[]): Promise<Uint8Array> {
  return Buffer.concat(order.map(({ from, to }) => bytes.subarray(from, to)))
}

/** What an auditor with the keys sees: all frames, or an error that says where. Never frames that were not recorded. */
async function replayed(bytes: Uint8Array): Promise<number | 'refused'> {
  try {
    return (await framesOf(await replayOf(memorySource(bytes), room.keys))).length
  } catch (error) {
    if (error instanceof ReplayError) return 'refused'
    if (error instanceof Error && /not a recording|not sealed|was changed|names segments/.test(error.message))
      return 'refused'
    throw error
  }
}

test('the untouched recording is complete, for those who know nothing too', async () => {
  expect(await verify(made.bytes)).toMatchObject({ state: 'complete' })
  expect(await verify(made.bytes, {})).toMatchObject({ state: 'complete' })
  expect(await replayed(made.bytes)).toBeGreaterThan(10)
})

test('every flipped byte is tampering, and is located at or before where it is', async () => {
  const short = await scriptedRecording(room, 1)
  const parts = await pieces(short.bytes)
  for (let at = 0; at < short.bytes.length; at += 1) {
    const changed = short.bytes.slice()
    changed[at] = (changed[at] as number) ^ (1 << (at % 8))
    // The vault's header hash would find the first of them at once; this is what the file itself tells.
    const verdict = await verify(changed, { checkpoints: short.known.checkpoints ?? [] })
    if (verdict.state !== 'tampered') throw new Error(`byte ${at} changed, and the state is ${verdict.state}`)
    // Located: within what the next signature vouches for.
    const next = parts.find(
      ({ to, type }) => to > at && type !== recordTypes.chunk && type !== recordTypes.segment,
    )
    expect(verdict.at).toBeLessThanOrEqual(next?.to ?? short.bytes.length)
  }
}, 60_000)

test('a file cut anywhere is never complete: tampered below a checkpoint that the vault has, else incomplete', async () => {
  const short = await scriptedRecording(room, 1)
  const vouched = Math.max(...short.checkpoints.map(({ end }) => end))
  expect(vouched).toBeGreaterThan(0)
  for (let length = 0; length < short.bytes.length; length += 1) {
    const { state } = await verify(short.bytes.subarray(0, length), short.known)
    const expected = length < vouched ? 'tampered' : 'incomplete'
    if (state !== expected) throw new Error(`cut to ${length} bytes, and the state is ${state}`)
  }
}, 60_000)

test('a file cut anywhere replays what is whole, and nothing else', async () => {
  const whole = await replayed(made.bytes)
  for (let length = 0; length < made.bytes.length; length += 13) {
    const frames = await replayed(made.bytes.subarray(0, length))
    expect(frames === 'refused' || frames <= (whole as number)).toBe(true)
  }
}, 30_000)

test('records left out, repeated or exchanged are tampering', async () => {
  const parts = await pieces(made.bytes)
  for (let at = 1; at < parts.length - 1; at += 1) {
    const part = parts[at] as Piece
    const next = parts[at + 1] as Piece
    for (const order of [
      parts.toSpliced(at, 1),
      parts.toSpliced(at, 0, part),
      parts.toSpliced(at, 2, next, part),
      [...parts, part],
    ]) {
      const { state } = await verify(await join(made.bytes, order))
      if (state !== 'tampered') throw new Error(`record ${at} of type ${part.type}: the state is ${state}`)
    }
  }
}, 30_000)

test('whole segments left out, repeated or exchanged are tampering, and do not replay', async () => {
  const parts = await pieces(made.bytes)
  const starts = parts.flatMap(({ type }, at) => (type === recordTypes.segment ? [at] : []))
  const end = parts.findIndex(({ type }) => type === recordTypes.marks)
  expect(starts.length).toBe(3)
  const [a, b, c] = starts as [number, number, number]
  const [head, s1, s2, s3, tail] = [
    parts.slice(0, a),
    parts.slice(a, b),
    parts.slice(b, c),
    parts.slice(c, end),
    parts.slice(end),
  ]
  for (const order of [
    [s1, s3],
    [s2, s3],
    [s1, s2, s2, s3],
    [s2, s1, s3],
    [s1, s3, s2],
  ]) {
    const changed = await join(made.bytes, [...head, ...order.flat(), ...tail])
    expect(await verify(changed)).toMatchObject({ state: 'tampered' })
    expect(await verify(changed, {})).toMatchObject({ state: 'tampered' })
    expect(await replayed(changed)).toBe('refused')
  }
})

test('anything of another recording of the same user and target is tampering, and does not open', async () => {
  const ours = await pieces(made.bytes)
  const theirs = await pieces(other.bytes)
  for (const [at, part] of ours.entries()) {
    if (part.type < 0) continue
    const foreign = theirs.find(({ type }) => type === part.type)
    if (foreign === undefined || part.type === recordTypes.footer) continue // footers say the same
    const spliced = Buffer.concat([
      made.bytes.subarray(0, part.from),
      other.bytes.subarray(foreign.from, foreign.to),
      made.bytes.subarray(part.to),
    ])
    const { state } = await verify(spliced)
    if (state !== 'tampered') throw new Error(`record ${at} of type ${part.type}: the state is ${state}`)
  }
  expect(await verify(other.bytes)).toMatchObject({ state: 'tampered', at: 0 })
})

test('sealed keys of another recording in a header with a new signature open nothing', async () => {
  const { generateKeyPairSync, sign } = await import('node:crypto')
  const { purposes, signatureBytes, signedPart } = await import('../../recorder/replay/record.ts')
  const { canonicalBytes, toBase64 } = await import('../../vault/kernel/encoding.ts')
  const { sha256 } = await import('../../vault/kernel/digest.ts')
  const [, head] = await pieces(made.bytes)
  const { header } = valueOf(await readStructure(sodium, memorySource(made.bytes)))
  const foreign = valueOf(await readStructure(sodium, memorySource(other.bytes))).header
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const body = canonicalBytes({
    ...header,
    recipients: foreign.recipients,
    publicKey: toBase64(raw),
  } as never)
  const signature = sign(null, signedPart(purposes.header, await sha256(body), body), privateKey)
  const forged = Buffer.concat([
    preamble,
    encodeRecord(recordTypes.header, signature, body),
    made.bytes.subarray(head?.to),
  ])
  expect(signature.length).toBe(signatureBytes)
  expect(await verify(forged)).toMatchObject({ state: 'tampered', at: 0 })
  expect(await verify(forged, {})).toMatchObject({ state: 'tampered' })
  expect(await replayed(forged)).toBe('refused')
})

test('a flipped byte of a chunk never gives other frames to whoever has the keys', async () => {
  const chunk = (await pieces(made.bytes)).filter(({ type }) => type === recordTypes.chunk)[1] as Piece
  for (let at = chunk.from + recordHeadBytes; at < chunk.to; at += 1) {
    const changed = made.bytes.slice()
    changed[at] = (changed[at] as number) ^ 0x80
    expect(await replayed(changed)).toBe('refused')
  }
})

test('a checkpoint of another session does not pass for one of this', async () => {
  expect(await verify(made.bytes, other.known)).toMatchObject({ state: 'tampered' })
  const foreign = other.known.checkpoints?.[0]
  expect(await verify(made.bytes, { checkpoints: foreign ? [foreign] : [] })).toMatchObject({
    state: 'tampered',
  })
})

test('a power failure that leaves zeros behind the last write is a crash, other bytes are not', async () => {
  const parts = await pieces(made.bytes)
  const last = parts.findLast(({ type }) => type === recordTypes.checkpoint) as Piece
  const cut = made.bytes.subarray(0, last.to)
  expect(await verify(Buffer.concat([cut, Buffer.alloc(5000)]))).toMatchObject({ state: 'incomplete' })
  expect(await verify(Buffer.concat([cut, Buffer.from('GARBAGE!')]))).toMatchObject({ state: 'tampered' })
})

test('lengths that lie never make a reader allocate or hang', async () => {
  const head = made.bytes.slice(0, (await pieces(made.bytes))[1]?.to)
  for (let type = 0; type < 256; type += 1)
    for (const length of [0, 1, 63, 64, 0x7fffffff, 0xffffffff]) {
      const record = Buffer.alloc(5)
      record[0] = type
      record.writeUInt32BE(length, 1)
      const { state } = await verify(Buffer.concat([head, record, Buffer.alloc(100, 1)]), {})
      expect(state).not.toBe('complete')
    }
  const lying = made.bytes.slice()
  new DataView(lying.buffer).setUint32(preamble.length + 1, 0xffffffff)
  expect(await verify(lying)).toMatchObject({ state: 'tampered', at: 0 })
  for (const nothing of [
    new Uint8Array(),
    Buffer.from('not a recording at all, just text\n'),
    Buffer.alloc(100_000),
  ])
    expect(await verify(nothing)).toMatchObject({ state: 'tampered', at: 0 })
})

test('a recording changed as text, by line ends or a lost eighth bit, is told so', async () => {
  const crlf = Buffer.from(Buffer.from(made.bytes).toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  expect((await verify(crlf)).sentence).toContain('changed as text')
  expect((await verify(made.bytes.map((byte) => byte & 0x7f))).sentence).toContain('changed as text')
})

test('who was no auditor opens nothing', async () => {
  const stranger = await recordingRoom()
  const { header } = valueOf(await readStructure(sodium, memorySource(made.bytes)))
  expect(openRecordingKey(sodium, header, stranger.keys)).toMatchObject({
    ok: false,
    refusal: { code: 'forbidden' },
  })
  const structure = valueOf(await readStructure(sodium, memorySource(made.bytes)))
  const replay = new Replay(memorySource(made.bytes), structure, new Uint8Array(32))
  await expect(framesOf(replay)).rejects.toThrow('sealed under another key')
  await stranger[Symbol.asyncDispose]()
})
