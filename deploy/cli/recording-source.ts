import { join } from 'node:path'
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
  purpose: 'verify' | 'export',
  use: (source: ByteSource) => Promise<T>,
): Promise<T> {
  await using replay = await connectReplay(join(tools.dataDir(), 'run', 'replay.sock'))
  const opened = await replay.open(token, recording, purpose)
  if (!opened.ok) throw refused(opened.refusal)
  await using source = opened.value
  return await use(source)
}
