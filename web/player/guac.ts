import { toGuac } from '../../recorder/replay/index.ts'
import type { Opened } from './opened.ts'
import { Collected, type CopyForm } from './save-copy.tsx'
import { openSource } from './source.ts'

/** A desktop as Apache Guacamole records one: its instructions as they were shown. */
export const asGuac: CopyForm = {
  title: 'Save as .guac',
  about:
    'This browser writes the recording as one of Apache Guacamole, for its player and guacenc. It is a session in clear then, and signed by nobody: keep the recording, which is. The export is in the audit log under your name.',
  isAble: true,
  doing: 'Writing',
  saved: 'The file is saved.',
  ending: 'guac',
  write,
}

async function write(
  { replay }: Opened,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Blob> {
  // Through an opening of its own, which the vault writes down as an export.
  const source = await openSource(replay.header.recording, 'export')
  const told = {
    size: source.size,
    read: (offset: number, length: number) => {
      onProgress(Math.min(1, (offset + length) / source.size))
      return source.read(offset, length)
    },
  }
  const all = new Collected()
  for await (const bytes of toGuac(replay.over(told))) {
    if (signal.aborted) break
    all.add(new Uint8Array(bytes))
  }
  return all.blob('application/octet-stream')
}
