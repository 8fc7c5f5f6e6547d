import { randomBytes } from 'node:crypto'
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import sodium from 'libsodium-wrappers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseIndex } from '../../recorder/replay/search-index.ts'
import { type SearchPorts, searchByOpening, verifyRecording } from '../../recorder/replay/index.ts'
import { indexPath } from '../../recorder/store/index.ts'
import {
  addAuditor,
  makeIdentity,
  openGroupKeys,
  removeAuditor,
  verifyChain,
} from '../../vault/auditors/index.ts'
import type { Permit } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { type RecordingRoom, recordingRoom, valueOf } from '../support/recordings.ts'
import { hitsOf, searchPorts, stepsOf } from '../support/searching.ts'

let room: RecordingRoom
let ports: SearchPorts
const permits: Permit[] = []

/** A session that printed these lines. */
async function shows(...lines: readonly string[]): Promise<Permit> {
  const writer = await room.record()
  const { permit } = writer
  await writer.append({
    kind: 'mark',
    channel: 0,
    mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
  })
  for (const line of lines)
    await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from(`${line}\r\n`) })
  await writer.finish('closed by the user')
  permits.push(permit)
  return permit
}
const pathOf = async ({ recording }: Permit) => valueOf(await room.store.stat(recording)).path
const indexOf = async (permit: Permit) => indexPath(await pathOf(permit))

beforeAll(async () => {
  room = await recordingRoom()
  await shows('speed limit 1450', 'password: ', 'nothing more')
  await shows('alarm 7 is acknowledged')
  ports = await searchPorts(room, permits)
}, 60_000)
afterAll(() => room[Symbol.asyncDispose]())

const fresh = () => searchPorts(room, permits)
const search = async (words: string, over: Partial<SearchPorts> = {}) =>
  stepsOf(room, { ...(await fresh()), ...over }, words)

test('words are found in the recording that shows them, by keys that only an auditor opens', async () => {
  const [first, second] = permits as [Permit, Permit]
  expect(hitsOf(await search('SPEED limit'))).toEqual([`${first.recording} 0 screen: speed limit 1450`])
  expect(hitsOf(await search('acknowledged'))).toEqual([
    `${second.recording} 0 screen: alarm 7 is acknowledged`,
  ])
  expect(hitsOf(await search('never shown'))).toEqual([])
  await expect(search('ab')).rejects.toThrow('3 characters')
  const stranger = new Map([['x', sodium.crypto_box_keypair()]])
  const steps = await stepsOf(room, ports, 'speed limit', stranger)
  expect(steps).toMatchObject([{ kind: 'begun', keys: 0, closed: 1, candidates: 0 }])
})

test('what lies on the disk holds neither words nor anything that is the same in two recordings', async () => {
  const same = [await shows('the very same line is shown'), await shows('the very same line is shown')]
  const [one, two] = await Promise.all(same.map(async (permit) => readFile(await indexOf(permit))))
  if (one === undefined || two === undefined) throw new Error('both have an index')
  for (const bytes of [one, two])
    for (const word of ['very', 'same', 'shown']) expect(bytes.includes(word)).toBe(false)
  const [a, b] = [parseIndex(one), parseIndex(two)]
  // Under one key of one day, and yet the filters have no more in common than chance gives them.
  expect(a.head.keys[0]?.id).toBe(b.head.keys[0]?.id)
  const [x, y] = [a.filters[0] ?? new Uint8Array(), b.filters[0] ?? new Uint8Array()]
  const bits = (bytes: Uint8Array) =>
    bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  const both = bits(x.map((byte, at) => byte & (y[at] ?? 0)))
  const byChance = (bits(x) * bits(y)) / (x.length * 8)
  expect(Math.abs(both - byChance)).toBeLessThan(5 * Math.sqrt(byChance))
  // A session of one line and one of twenty look alike: each filter of a size is as full as the others.
  const other = parseIndex(await readFile(await indexOf(permits[0] as Permit)))
  expect(Math.abs(bits(other.filters[0] ?? new Uint8Array()) - bits(x))).toBeLessThan(8)
})

