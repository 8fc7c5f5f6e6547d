import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { beforeAll, expect, test } from 'vitest'
import {
  cutRange,
  memorySource,
  readStructure,
  verifyRecording,
  writeCut,
} from '../../recorder/replay/index.ts'
import { readZip, verifyPackage } from '../../recorder/evidence/index.ts'
import { preamble } from '../../recorder/replay/record.ts'
import { isRecord, RecordScan } from '../../recorder/replay/record-scan.ts'
import { originOf, signCheckpoint } from '../../vault/audit/checkpoint.ts'
import { leafBytes } from '../../vault/audit/leaf.ts'
import { Frontier, leafHash } from '../../vault/audit/tree.ts'
import { signingKeyOf } from '../../vault/crypto/signing.ts'
import { toBase64 } from '../../vault/kernel/encoding.ts'
import { verifyExport } from '../../deploy/cli/audit-export.ts'
import { tagout } from '../support/cli.ts'
import { type RecordingRoom, recordingRoom, replayOf, valueOf } from '../support/recordings.ts'
import { logKey as logKeyOfPackage, scriptedPackage } from '../support/scripted-package.ts'
import { scriptedRecording } from '../support/scripted-recording.ts'
import { type Artefact, seeded, tamper } from '../support/tampering.ts'

// CI takes a slice; TAGOUT_TAMPER=100000 is the long run. A failure prints the number that makes it again.
const count = Number(process.env['TAGOUT_TAMPER'] ?? 4_000)
const seed = Number(process.env['TAGOUT_TAMPER_SEED'] ?? 7)

type Made = Awaited<ReturnType<typeof scriptedRecording>>
let room: RecordingRoom
let made: Made
let other: Made

beforeAll(async () => {
  room = await recordingRoom()
  made = await scriptedRecording(room, 4)
  other = await scriptedRecording(room, 4)
  return () => room[Symbol.asyncDispose]()
})

async function boundariesOf(bytes: Uint8Array): Promise<readonly number[]> {
  const found = [0, preamble.length]
  const scan = new RecordScan(memorySource(bytes), preamble.length)
  for (let record = await scan.next(); record !== undefined && isRecord(record); record = await scan.next())
    found.push(record.end)
  return found
}

async function cutOf({ bytes }: Made, from: number, to: number): Promise<Uint8Array> {
  const source = memorySource(bytes)
  const structure = valueOf(await readStructure(sodium, source))
  const range = cutRange(structure, from, to)
  if (range === undefined) throw new Error('nothing to cut')
  return Buffer.concat(await Array.fromAsync(writeCut(source, structure, range), (piece) => piece.slice()))
}

const logKey = signingKeyOf(new Uint8Array(32).fill(5))

/** An export of a log with this many entries, of which the fork has others from some number on. */
function exported(entries: number, forkedFrom = entries): string {
  const frontier = new Frontier()
  const leaves: { seq: number; body: string }[] = []
  const checkpoints: string[] = []
  let prev: Uint8Array | undefined
  for (let seq = 0; seq < entries; seq += 1) {
    const what = seq < forkedFrom ? `entry ${seq}` : `another ${seq}`
    const body = leafBytes(seq, prev, Buffer.from(JSON.stringify({ kind: 'vault.unsealed', what })), false)
    prev = leafHash(body)
    frontier.add(prev)
    leaves.push({ seq, body: toBase64(body) })
    if (seq % 5 === 4 || seq === entries - 1)
      checkpoints.push(
        signCheckpoint(logKey, {
          origin: originOf('ins_1'),
          size: seq + 1,
          root: frontier.root(),
          time: '2026-11-30T06:00:00.000Z',
        }),
      )
  }
  return `${JSON.stringify({
    format: 'tagout-audit-export',
    version: 1,
    publicKey: toBase64(logKey.publicKey),
    checkpoints,
    leaves,
  })}\n`
}

/** After each entry and each checkpoint of its text. */
function boundariesOfText(text: string): readonly number[] {
  return [0, ...[...text.matchAll(/\},\{|","/g)].map(({ index }) => index + 1), text.length]
}

