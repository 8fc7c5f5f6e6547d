import {
  Bullseye,
  Button,
  Card,
  CardBody,
  CardTitle,
  Content,
  Gallery,
  Spinner,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import type { CompanyDetail, Enrolment, RepresentativeView, VerbAnswer } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { type Column, Table } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { OneTimeLink } from '../parts/one-time-link.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { CompanyBadge, UserBadge } from '../parts/state.tsx'
import { TermsText } from '../parts/terms.tsx'
import { TermsHistory } from './terms-history.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { AuditLink } from './audit-link.tsx'
import { May } from './grant-parts.tsx'
import { TakeOff } from './offboarding.tsx'
import { ReachLink } from './reach-link.tsx'
import { CompanyFields, dayOf, endOf, Sponsor, splitDomains } from './vendors.tsx'

type Doing =
  | { readonly kind: 'change' | 'invite' | 'off' | 'on' }
  | { readonly kind: 'take-off'; readonly user: string }
  | { readonly kind: 'link'; readonly name: string; readonly enrolment: Enrolment }

/** One company: its contract, its people, what they may use, and taking it off. */
export function Company({ id }: { readonly id: string }) {
  const user = useUser()
  const company = useQuery({
    queryKey: ['company', id],
    queryFn: () => get<CompanyDetail>(at`/api/companies/${id}`),
    refetchInterval: 10_000,
  })
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  if (company.isPending)
    return (
      <Bullseye>
        <Spinner aria-label="Loading the company" />
      </Bullseye>
    )
  const { data } = company
  if (data === undefined)
    return (
      <Page title="Vendor">
        <Problem error={company.error} />
      </Page>
    )
  const isAdmin = hasRole(user, 'admin')
  const isOff = data.state === 'off'
  return (
    <Page
      title={data.name}
      about={
        <span className="row">
          <Link href="/vendors">All vendors</Link>
          <AuditLink asked={{ company: data.name }} text="What they did" of={data.name} />
          <ReachLink asked={{ noun: 'company', name: data.name }} text="What they can reach" />
        </span>
      }
      actions={
        <div className="row">
          {isAdmin && data.state === 'active' ? (
            <Button onClick={() => setDoing({ kind: 'invite' })}>Invite a person</Button>
          ) : null}
          {isAdmin ? (
            <Button variant="secondary" onClick={() => setDoing({ kind: 'change' })}>
              Change
            </Button>
          ) : null}
          {isAdmin && isOff ? (
            <Button variant="secondary" onClick={() => setDoing({ kind: 'on' })}>
              Switch on again
            </Button>
          ) : null}
          {(isAdmin || data.sponsor === user.name) && !isOff ? (
            <Button variant="danger" onClick={() => setDoing({ kind: 'off' })}>
              Take off
            </Button>
          ) : null}
        </div>
      }
    >
      <Gallery hasGutter minWidths={{ default: '100%' }}>
        <Contract company={data} />
        <People
          company={data}
          onOff={isAdmin ? (name) => setDoing({ kind: 'take-off', user: name }) : undefined}
        />
        <Grants company={data} />
        {data.terms === null ? null : (
          <Card>
            <CardTitle component="h2">Terms</CardTitle>
            <CardBody>
              <TermsText text={data.terms.text} />
              <Content component="p" className="quiet small">
                SHA-256 <span className="mono">{data.terms.digest}</span>
              </Content>
            </CardBody>
          </Card>
        )}
        <TermsHistory company={data.name} present={data.terms?.digest ?? null} />
      </Gallery>
      {doing?.kind === 'change' ? <Change company={data} onClose={close} /> : null}
      {doing?.kind === 'invite' ? (
        <Invite
          company={data}
          onClose={close}
          onInvited={(name, enrolment) => setDoing({ kind: 'link', name, enrolment })}
        />
      ) : null}
      {doing?.kind === 'link' ? (
        <OneTimeLink name={doing.name} enrolment={doing.enrolment} onClose={close} />
      ) : null}
      {doing?.kind === 'off' ? (
        <TakeOff title={`Take ${data.name} off?`} path={at`/api/companies/${data.id}/off`} onClose={close}>
          {`All its people are signed out, and their live sessions end within three seconds. Grants, requests, keys and links are void, and each secret that one of them has seen is due to be rotated. Switched on again one day, each has to be let in anew.`}
        </TakeOff>
      ) : null}
      {doing?.kind === 'take-off' ? (
        <TakeOff title={`Take ${doing.user} off?`} path={at`/api/users/${doing.user}/off`} onClose={close}>
          {`${doing.user} is signed out, and live sessions end within three seconds. Grants, requests, keys and links are void, and each secret that they have seen is due to be rotated.`}
        </TakeOff>
      ) : null}
      {doing?.kind === 'on' ? <SwitchOn company={data} onClose={close} /> : null}
    </Page>
  )
}

function Contract({ company }: { readonly company: CompanyDetail }) {
  return (
    <Card>
      <CardTitle component="h2">Contract</CardTitle>
      <CardBody>
        {company.state === 'ended' ? (
          <Note variant="warning" title="The contract has ended" className="gap-below">
            Nobody of {visible(company.name)} can sign in or connect until it is renewed: choose Change.
          </Note>
        ) : null}
        <dl className="facts">
          <dt>State</dt>
          <dd>
            <CompanyBadge state={company.state} />
            {company.offAt === null ? null : (
              <>
                {' '}
                since <Moment at={company.offAt} />
              </>
            )}
          </dd>
          <dt>Until</dt>
          <dd>
            <Moment at={company.contractEndsAt} /> (<When at={company.contractEndsAt} />)
          </dd>
          <dt>Sponsor</dt>
          <dd>
            <Sponsor company={company} />
          </dd>
          <dt>Mail at</dt>
          <dd>{company.mailDomains.join(', ')}</dd>
          {company.offboardings.length === 0 ? null : (
            <>
              <dt>Reports</dt>
              <dd>
                {company.offboardings.map(({ id, at: when }) => (
                  <div key={id}>
                    <Link href={`/vendors/${id}`}>
                      Taken off <Moment at={when} />
                    </Link>
                  </div>
                ))}
              </dd>
            </>
          )}
        </dl>
      </CardBody>
    </Card>
  )
}

const acceptance: Column<RepresentativeView> = {
  title: 'Terms',
  fit: 'whole',
  cell: (row) =>
    row.termsAcceptedAt === null ? (
      <span className="quiet">not accepted</span>
    ) : (
      <>
        accepted <When at={row.termsAcceptedAt} />
      </>
    ),
}

function People(props: {
  readonly company: CompanyDetail
  readonly onOff: ((name: string) => void) | undefined
}) {
  const { people, terms } = props.company
  const { onOff } = props
  const columns: readonly Column<RepresentativeView>[] = [
    {
      title: 'Name',
      cell: (row) => (
        <>
          <strong>
            <Name of={row.user} />
          </strong>
          <div className="quiet small">
            <Name of={row.mail} />
          </div>
        </>
      ),
    },
    { title: 'State', fit: 'whole', cell: (row) => <UserBadge state={row.state} /> },
    ...(terms === null ? [] : [acceptance]),
    { title: 'Last sign-in', fit: 'whole', cell: (row) => <When at={row.lastLoginAt} /> },
    { title: 'Invited by', cell: (row) => whoText(visible(row.invitedBy)) },
    ...(onOff === undefined
      ? []
      : [
          {
            title: 'Actions',
            actions: true as const,
            cell: (row: RepresentativeView) => (
              <Button
                size="sm"
                variant="link"
                isDanger
                onClick={() => onOff(row.user)}
                aria-label={`Take off ${row.user}`}
              >
                Take off
              </Button>
            ),
          },
        ]),
  ]
  return (
    <Card>
      <CardTitle component="h2">People</CardTitle>
      <CardBody>
        {people.length === 0 ? (
          <p className="quiet">Nobody of this company was invited yet.</p>
        ) : (
          <Table name="People" rows={people} keyOf={({ user }) => user} columns={columns} />
        )}
      </CardBody>
    </Card>
  )
}

function Grants({ company }: { readonly company: CompanyDetail }) {
  return (
    <Card>
      <CardTitle component="h2">Grants</CardTitle>
      <CardBody>
        {company.grants.length === 0 ? (
          <p className="quiet">Nobody of this company is let in anywhere.</p>
        ) : (
          <Table
            name="Grants"
            rows={company.grants}
            keyOf={({ id }) => id}
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
              { title: 'May', cell: (row) => <May of={row} /> },
              { title: 'Until', fit: 'whole', cell: (row) => <Moment at={row.notAfter} /> },
            ]}
          />
        )}
      </CardBody>
    </Card>
  )
}