test('a server that answers with wrong candidates, another’s index or a changed one shows no false hit', async () => {
  const [first, second] = permits as [Permit, Permit]
  const all = await search('speed limit', {
    candidates: async () => permits.map(({ recording }) => recording),
  })
  expect(hitsOf(all)).toEqual([`${first.recording} 0 screen: speed limit 1450`])
  expect(all.filter(({ kind }) => kind === 'none').length).toBeGreaterThan(0)
  const honest = await fresh()
  const swapped = await stepsOf(
    room,
    {
      ...honest,
      candidates: async () => [second.recording],
      index: (name) => honest.index(name, first.recording),
    },
    'speed limit',
  )
  expect(swapped).toMatchObject([
    { kind: 'begun' },
    { kind: 'strange', why: 'the header of another recording' },
  ])
  // The header of the one, the index of the other.
  const mixed = await fresh()
  const crossed = await stepsOf(
    room,
    {
      ...mixed,
      candidates: async () => [second.recording],
      index: async (name) => {
        const [mine, theirs] = [
          await mixed.index(name, second.recording),
          await mixed.index(name, first.recording),
        ]
        const length = (bytes: Uint8Array) => 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
        return Buffer.concat([mine.subarray(0, length(mine)), theirs.subarray(length(theirs))])
      },
    },
    'speed limit',
  )
  expect(crossed[1]).toMatchObject({ kind: 'strange', why: 'its search index is not signed by its session' })
  for (const back of [1, 40, 400]) {
    const flipped = await fresh()
    const steps = await stepsOf(
      room,
      {
        ...flipped,
        candidates: async () => [first.recording],
        index: async (name, recording) => {
          const bytes = Buffer.from(await flipped.index(name, recording))
          bytes[bytes.length - back] = (bytes[bytes.length - back] ?? 0) ^ 1
          return bytes
        },
      },
      'speed limit',
    )
    // Of a filter the texts say more than it does.
    expect(hitsOf(steps).every((hit) => hit.includes('speed limit 1450'))).toBe(true)
    if (back < 100) expect(steps[1]?.kind).toBe('strange')
  }
})

test('keyed trigrams go out under no key that the server made, renamed or took from elsewhere', async () => {
  const asked: unknown[] = []
  const candidates: SearchPorts['candidates'] = async (_search, keys) => {
    asked.push(...keys)
    return []
  }
  const honest = await (await fresh()).open()
  const [key] = honest.keys
  if (key === undefined) throw new Error('there is a key')
  const group = toBase64(room.chain.current.groupKey)
  const own = toBase64(sodium.crypto_box_seal(randomBytes(32), fromBase64(group)))
  const forgeries: readonly (readonly [string, Partial<typeof key>])[] = [
    ['the name of another', { id: 'AAAAAAAAAAAAAAAA' }],
    ['the recording of another', { recording: permits[1]?.recording ?? '' }],
    [
      'a key of its own',
      {
        head: Buffer.from(
          Buffer.from(key.head, 'base64')
            .toString('latin1')
            .replace(/"sealed":"[^"]+"/, `"sealed":"${own}"`),
          'latin1',
        ).toString('base64'),
      },
    ],
    ['no header', { header: 'AAAA' }],
    ['no head', { head: 'AAAA' }],
  ]
  for (const [what, change] of forgeries) {
    const open = async () => ({ ...honest, keys: [{ ...key, ...change }] })
    const steps = await search('speed limit', { open, candidates })
    expect(
      steps.some(({ kind }) => kind === 'strange'),
      what,
    ).toBe(true)
  }
  const unknown = await search('speed limit', { candidates, vouched: async () => null })
  expect(unknown[1]).toMatchObject({ why: 'a key of a session that the audit log does not know so' })
  expect(asked).toEqual([])
})

