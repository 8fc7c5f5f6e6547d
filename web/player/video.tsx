import { Button, Content, Progress } from '@patternfly/react-core'
import Guacamole from 'guacamole-common-js'
import { useEffect, useRef, useState } from 'react'
import { filmDesktop, filmWords, type GuacamoleLibrary, makeFilm } from '../../recorder/replay/index.ts'
import { Dialog } from '../parts/dialog.tsx'
import { saveFile } from '../sealed/download.ts'
import { touchKeyring } from '../sealed/keyring.ts'
import type { Opened } from './opened.ts'
import { openSource } from './source.ts'

/** So many bytes are handed to the browser at a time, which keeps them where it has room. */
const partBytes = 8 * 1024 * 1024

/** Saves a desktop as a video: drawn and encoded in this browser, which has the key. The server writes an export in the audit log. */
export function SaveVideo({ opened }: { readonly opened: Opened }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button variant="secondary" size="sm" onClick={() => setOpen(true)}>
        Save as video
      </Button>
      {isOpen ? <VideoDialog opened={opened} onClose={() => setOpen(false)} /> : null}
    </>
  )
}

function VideoDialog({ opened, onClose }: { readonly opened: Opened; readonly onClose: () => void }) {
  const [done, setDone] = useState<number | null>(null)
  const [isSaved, setSaved] = useState(false)
  const stopped = useRef(new AbortController())
  useEffect(() => {
    const abort = new AbortController()
    stopped.current = abort
    return () => abort.abort()
  }, [])
  const isAble = typeof VideoEncoder === 'function'
  const save = async () => {
    setDone(0)
    try {
      const { recording } = opened.replay.header
      const { signal } = stopped.current
      const video = await film(opened, signal, (part) => {
        touchKeyring()
        setDone(Math.floor(part * 100))
      })
      if (signal.aborted) return
      saveFile(`${recording}.webm`, video)
      setSaved(true)
    } finally {
      setDone(null)
    }
  }
  return (
    <Dialog
      title="Save as video"
      action={isSaved || !isAble ? null : 'Save'}
      {...(isSaved || !isAble ? { closing: 'Close' } : {})}
      act={save}
      onClose={onClose}
    >
      <Content component="p">
        {isAble
          ? 'This browser draws the recording and writes it as WebM. It is a session in clear then, and signed by nobody: keep the recording, which is. The export is in the audit log under your name.'
          : 'This browser writes no video. Use Chromium, Chrome, Edge or a newer Firefox, or tagout recording export.'}
      </Content>
      {done === null ? null : <Progress aria-label="Drawing" title="Drawing" value={done} size="sm" />}
      {isSaved ? <Content component="p">The video is saved.</Content> : null}
    </Dialog>
  )
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
  const parts: Blob[] = []
  let waiting: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  try {
    for await (const piece of filmDesktop(replay.over(source), page, { duration, onProgress, signal })) {
      const bytes = new Uint8Array(piece.bytes)
      if (piece.kind === 'over') first?.set(bytes, piece.offset)
      else if (first === undefined) first = bytes
      else {
        waiting.push(bytes)
        size += bytes.length
        if (size < partBytes) continue
        parts.push(new Blob(waiting))
        waiting = []
        size = 0
      }
    }
  } finally {
    page.close()
  }
  if (first === undefined) throw new Error('the recording shows no picture')
  return new Blob([first, ...parts, ...waiting], { type: 'video/webm' })
}
