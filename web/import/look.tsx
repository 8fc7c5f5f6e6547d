import { Checkbox, Label } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'
import type { ImportedRow } from '../../vault/contract.ts'
import { Note } from '../parts/note.tsx'
import { sentence, visible } from '../parts/wording.ts'
import type { ExplainedKind } from './kinds.ts'
import { countRows, type LookedRow } from './prepare.ts'

/** Rows that stand in the page at first: a thousand must not slow it down. */
const shownAtFirst = 100

/** What an import would do, line by line. */
export function Look(props: {
  readonly name: string
  readonly explained: ExplainedKind
  readonly rows: readonly LookedRow[]
  /** Something changed between the look and the import, which was not done. */
  readonly stale: boolean
}) {
  const { rows, explained } = props
  const counts = countRows(rows)
  const [only, setOnly] = useState(counts.problems > 0)
  const region = useRef<HTMLElement>(null)
  // What was pressed is gone: whoever works by the keyboard goes on here.
  useEffect(() => region.current?.focus(), [])
  const wanted = only ? rows.filter(({ does }) => does === 'conflict' || does === 'invalid') : rows
  return (
    <section ref={region} tabIndex={-1} aria-label="What it would do" className="look">
      <p>
        <strong>{visible(shortened(props.name, 60))}</strong>: {saidOf(rows)}
      </p>
      {props.stale ? (
        <Note
          variant="warning"
          role="alert"
          title="Something changed since the file was looked at: nothing was imported"
        >
          This is what it would do now.
        </Note>
      ) : null}
      {counts.problems > 0 ? (
        <Note variant="warning" title="Nothing is imported while a line has a problem">
          Mend {counts.problems === 1 ? 'it' : 'them'} in the file and choose it again.
        </Note>
      ) : null}
      {counts.problems === 0 && counts.create === 0 ? (
        <Note variant="info" title={`All ${explained.many} of this file are there already`}>
          There is nothing to do.
        </Note>
      ) : null}
      {counts.problems > 0 ? (
        <Checkbox
          id="only-problems"
          label="Only problems"
          isChecked={only}
          onChange={(_event, checked) => setOnly(checked)}
        />
      ) : null}
      <RowTable key={String(only)} rows={wanted} explained={explained} />
    </section>
  )
}

function RowTable(props: { readonly rows: readonly LookedRow[]; readonly explained: ExplainedKind }) {
  const { rows, explained } = props
  const [shown, setShown] = useState(shownAtFirst)
  const thing = `${explained.one[0]?.toUpperCase()}${explained.one.slice(1)}`
  return (
    <>
      <table aria-label="Lines of the file" className="listing">
        <thead>
          <tr>
            <th scope="col">Line</th>
            <th scope="col">{thing}</th>
            <th scope="col">What it does</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row) => (
            <tr key={row.line}>
              <td data-label="Line" className="fit-whole">
                <div>{row.line}</div>
              </td>
              <td data-label={thing} className="fit-text">
                <div>
                  <strong className="mono">{visible(shortened(explained.head(row.cells), 80))}</strong>
                  <div className="quiet small">{visible(shortened(explained.rest(row.cells), 160))}</div>
                </div>
              </td>
              <td data-label="What it does" className="fit-text">
                <div>
                  <Does does={row.does} />
                  {row.sentence === undefined ? null : (
                    <div className="small">{visible(shortened(sentence(row.sentence), 400))}</div>
                  )}
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > shown ? (
        <button type="button" className="more" onClick={() => setShown(shown + 200)}>
          Show more: {shown} of {rows.length} lines are shown
        </button>
      ) : null}
    </>
  )
}

function Does({ does }: { readonly does: ImportedRow['does'] }) {
  switch (does) {
    case 'create':
      return (
        <Label isCompact status="success">
          add
        </Label>
      )
    case 'unchanged':
      return (
        <Label isCompact variant="outline">
          there already
        </Label>
      )
    case 'conflict':
      return (
        <Label isCompact status="danger">
          conflict
        </Label>
      )
    case 'invalid':
      return (
        <Label isCompact status="danger">
          not valid
        </Label>
      )
  }
}

/** The counts in a sentence: "4 lines: 2 to add, 1 there already, 1 with a problem." */
export function saidOf(rows: readonly LookedRow[]): string {
  const { all, create, unchanged, problems } = countRows(rows)
  const parts = [
    create > 0 ? `${create} to add` : '',
    unchanged > 0 ? `${unchanged} there already` : '',
    problems > 0 ? `${problems} with a problem` : '',
  ].filter((part) => part !== '')
  return `${all} ${all === 1 ? 'line' : 'lines'}: ${parts.join(', ')}.`
}

/** The beginning of a text that somebody else wrote, however long it is. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) return text
  return `${[...text.slice(0, length)].slice(0, -1).join('')}…`
}
