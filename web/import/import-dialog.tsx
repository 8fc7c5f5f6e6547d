import { Button, Spinner } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'
import type { ImportAnswer, ImportKind } from '../../vault/contract.ts'
import { importColumns } from '../../vault/import/columns.ts'
import { parseCsv } from '../../vault/kernel/csv.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { ask, Refused } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { passwordSealer } from '../sealed/intake.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange, useUser } from '../shell/me.ts'
import { Choose } from './choose.tsx'
import { didOf, Imported } from './imported.tsx'
import { explainedKinds } from './kinds.ts'
import { type ImportedLink, linkOf } from './links.ts'
import { Look, saidOf } from './look.tsx'
import { countRows, grantsTo, type LookedRow, mergeAnswer, type PreparedRow, prepareRows } from './prepare.ts'
import { readCsvFile } from './read-file.ts'

type Stage =
  | { readonly kind: 'choose'; readonly error: unknown }
  | { readonly kind: 'reading' }
  | {
      readonly kind: 'look'
      readonly name: string
      readonly prepared: readonly PreparedRow[]
      readonly rows: readonly LookedRow[]
      readonly stale: boolean
    }
  | { readonly kind: 'done'; readonly rows: readonly LookedRow[]; readonly links: readonly ImportedLink[] }

/**
 * Imports a CSV file: chosen, looked at line by line, done as a whole or not at all. What was read is forgotten when the
 * dialog closes; of a file of accounts the browser keeps the sealed passwords alone.
 */
export function ImportDialog({ kind, onClose }: { readonly kind: ImportKind; readonly onClose: () => void }) {
  const explained = explainedKinds[kind]
  const me = useUser()
  const change = useChange()
  const [stage, setStage] = useState<Stage>({ kind: 'choose', error: null })
  const [code, setCode] = useState('')
  const [kept, setKept] = useState<readonly ImportedLink[]>([])
  const [leaving, setLeaving] = useState(false)
  const applying = useRef(false)
  const reading = useRef(0)
  // A file that is still being read when the dialog closes is nobody's any more.
  useEffect(() => () => void (reading.current += 1), [])

  const take = async (source: Blob, name: string) => {
    reading.current += 1
    const turn = reading.current
    setStage({ kind: 'reading' })
    setCode('')
    let next: Stage
    try {
      const prepared = await prepare(kind, source)
      const answer = await look(kind, prepared)
      next = { kind: 'look', name, prepared, rows: mergeAnswer(prepared, answer), stale: false }
    } catch (error) {
      next = { kind: 'choose', error }
    }
    if (turn === reading.current) setStage(next)
  }
  useDropped((source, name) => {
    if (!applying.current && (stage.kind === 'choose' || stage.kind === 'look')) void take(source, name)
  })

  const rows = stage.kind === 'look' ? stage.rows : []
  const counts = countRows(rows)
  const needsCode = kind === 'users' || (kind === 'grants' && grantsTo(rows, me))
  const isReady = counts.problems === 0 && counts.create > 0
  const apply = async () => {
    if (stage.kind !== 'look') return
    applying.current = true
    try {
      const asked = stage.prepared.map((row) => row.asked)
      const wanted = { kind, rows: asked, apply: true }
      const body = needsCode ? await proven(code, 'import', {}, wanted) : wanted
      const answer = await ask<ImportAnswer>('POST', '/api/import', body)
      const done = mergeAnswer(stage.prepared, answer)
      setCode('')
      // Shown before the lists are asked anew: links must not be lost to a list that fails.
      if (answer.applied) setStage({ kind: 'done', rows: done, links: linksOf(done) })
      else setStage({ ...stage, rows: done, stale: true })
    } finally {
      applying.current = false
    }
    await change(async () => null)
  }
  const close = () => {
    // Its answer may hold links that are shown once.
    if (applying.current) return
    if (stage.kind === 'done' && stage.links.some((link) => !kept.includes(link))) setLeaving(true)
    else onClose()
  }

  return (
    <Dialog
      wide
      title={explained.title}
      action={
        stage.kind === 'look' && isReady
          ? `Import ${counts.create} ${counts.create === 1 ? explained.one : explained.many}`
          : null
      }
      ready={isReady && (!needsCode || isCode(code))}
      {...(stage.kind === 'done' ? { closing: 'Done' } : {})}
      aside={
        stage.kind === 'look' ? (
          <Button variant="secondary" onClick={() => setStage({ kind: 'choose', error: null })}>
            Choose another file
          </Button>
        ) : null
      }
      act={apply}
      onClose={close}
    >
      <p role="status" className="pf-v6-screen-reader">
        {statusOf(kind, stage)}
      </p>
      {stage.kind === 'choose' ? (
        <>
          <Problem error={stage.error} />
          <Choose
            kind={kind}
            explained={explained}
            onFile={(file) => void take(file, file.name)}
            onText={(text) => void take(new Blob([text]), 'What was pasted')}
          />
        </>
      ) : null}
      {stage.kind === 'reading' ? (
        <p>
          <Spinner size="md" aria-label="Looking at the file" /> Looking at the file…
        </p>
      ) : null}
      {stage.kind === 'look' ? (
        <>
          <Look
            key={String(stage.stale)}
            name={stage.name}
            explained={explained}
            rows={rows}
            stale={stage.stale}
          />
          {isReady && needsCode ? <FreshCode code={code} onChange={setCode} /> : null}
        </>
      ) : null}
      {stage.kind === 'done' ? (
        <Imported
          explained={explained}
          rows={stage.rows}
          links={stage.links}
          onKept={(links) => setKept([...kept, ...links])}
        />
      ) : null}
      {leaving ? <Leaving onStay={() => setLeaving(false)} onLeave={onClose} /> : null}
    </Dialog>
  )
}

