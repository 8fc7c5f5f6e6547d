import { open } from 'node:fs/promises'
import { connectReplay } from '../../recorder/index.ts'
import type { ByteSource } from '../../recorder/replay/index.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { refused } from './complaint.ts'
import type { Tools } from './tools.ts'

/** Opens a recording's ciphertext at the recorder on behalf of `token`, and hands it to `use`. */
export async function withRecording<T>(
  tools: Tools,
  token: string,
  recording: Id<'rec'>,
  purpose: 'verify' | 'export' | 'replay',
  use: (source: ByteSource) => Promise<T>,
): Promise<T> {
  await using replay = await connectReplay(tools.dataDir())
  const opened = await replay.open(token, recording, purpose)
  if (!opened.ok) throw refused(opened.refusal)
  await using source = opened.value
  return await use(source)
}

/** A recording's file, as it lies on a disk or in a backup. */
export async function fileSource(path: string): Promise<ByteSource & AsyncDisposable> {
  const file = await open(path, 'r')
  const { size } = await file.stat()
  return {
    size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, size - offset))
      const bytes = Buffer.alloc(wanted)
      let at = 0
      while (at < wanted) {
        const { bytesRead } = await file.read(bytes, at, wanted - at, offset + at)
        if (bytesRead === 0) break
        at += bytesRead
      }
      return bytes.subarray(0, at)
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}
