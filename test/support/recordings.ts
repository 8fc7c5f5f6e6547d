import { openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import { makeHeader } from '../../recorder/recording/header.ts'
import { type OpenRecordingOptions, openRecording } from '../../recorder/recording/index.ts'
import { sealer } from '../../recorder/recording/sealer.ts'
import { RecordingWriter } from '../../recorder/recording/writer.ts'
import {
  type ByteSource,
  type Frame,
  openRecordingKey,
  Replay,
  readStructure,
} from '../../recorder/replay/index.ts'
import { openStore, type RecordingStore } from '../../recorder/store/index.ts'
import {
  type AuditorChain,
  type AuditorIdentity,
  type GroupKeys,
  makeFirstList,
  makeIdentity,
  openGroupKeys,
} from '../../vault/auditors/index.ts'
import type { AuditorListLink, Permit } from '../../vault/contract.ts'
import type { Fault } from '../../vault/kernel/fault.ts'
import { newId } from '../../vault/kernel/id.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'

/** A store in a folder of its own, with one auditor: what tests of recordings begin with. */
export type RecordingRoom = AsyncDisposable & {
  readonly folder: string
  readonly store: RecordingStore
  readonly ingrid: AuditorIdentity
  readonly links: AuditorListLink[]
  readonly recoveryFile: string
  readonly chain: AuditorChain
  readonly keys: GroupKeys
  readonly record: (
    change?: Partial<Permit>,
    options?: Partial<OpenRecordingOptions>,
  ) => Promise<RecordingWriter & { readonly permit: Permit }>
}

export async function recordingRoom(under: string = tmpdir()): Promise<RecordingRoom> {
  await sodium.ready
  const folder = await mkdtemp(join(under, 'tagout-recordings-'))
  const store = await openStore({ folder, floorBytes: 0, reserveBytes: 0 })
  const ingrid = makeIdentity(sodium, 'ingrid')
  const { link, recoveryFile } = await makeFirstList(sodium, ingrid, () => new Date())
  const links = [link]
  const chain = valueOf(await store.acceptLists(links))
  return {
    folder,
    store,
    ingrid,
    links,
    recoveryFile,
    chain,
    keys: valueOf(openGroupKeys(sodium, ingrid, chain)),
    record: async (change = {}, options = {}) => {
      const permit = { ...somePermit(), auditorLists: links, ...change }
      const writer = await openRecording({
        store,
        permit,
        chain,
        node: 'node-1',
        worker: 'worker-1',
        ...options,
      })
      return Object.assign(writer, { permit })
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export function somePermit(): Permit {
  const now = Date.now()
  return {
    session: newId('ses'),
    recording: newId('rec'),
    user: { id: newId('usr'), name: 'bob' },
    account: { id: newId('acc'), name: 'press-3/engineer', login: 'engineer' },
    target: {
      id: newId('tgt'),
      name: 'press-3',
      protocol: 'ssh',
      host: '127.0.0.1',
      port: 2201,
      pins: [],
      legacy: null,
    },
    safe: { id: newId('saf'), name: 'line-3' },
    grant: newId('grt'),
    lease: newId('lse'),
    actions: ['shell', 'exec'],
    inputPolicy: 'echoed',
    startedAt: new Date(now).toISOString(),
    endsAt: new Date(now + 4 * 3600_000).toISOString(),
    policyDigest: 'ab'.repeat(32),
    quotaBytes: 1024 ** 3,
    source: '192.0.2.7',
    auditorLists: [],
    auditCheckpoint: 'tagout-audit 1 17 aGFzaA==',
    credential: { kind: 'password' },
  }
}

/** Opens a recording for replay as its auditor. */
export async function replayOf(source: ByteSource, keys: GroupKeys): Promise<Replay> {
  await sodium.ready
  const structure = valueOf(await readStructure(sodium, source))
  return new Replay(source, structure, valueOf(openRecordingKey(sodium, structure.header, keys)))
}

export async function framesOf(replay: Replay): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const frame of replay.frames())
    frames.push('bytes' in frame ? { ...frame, bytes: frame.bytes.slice() } : frame)
  return frames
}

/** All bytes of one kind on one channel, joined. */
export function joined(frames: readonly Frame[], kind: 'output' | 'stderr' | 'input', channel = 0): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => (frame.kind === kind && frame.channel === channel ? [frame.bytes] : [])),
  )
}

export function valueOf<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.refusal.message)
  return outcome.value
}

/** A writer over a file that is not a recording's: a device, a pipe. */
export async function writerOver(
  path: string,
  flags: number,
): Promise<{ readonly writer: RecordingWriter; readonly failures: readonly Fault[]; readonly fd: number }> {
  await using room = await recordingRoom()
  const permit = somePermit()
  const header = await makeHeader(permit, room.chain, { node: 'node-1', worker: 'worker-1' })
  const failures: Fault[] = []
  await sealer.ready()
  const fd = openSync(path, flags)
  const writer = new RecordingWriter(header, permit.recording, fd, permit, {
    onFailed: (fault) => failures.push(fault),
  })
  return { writer, failures, fd }
}
