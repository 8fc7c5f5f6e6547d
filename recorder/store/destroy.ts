import { createHash, randomFillSync } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import sodium from 'libsodium-wrappers'
import type { Tombstone, VerbInput } from '../../vault/contract.ts'
import { toHex } from '../../vault/kernel/encoding.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { verifyRecording } from '../replay/index.ts'
import { readHeader } from '../replay/structure.ts'
import { indexPath, type RecordingStore, syncFolder, tombstonePath } from './store.ts'

type Found = VerbInput<'destruction.sign'>['found']

/** Bytes at the end of a recording that its tombstone has the hash of. */
const endBytes = 64 * 1024
/** What is overwritten at least: the header is shorter, and has the only copies of the recording's key. */
const keyBytes = 1024 * 1024
const blockBytes = 1024 * 1024

/** What is there of a recording, before it is destroyed; null: no file. */
export async function measure(store: RecordingStore, recording: RecordingId): Promise<Found> {
  const opened = await store.read(recording)
  if (!opened.ok) return null
  await sodium.ready
  await using source = opened.value
  const whole = createHash('sha256')
  for (let at = 0; at < source.size; at += blockBytes) whole.update(await source.read(at, blockBytes))
  const end = await source.read(Math.max(0, source.size - endBytes), endBytes)
  const head = await readHeader(sodium, source).then(
    ({ headerHash }) => headerHash,
    () => undefined,
  )
  const { state } = await verifyRecording(sodium, source)
  return {
    sizeBytes: source.size,
    // As the log has it of the session's start; of what is no header, that of the first bytes.
    head: toHex(
      head ??
        createHash('sha256')
          .update(await source.read(0, endBytes))
          .digest(),
    ),
    end: createHash('sha256').update(end).digest('hex'),
    whole: whole.digest('hex'),
    state,
  }
}

/**
 * Leaves the tombstone of a recording in its place, and nothing of it: first the tombstone, then the keys, which no other file has,
 * then the bytes. Done again, it goes on where it was broken off.
 *
 * SECURITY: a disk may keep what was overwritten; without the header's sealed keys it is noise to everybody, auditors too.
 */
export async function destroyFile(
  store: RecordingStore,
  recording: RecordingId,
  startedAt: string,
  tombstone: Tombstone,
): Promise<void> {
  const found = await store.stat(recording)
  const path = found.ok ? found.value.path : store.pathOf(recording, startedAt)
  await writeTombstone(path, tombstone)
  await shred(indexPath(path))
  await shred(path)
  if (await isThere(dirname(path))) await syncFolder(dirname(path))
}

async function writeTombstone(path: string, tombstone: Tombstone): Promise<void> {
  const target = tombstonePath(path)
  // The day's folder went with its recordings: the log has the tombstone.
  if (!(await isThere(dirname(path))) || (await isThere(target))) return
  const draft = `${target}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(tombstone)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, target)
  await syncFolder(dirname(path))
}

async function shred(path: string): Promise<void> {
  if (!(await isThere(path))) return
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    const noise = randomFillSync(Buffer.alloc(Math.min(size, keyBytes)))
    await file.write(noise, 0, noise.length, 0)
    await file.sync()
    await file.truncate(0)
    await file.sync()
  } finally {
    await file.close()
  }
  await rm(path, { force: true })
}

/** SECURITY: what cannot be looked at may be there still, and is not said to be destroyed: throws. */
async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
