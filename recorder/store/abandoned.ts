import sodium from 'libsodium-wrappers'
import type { RecordingId } from '../../vault/kernel/id.ts'
import type { Known, RecordingVerdict } from '../replay/index.ts'
import { verifyRecording } from '../replay/index.ts'
import { readEnd, readHeader } from '../replay/structure.ts'
import type { RecordingStore } from './store.ts'

export type Abandoned = {
  readonly recording: RecordingId
  readonly sizeBytes: number
  readonly verdict: RecordingVerdict
}

/**
 * After a crash: verifies each of `recordings` that nobody writes any more, and reports what is readable. Files are
 * evidence: they are neither cut nor completed, the caller keeps the state beside.
 *
 * Without `recordings`: all that the store has without a signed end, which opens every file once.
 */
export async function* findAbandoned(
  store: RecordingStore,
  isLive: (recording: RecordingId) => boolean,
  known: (recording: RecordingId) => Promise<Known> = async () => ({}),
  recordings?: readonly RecordingId[],
): AsyncGenerator<Abandoned> {
  await sodium.ready
  const candidates = recordings ?? (await store.list()).map(({ recording }) => recording)
  for (const recording of candidates) {
    if (isLive(recording)) continue
    const found = await store.read(recording)
    if (!found.ok) continue
    await using source = found.value
    if (recordings === undefined && (await hasEnd(source))) continue
    yield {
      recording,
      sizeBytes: source.size,
      verdict: await verifyRecording(sodium, source, await known(recording)),
    }
  }
}

async function hasEnd(source: Parameters<typeof readHeader>[1]): Promise<boolean> {
  try {
    return (await readEnd(sodium, source, await readHeader(sodium, source))) !== undefined
  } catch {
    return false // a header that is none is for the verdict to tell
  }
}
