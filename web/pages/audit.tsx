import { Bullseye, Button, Label, Spinner } from '@patternfly/react-core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { AuditFound, AuditVerdict } from '../../vault/contract.ts'
import { zonedTime } from '../../vault/kernel/plant-time.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask } from '../api.ts'
import { Table } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { collectExport } from './audit-export.ts'
import { AuditFilter } from './audit-filter.tsx'
import { type Asked, askedIn, auditLink, csvOf, findPage, proofsOf } from './audit-found.ts'

const pageSize = 200

type Busy = 'verify' | 'export' | 'csv' | 'proofs'

/** Who did what, when, where, let in by whom. What is asked for is in the address. */
export function Audit() {
  const [address, setAddress] = useSearchParams()
  const asked = askedIn(address)
  const [verdict, setVerdict] = useState<AuditVerdict | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState<Busy | null>(null)
  const run = (what: Busy, act: () => Promise<void>) => async () => {
    setBusy(what)
    setError(null)
    await act().catch(setError)
    setBusy(null)
  }
  const button = (what: Busy, label: string, variant: 'primary' | 'secondary', act: () => Promise<void>) => (
    <Button variant={variant} isLoading={busy === what} isDisabled={busy !== null} onClick={run(what, act)}>
      {label}
    </Button>
  )
  return (
    <Page
      title="Audit log"
      about="Chained, and signed at most a second later. Nothing here can be changed or taken away without being seen."
      actions={
        <div className="row">
          {button('export', 'Export', 'secondary', async () => save('audit', 'json', await collectExport()))}
          {button('verify', 'Verify', 'primary', async () =>
            setVerdict(await ask<AuditVerdict>('POST', '/api/audit/verify')),
          )}
        </div>
      }
    >
      {verdict === null ? null : (
        <Note
          className="gap-below"
          variant={verdict.ok ? 'success' : 'danger'}
          title={verdict.ok ? 'The log is whole' : 'The log is broken'}
          role="status"
        >
          {sentence(verdict.sentence)}
        </Note>
      )}
      <AuditFilter
        key={address.toString()}
        asked={asked}
        onAsk={(next) => setAddress(new URLSearchParams(filled(next)))}
      />
      <Problem error={error} />
      <Found
        key={`found ${address.toString()}`}
        asked={asked}
        tools={
          <>
            {button('csv', 'Save as a table (CSV)', 'secondary', async () =>
              save('audit-found', 'csv', await csvOf(asked)),
            )}
            {button('proofs', 'Save with proofs (JSON)', 'secondary', async () =>
              save('audit-found', 'json', await proofsOf(asked)),
            )}
          </>
        }
      />
      <p className="quiet small">
        The checkpoints of recordings, one every five seconds, are not shown. <em>Export</em> holds the whole
        log, and both files of signed entries verify without this installation:{' '}
        <code>tagout audit verify --file FILE</code>.
      </p>
    </Page>
  )
}

function Found({ asked, tools }: { readonly asked: Asked; readonly tools: ReactNode }) {
  const found = useInfiniteQuery({
    queryKey: ['audit', asked],
    queryFn: ({ pageParam }) => findPage(asked, pageParam, pageSize),
    initialPageParam: null as string | null,
    getNextPageParam: ({ next }) => next,
    // What has been gone through stays as it is: only the newest page is kept fresh.
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 1) > 1 ? false : 5_000),
  })
  if (found.isPending)
    return (
      <Bullseye>
        <Spinner aria-label="Loading the audit log" />
      </Bullseye>
    )
  if (found.data === undefined) return <Problem error={found.error} />
  const entries = found.data.pages.flatMap((page) => page.entries)
  const zone = found.data.pages[0]?.zone ?? 'UTC'
  return (
    <>
      {found.error === null ? null : <Problem error={found.error} title="This list may be out of date" />}
      <div className="list-tools">
        {tools}
        <span className="quiet list-count" aria-live="polite">
          {entries.length === 0 ? 'Nothing found' : `${entries.length}${found.hasNextPage ? ' newest' : ''}`}
        </span>
        <span className="quiet">Times in {zone.replaceAll('_', ' ')}, the gateway’s zone</span>
      </div>
      {entries.length === 0 && !found.hasNextPage ? (
        <p className="nothing">
          Nothing in the log is like this. Names are whole ones (<em>press-3</em>, not <em>press</em>); leave
          a field empty to look wider.
        </p>
      ) : (
        <Entries entries={entries} zone={zone} />
      )}
      {found.hasNextPage ? (
        <Button
          variant="link"
          isLoading={found.isFetchingNextPage}
          isDisabled={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          {entries.length === 0 ? 'Look further back' : 'Show older entries'}
        </Button>
      ) : null}
    </>
  )
}

function Entries({ entries, zone }: { readonly entries: readonly AuditFound[]; readonly zone: string }) {
  return (
    <Table
      name="Audit log"
      rows={entries}
      keyOf={({ seq }) => String(seq)}
      columns={[
        { title: 'No.', fit: 'whole', cell: (row) => <span className="mono">{row.seq}</span> },
        { title: 'When', fit: 'whole', times: true, cell: (row) => <BothTimes at={row.at} zone={zone} /> },
        { title: 'Who', cell: (row) => <Who row={row} /> },
        {
          title: 'Let in by',
          cell: (row) => row.approvedBy.map((name) => whoText(visible(name))).join(', '),
        },
        {
          title: 'Machine',
          cell: (row) =>
            row.target === null ? null : (
              <Link href={auditLink({ target: row.target })}>
                <Name of={row.account ?? row.target} />
              </Link>
            ),
        },
        {
          title: 'What',
          fit: 'text',
          cell: (row) => (
            <>
              <Label isCompact variant="outline" className="mono" textMaxWidth="15rem">
                {visible(row.kind)}
              </Label>{' '}
              {visible(row.text)}
              {/* Most sentences say it themselves. */}
              {row.source === null || row.text.endsWith(` from ${row.source}`) ? null : (
                <span className="quiet small">
                  {' '}
                  from <span className="mono">{visible(row.source)}</span>
                </span>
              )}
            </>
          ),
        },
      ]}
    />
  )
}

function Who({ row }: { readonly row: AuditFound }) {
  const name = whoText(visible(row.who ?? row.actor))
  return (
    <>
      {row.who === null || row.who.startsWith('local:') ? (
        name
      ) : (
        <Link href={auditLink({ person: row.who })}>{name}</Link>
      )}
      {row.company === null ? null : (
        <div className="quiet small">
          of <Link href={auditLink({ company: row.company })}>{visible(row.company)}</Link>
        </div>
      )}
    </>
  )
}

/** A moment by the plant's clocks, and in UTC. */
function BothTimes({ at, zone }: { readonly at: string; readonly zone: string }) {
  if (at === '') return <span className="quiet">unknown</span>
  const utc = at.slice(0, 19).replace('T', ' ')
  const here = zonedTime(at, zone).slice(0, 19)
  return (
    <time dateTime={at}>
      {here}
      {here === utc ? null : <div className="quiet small">{utc} UTC</div>}
    </time>
  )
}

function filled(asked: Asked): Record<string, string> {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== ''))
}

function save(name: string, form: 'json' | 'csv', text: string): void {
  const day = new Date().toISOString().slice(0, 10)
  const type = form === 'json' ? 'application/json' : 'text/csv'
  saveFile(`tagout-${name}-${day}.${form}`, new Blob([text], { type }))
}
