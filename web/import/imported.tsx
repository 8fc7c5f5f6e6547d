import { Button, Content } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'
import { Command } from '../parts/command.tsx'
import { Note } from '../parts/note.tsx'
import { zonedMoment, visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import type { ExplainedKind } from './kinds.ts'
import { type ImportedLink, linksAsCsv } from './links.ts'
import { countRows, type LookedRow } from './prepare.ts'

const shownAtFirst = 50

/** What an import did; the links of users, which are shown this once. */
export function Imported(props: {
  readonly explained: ExplainedKind
  readonly rows: readonly LookedRow[]
  readonly links: readonly ImportedLink[]
  readonly onKept: (links: readonly ImportedLink[]) => void
}) {
  const { explained, rows, links } = props
  const [shown, setShown] = useState(shownAtFirst)
  const region = useRef<HTMLElement>(null)
  useEffect(() => region.current?.focus(), [])
  const until = links.map(({ expiresAt }) => expiresAt).sort()[0]
  return (
    <section ref={region} tabIndex={-1} aria-label="What was done" className="look">
      <Note variant="success" title={didOf(explained, rows)} />
      {until === undefined ? null : (
        <>
          <Note variant="warning" title="These links are shown once">
            Give each to its user in person, or by a way that only they read. Each works once, until{' '}
            {zonedMoment(until)}. Whoever has the file can become these users: delete it when the links are
            handed over.
          </Note>
          <div>
            <Button
              variant="secondary"
              onClick={() => {
                saveFile('enrolment-links.csv', linksAsCsv(links))
                props.onKept(links)
              }}
            >
              Download all as CSV
            </Button>
          </div>
          <dl className="facts">
            {links.slice(0, shown).map((one) => (
              <div key={one.name} className="facts-row">
                <dt>{visible(one.name)}</dt>
                <dd>
                  <Command
                    text={one.link}
                    label={`One-time link of ${one.name}`}
                    onCopied={() => props.onKept([one])}
                  />
                </dd>
              </div>
            ))}
          </dl>
          {links.length > shown ? (
            <button type="button" className="more" onClick={() => setShown(shown + 200)}>
              Show more: {shown} of {links.length} links are shown
            </button>
          ) : null}
        </>
      )}
      {explained.one === 'account' ? (
        <Content component="p">The file holds passwords: delete it now.</Content>
      ) : null}
    </section>
  )
}

/** What was done in a sentence: "3 targets are added, 1 was there already". */
export function didOf(explained: ExplainedKind, rows: readonly LookedRow[]): string {
  const { create, unchanged } = countRows(rows)
  const added = create === 1 ? `1 ${explained.one} is added` : `${create} ${explained.many} are added`
  return unchanged === 0 ? added : `${added}, ${unchanged} ${unchanged === 1 ? 'was' : 'were'} there already`
}
