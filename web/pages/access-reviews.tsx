import { Button, Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { CampaignItem, CampaignView, VerbAnswer } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field, LongField } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible, zone } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { isoOf, localOf } from './audit-filter.tsx'

type Doing =
  | { readonly kind: 'start' }
  | { readonly kind: 'close'; readonly campaign: CampaignView }
  | { readonly kind: 'decide'; readonly item: CampaignItem; readonly decision: 'keep' | 'revoke' }

/** Who still needs what: what people are asked, what they said, and what is to be carried out. */
export function AccessReviews() {
  const [address, setAddress] = useSearchParams()
  const chosen = address.get('review')
  const user = useUser()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const query = useQuery({
    queryKey: ['access reviews'],
    queryFn: () => get<VerbAnswer<'campaign.list'>>('/api/campaigns'),
    refetchInterval: 10_000,
  })
  return (
    <Page
      title="Access reviews"
      about="Who still needs what. Of each grant and each permission on a safe somebody says whether it is kept, and why; nobody of their own."
      actions={
        hasRole(user, 'admin', 'security-officer') ? (
          <Button onClick={() => setDoing({ kind: 'start' })}>Begin an access review</Button>
        ) : null
      }
    >
      {chosen === null ? (
        <Listing
          name="Access reviews"
          query={query}
          keyOf={({ id }) => id}
          text={({ name, startedBy }) => `${name} ${startedBy}`}
          columns={[
            {
              title: 'Name',
              cell: (row) => <Link href={`/access-reviews?review=${row.id}`}>{visible(row.name)}</Link>,
            },
            { title: 'State', fit: 'whole', cell: (row) => <State of={row} /> },
            { title: 'Due', fit: 'whole', cell: (row) => <When at={row.dueAt} /> },
            { title: 'Decided', fit: 'whole', cell: (row) => `${row.decided} of ${row.items}` },
            { title: 'To carry out', fit: 'whole', cell: (row) => row.toCarryOut },
            { title: 'Begun by', cell: (row) => visible(row.startedBy) },
          ]}
          empty={{
            title: 'Nobody is asked anything',
            body: 'Administrators and security officers begin an access review; who lets people in is asked then, and written to.',
          }}
        />
      ) : (
        <One id={chosen} onDo={setDoing} onBack={() => setAddress({})} />
      )}
      {doing?.kind === 'start' ? <Start onClose={close} /> : null}
      {doing?.kind === 'close' ? <Close of={doing.campaign} onClose={close} /> : null}
      {doing?.kind === 'decide' ? (
        <Decide item={doing.item} decision={doing.decision} onClose={close} />
      ) : null}
    </Page>
  )
}

function State({ of }: { readonly of: CampaignView }) {
  if (of.signedOff !== null)
    return (
      <Label color="grey" isCompact>
        signed off
      </Label>
    )
  return (
    <Label color={of.isOverdue ? 'red' : 'orange'} isCompact>
      {of.isOverdue ? 'overdue' : 'open'}
    </Label>
  )
}

function One({
  id,
  onDo,
  onBack,
}: {
  readonly id: string
  readonly onDo: (doing: Doing) => void
  readonly onBack: () => void
}) {
  const user = useUser()
  const shown = useQuery({
    queryKey: ['access review', id],
    queryFn: () => get<VerbAnswer<'campaign.show'>>(at`/api/campaigns/${id}`),
    refetchInterval: 10_000,
  })
  const items = useQuery({
    queryKey: ['access review', id],
    queryFn: () => get<VerbAnswer<'campaign.show'>>(at`/api/campaigns/${id}`),
    select: ({ list }) => list,
  })
  const campaign = shown.data
  const isOpen = campaign?.signedOff === null
  const isAbove = hasRole(user, 'admin', 'security-officer')
  const mayDecide = (row: CampaignItem) =>
    isOpen && row.user !== user.name && (isAbove || row.reviewer === user.name)
  return (
    <>
      <div className="row">
        <Button variant="link" onClick={onBack}>
          All access reviews
        </Button>
        {campaign === undefined ? null : (
          <>
            <strong>{visible(campaign.name)}</strong>
            <State of={campaign} />
            <span className="quiet">
              due <When at={campaign.dueAt} />, {campaign.decided} of {campaign.items} decided
            </span>
            {isOpen && hasRole(user, 'admin', 'auditor', 'security-officer') ? (
              <Button variant="secondary" onClick={() => onDo({ kind: 'close', campaign })}>
                Sign off
              </Button>
            ) : null}
          </>
        )}
      </div>
      {campaign === undefined || campaign.signedOff === null ? null : (
        <p className="quiet">
          Signed off by {visible(campaign.signedOff.by)}, <Moment at={campaign.signedOff.at} />:{' '}
          {visible(campaign.signedOff.note)}
        </p>
      )}
      <Listing
        name="What people may"
        query={items}
        keyOf={(row) => row.id}
        text={(row) => [row.user, row.what, row.safe, row.reviewer, row.reason].join(' ')}
        columns={[
          { title: 'Who', cell: (row) => <Name of={row.user} /> },
          { title: 'May', fit: 'text', cell: (row) => visible(row.what) },
          { title: 'Asked', cell: (row) => visible(row.reviewer) },
          { title: 'Said', fit: 'text', cell: (row) => <Said of={row} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              mayDecide(row) ? (
                <div className="row">
                  {(['keep', 'revoke'] as const).map((decision) => (
                    <Button
                      key={decision}
                      size="sm"
                      variant={decision === 'keep' ? 'secondary' : 'danger'}
                      aria-label={`${decision === 'keep' ? 'Keep' : 'Take'}: ${row.user}, ${row.what}`}
                      onClick={() => onDo({ kind: 'decide', item: row, decision })}
                    >
                      {decision === 'keep' ? 'Keep' : 'Take'}
                    </Button>
                  ))}
                </div>
              ) : null,
          },
        ]}
        empty={{ title: 'Nothing is asked of you here', body: 'Others were asked.' }}
      />
    </>
  )
}

