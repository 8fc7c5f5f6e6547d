import { Button, Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { AuditLeafView, AuditVerdict } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, get } from '../api.ts'
import { Listing } from '../parts/listing.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { collectExport } from './audit-export.ts'

const pageSize = 500

/** What happened, in the order in which it was signed. */
export function Audit() {
  const [verdict, setVerdict] = useState<AuditVerdict | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState<'verify' | 'export' | null>(null)
  const log = useQuery({
    queryKey: ['audit'],
    queryFn: () => get<readonly AuditLeafView[]>(`/api/audit?limit=${pageSize}`),
    refetchInterval: 5_000,
    select: (leaves) =>
      leaves.toSorted((a, b) => b.seq - a.seq).map((leaf) => ({ ...leaf, id: String(leaf.seq) })),
  })
  const run = (what: 'verify' | 'export', act: () => Promise<void>) => async () => {
    setBusy(what)
    setError(null)
    await act().catch(setError)
    setBusy(null)
  }
  return (
    <Page
      title="Audit log"
      about="Chained, and signed at most a second later. Nothing here can be changed or taken away without being seen."
      actions={
        <div className="row">
          <Button
            variant="secondary"
            isLoading={busy === 'export'}
            isDisabled={busy !== null}
            onClick={run('export', exportLog)}
          >
            Export
          </Button>
          <Button
            isLoading={busy === 'verify'}
            isDisabled={busy !== null}
            onClick={run('verify', async () =>
              setVerdict(await ask<AuditVerdict>('POST', '/api/audit/verify')),
            )}
          >
            Verify
          </Button>
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
      <Problem error={error} />
      <Listing
        name="Audit log"
        query={log}
        keyOf={({ id }) => id}
        text={(row) => `${row.kind} ${row.actor} ${row.text}`}
        columns={[
          { title: 'No.', fit: 'whole', cell: (row) => <span className="mono">{row.seq}</span> },
          { title: 'When', fit: 'whole', times: true, cell: (row) => <Moment at={row.at} /> },
          { title: 'Who', cell: (row) => whoText(visible(row.actor)) },
          {
            title: 'What',
            fit: 'whole',
            cell: (row) => (
              <Label isCompact variant="outline" className="mono" textMaxWidth="15rem">
                {row.kind}
              </Label>
            ),
          },
          { title: 'Sentence', fit: 'text', cell: (row) => visible(row.text) },
        ]}
        empty={{ title: 'No entries yet', body: 'The first change writes the first entry.' }}
      />
      <p className="quiet small">
        The newest {pageSize} entries. The export holds all of them, with what it takes to verify them without
        this installation: <code>tagout audit verify --file FILE</code>.
      </p>
    </Page>
  )
}

async function exportLog(): Promise<void> {
  const text = await collectExport()
  const day = new Date().toISOString().slice(0, 10)
  saveFile(`tagout-audit-${day}.json`, new Blob([text], { type: 'application/json' }))
}