test('an index that was taken away is found in the recording; of one that has none that is said, and it is searched by opening', async () => {
  const permit = await shows('a word like kryptonite')
  await rm(await indexOf(permit))
  expect(hitsOf(await search('kryptonite'))).toEqual([`${permit.recording} 0 screen: a word like kryptonite`])
  await using source = valueOf(await room.store.read(permit.recording))
  expect((await verifyRecording(sodium, source)).state).toBe('complete')
  const opened = await searchByOpening(sodium, source, room.keys, permit.recording, 'kryptonite')
  expect(hitsOf([opened])).toEqual([`${permit.recording} 0 screen: a word like kryptonite`])
  // A recording from before: it ends where it always did, and has no index.
  const writer = await room.record()
  await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from('unfinished\r\n') })
  permits.push(writer.permit)
  const [begun] = await search('unfinished')
  expect(begun).toMatchObject({ unindexed: [{ id: writer.permit.recording, upTo: 0 }] })
  await writer.finish('shut down')
})

test('the recording holds its index, and one that was changed there is tampered with', async () => {
  const permit = await shows('vouched for')
  const path = await pathOf(permit)
  const bytes = await readFile(path)
  const at = bytes.indexOf('TGRINDEX')
  expect(at).toBeGreaterThan(0)
  expect(bytes.subarray(at).subarray(0, (await stat(await indexOf(permit))).size)).toEqual(
    await readFile(await indexOf(permit)),
  )
  await copyFile(path, `${path}.kept`)
  bytes[at + 200] = (bytes[at + 200] ?? 0) ^ 1
  const source = {
    size: bytes.length,
    read: async (from: number, length: number) => bytes.subarray(from, from + length),
  }
  expect((await verifyRecording(sodium, source)).state).toBe('tampered')
  await writeFile(path, await readFile(`${path}.kept`))
})

test('a target that floods the index ends it where the flood began, within bounds, and hides nothing that was there before', async () => {
  const flood = Array.from({ length: 300 }, () =>
    randomBytes(6_000)
      .toString('base64')
      .replaceAll(/(.{4000})/g, '$1\r\n'),
  )
  const permit = await shows('before the flood', ...flood, 'after the flood')
  expect((await stat(await indexOf(permit))).size).toBeLessThan(1024 * 1024)
  const steps = await search('before the flood')
  expect(hitsOf(steps)).toEqual([`${permit.recording} 0 screen: before the flood`])
  expect(steps[0]).toMatchObject({
    unindexed: expect.arrayContaining([expect.objectContaining({ id: permit.recording })]),
  })
  await using source = valueOf(await room.store.read(permit.recording))
  const opened = await searchByOpening(sodium, source, room.keys, permit.recording, 'after the flood')
  expect(hitsOf([opened])).toHaveLength(1)
}, 60_000)

test('what is typed is in no index, with echo or without', async () => {
  const writer = await room.record({ inputPolicy: 'full' })
  await writer.append({ kind: 'input', channel: 0, bytes: Buffer.from('typedsecret\r') })
  await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from('Password: \r\nwelcome\r\n') })
  await writer.finish('closed by the user')
  permits.push(writer.permit)
  expect(hitsOf(await search('typedsecret'))).toEqual([])
  expect(hitsOf(await search('welcome'))).toHaveLength(1)
})

test('an auditor who was removed opens no key that was made since, and searches what was before', async () => {
  await using other = await recordingRoom()
  const record = async (line: string, chain = other.chain) => {
    const writer = await other.record({}, { chain })
    await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from(`${line}\r\n`) })
    await writer.finish('closed by the user')
    return writer.permit
  }
  const before = await record('seen by both')
  const otto = makeIdentity(sodium, 'otto')
  const added = valueOf(await addAuditor(sodium, other.ingrid, other.chain, otto, () => new Date()))
  const both = valueOf(await verifyChain(sodium, [...other.links, added]))
  const removed = valueOf(await removeAuditor(sodium, other.ingrid, both, 'otto', () => new Date()))
  const alone = valueOf(await verifyChain(sodium, [...other.links, added, removed]))
  const after = await record('seen by ingrid', alone)
  const answers = await searchPorts(other, [before, after])
  const find = async (who: typeof otto) =>
    hitsOf(await stepsOf(other, answers, 'seen by', valueOf(openGroupKeys(sodium, who, alone)))).map(
      (hit) => hit.split(' ')[0],
    )
  expect(await find(otto)).toEqual([before.recording])
  expect(await find(other.ingrid)).toEqual([after.recording, before.recording])
})