function Said({ of }: { readonly of: CampaignItem }) {
  if (of.decision === null) return <span className="quiet">nothing yet</span>
  return (
    <>
      <strong>{of.decision === 'keep' ? 'keeps it' : of.holds ? 'to be taken' : 'taken'}</strong>, says{' '}
      {visible(of.decidedBy ?? '')}: {visible(of.reason)}
      {of.decision === 'revoke' && of.holds ? (
        <div className="small">
          It holds still. Who may takes it under{' '}
          {of.grant === null ? <Link href="/safes">Safes</Link> : <Link href="/grants">Grants</Link>}.
        </div>
      ) : null}
    </>
  )
}

function Start({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const [name, setName] = useState('')
  const [dueAt, setDueAt] = useState(() => new Date(Date.now() + 14 * 24 * 3600_000).toISOString())
  const [reviewer, setReviewer] = useState('')
  return (
    <Dialog
      title="Begin an access review"
      description="Of each grant and each permission on a safe that holds now, somebody is asked, and written to."
      action="Begin"
      ready={name.trim() !== '' && dueAt !== ''}
      onClose={onClose}
      act={async () => {
        const asked = {
          name: name.trim(),
          dueAt,
          ...(reviewer.trim() === '' ? {} : { reviewer: reviewer.trim() }),
        }
        await change(() => ask('POST', '/api/campaigns', asked))
        onClose()
      }}
    >
      <Field label="Name" name="name" value={name} onChange={setName} autoFocus />
      <Field
        label="Due"
        name="dueAt"
        type="datetime-local"
        value={localOf(dueAt)}
        onChange={(value) => setDueAt(isoOf(value) ?? '')}
        hint={`In ${zone()}`}
      />
      <Field
        label="Whom to ask"
        name="reviewer"
        value={reviewer}
        onChange={setReviewer}
        hint="Empty: an approver of each safe, else an administrator"
        required={false}
      />
    </Dialog>
  )
}

function Decide(props: {
  readonly item: CampaignItem
  readonly decision: 'keep' | 'revoke'
  readonly onClose: () => void
}) {
  const { item, decision, onClose } = props
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={decision === 'keep' ? `${item.user} keeps it` : `${item.user} is to lose it`}
      description={visible(item.what)}
      action={decision === 'keep' ? 'Keep' : 'Take'}
      danger={decision === 'revoke'}
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', at`/api/campaign-items/${item.id}`, { decision, reason: reason.trim() }),
        )
        onClose()
      }}
    >
      <LongField label="Why" name="reason" value={reason} onChange={setReason} rows={2} />
    </Dialog>
  )
}

function Close({ of, onClose }: { readonly of: CampaignView; readonly onClose: () => void }) {
  const change = useChange()
  const [note, setNote] = useState('')
  return (
    <Dialog
      title={`Sign off ${of.name}`}
      description="Your name, the time and what you write are kept, and cannot be changed. The result is under Reports."
      action="Sign off"
      ready={note.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/campaigns/${of.id}/close`, { note: note.trim() }))
        onClose()
      }}
    >
      <LongField label="What came of it" name="note" value={note} onChange={setNote} rows={3} />
    </Dialog>
  )
}
