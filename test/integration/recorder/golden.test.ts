import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import {
  desktopKeyframes,
  type Frame,
  memorySource,
  toAsciicast,
  toGuac,
  toText,
  verifyRecording,
} from '../../../recorder/replay/index.ts'
import { argon2idOfNode } from '../../../vault/auditors/argon2-node.ts'
import {
  openGroupKeys,
  readIdentity,
  readRecoveryFile,
  rotateGroupKey,
  verifyChain,
  writeIdentity,
} from '../../../vault/auditors/index.ts'
import { sampleDesktop } from '../../support/desktop-sample.ts'
import { framesOf, type RecordingRoom, recordingRoom, replayOf, valueOf } from '../../support/recordings.ts'
import { scriptedRecording } from '../../support/scripted-recording.ts'

/**
 * The golden recordings of format version 1, of a shell and of a desktop: they must open for ever. `UPDATE_GOLDEN=1` makes
 * new ones, which is right only before a version is released.
 */
const goldens = {
  v1: async (room: RecordingRoom) => (await scriptedRecording(room, 3)).bytes,
  'desktop-v1': async (room: RecordingRoom) => {
    await using source = valueOf(await room.store.read(await sampleDesktop(room)))
    return await source.read(0, source.size)
  },
} as const
type Golden = keyof typeof goldens
const folder = join(import.meta.dirname, '../../golden/recordings')
const at = (name: string, which: Golden = 'v1') => join(folder, which, name)
const passphrase = 'golden: correct horse battery staple'
const reader = join(import.meta.dirname, '../../golden/read_recording.py')
const python = '/usr/bin/python3'

const canRunPython = spawnSync(python, ['-c', 'import nacl, cryptography']).status === 0

async function update(which: Golden): Promise<void> {
  await using room = await recordingRoom()
  const bytes = new Uint8Array(await goldens[which](room))
  mkdirSync(join(folder, which), { recursive: true })
  const identity = await writeIdentity(sodium, argon2idOfNode, room.ingrid, passphrase, {
    passes: 1,
    memoryKiB: 8192,
  })
  // Rotated after the recording: its key is an earlier one, as after a year of use.
  const next = valueOf(await rotateGroupKey(sodium, room.ingrid, room.chain, () => new Date()))
  writeFileSync(at('recording.tgr', which), bytes)
  writeFileSync(at('auditor.key', which), identity)
  writeFileSync(at('recovery.key', which), room.recoveryFile)
  writeFileSync(at('lists.json', which), `${JSON.stringify([...room.links, next], null, 2)}\n`)
  writeFileSync(at('passphrase.txt', which), `${passphrase}\n`)
  const replay = await replayOf(memorySource(bytes), room.keys)
  const lines = (await framesOf(replay)).map((frame) => JSON.stringify(onPaper(frame)))
  writeFileSync(at('frames.jsonl', which), `${lines.join('\n')}\n`)
  if (which === 'desktop-v1') writeFileSync(at('desktop.guac', which), await bytesOf(toGuac(replay)))
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}

/** A frame as the Python reader prints it. */
function onPaper(frame: Frame): unknown {
  return 'bytes' in frame ? { ...frame, bytes: Buffer.from(frame.bytes).toString('base64') } : frame
}

