import Guacamole from 'guacamole-common-js'
import { filmDesktop, filmWords, type GuacamoleLibrary, makeFilm } from '../../recorder/replay/index.ts'
import type { Opened } from './opened.ts'
import { Collected, type CopyForm } from './save-copy.tsx'
import { openSource } from './source.ts'

const isAble = typeof VideoEncoder === 'function'

/** A desktop as a video: drawn and encoded in this browser. */
export const asVideo: CopyForm = {
  title: 'Save as video',
  about: isAble
    ? 'This browser draws the recording and writes it as WebM. It is a session in clear then, and signed by nobody: keep the recording, which is. The export is in the audit log under your name.'
    : 'This browser writes no video. Use Chromium, Chrome, Edge or a newer Firefox, or tagout recording export.',
  isAble,
  doing: 'Drawing',
  saved: 'The video is saved.',
  ending: 'webm',
  write: film,
}

async function film(
  { replay, duration }: Opened,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Blob> {
  const { header } = replay
  // Through an opening of its own, which the vault writes down as an export.
  const source = await openSource(header.recording, 'export')
  const page = makeFilm(Guacamole as unknown as GuacamoleLibrary, filmWords(header))
  // The first part is kept open: what is said last stands in it.
  let first: Uint8Array<ArrayBuffer> | undefined
  const rest = new Collected()
  try {
    for await (const piece of filmDesktop(replay.over(source), page, { duration, onProgress, signal })) {
      const bytes = new Uint8Array(piece.bytes)
      if (piece.kind === 'over') first?.set(bytes, piece.offset)
      else if (first === undefined) first = bytes
      else rest.add(bytes)
    }
  } finally {
    page.close()
  }
  if (first === undefined) throw new Error('the recording shows no picture')
  return rest.blob('video/webm', [first])
}
