import { Button, Content } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import boldUrl from '../../recorder/evidence/fonts/DejaVuSans-Bold.ttf?url'
import regularUrl from '../../recorder/evidence/fonts/DejaVuSans.ttf?url'
import type { MadeReport, ReportDocument, ReportInfo, VerbAnswer } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Field } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible, zone } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { isoOf, localOf } from './audit-filter.tsx'

const day = 24 * 3600_000

/** Evidence packs, from what is there now: made by the vault, drawn in this browser. */
export function Reports() {
  const [from, setFrom] = useState(() => new Date(Date.now() - 90 * day).toISOString())
  const [to, setTo] = useState('')
  const [target, setTarget] = useState('')
  const [making, setMaking] = useState<string | null>(null)
  const [said, setSaid] = useState('')
  const [error, setError] = useState<unknown>(null)
  const query = useQuery({
    queryKey: ['reports'],
    queryFn: () => get<VerbAnswer<'report.list'>>('/api/reports'),
    select: (reports) => reports.map((one) => ({ ...one, id: one.name })),
  })
  const make = async (report: ReportInfo, what: 'pdf' | 'file') => {
    setMaking(`${report.name} ${what}`)
    setError(null)
    setSaid('')
    try {
      const asked = {
        from,
        to: to === '' ? new Date().toISOString() : to,
        ...(report.takesTarget && target.trim() !== '' ? { target: target.trim() } : {}),
      }
      const made: MadeReport = await ask('POST', at`/api/reports/${report.name}`, asked)
      const name = `tagout-${report.name}-${new Date().toISOString().slice(0, 10)}`
      await save(name, made, what)
      const { tables } = JSON.parse(made.document) as ReportDocument
      const left = tables.reduce((sum, one) => sum + one.left, 0)
      setSaid(
        left === 0
          ? `${report.title} was saved.`
          : `${report.title} was saved. ${left} older rows are left out: choose a shorter time, and make several.`,
      )
    } catch (fault) {
      setError(fault)
    }
    setMaking(null)
  }
  return (
    <Page
      title="Reports"
      about="Evidence from what is there now, with the clauses that ask for it. The vault signs what it says; the file to hand on proves itself to whoever runs tagout verify, or openssl."
    >
      <div className="audit-filter">
        <Field
          label="From"
          name="from"
          type="datetime-local"
          value={localOf(from)}
          onChange={(value) => setFrom(isoOf(value) ?? '')}
          hint={`In ${zone()}`}
        />
        <Field
          label="To"
          name="to"
          type="datetime-local"
          value={localOf(to)}
          onChange={(value) => setTo(isoOf(value) ?? '')}
          hint="Until now, where it is empty"
          required={false}
        />
        <Field
          label="Machine"
          name="target"
          value={target}
          onChange={setTarget}
          hint="Of reports that can be of one"
          required={false}
        />
      </div>
      <Problem error={error} />
      <p className="quiet" aria-live="polite">
        {making === null ? said : 'The report is being made.'}
      </p>
      <Listing
        name="Reports"
        query={query}
        keyOf={({ name }) => name}
        text={(row) => [row.title, row.question, ...row.clauses].join(' ')}
        columns={[
          {
            title: 'Report',
            fit: 'text',
            cell: (row) => (
              <>
                <strong>{visible(row.title)}</strong>
                <div>{visible(row.question)}</div>
                {row.isOfNow ? <div className="quiet small">What holds now, whatever the time</div> : null}
              </>
            ),
          },
          {
            title: 'Evidence for',
            fit: 'text',
            cell: (row) => (
              <ul className="quiet small plain">
                {row.clauses.map((clause) => (
                  <li key={clause}>{visible(clause)}</li>
                ))}
              </ul>
            ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <div className="row">
                {(['pdf', 'file'] as const).map((what) => (
                  <Button
                    key={what}
                    size="sm"
                    variant={what === 'pdf' ? 'secondary' : 'primary'}
                    isLoading={making === `${row.name} ${what}`}
                    isDisabled={making !== null || from === ''}
                    aria-label={`${what === 'pdf' ? 'Save as PDF' : 'Save to hand on'}: ${row.title}`}
                    onClick={() => void make(row, what)}
                  >
                    {what === 'pdf' ? 'PDF' : 'To hand on'}
                  </Button>
                ))}
              </div>
            ),
          },
        ]}
        empty={{ title: 'There are no reports', body: 'This version has none.' }}
      />
      <Content component="p" className="quiet small">
        <em>To hand on</em> is a zip: the PDF, the JSON that was signed, the signature, and the entries of the
        audit log that speak of both. Each report that is made is in the audit log, under your name.
      </Content>
    </Page>
  )
}

/** The reader of fonts and PDFs is loaded by who makes a report. */
async function save(name: string, made: MadeReport, what: 'pdf' | 'file'): Promise<void> {
  const { reportPdf } = await import('../../recorder/evidence/report-pdf.ts')
  const [regular, bold] = await Promise.all([regularUrl, boldUrl].map(fontAt))
  if (regular === undefined || bold === undefined) throw new TypeError('the fonts of reports are missing')
  const draw = (document: ReportDocument) => reportPdf(document, { regular, bold })
  if (what === 'pdf') {
    const bytes = await draw(JSON.parse(made.document) as ReportDocument)
    saveFile(`${name}.pdf`, new Blob([Uint8Array.from(bytes)], { type: 'application/pdf' }))
    return
  }
  const { makeReportFile } = await import('../../recorder/evidence/report.ts')
  const pieces = (await makeReportFile(made, draw)).map((piece) => Uint8Array.from(piece))
  saveFile(`${name}.zip`, new Blob(pieces, { type: 'application/zip' }))
}

async function fontAt(url: string): Promise<Uint8Array> {
  const response = await fetch(url)
  if (!response.ok) throw new TypeError('a font of reports cannot be loaded')
  return new Uint8Array(await response.arrayBuffer())
}