function parsed(lines: string): unknown[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function golden(which: Golden = 'v1') {
  await sodium.ready
  if (process.env.UPDATE_GOLDEN === '1' || !existsSync(at('recording.tgr', which))) await update(which)
  const source = memorySource(new Uint8Array(readFileSync(at('recording.tgr', which))))
  const chain = valueOf(await verifyChain(sodium, JSON.parse(readFileSync(at('lists.json', which), 'utf8'))))
  return { source, chain }
}

const each = Object.keys(goldens) as Golden[]

test.each(each)(
  'the golden recording %s verifies, and opens with its identity file and with its recovery file',
  async (which) => {
    const { source, chain } = await golden(which)
    expect(await verifyRecording(sodium, source)).toMatchObject({ state: 'complete' })
    const identity = await readIdentity(
      sodium,
      argon2idOfNode,
      readFileSync(at('auditor.key', which), 'utf8'),
      passphrase,
    )
    const recovery = readRecoveryFile(sodium, readFileSync(at('recovery.key', which), 'utf8'))
    const expected = parsed(readFileSync(at('frames.jsonl', which), 'utf8'))
    for (const authority of [identity, recovery]) {
      const replay = await replayOf(source, valueOf(openGroupKeys(sodium, authority, chain)))
      expect(JSON.parse(JSON.stringify((await framesOf(replay)).map(onPaper)))).toEqual(expected)
    }
  },
)

test.for(each)(
  'a reader in another language, written from the documents, reads the same of %s',
  async (which, context) => {
    if (!canRunPython) return context.skip('needs python3-nacl and python3-cryptography of Debian')
    await golden(which)
    const run = (...args: string[]) => execFileSync(python, [reader, ...args], { encoding: 'utf8' })
    expect(run('verify', at('recording.tgr', which)).trim()).toBe('complete')
    const expected = parsed(readFileSync(at('frames.jsonl', which), 'utf8'))
    expect(
      parsed(
        run(
          'frames',
          at('recording.tgr', which),
          at('auditor.key', which),
          at('lists.json', which),
          passphrase,
        ),
      ),
    ).toEqual(expected)
    expect(parsed(run('frames', at('recording.tgr', which), at('recovery.key', which)))).toEqual(expected)
    const untimed = (frames: unknown[]) =>
      (frames as Frame[])
        .flatMap((frame) => (frame.kind === 'mark' ? [JSON.stringify(frame.mark)] : []))
        .sort()
    expect(untimed(parsed(run('marks', at('recording.tgr', which), at('recovery.key', which))))).toEqual(
      untimed(expected),
    )
  },
)

test('the other reader opens what is written today', async (context) => {
  if (!canRunPython) return context.skip('needs python3-nacl and python3-cryptography of Debian')
  await using room = await recordingRoom()
  const made = await scriptedRecording(room, 2)
  const [path, recovery] = [join(room.folder, 'a.tgr'), join(room.folder, 'recovery.key')]
  writeFileSync(path, made.bytes)
  writeFileSync(recovery, room.recoveryFile)
  const theirs = parsed(execFileSync(python, [reader, 'frames', path, recovery], { encoding: 'utf8' }))
  const ours = await framesOf(await replayOf(memorySource(made.bytes), room.keys))
  expect(theirs).toEqual(JSON.parse(JSON.stringify(ours.map(onPaper))))
}, 20_000)

test('the other reader reads a desktop with its keyframes as this one does', async (context) => {
  if (!canRunPython) return context.skip('needs python3-nacl and python3-cryptography of Debian')
  await using room = await recordingRoom()
  const writer = await room.record()
  await writer.append({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'desktop' } })
  await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from('4.size,1.0,2.10,2.10;4.sync,1.1;') })
  writer.keyframe(0, Buffer.alloc(300_000, '4.sync,1.1;'), 10, 10)
  await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from('4.sync,1.2;') })
  await writer.finish('closed by the user')
  const [path, recovery] = [join(room.folder, 'd.tgr'), join(room.folder, 'recovery.key')]
  await using source = valueOf(await room.store.read(writer.permit.recording))
  const bytes = await source.read(0, source.size)
  writeFileSync(path, bytes)
  writeFileSync(recovery, room.recoveryFile)
  const run = (verb: string) => execFileSync(python, [reader, verb, path, recovery], { encoding: 'utf8' })
  expect(execFileSync(python, [reader, 'verify', path], { encoding: 'utf8' }).trim()).toBe('complete')
  expect(await verifyRecording(sodium, source)).toMatchObject({ state: 'complete' })
  const ours = await framesOf(await replayOf(source, room.keys))
  expect(ours.filter(({ kind }) => kind === 'keyframe')).toHaveLength(3)
  expect(parsed(run('frames'))).toEqual(JSON.parse(JSON.stringify(ours.map(onPaper))))
  expect(parsed(run('marks'))).toContainEqual(
    expect.objectContaining({ mark: { kind: 'keyframe', bytes: 300_000, width: 10, height: 10 } }),
  )
}, 20_000)

