import { Button, Content, Progress } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'
import { Dialog } from '../parts/dialog.tsx'
import { saveFile } from '../sealed/download.ts'
import { touchKeyring } from '../sealed/keyring.ts'
import type { Opened } from './opened.ts'

/** A form in which an auditor's own browser writes a recording that it shows. */
export type CopyForm = {
  /** The button, and the heading of its dialog. */
  readonly title: string
  /** What comes of it, or why this browser cannot. */
  readonly about: string
  readonly isAble: boolean
  /** The name of the progress. */
  readonly doing: string
  readonly saved: string
  /** How the file's name ends. */
  readonly ending: string
  /** Writes it, and says how much is done, from 0 to 1. */
  readonly write: (opened: Opened, signal: AbortSignal, onProgress: (done: number) => void) => Promise<Blob>
}

/** Saves a recording in another form, made in this browser, which has the key. The server writes an export in the audit log. */
export function SaveCopy({ opened, form }: { readonly opened: Opened; readonly form: CopyForm }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button variant="secondary" size="sm" onClick={() => setOpen(true)}>
        {form.title}
      </Button>
      {isOpen ? <CopyDialog opened={opened} form={form} onClose={() => setOpen(false)} /> : null}
    </>
  )
}

function CopyDialog(props: {
  readonly opened: Opened
  readonly form: CopyForm
  readonly onClose: () => void
}) {
  const { opened, form, onClose } = props
  const [done, setDone] = useState<number | null>(null)
  const [isSaved, setSaved] = useState(false)
  const stopped = useRef(new AbortController())
  useEffect(() => {
    const abort = new AbortController()
    stopped.current = abort
    return () => abort.abort()
  }, [])
  const save = async () => {
    setDone(0)
    try {
      const { signal } = stopped.current
      const copy = await form.write(opened, signal, (part) => {
        touchKeyring()
        setDone(Math.floor(part * 100))
      })
      if (signal.aborted) return
      saveFile(`${opened.replay.header.recording}.${form.ending}`, copy)
      setSaved(true)
    } finally {
      setDone(null)
    }
  }
  const isOver = isSaved || !form.isAble
  return (
    <Dialog
      title={form.title}
      action={isOver ? null : 'Save'}
      {...(isOver ? { closing: 'Close' } : {})}
      act={save}
      onClose={onClose}
    >
      <Content component="p">{form.about}</Content>
      {done === null ? null : <Progress aria-label={form.doing} title={form.doing} value={done} size="sm" />}
      {isSaved ? <Content component="p">{form.saved}</Content> : null}
    </Dialog>
  )
}

/** So many bytes are handed to the browser at a time, which keeps them where it has room. */
const partBytes = 8 * 1024 * 1024

/** Collects bytes into a blob, without holding them all. */
export class Collected {
  readonly #parts: Blob[] = []
  #waiting: Uint8Array<ArrayBuffer>[] = []
  #size = 0

  add(bytes: Uint8Array<ArrayBuffer>): void {
    this.#waiting.push(bytes)
    this.#size += bytes.length
    if (this.#size < partBytes) return
    this.#parts.push(new Blob(this.#waiting))
    this.#waiting = []
    this.#size = 0
  }

  /** All of it, behind `first`. */
  blob(type: string, first: readonly Uint8Array<ArrayBuffer>[] = []): Blob {
    return new Blob([...first, ...this.#parts, ...this.#waiting], { type })
  }
}