/** Tampers `times` times; `judge` says whether it was found, and where. */
async function all(
  what: string,
  times: number,
  artefact: Artefact,
  judge: (bytes: Uint8Array) => Promise<{ readonly found: boolean; readonly at: number | undefined }>,
): Promise<void> {
  const next = seeded(seed)
  const ways = new Map<string, number>()
  let located = 0
  for (let time = 0; time < times; time += 1) {
    const { how, bytes, at } = tamper(artefact, next)
    const verdict = await judge(bytes)
    if (!verdict.found)
      throw new Error(`${what}, seed ${seed}, number ${time}: ${how} at byte ${at} was not found`)
    if (verdict.at !== undefined) located += 1
    ways.set(how, (ways.get(how) ?? 0) + 1)
  }
  process.stdout.write(
    `${what}: ${times} tampered, ${times} found, ${located} located (${[...ways].map(([how, many]) => `${how} ${many}`).join(', ')})\n`,
  )
  expect(located).toBe(times)
}

test('whatever is done to a recording is found and located, with what the audit log knows', async () => {
  const artefact = {
    bytes: made.bytes,
    boundaries: await boundariesOf(made.bytes),
    other: other.bytes,
    otherBoundaries: await boundariesOf(other.bytes),
  }
  const vouched = Math.max(...made.checkpoints.map(({ end }) => end))
  await all('recordings', Math.ceil(count * 0.5), artefact, async (bytes) => {
    const verdict = await verifyRecording(sodium, memorySource(bytes), made.known)
    // A file that stops behind all that the vault vouches for is what a crash leaves: incomplete, and never complete.
    const isCut = bytes.length >= vouched && Buffer.compare(bytes, made.bytes.subarray(0, bytes.length)) === 0
    return { found: verdict.state === (isCut ? 'incomplete' : 'tampered'), at: verdict.at }
  })
}, 2_400_000)

test('whatever is done to a cut is found and located', async () => {
  const bytes = await cutOf(made, 60e9, 125e9)
  const theirs = await cutOf(other, 60e9, 125e9)
  const artefact = {
    bytes,
    boundaries: await boundariesOf(bytes),
    other: theirs,
    otherBoundaries: await boundariesOf(theirs),
  }
  const { publicKey, headerHash } = made.known
  await all('cuts', Math.ceil(count * 0.25), artefact, async (changed) => {
    const verdict = await verifyRecording(sodium, memorySource(changed), {
      publicKey: publicKey as Uint8Array,
      headerHash: headerHash as Uint8Array,
    })
    return { found: verdict.state === 'tampered', at: verdict.at }
  })
}, 2_400_000)

test('whatever is done to an export of the audit log is found and located', async () => {
  const text = exported(40)
  const fork = exported(40, 20)
  const artefact = {
    bytes: Buffer.from(text),
    boundaries: boundariesOfText(text),
    other: Buffer.from(fork),
    otherBoundaries: boundariesOfText(fork),
  }
  const key = toBase64(logKey.publicKey)
  await all('audit exports', Math.ceil(count * 0.25), artefact, async (bytes) => {
    try {
      const verdict = await verifyExport(Buffer.from(bytes).toString('utf8'), key)
      return { found: !verdict.ok || isSubset(bytes, text), at: verdict.at ?? 0 }
    } catch {
      // What does not even say that it is an export is none: refused, at its first byte.
      return { found: true, at: 0 }
    }
  })
}, 2_400_000)

