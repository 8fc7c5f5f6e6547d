import { Button, Progress } from '@patternfly/react-core'
import { type FormEvent, useRef, useState } from 'react'
import { Link } from 'wouter'
import {
  fewestCharacters,
  type SearchHit,
  type SearchStep,
  searchByOpening,
  searchForm,
  searchInside,
} from '../../recorder/replay/index.ts'
import { Field } from '../parts/field.tsx'
import { Table } from '../parts/listing.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { clock, visible } from '../parts/wording.ts'
import { openSource } from '../player/source.ts'
import { type Keyring, touchKeyring, useKeyring } from '../sealed/keyring.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { useUser } from '../shell/me.ts'
import { OpenKey } from './open-key.tsx'
import type { Asked } from './recordings-found.ts'
import { searchPorts } from './search-ports.ts'

type Begun = SearchStep & { readonly kind: 'begun' }
type Strange = SearchStep & { readonly kind: 'strange' }
type Found = {
  readonly words: string
  readonly begun: Begun | null
  readonly hits: readonly SearchHit[]
  readonly strange: readonly Strange[]
  readonly done: boolean
}

/** Places of one recording that are listed. */
const mostPlaces = 5

/**
 * Searches inside the recordings that the filter finds. The words stay in this browser, and are not in the page's address, which the
 * server is told when the page is loaded anew.
 */
export function SearchInside({ asked }: { readonly asked: Asked }) {
  const user = useUser()
  const keyring = useKeyring()
  const [words, setWords] = useState('')
  const [isOpening, setIsOpening] = useState(false)
  const [found, setFound] = useState<Found | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [progress, setProgress] = useState<{ readonly at: number; readonly of: number } | null>(null)
  // A search that was begun later puts one that still goes on aside.
  const run = useRef(0)

  const search = async (keys: Keyring) => {
    run.current += 1
    const mine = run.current
    const isOver = () => mine !== run.current
    setError(null)
    let now: Found = { words, begun: null, hits: [], strange: [], done: false }
    setFound(now)
    try {
      const sodium = await loadSodium()
      for await (const step of searchInside(sodium, searchPorts(asked), keys.groupKeys, words)) {
        touchKeyring()
        if (isOver()) return
        now = withStep(now, step)
        setFound(now)
      }
      setFound({ ...now, done: true })
    } catch (fault) {
      if (!isOver()) setError(fault)
    }
  }
  const openRest = async (keys: Keyring) => {
    const rest = found?.begun?.unindexed ?? []
    const mine = run.current
    let now = found
    try {
      const sodium = await loadSodium()
      for (const [at, { id, upTo }] of rest.entries()) {
        if (now === null || mine !== run.current) break
        setProgress({ at, of: rest.length })
        touchKeyring()
        const source = await openSource(id, 'export')
        now = withStep(now, await searchByOpening(sodium, source, keys.groupKeys, id, now.words, upTo))
        setFound(now)
      }
      const begun = now?.begun
      if (now !== null && begun !== null && begun !== undefined)
        setFound({ ...now, begun: { ...begun, unindexed: [] } })
    } catch (fault) {
      setError(fault)
    }
    setProgress(null)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (keyring === null) setIsOpening(true)
    else void search(keyring)
  }
  const isTooShort = [...searchForm(words)].length < fewestCharacters
  return (
    <section aria-label="Search inside" className="gap-below">
      <search>
        <form className="audit-filter" aria-label="Search inside these recordings" onSubmit={submit}>
          <Field
            label="Said or shown in them"
            name="words"
            value={words}
            onChange={setWords}
            required={false}
            hint="Commands, text on terminals, titles, file names. The words stay in this browser."
          />
          <div className="row">
            <Button type="submit" variant="secondary" isDisabled={isTooShort}>
              Search inside
            </Button>
            {found === null ? null : (
              <Button
                variant="link"
                onClick={() => {
                  run.current += 1
                  setFound(null)
                }}
              >
                Clear search
              </Button>
            )}
          </div>
        </form>
      </search>
      {isOpening ? (
        <OpenKey name={user.name} onClose={() => setIsOpening(false)} onOpen={() => setIsOpening(false)} />
      ) : null}
      <Problem error={error} />
      {found === null ? null : <Results found={found} />}
      {found?.done === true && (found.begun?.unindexed.length ?? 0) > 0 && keyring !== null ? (
        <Note variant="info" title={`${found.begun?.unindexed.length} of them have no whole index`}>
          They are from before recordings had one, still go on, broke off, or showed very much. Your browser
          can open and search them one after the other; each is written in the audit log.{' '}
          <Button
            variant="link"
            isInline
            isDisabled={progress !== null}
            onClick={() => void openRest(keyring)}
          >
            Search them by opening
          </Button>
        </Note>
      ) : null}
      {progress === null ? null : (
        <Progress
          aria-label="Searching by opening"
          title={`Opening ${progress.at + 1} of ${progress.of}`}
          value={Math.round((progress.at / progress.of) * 100)}
          size="sm"
        />
      )}
    </section>
  )
}

function withStep(found: Found, step: SearchStep): Found {
  switch (step.kind) {
    case 'begun':
      return { ...found, begun: step }
    case 'hit':
      return { ...found, hits: [...found.hits, step] }
    case 'strange':
      return { ...found, strange: [...found.strange, step] }
    case 'none':
      return found
  }
}

function Results({ found }: { readonly found: Found }) {
  const rows = found.hits.flatMap((hit) => hit.places.slice(0, mostPlaces).map((place) => ({ hit, place })))
  const { begun } = found
  return (
    <>
      <p aria-live="polite" className="quiet small">
        {begun === null
          ? 'Searching…'
          : `${found.hits.length} of ${begun.of} recordings${begun.more ? ' (the newest of more: name a time)' : ''}${found.done ? '' : ', searching…'}`}
        {begun !== null && begun.closed > 0
          ? `. The indexes of ${begun.closed} days are sealed to none of your keys.`
          : ''}
      </p>
      {found.strange.map(({ recording, why }) => (
        <Note key={`${recording} ${why}`} variant="danger" title={`${recording}: ${why}`}>
          Tell the machine administrator, and keep the file as it is.
        </Note>
      ))}
      {rows.length === 0 ? (
        found.done ? (
          <p className="nothing">
            The words are in none of these recordings. Another spelling, fewer words, or a wider filter may
            find them.
          </p>
        ) : null
      ) : (
        <Table
          name="Places"
          rows={rows}
          keyOf={({ hit, place }) => `${hit.recording} ${place.at} ${place.source} ${place.text}`}
          columns={[
            {
              title: 'When',
              fit: 'whole',
              times: true,
              cell: ({ hit, place }) => (
                <Moment at={new Date(Date.parse(hit.header.createdAt) + place.at / 1e6).toISOString()} />
              ),
            },
            { title: 'User', cell: ({ hit }) => visible(hit.header.user.name) },
            {
              title: 'Account',
              cell: ({ hit }) => <span className="mono">{visible(hit.header.account.name)}</span>,
            },
            { title: 'Where', fit: 'whole', cell: ({ place }) => place.source },
            {
              title: 'Text',
              fit: 'text',
              cell: ({ place }) => <span className="mono">{visible(place.text.slice(0, 300))}</span>,
            },
            {
              title: 'Actions',
              actions: true,
              cell: ({ hit, place }) => (
                <Link href={`/recordings/${hit.recording}?at=${Math.ceil(place.at / 1e8) / 10}`}>
                  Replay at {clock(place.at / 1e9)}
                </Link>
              ),
            },
          ]}
        />
      )}
    </>
  )
}