function Change({ company, onClose }: { readonly company: CompanyDetail; readonly onClose: () => void }) {
  const change = useChange()
  const before = {
    until: dayOf(company.contractEndsAt),
    domains: company.mailDomains.join(', '),
    terms: company.terms?.text ?? '',
  }
  const [until, setUntil] = useState(before.until)
  const [sponsor, setSponsor] = useState(company.sponsor)
  const [domains, setDomains] = useState(before.domains)
  const [terms, setTerms] = useState(before.terms)
  const [code, setCode] = useState('')
  const changed = {
    ...(until === before.until || until === '' ? {} : { contractEndsAt: endOf(until) }),
    ...(sponsor === company.sponsor ? {} : { sponsor }),
    ...(domains === before.domains ? {} : { mailDomains: splitDomains(domains) }),
    ...(terms === before.terms ? {} : { terms: terms.trim() === '' ? null : terms }),
  }
  const isShorter = until !== '' && until < before.until
  return (
    <Dialog
      wide
      title={`Change ${company.name}`}
      action="Change"
      ready={Object.keys(changed).length > 0 && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'company.change', { company: company.id }, changed)
        await change(() => ask('PUT', at`/api/companies/${company.id}`, body))
        onClose()
      }}
    >
      <CompanyFields {...{ until, setUntil, sponsor, setSponsor, domains, setDomains, terms, setTerms }} />
      {isShorter ? (
        <Note variant="warning" title="The contract becomes shorter">
          Grants and running sessions of its people end with it.
        </Note>
      ) : null}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Invite(props: {
  readonly company: CompanyDetail
  readonly onClose: () => void
  readonly onInvited: (name: string, enrolment: Enrolment) => void
}) {
  const { company } = props
  const change = useChange()
  const [name, setName] = useState('')
  const [mail, setMail] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Invite a person of ${company.name}`}
      action="Invite"
      ready={name !== '' && mail !== '' && isCode(code)}
      onClose={props.onClose}
      act={async () => {
        const body = await proven(code, 'company.invite', { company: company.id }, { name, mail })
        const { representative, enrolment } = await change(() =>
          ask<VerbAnswer<'company.invite'>>('POST', at`/api/companies/${company.id}/representatives`, body),
        )
        props.onInvited(representative.user, enrolment)
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="What they sign in with: vera. One name for one person"
      />
      <Field
        label="Mail address"
        name="mail"
        value={mail}
        onChange={setMail}
        hint={`At ${company.mailDomains.join(' or ')}`}
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function SwitchOn({ company, onClose }: { readonly company: CompanyDetail; readonly onClose: () => void }) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Switch ${company.name} on again?`}
      action="Switch on"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'company.on', { company: company.id }, {})
        await change(() => ask('POST', at`/api/companies/${company.id}/on`, body))
        onClose()
      }}
    >
      <Content component="p">
        Its people stay off. Enable each who comes back on the page Users, and give them a new link there.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
