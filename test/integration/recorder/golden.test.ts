import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import {
  type Frame,
  memorySource,
  toAsciicast,
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
import { framesOf, recordingRoom, replayOf, valueOf } from '../../support/recordings.ts'
import { scriptedRecording } from '../../support/scripted-recording.ts'

/**
 * The golden recording of format version 1: it must open for ever. `UPDATE_GOLDEN=1` makes a new one, which is right
 * only before a version is released.
 */
const folder = join(import.meta.dirname, '../../golden/recordings/v1')
const at = (name: string) => join(folder, name)
const passphrase = 'golden: correct horse battery staple'
const reader = join(import.meta.dirname, '../../golden/read_recording.py')
const python = '/usr/bin/python3'

const canRunPython = spawnSync(python, ['-c', 'import nacl, cryptography']).status === 0

async function update(): Promise<void> {
  await using room = await recordingRoom()
  const made = await scriptedRecording(room, 3)
  const identity = await writeIdentity(sodium, argon2idOfNode, room.ingrid, passphrase, {
    passes: 1,
    memoryKiB: 8192,
  })
  // Rotated after the recording: its key is an earlier one, as after a year of use.
  const next = valueOf(await rotateGroupKey(sodium, room.ingrid, room.chain, () => new Date()))
  writeFileSync(at('recording.tgr'), made.bytes)
  writeFileSync(at('auditor.key'), identity)
  writeFileSync(at('recovery.key'), room.recoveryFile)
  writeFileSync(at('lists.json'), `${JSON.stringify([...room.links, next], null, 2)}\n`)
  writeFileSync(at('passphrase.txt'), `${passphrase}\n`)
  const replay = await replayOf(memorySource(made.bytes), room.keys)
  const lines = (await framesOf(replay)).map((frame) => JSON.stringify(onPaper(frame)))
  writeFileSync(at('frames.jsonl'), `${lines.join('\n')}\n`)
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

async function golden() {
  await sodium.ready
  if (process.env.UPDATE_GOLDEN === '1' || !existsSync(at('recording.tgr'))) await update()
  const source = memorySource(new Uint8Array(readFileSync(at('recording.tgr'))))
  const chain = valueOf(await verifyChain(sodium, JSON.parse(readFileSync(at('lists.json'), 'utf8'))))
  return { source, chain }
}

test('the golden recording verifies, and opens with its identity file and with its recovery file', async () => {
  const { source, chain } = await golden()
  expect(await verifyRecording(sodium, source)).toMatchObject({ state: 'complete' })
  const identity = await readIdentity(
    sodium,
    argon2idOfNode,
    readFileSync(at('auditor.key'), 'utf8'),
    passphrase,
  )
  const recovery = readRecoveryFile(sodium, readFileSync(at('recovery.key'), 'utf8'))
  const expected = parsed(readFileSync(at('frames.jsonl'), 'utf8'))
  for (const authority of [identity, recovery]) {
    const replay = await replayOf(source, valueOf(openGroupKeys(sodium, authority, chain)))
    expect(JSON.parse(JSON.stringify((await framesOf(replay)).map(onPaper)))).toEqual(expected)
  }
})

test('a reader in another language, written from the documents, reads the same', async (context) => {
  if (!canRunPython) return context.skip('needs python3-nacl and python3-cryptography of Debian')
  await golden()
  const run = (...args: string[]) => execFileSync(python, [reader, ...args], { encoding: 'utf8' })
  expect(run('verify', at('recording.tgr')).trim()).toBe('complete')
  const expected = parsed(readFileSync(at('frames.jsonl'), 'utf8'))
  expect(parsed(run('frames', at('recording.tgr'), at('auditor.key'), at('lists.json'), passphrase))).toEqual(
    expected,
  )
  expect(parsed(run('frames', at('recording.tgr'), at('recovery.key')))).toEqual(expected)
  const untimed = (frames: unknown[]) =>
    (frames as Frame[]).flatMap((frame) => (frame.kind === 'mark' ? [JSON.stringify(frame.mark)] : [])).sort()
  expect(untimed(parsed(run('marks', at('recording.tgr'), at('recovery.key'))))).toEqual(untimed(expected))
})

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
