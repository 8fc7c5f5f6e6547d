import { Button, Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { CompanyView, OffboardingView } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { CompanyBadge } from '../parts/state.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useCompanies, useUsers } from './lists.ts'
import { Off } from './offboarding.tsx'

/** Companies whose people come from outside. */
export function Vendors() {
  const user = useUser()
  const companies = useCompanies()
  const mayAdd = hasRole(user, 'admin')
  const [adding, setAdding] = useState(false)
  const add = mayAdd ? <Button onClick={() => setAdding(true)}>Add a company</Button> : null
  return (
    <Page
      title="Vendors"
      about="Companies whose people work here from outside, for as long as their contracts run."
      {...(add === null ? {} : { actions: add })}
    >
      <Listing
        name="Vendors"
        query={companies}
        keyOf={({ id }) => id}
        text={(row) => [row.name, row.state, row.sponsor, ...row.mailDomains].join(' ')}
        columns={[
          {
            title: 'Company',
            cell: (row) => (
              <Link href={`/vendors/${row.id}`}>
                <strong>
                  <Name of={row.name} />
                </strong>
              </Link>
            ),
          },
          { title: 'State', fit: 'whole', cell: (row) => <CompanyBadge state={row.state} /> },
          {
            title: 'Contract until',
            fit: 'whole',
            cell: (row) => (
              <>
                <Moment at={row.contractEndsAt} />
                <div className="quiet small">
                  <When at={row.contractEndsAt} />
                </div>
              </>
            ),
            times: true,
          },
          { title: 'Sponsor', cell: (row) => <Sponsor company={row} /> },
          { title: 'People', fit: 'whole', cell: (row) => row.representatives },
          { title: 'Mail at', cell: (row) => row.mailDomains.join(', ') },
        ]}
        empty={{
          title: hasRole(user, 'admin', 'auditor', 'security-officer')
            ? 'No vendors yet'
            : 'You are the sponsor of no company',
          body: mayAdd ? (
            <>
              Add a company, then invite its people: here, or with <code>tagout vendor add</code>.
            </>
          ) : (
            'An administrator adds companies and names who answers for each.'
          ),
          ...(add === null ? {} : { action: add }),
        }}
      />
      {hasRole(user, 'admin', 'auditor', 'security-officer') ? <Reports /> : null}
      {adding ? <AddCompany onClose={() => setAdding(false)} /> : null}
    </Page>
  )
}

/** Who answers for a company, and whether they still can. */
export function Sponsor({ company }: { readonly company: CompanyView }) {
  return (
    <>
      <Name of={company.sponsor} />
      {company.isSponsorActive ? null : (
        <div>
          <Label color="orange" isCompact>
            cannot sign in
          </Label>
        </div>
      )}
    </>
  )
}

/** Who was taken off, the latest first. */
function Reports() {
  const reports = useQuery({
    queryKey: ['offboardings'],
    queryFn: () => get<readonly OffboardingView[]>('/api/offboardings'),
    refetchInterval: 30_000,
  })
  if (reports.data?.length === 0) return null
  return (
    <section className="gap-above" aria-labelledby="taken-off">
      <h2 id="taken-off" className="section-title">
        Taken off
      </h2>
      <Listing
        name="Taken off"
        query={reports}
        keyOf={({ id }) => id}
        text={(row) => [row.company ?? '', row.user ?? '', row.reason, ...row.people].join(' ')}
        columns={[
          {
            title: 'Who',
            cell: (row) => (
              <Link href={`/vendors/${row.id}`}>
                <Off of={row} />
              </Link>
            ),
          },
          { title: 'When', fit: 'whole', cell: (row) => <When at={row.at} /> },
          { title: 'Why', fit: 'text', cell: (row) => visible(row.reason) },
          { title: 'Sessions', fit: 'whole', cell: (row) => row.sessions.length },
          { title: 'Grants', fit: 'whole', cell: (row) => row.grants.length },
          {
            title: 'To rotate',
            fit: 'whole',
            cell: (row) => row.secrets.filter(({ rotatedAt }) => rotatedAt === null).length,
          },
        ]}
        empty={{ title: 'Nobody was taken off', body: '' }}
      />
    </section>
  )
}

/** The day that a contract ends on, in the reader's time zone, as the last moment of it. */
export function endOf(day: string): string {
  return new Date(`${day}T23:59:59`).toISOString()
}

/** The day of a moment in the reader's time zone, as a field of a date holds it. */
export function dayOf(iso: string): string {
  const day = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`
}

export function splitDomains(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '')
}

function AddCompany({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const [, go] = useLocation()
  const [name, setName] = useState('')
  const [until, setUntil] = useState('')
  const [sponsor, setSponsor] = useState('')
  const [domains, setDomains] = useState('')
  const [terms, setTerms] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      wide
      title="Add a company"
      action="Add"
      ready={name !== '' && until !== '' && sponsor !== '' && domains.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const wanted = {
          name,
          contractEndsAt: endOf(until),
          sponsor,
          mailDomains: splitDomains(domains),
          ...(terms.trim() === '' ? {} : { terms }),
        }
        const body = await proven(code, 'company.add', {}, wanted)
        const added = await change(() => ask<CompanyView>('POST', '/api/companies', body))
        onClose()
        go(`/vendors/${added.id}`)
      }}
    >
      <Field label="Name" name="name" value={name} onChange={setName} autoFocus hint="One word: acme" />
      <CompanyFields {...{ until, setUntil, sponsor, setSponsor, domains, setDomains, terms, setTerms }} />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** What can be said of a company, when it is added and afterwards. */
export function CompanyFields(props: {
  readonly until: string
  readonly setUntil: (value: string) => void
  readonly sponsor: string
  readonly setSponsor: (value: string) => void
  readonly domains: string
  readonly setDomains: (value: string) => void
  readonly terms: string
  readonly setTerms: (value: string) => void
}) {
  const users = useUsers()
  const sponsors = (users.data ?? []).filter(
    ({ state, roles }) => state !== 'disabled' && !roles.includes('vendor'),
  )
  return (
    <>
      <Field
        label="Contract until"
        name="contractEndsAt"
        type="date"
        value={props.until}
        onChange={props.setUntil}
        hint="Until the end of this day; nothing of its people’s outlasts it"
      />
      <Choice
        label="Sponsor"
        name="sponsor"
        value={props.sponsor}
        onChange={props.setSponsor}
        options={[
          { value: '', label: 'Choose a user' },
          ...sponsors.map((user) => ({ value: user.name, label: user.name })),
        ]}
        hint="Who answers for it in the plant, and can take it off"
      />
      <Field
        label="Mail domains"
        name="mailDomains"
        value={props.domains}
        onChange={props.setDomains}
        hint="Where its people have their addresses: acme.com, acme.de. Exactly: a subdomain is another domain"
      />
      <LongField
        label="Terms"
        name="terms"
        required={false}
        rows={6}
        value={props.terms}
        onChange={props.setTerms}
        hint="Each of its people accepts this text before anything else, and again when it changes"
      />
    </>
  )
}