function Leaving(props: { readonly onStay: () => void; readonly onLeave: () => void }) {
  return (
    <Note
      variant="danger"
      role="alert"
      title="Not every link was copied or downloaded, and none is shown again"
      actionLinks={
        <>
          {/* biome-ignore lint/a11y/noAutofocus: a question about what was just pressed */}
          <Button variant="secondary" autoFocus onClick={props.onStay}>
            Back to the links
          </Button>
          <Button variant="link" isDanger onClick={props.onLeave}>
            Close without them
          </Button>
        </>
      }
    >
      A user without a link can be given a new one on the page Users.
    </Note>
  )
}

function statusOf(kind: ImportKind, stage: Stage): string {
  switch (stage.kind) {
    case 'choose':
      return ''
    case 'reading':
      return 'Looking at the file'
    case 'look':
      return saidOf(stage.rows)
    case 'done':
      return didOf(explainedKinds[kind], stage.rows)
  }
}

async function prepare(kind: ImportKind, source: Blob): Promise<readonly PreparedRow[]> {
  const rows = given(parseCsv(given(await readCsvFile(source)), importColumns[kind]))
  const seal = kind === 'accounts' ? await passwordSealer() : noSecrets
  return prepareRows(kind, rows, seal)
}

function noSecrets(): never {
  throw new Error('only accounts have secrets')
}

function look(kind: ImportKind, prepared: readonly PreparedRow[]): Promise<ImportAnswer> {
  return ask<ImportAnswer>('POST', '/api/import', {
    kind,
    rows: prepared.map((row) => row.asked),
    apply: false,
  })
}

/** A refusal is shown as the api's are. */
function given<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  const { code, message, next } = outcome.refusal
  throw new Refused({ status: 400, code, title: message, detail: next })
}

function linksOf(rows: readonly LookedRow[]): readonly ImportedLink[] {
  return rows.flatMap(({ cells, enrolment }) =>
    enrolment === undefined ? [] : [linkOf((cells['name'] ?? '').trim(), enrolment, window.location.origin)],
  )
}

/** A file or text that is dropped anywhere while the dialog is open; the browser would leave the page for it. */
function useDropped(onDrop: (source: Blob, name: string) => void): void {
  const latest = useRef(onDrop)
  latest.current = onDrop
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault()
    const drop = (event: DragEvent) => {
      event.preventDefault()
      const file = event.dataTransfer?.files[0]
      const text = event.dataTransfer?.getData('text/plain') ?? ''
      if (file !== undefined) latest.current(file, file.name)
      else if (text !== '') latest.current(new Blob([text]), 'What was dropped')
    }
    window.addEventListener('dragover', over)
    window.addEventListener('drop', drop)
    return () => {
      window.removeEventListener('dragover', over)
      window.removeEventListener('drop', drop)
    }
  }, [])
}