test('whatever is done to an evidence package is found and located, and our second reader agrees', async () => {
  const bytes = await scriptedPackage(room)
  const theirs = await scriptedPackage(room)
  const boundariesOf = (archive: Uint8Array) => {
    const found = [0]
    for (const file of readZip(archive))
      found.push(file.bytes.byteOffset - archive.byteOffset + file.bytes.length)
    return [...found, archive.length]
  }
  const artefact = {
    bytes,
    boundaries: boundariesOf(bytes),
    other: theirs,
    otherBoundaries: boundariesOf(theirs),
  }
  const folder = await mkdtemp(join(tmpdir(), 'tagout-tampered-'))
  const kept: string[] = []
  try {
    await all('evidence packages', Math.ceil(count * 0.25), artefact, async (changed) => {
      const verdict = await verifyPackage(sodium, changed, { logKey: logKeyOfPackage.publicKey })
      if (kept.length < 200) {
        kept.push(`${kept.length}.zip`)
        await writeFile(join(folder, `${kept.length - 1}.zip`), changed)
      }
      return { found: verdict.state === 'tampered', at: verdict.at }
    })
    const reader = join(import.meta.dirname, '../golden/read_evidence.py')
    const read = spawnSync('/usr/bin/python3', [reader, ...kept], { cwd: folder, encoding: 'utf8' })
    const lines = read.stdout.split('\n').slice(0, -1)
    expect(lines).toHaveLength(kept.length)
    expect(lines.filter((line) => !/^\d+\.zip: tampered/.test(line))).toEqual([])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 2_400_000)

/** A checkpoint less, or given twice, is no change to the log: its entries are all there, in order and signed. */
function isSubset(bytes: Uint8Array, text: string): boolean {
  try {
    const [changed, whole] = [JSON.parse(Buffer.from(bytes).toString('utf8')), JSON.parse(text)]
    return (
      JSON.stringify(changed.leaves) === JSON.stringify(whole.leaves) &&
      changed.checkpoints.every((one: string) => whole.checkpoints.includes(one))
    )
  } catch {
    return false
  }
}

test('a cut has its segments whole, says its place in the recording, and opens with the keys of its segments alone', async () => {
  const bytes = await cutOf(made, 60e9, 125e9)
  const verdict = await verifyRecording(sodium, memorySource(bytes), {
    publicKey: made.known.publicKey as Uint8Array,
    headerHash: made.known.headerHash as Uint8Array,
    checkpoints: made.known.checkpoints ?? [],
  })
  expect(verdict).toMatchObject({ state: 'complete', cut: { first: 0, last: 2, of: 4 } })
  const middle = await cutOf(made, 61e9, 62e9)
  expect(await verifyRecording(sodium, memorySource(middle))).toMatchObject({
    state: 'complete',
    cut: { first: 1, last: 1, of: 4 },
    sentence: expect.stringContaining('segments 2 to 2 of 4'),
  })
  const replay = await replayOf(memorySource(middle), room.keys)
  const shown = await Array.fromAsync(replay.frames(), (frame) => frame.at)
  expect(shown.every((at) => at >= 60e9 && at < 120e9) && shown.length > 3).toBe(true)
})

test('tagout verify says what a file is and what is wrong with it, and needs nothing but the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-verify-'))
  try {
    const put = async (name: string, content: Uint8Array | string) => {
      await writeFile(join(folder, name), content)
      return tagout(['verify', name, '--data', join(folder, 'nowhere')], { cwd: folder })
    }
    expect(await put('a.tgr', made.bytes)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/complete and as it was signed/),
    })
    const flipped = made.bytes.slice()
    const place = (made.checkpoints.at(-1)?.end ?? 0) - 50
    flipped[place] = (flipped[place] as number) ^ 1
    const wrong = await put('b.tgr', flipped)
    expect(wrong.code).toBe(1)
    expect(wrong.err).toMatch(/tampered with .*byte \d+.*in segment \d, after 00:0\d:\d\d of the session/)
    expect(await put('c.tgr', made.bytes.subarray(0, made.bytes.length - 900))).toMatchObject({ code: 4 })
    expect(await put('d.tgc', await cutOf(made, 0, 1e9))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/00:00:00 to 00:01:00 of a recording/),
    })
    expect(await put('e.json', exported(12))).toMatchObject({
      code: 0,
      out: expect.stringMatching(/all 12 entries/),
    })
    expect(await put('f.json', exported(12).replace('"seq":7', '"seq":8'))).toMatchObject({ code: 1 })
    expect(await put('g.cast', '{"version": 2, "width": 80}\n')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/which nothing signs/),
    })
    expect(await put('h.txt', 'hello')).toMatchObject({ code: 2 })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
