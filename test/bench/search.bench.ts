import { statSync } from 'node:fs'
import sodium from 'libsodium-wrappers'
import { openRecordingKey, Replay, readStructure, searchInside } from '../../recorder/replay/index.ts'
import { indexPath } from '../../recorder/store/index.ts'
import type { Permit } from '../../vault/contract.ts'
import { recordingRoom, valueOf } from '../support/recordings.ts'
import { searchPorts } from '../support/searching.ts'
import type { Row } from './row.ts'

const recordings = Number(process.env['TAGOUT_BENCH_RECORDINGS'] ?? 10_000)
/** Opened and looked through whole, for the peer's figure of all of them. */
const peerOf = 200

const words = [
  ...[
    'valve',
    'pump',
    'conveyor',
    'drive',
    'limit',
    'speed',
    'alarm',
    'reset',
    'status',
    'temperature',
    'pressure',
  ],
  ...['door', 'interlock', 'safety', 'cycle', 'recipe', 'batch', 'tank', 'level', 'motor', 'axis', 'press'],
]

/** What somebody works at a machine for some minutes: commands and what they answer. */
function lines(seed: number): readonly string[] {
  let state = seed + 1
  const next = (most: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % most
  }
  const word = () => words[next(words.length)] ?? ''
  return Array.from(
    { length: 120 },
    () => `${word()} ${word()}-${next(100)} ${word()} = ${next(10_000)}.${next(10)}`,
  )
}

/**
 * Words looked for in many recordings: from the question to the candidates, and to the first place, opened and confirmed. Beside it,
 * every recording opened and read, as it is without an index. And what the index costs the recorder.
 */
export async function run(): Promise<Row[]> {
  await using room = await recordingRoom()
  const permits: Permit[] = []
  const wanted = Math.floor(recordings / 3)
  const begun = performance.now()
  const cpu = process.cpuUsage()
  for (let at = 0; at < recordings; at += 1) {
    const writer = await room.record()
    permits.push(writer.permit)
    const all = lines(at)
    const shown = at === wanted ? [...all, 'the hydraulic accumulator was vented'] : all
    await writer.append({ kind: 'output', channel: 0, bytes: Buffer.from(`${shown.join('\r\n')}\r\n`) })
    await writer.finish('closed by the user')
  }
  const used = process.cpuUsage(cpu)
  const made = performance.now() - begun
  const first = permits[0] as Permit
  const path = valueOf(await room.store.stat(first.recording)).path

  const bytes = statSync(indexPath(path)).size
  const figures = { candidates: 0, hit: 0, again: 0, count: 0 }
  const ports = await searchPorts(room, permits)
  for (const turn of ['first', 'again'] as const) {
    const asked = performance.now()
    for await (const step of searchInside(sodium, ports, room.keys, 'hydraulic accumulator')) {
      const passed = performance.now() - asked
      if (step.kind === 'begun') {
        figures.count = step.candidates
        if (turn === 'first') figures.candidates = passed
        else figures.again = passed
      }
      if (step.kind === 'hit' && turn === 'first') figures.hit = passed
    }
  }
  if (figures.hit === 0) throw new Error('nothing was found')
  const peer = performance.now()
  for (const { recording } of permits.slice(0, peerOf)) {
    await using source = valueOf(await room.store.read(recording))
    const structure = valueOf(await readStructure(sodium, source))
    const key = valueOf(openRecordingKey(sodium, structure.header, room.keys))
    for await (const frame of new Replay(source, structure, key).frames())
      if (frame.kind === 'output') Buffer.from(frame.bytes).includes('hydraulic accumulator')
  }
  const all = ((performance.now() - peer) * recordings) / peerOf
  const of = `${recordings.toLocaleString('en')} recordings`
  const grep = `${Math.round(all).toLocaleString('en')} ms to open and read all of them (measured of ${peerOf})`
  return [
    {
      what: `search: candidates, first after a start (${of})`,
      figure: figures.candidates,
      unit: 'ms',
      reach: '≤ 1,000 ms',
      peer: grep,
    },
    {
      what: `search: candidates, again (${of})`,
      figure: figures.again,
      unit: 'ms',
      reach: '≤ 1,000 ms',
      peer: grep,
    },
    {
      what: `search: first place opened (${of}; ${figures.count} candidates)`,
      figure: figures.hit,
      unit: 'ms',
      reach: '≤ 2,000 ms',
      peer: grep,
    },
    {
      what: 'search: index of a recording of 120 lines',
      figure: bytes,
      unit: 'bytes',
      reach: 'small beside the recording',
    },
    {
      what: 'search: making a recording with its index',
      figure: made / recordings,
      unit: 'ms',
      reach: 'nobody waits for it',
      peer: `${((used.user + used.system) / 1000 / recordings).toFixed(2)} ms of CPU each, all threads`,
    },
  ]
}
