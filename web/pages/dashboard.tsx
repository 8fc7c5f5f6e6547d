import { Bullseye, Button, Card, CardBody, CardTitle, Gallery, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import type { Dashboard as Figures } from '../../vault/contract.ts'
import { get } from '../api.ts'
import { Bars } from '../parts/bars.tsx'
import { Choice } from '../parts/field.tsx'
import { Table } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { ruleTexts } from './risk-words.ts'

/** Figures over time, and what is going on: for a glance, and for the wall. */
export function Dashboard() {
  const [days, setDays] = useState('30')
  const figures = useQuery({
    queryKey: ['dashboard', days],
    queryFn: () => get<Figures>(`/api/dashboard?days=${days}`),
    refetchInterval: 30_000,
  })
  return (
    <Page
      title="Dashboard"
      about="What was recorded and looked at, who was where, who is inside now, and how secrets stand. Days are of UTC; these are counts, and what proves them is a report."
      actions={
        <div className="row no-print">
          <Choice
            label="Time"
            name="days"
            value={days}
            onChange={setDays}
            options={[
              { value: '7', label: 'A week' },
              { value: '30', label: '30 days' },
              { value: '90', label: '90 days' },
              { value: '366', label: 'A year' },
            ]}
          />
          <Button variant="secondary" onClick={() => window.print()}>
            Print
          </Button>
        </div>
      }
    >
      {figures.data === undefined ? (
        figures.error === null ? (
          <Bullseye>
            <Spinner aria-label="Loading Dashboard" />
          </Bullseye>
        ) : (
          <Problem error={figures.error} />
        )
      ) : (
        <Shown of={figures.data} />
      )}
    </Page>
  )
}

function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.floor((100 * part) / whole)} %`
}

function Shown({ of }: { readonly of: Figures }) {
  const days = of.days.map(({ day }) => day)
  const column = (name: Exclude<keyof Figures['days'][number], 'day'>) => of.days.map((one) => one[name])
  const sum = (name: Exclude<keyof Figures['days'][number], 'day'>) =>
    column(name).reduce((total, value) => total + value, 0)
  const ended = sum('whole') + sum('broken')
  const open = of.marks.reduce((total, mark) => total + mark.open, 0)
  const { secrets } = of
  return (
    <div className="dashboard">
      <Gallery hasGutter minWidths={{ default: '10rem' }}>
        <Figure name="Sessions" value={String(sum('own') + sum('vendors'))} to="/recordings" />
        <Figure
          name="Recordings that are whole"
          value={share(sum('whole'), ended)}
          to="/recordings?state=incomplete"
        />
        <Figure
          name="Reviewed by an auditor"
          value={share(sum('reviewed'), ended)}
          to="/recordings?reviewed=no"
        />
        <Figure name="Marks to sign for" value={String(open)} to="/reviews" isBad={open > 0} />
        <Figure
          name="Vendors inside"
          value={String(new Set(of.inside.map(({ user }) => user)).size)}
          to="/recordings"
        />
        <Figure
          name="Secrets overdue"
          value={`${secrets.overdue} of ${secrets.accounts}`}
          to="/rotation"
          isBad={secrets.overdue > 0}
        />
        <Figure
          name="Seen, and the same past their day"
          value={String(secrets.exposedOverdue)}
          to="/exposure"
          isBad={secrets.exposedOverdue > 0}
        />
      </Gallery>
      <Bars
        title="Sessions that began"
        days={days}
        series={[
          { name: 'Own people', look: 'first', values: column('own') },
          { name: 'Vendors', look: 'second', values: column('vendors') },
        ]}
      />
      <Bars
        title="Recordings, and who has looked"
        days={days}
        series={[
          { name: 'Reviewed', look: 'first', values: column('reviewed') },
          {
            name: 'Not reviewed yet',
            look: 'second',
            values: of.days.map((one) => one.whole + one.broken - one.reviewed),
          },
        ]}
      />
      <Bars
        title="Recordings that are not whole"
        days={days}
        series={[{ name: 'Incomplete or tampered with', look: 'third', values: column('broken') }]}
      />
      <Bars
        title="Secrets seen, and changed"
        days={days}
        series={[
          { name: 'Seen by somebody', look: 'second', values: column('seen') },
          { name: 'Changed', look: 'first', values: column('rotated') },
        ]}
      />
      <h3>Vendors inside now</h3>
      {of.inside.length === 0 ? (
        <p className="nothing">No vendor’s session is going on.</p>
      ) : (
        <Table
          name="Vendors inside now"
          rows={of.inside}
          keyOf={({ session }) => session}
          columns={[
            { title: 'Who', cell: (row) => <Name of={row.user} /> },
            { title: 'Of', cell: (row) => visible(row.company) },
            { title: 'Account', cell: (row) => <span className="mono">{visible(row.account)}</span> },
            { title: 'Since', fit: 'whole', cell: (row) => <When at={row.startedAt} /> },
            { title: 'Until', fit: 'whole', cell: (row) => <When at={row.endsAt} /> },
          ]}
        />
      )}
      <h3>Who was where</h3>
      <div className="side-by-side">
        <Table
          name="Machines with most sessions"
          rows={of.machines}
          keyOf={({ machine }) => machine}
          columns={[
            {
              title: 'Machine',
              cell: (row) => (
                <Link href={`/recordings?target=${encodeURIComponent(row.machine)}`}>
                  {visible(row.machine)}
                </Link>
              ),
            },
            { title: 'Sessions', fit: 'whole', cell: (row) => row.sessions },
            { title: 'People', fit: 'whole', cell: (row) => row.people },
            { title: 'Last', fit: 'whole', cell: (row) => <Moment at={row.last} /> },
          ]}
        />
        <Table
          name="People with most sessions"
          rows={of.people}
          keyOf={({ user }) => user}
          columns={[
            {
              title: 'Who',
              cell: (row) => (
                <>
                  <Link href={`/recordings?person=${encodeURIComponent(row.user)}`}>{visible(row.user)}</Link>
                  {row.company === null ? null : <div className="quiet small">of {visible(row.company)}</div>}
                </>
              ),
            },
            { title: 'Sessions', fit: 'whole', cell: (row) => row.sessions },
            { title: 'Machines', fit: 'whole', cell: (row) => row.machines },
            { title: 'Last', fit: 'whole', cell: (row) => <Moment at={row.last} /> },
          ]}
        />
      </div>
      <h3>Marks, and secrets</h3>
      <div className="side-by-side">
        <Table
          name="Marks by rule"
          rows={of.marks}
          keyOf={({ rule }) => rule}
          columns={[
            { title: 'Rule', cell: (row) => ruleTexts[row.rule] },
            { title: 'To sign for', fit: 'whole', cell: (row) => row.open },
            { title: 'Signed', fit: 'whole', cell: (row) => row.signed },
          ]}
        />
        <Table
          name="Secrets now"
          rows={[
            { name: 'Accounts', value: secrets.accounts },
            { name: 'Overdue', value: secrets.overdue },
            { name: 'Exempt, with an owner and an end', value: secrets.exempt },
            { name: 'Nothing changes them, and nobody answers for that', value: secrets.unchanged },
            { name: 'Seen by somebody, and the same still', value: secrets.exposed },
            { name: 'Of these, past their day', value: secrets.exposedOverdue },
          ]}
          keyOf={({ name }) => name}
          columns={[
            { title: 'Secrets', cell: (row) => row.name },
            { title: 'Accounts', fit: 'whole', cell: (row) => row.value },
          ]}
        />
      </div>
      <p className="quiet small">
        From <Moment at={of.from} /> to <Moment at={of.to} />.
      </p>
    </div>
  )
}

function Figure(props: {
  readonly name: string
  readonly value: string
  readonly to: string
  readonly isBad?: boolean
}) {
  return (
    <Card isCompact>
      <CardTitle component="h2">{props.name}</CardTitle>
      <CardBody>
        <Link href={props.to} className={props.isBad === true ? 'figure bad' : 'figure'}>
          {props.value}
        </Link>
      </CardBody>
    </Card>
  )
}
