import { Bullseye, Card, CardBody, CardTitle, Content, Gallery, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { OffboardingView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { Table } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'

/** Whom a report is about. */
export function Off({ of }: { readonly of: OffboardingView }) {
  return of.company === null ? (
    <>
      user <Name of={of.user ?? ''} />
    </>
  ) : (
    <>
      company <Name of={of.company} />
    </>
  )
}

/** Takes a user or a company off, after saying what that does; then shows what it has ended. */
export function TakeOff(props: {
  readonly title: string
  /** Where it is asked: `/api/users/bob/off`. */
  readonly path: string
  readonly children: string
  readonly onClose: () => void
}) {
  const change = useChange()
  const [, go] = useLocation()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={props.title}
      action="Take off"
      danger
      ready={reason.trim() !== ''}
      onClose={props.onClose}
      act={async () => {
        const report = await change(() => ask<OffboardingView>('POST', props.path, { reason: reason.trim() }))
        props.onClose()
        go(`/vendors/${report.id}`)
      }}
    >
      <Content component="p">{props.children}</Content>
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        autoFocus
        hint="It is in the audit log and in the report"
      />
    </Dialog>
  )
}

/** What taking somebody off has ended, and how long it took. It is asked again until all sessions have ended. */
export function Offboarding({ id }: { readonly id: string }) {
  const report = useQuery({
    queryKey: ['offboarding', id],
    queryFn: () => get<OffboardingView>(at`/api/offboardings/${id}`),
    refetchInterval: ({ state }) =>
      state.data?.sessions.some(({ endedAt }) => endedAt === null) === true ? 500 : 30_000,
  })
  if (report.isPending)
    return (
      <Bullseye>
        <Spinner aria-label="Loading the report" />
      </Bullseye>
    )
  const { data } = report
  if (data === undefined)
    return (
      <Page title="Taken off">
        <Problem error={report.error} />
      </Page>
    )
  return (
    <Page
      title={`${data.company ?? data.user ?? ''} was taken off`}
      about={<Link href="/vendors">All vendors</Link>}
    >
      <Gallery hasGutter minWidths={{ default: '100%' }}>
        <Card>
          <CardTitle component="h2">What it ended</CardTitle>
          <CardBody>
            <dl className="facts">
              <dt>When</dt>
              <dd>
                <Moment at={data.at} />
              </dd>
              <dt>By</dt>
              <dd>{whoText(visible(data.by))}</dd>
              <dt>Why</dt>
              <dd>{visible(data.reason)}</dd>
              <dt>People</dt>
              <dd>{data.people.length === 0 ? 'none' : data.people.map(visible).join(', ')}</dd>
              <dt>Logins</dt>
              <dd>{data.logins} ended</dd>
              <dt>Sessions</dt>
              <dd aria-live="polite">{sessionsText(data)}</dd>
              <dt>Grants</dt>
              <dd>{data.grants.length} void</dd>
              <dt>Requests</dt>
              <dd>{data.requests.length} withdrawn</dd>
              <dt>Leases</dt>
              <dd>{data.leases.length} ended</dd>
            </dl>
          </CardBody>
        </Card>
        {data.sessions.length === 0 ? null : <Sessions report={data} />}
        <Secrets report={data} />
      </Gallery>
    </Page>
  )
}

function sessionsText({ sessions }: OffboardingView): string {
  if (sessions.length === 0) return 'none was running'
  const running = sessions.filter(({ endedAt }) => endedAt === null).length
  if (running > 0) return `${sessions.length - running} of ${sessions.length} ended`
  const slowest = Math.max(...sessions.map(({ endedAfterMs }) => endedAfterMs ?? 0))
  return `${sessions.length} ended, the last after ${seconds(slowest)}`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function Sessions({ report }: { readonly report: OffboardingView }) {
  return (
    <Card>
      <CardTitle component="h2">Sessions that were running</CardTitle>
      <CardBody>
        <Table
          name="Sessions that were running"
          rows={report.sessions}
          keyOf={({ session }) => session}
          columns={[
            { title: 'Who', cell: (row) => <Name of={row.user} /> },
            {
              title: 'Where',
              cell: (row) => (
                <span className="mono">
                  <Name of={row.account} />
                </span>
              ),
            },
            {
              title: 'Ended after',
              fit: 'whole',
              cell: (row) => (row.endedAfterMs === null ? 'not yet' : seconds(row.endedAfterMs)),
            },
          ]}
        />
      </CardBody>
    </Card>
  )
}

function Secrets({ report }: { readonly report: OffboardingView }) {
  return (
    <Card>
      <CardTitle component="h2">Secrets that they have seen</CardTitle>
      <CardBody>
        {report.secrets.length === 0 ? (
          <p className="quiet">None of them is in use: there is nothing to rotate.</p>
        ) : (
          <Table
            name="Secrets to rotate"
            rows={report.secrets}
            keyOf={(row) => `${row.account} ${row.user} ${row.version}`}
            columns={[
              {
                title: 'Account',
                cell: (row) => (
                  <>
                    <span className="mono">
                      <Name of={row.account} />
                    </span>
                    <div className="quiet small">version {row.version}</div>
                  </>
                ),
              },
              { title: 'Seen by', cell: (row) => <Name of={row.user} /> },
              {
                title: 'Rotate by',
                fit: 'whole',
                cell: (row) => (
                  <>
                    {row.rotatedAt === null ? null : 'done, '}
                    <Moment at={row.rotatedAt ?? row.dueAt} />
                  </>
                ),
              },
            ]}
          />
        )}
      </CardBody>
    </Card>
  )
}
