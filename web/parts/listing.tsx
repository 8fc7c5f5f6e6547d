import {
  Bullseye,
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  SearchInput,
  Spinner,
} from '@patternfly/react-core'
import type { UseQueryResult } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Problem } from './problem.tsx'
import { zone } from './wording.ts'

export type Column<Row> = {
  readonly title: string
  readonly cell: (row: Row) => ReactNode
  /** How it shares the width: `whole` never wraps (dates, states, counts), `text` takes what is left over. */
  readonly fit?: 'whole' | 'text'
  /** It writes moments out: the zone that they are told in is named above the list. */
  readonly times?: true
  /** The column of buttons: at the end, without a heading to see. */
  readonly actions?: true
}

const shownAtFirst = 200

/** A list of things: loading, refused, empty (saying what to do next), or a table that can be filtered. */
export function Listing<Row extends { readonly id?: string }>(props: {
  readonly name: string
  readonly query: UseQueryResult<readonly Row[]>
  readonly columns: readonly Column<Row>[]
  readonly keyOf: (row: Row) => string
  /** What the filter looks into. */
  readonly text: (row: Row) => string
  readonly empty: { readonly title: string; readonly body: ReactNode; readonly action?: ReactNode }
  /** Beside the filter; what does something with the rows that are left is given these. */
  readonly tools?: ReactNode | ((rows: readonly Row[]) => ReactNode)
  readonly keep?: (row: Row) => boolean
}) {
  const [filter, setFilter] = useState('')
  const [shown, setShown] = useState(shownAtFirst)
  const { query } = props
  if (query.isPending)
    return (
      <Bullseye>
        <Spinner aria-label={`Loading ${props.name}`} />
      </Bullseye>
    )
  if (query.data === undefined) return <Problem error={query.error} />
  if (query.data.length === 0)
    return (
      <EmptyState titleText={props.empty.title} headingLevel="h2" variant="lg">
        <EmptyStateBody>{props.empty.body}</EmptyStateBody>
        {props.empty.action === undefined ? null : (
          <EmptyStateFooter>
            <EmptyStateActions>{props.empty.action}</EmptyStateActions>
          </EmptyStateFooter>
        )}
      </EmptyState>
    )
  const wanted = filter.trim().toLowerCase()
  const rows = query.data.filter(
    (row) => (props.keep?.(row) ?? true) && (wanted === '' || props.text(row).toLowerCase().includes(wanted)),
  )
  return (
    <>
      {query.error === null ? null : <Problem error={query.error} title="This list may be out of date" />}
      <div className="list-tools">
        <SearchInput
          aria-label={`Filter ${props.name}`}
          placeholder="Filter"
          value={filter}
          onChange={(_event, value) => setFilter(value)}
          onClear={() => setFilter('')}
        />
        {typeof props.tools === 'function' ? props.tools(rows) : props.tools}
        <span className="quiet list-count" aria-live="polite">
          {rows.length === query.data.length
            ? `${rows.length} in all`
            : `${rows.length} of ${query.data.length}`}
        </span>
        {props.columns.some(({ times }) => times) ? <span className="quiet">Times in {zone()}</span> : null}
      </div>
      <Table name={props.name} rows={rows.slice(0, shown)} columns={props.columns} keyOf={props.keyOf} />
      {rows.length === 0 ? <p className="nothing">Nothing matches the filter.</p> : null}
      {rows.length > shown ? (
        <button type="button" className="more" onClick={() => setShown(shown * 5)}>
          Show more of {rows.length}
        </button>
      ) : null}
    </>
  )
}

/** The rows of a list, or a short list within a page that needs no filter. */
export function Table<Row>(props: {
  readonly name: string
  readonly rows: readonly Row[]
  readonly columns: readonly Column<Row>[]
  readonly keyOf: (row: Row) => string
}) {
  return (
    <table aria-label={props.name} className="listing">
      <thead>
        <tr>
          {props.columns.map(({ title, actions }) => (
            <th key={title} scope="col">
              {actions === true ? <span className="pf-v6-screen-reader">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row) => (
          <tr key={props.keyOf(row)}>
            {props.columns.map(({ title, cell, fit, actions }) => (
              <td
                key={title}
                data-label={title}
                className={actions === true ? 'fit-actions' : `fit-${fit ?? 'name'}`}
              >
                {/* One box beside the label, whatever the cell is made of. */}
                <div className={actions === true ? 'acts' : ''}>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
