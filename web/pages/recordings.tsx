import { Bullseye, Button, EmptyState, EmptyStateBody, Label, Spinner } from '@patternfly/react-core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { RecordingFound } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { type Column, Table } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { RecordingBadge } from '../parts/state.tsx'
import { Moment } from '../parts/when.tsx'
import { between, bytes, visible, zone } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { RecordingFilter } from './recording-filter.tsx'
import { ruleTexts } from './risk-words.ts'
import { type Asked, askedIn, csvOf, findPage, queryOf } from './recordings-found.ts'
import { SearchInside } from './search-inside.tsx'
import { SavedFilters } from './saved-filters.tsx'

const pageSize = 200

/** Every recording that one may see, by who, where, when and what became of it. What is asked for is in the address. */
export function Recordings() {
  const [address, setAddress] = useSearchParams()
  const user = useUser()
  const asked = askedIn(address)
  const replays = hasRole(user, 'auditor')
  const onAsk = (next: Asked) => setAddress(new URLSearchParams(queryOf(next)))
  return (
    <Page
      title="Recordings"
      about={
        replays
          ? 'Sealed to the auditors. A replay is opened with your key in this browser, and written in the audit log.'
          : 'Sealed to the auditors: you see that they exist and in what state, an auditor sees what they show.'
      }
    >
      <SavedFilters asked={asked} onAsk={onAsk} />
      <RecordingFilter
        key={address.toString()}
        asked={asked}
        seesReviews={replays || hasRole(user, 'admin') || hasRole(user, 'security-officer')}
        onAsk={onAsk}
      />
      {replays ? <SearchInside key={`inside ${address.toString()}`} asked={asked} /> : null}
      <Found key={`found ${address.toString()}`} asked={asked} replays={replays} />
    </Page>
  )
}

function Found({ asked, replays }: { readonly asked: Asked; readonly replays: boolean }) {
  const [saving, setSaving] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const found = useInfiniteQuery({
    queryKey: ['recordings', 'found', asked],
    queryFn: ({ pageParam }) => findPage(asked, pageParam, pageSize),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    // What has been gone through stays as it is: only the newest page is kept fresh.
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 1) > 1 ? false : 5_000),
  })
  if (found.isPending)
    return (
      <Bullseye>
        <Spinner aria-label="Loading Recordings" />
      </Bullseye>
    )
  if (found.data === undefined) return <Problem error={found.error} />
  const rows = found.data.pages.flatMap((page) => page.recordings)
  if (rows.length === 0) return <Nothing isAsked={Object.keys(asked).length > 0} />
  const save = async () => {
    setSaving(true)
    setError(null)
    try {
      const day = new Date().toISOString().slice(0, 10)
      saveFile(`tagout-recordings-${day}.csv`, new Blob([await csvOf(asked)], { type: 'text/csv' }))
    } catch (fault) {
      setError(fault)
    }
    setSaving(false)
  }
  return (
    <>
      {found.error === null ? null : <Problem error={found.error} title="This list may be out of date" />}
      <Problem error={error} />
      <div className="list-tools">
        <Button variant="secondary" isLoading={saving} isDisabled={saving} onClick={() => void save()}>
          Save as a table (CSV)
        </Button>
        <span className="quiet list-count" aria-live="polite">
          {rows.length}
          {found.hasNextPage ? ' newest' : ' in all'}
        </span>
        <span className="quiet">Times in {zone()}</span>
      </div>
      <Table name="Recordings" rows={rows} keyOf={({ id }) => id} columns={columns(replays)} />
      {found.hasNextPage ? (
        <Button
          variant="link"
          isLoading={found.isFetchingNextPage}
          isDisabled={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          Show older recordings
        </Button>
      ) : null}
    </>
  )
}

function Nothing({ isAsked }: { readonly isAsked: boolean }) {
  return isAsked ? (
    <p className="nothing">
      No recording is like this. Names are whole ones (<em>press-3</em>, not <em>press</em>), as they were
      then; leave a field empty to look wider.
    </p>
  ) : (
    <EmptyState titleText="No recordings yet" headingLevel="h2" variant="lg">
      <EmptyStateBody>
        Every session is recorded from its first byte. The first one appears here when somebody connects.
      </EmptyStateBody>
    </EmptyState>
  )
}

const columns = (replays: boolean): readonly Column<RecordingFound>[] => [
  { title: 'State', fit: 'whole', cell: ({ state }) => <RecordingBadge state={state} /> },
  {
    title: 'User',
    cell: (row) => (
      <>
        <Name of={row.user} />
        {row.company === null ? null : <div className="quiet small">of {visible(row.company)}</div>}
        {row.breakGlass === null ? null : (
          <div>
            <Label color="red" isCompact>
              break-glass
            </Label>
          </div>
        )}
        {row.keeping === null || row.keeping.holds.length === 0 ? null : (
          <div>
            <Label color="blue" isCompact>
              legal hold
            </Label>
          </div>
        )}
      </>
    ),
  },
  {
    title: 'Account',
    cell: (row) => (
      <>
        <span className="mono">
          <Name of={row.account} />
        </span>
        {row.zone === null ? null : <div className="quiet small">in {visible(row.zone)}</div>}
        {row.forward === null ? null : (
          <div className="quiet small">
            forwarding to{' '}
            <span className="mono">
              <Name of={row.forward.to} />
            </span>
          </div>
        )}
      </>
    ),
  },
  { title: 'Started', fit: 'whole', times: true, cell: (row) => <Moment at={row.startedAt} /> },
  { title: 'Lasted', fit: 'whole', cell: (row) => between(row.startedAt, row.endedAt) },
  {
    title: 'Let in by',
    cell: (row) => (
      <>
        {row.letInBy.map((name) => whoText(visible(name))).join(', ')}
        {row.workOrders.length === 0 ? null : (
          <div className="quiet small">{row.workOrders.map((order) => visible(order)).join(', ')}</div>
        )}
      </>
    ),
  },
  { title: 'Size', fit: 'whole', cell: (row) => bytes(row.sizeBytes) },
  { title: 'Ended', cell: (row) => (row.endReason === null ? '' : visible(row.endReason)) },
  {
    title: 'Reviewed',
    cell: (row) => (
      <>
        {row.reviews.map(({ by }) => visible(by)).join(', ')}
        {row.marks.length === 0 ? null : (
          <div className="small">
            <Link href={`/reviews?session=${row.session}`}>
              {row.marks.map(({ rule }) => ruleTexts[rule]).join(', ')}
            </Link>
          </div>
        )}
      </>
    ),
  },
  {
    title: 'Actions',
    actions: true,
    cell: (row) => (
      <Link
        href={`/recordings/${row.id}`}
        aria-label={`${replays ? 'Replay' : 'Show'} ${row.account} by ${row.user}`}
      >
        {replays ? 'Replay' : 'Show'}
      </Link>
    ),
  },
]
