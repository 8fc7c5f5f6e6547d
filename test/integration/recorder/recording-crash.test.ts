import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import sodium from 'libsodium-wrappers'
import { expect, test } from 'vitest'
import { verifyRecording } from '../../../recorder/replay/index.ts'
import { findAbandoned } from '../../../recorder/store/index.ts'
import type { RecordingId } from '../../../vault/kernel/id.ts'
import {
  framesOf,
  joined,
  recordingRoom,
  replayOf,
  valueOf,
  type RecordingRoom,
} from '../../support/recordings.ts'

type Crashed = { readonly recording: RecordingId; readonly mustHave: number; readonly lines: number }

/** Lets a recorder process run, kills it without warning, and tells which lines must have survived. */
async function crash(room: RecordingRoom, afterLines: number, pause: number): Promise<Crashed> {
  const lists = join(room.folder, 'lists.json')
  await writeFile(lists, JSON.stringify(room.links))
  const script = join(import.meta.dirname, '../../support/crashing-recorder.ts')
  const child: ChildProcess = spawn(process.execPath, [script, room.folder, lists, String(pause)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let recording: RecordingId | undefined
  const relayed: { readonly line: number; readonly at: number }[] = []
  let killedAt = 0
  if (child.stdout === null) throw new Error('no output')
  for await (const text of createInterface(child.stdout)) {
    const said = JSON.parse(text)
    if ('recording' in said) recording = said.recording
    else relayed.push(said)
    if (relayed.length >= afterLines && killedAt === 0) {
      killedAt = Date.now()
      child.kill('SIGKILL')
    }
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  if (recording === undefined) throw new Error('the recorder never began')
  // A machine that had no time for the recorder is not the recorder's fault: its longest pause is left out.
  const pauses = relayed.map(({ at }, line) => at - (relayed[line - 1]?.at ?? at) - pause)
  const mustHave = relayed.filter(({ at }) => at <= killedAt - 250 - Math.max(0, ...pauses)).length
  return { recording, mustHave, lines: relayed.length }
}

test.each([
  [20, 40],
  [150, 10],
  [3000, 0],
])(
  'after kill -9 at line %i everything from 250 ms before is there, and the state is incomplete',
  async (lines, pause) => {
    await using room = await recordingRoom()
    const crashed = await crash(room, lines, pause)
    await using source = valueOf(await room.store.read(crashed.recording))
    const verdict = await verifyRecording(sodium, source)
    expect(verdict).toMatchObject({ state: 'incomplete' })
    const output = joined(await framesOf(await replayOf(source, room.keys)), 'output').toString()
    const found = output.split('\r\n').filter((line) => /^line \d+$/.test(line))
    expect(found).toEqual(Array.from({ length: found.length }, (_, at) => `line ${at}`))
    expect(crashed.mustHave).toBeGreaterThan(0)
    expect(found.length).toBeGreaterThanOrEqual(crashed.mustHave)
  },
  30_000,
)

test('abandoned recordings are found and reported, live and complete ones are left alone, and no byte is changed', async () => {
  await using room = await recordingRoom()
  const { recording } = await crash(room, 50, 5)
  const complete = await room.record()
  void complete.append({ kind: 'output', channel: 0, bytes: Buffer.from('hello') })
  await complete.finish('closed by the user')
  const live = await room.record()
  void live.append({ kind: 'output', channel: 0, bytes: Buffer.from('hello') })
  await live.flush()
  const path = valueOf(await room.store.stat(recording)).path
  const before = await readFile(path)

  const found: unknown[] = []
  for await (const one of findAbandoned(room.store, (id) => id === live.permit.recording))
    found.push([one.recording, one.verdict.state])
  expect(found).toEqual([[recording, 'incomplete']])
  expect(await readFile(path)).toEqual(before)
  await live.finish('shut down')
}, 20_000)