test('both readers agree on what is tampered with and what is incomplete', async (context) => {
  if (!canRunPython) return context.skip('needs python3-nacl and python3-cryptography of Debian')
  const { source } = await golden()
  const bytes = await source.read(0, source.size)
  const folder = mkdtempSync(join(tmpdir(), 'tagout-golden-'))
  const cases = Array.from({ length: 60 }, (_, number) => {
    const place = (number * 7919) % bytes.length
    return number % 2 === 0
      ? bytes.slice(0, place)
      : bytes.map((byte, index) => (index === place ? byte ^ 0x10 : byte))
  })
  const paths = cases.map((_, number) => join(folder, `${number}.tgr`))
  for (const [number, path] of paths.entries()) writeFileSync(path, cases[number] as Uint8Array)
  const { stdout } = spawnSync(python, [reader, 'verify', ...paths], { encoding: 'utf8' })
  const theirs = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(':')[0])
  const ours: string[] = []
  for (const changed of cases) ours.push((await verifyRecording(sodium, memorySource(changed))).state)
  expect(theirs).toEqual(ours)
  expect(new Set(ours)).toEqual(new Set(['tampered', 'incomplete']))
  rmSync(folder, { recursive: true })
}, 30_000)

test('exports of the golden recording are what players and people read', async () => {
  const { source, chain } = await golden()
  const recovery = readRecoveryFile(sodium, readFileSync(at('recovery.key'), 'utf8'))
  const replay = await replayOf(source, valueOf(openGroupKeys(sodium, recovery, chain)))
  for (const version of [2, 3] as const) {
    const lines: unknown[] = []
    for await (const line of toAsciicast(replay, version)) lines.push(JSON.parse(line))
    const [head, ...events] = lines as [Record<string, unknown>, ...[number, string, string][]]
    expect(head.version).toBe(version)
    if (version === 2) expect(head).toMatchObject({ width: 40, height: 6 })
    else expect(head.term).toMatchObject({ cols: 40, rows: 6 })
    const text = events.filter(([, code]) => code === 'o').map(([, , data]) => data)
    expect(text.join('')).toContain('$ run 0\r\nline\r\n')
    expect(events.some(([, code, data]) => code === 'm' && data === 'run 1')).toBe(true)
    const total = version === 2 ? events.at(-1)?.[0] : events.reduce((sum, [time]) => sum + time, 0)
    expect(total).toBeCloseTo(123, 0)
  }
  let text = ''
  for await (const line of toText(replay)) text += `${line}\n`
  expect(text).toContain('[command: run 0]')
  expect(text).toContain('[typed without echo: 7 bytes in 900 ms]')
  expect(text).toContain('ended ')
})

test('the export of the golden desktop is byte for byte what it was', async () => {
  const { source, chain } = await golden('desktop-v1')
  const recovery = readRecoveryFile(sodium, readFileSync(at('recovery.key', 'desktop-v1'), 'utf8'))
  const replay = await replayOf(source, valueOf(openGroupKeys(sodium, recovery, chain)))
  const guac = await bytesOf(toGuac(replay))
  expect(guac.equals(readFileSync(at('desktop.guac', 'desktop-v1')))).toBe(true)
  expect(guac.toString('latin1')).toMatch(/^4\.size,1\.0,3\.160,2\.96;3\.img,/)
  const marks = await replay.marks()
  expect(desktopKeyframes(marks, 0).map(({ at }) => at / 1e9)).toEqual([61, 121])
  for (const keyframe of desktopKeyframes(marks, 0))
    expect(replay.structure.segments.map((segment) => segment.at)).toContain(keyframe.at)
})
