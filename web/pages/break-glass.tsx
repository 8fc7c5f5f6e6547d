import { Button, Content, Label, List, ListItem, Switch } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { BreakGlassDoubt, BreakGlassView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Moment, When } from '../parts/when.tsx'
import { span, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { forSessions } from './grant-parts.tsx'
import { useAccounts, useBreakGlass, useSafes } from './lists.ts'

/** Who let themselves in without approval, and what others found. */
export function BreakGlass() {
  const [all, setAll] = useState(false)
  const list = useBreakGlass(all ? 'all' : 'open')
  const [reviewing, setReviewing] = useState<BreakGlassView | null>(null)
  const [ending, setEnding] = useState<BreakGlassView | null>(null)
  const user = useUser()
  const isAdmin = hasRole(user, 'admin')
  // Whose it is, and whoever lets people in there: others are shown what they review.
  const mayEnd = (row: BreakGlassView) =>
    row.state === 'running' && (row.user === user.name || hasRole(user, 'admin', 'approver'))
  return (
    <Page
      title="Break-glass"
      about="Who let themselves in without approval. Each stays an alarm until somebody else has reviewed it."
      actions={
        <Switch
          id="all-break-glass"
          label="Reviewed ones too"
          isChecked={all}
          onChange={(_event, checked) => setAll(checked)}
        />
      }
    >
      <Listing
        name="Break-glass"
        query={list}
        keyOf={({ id }) => id}
        text={(row) => [row.user, row.account, row.safe, row.state, row.reason, row.note ?? ''].join(' ')}
        columns={[
          { title: 'State', fit: 'whole', cell: (row) => <State of={row} /> },
          { title: 'Who', cell: (row) => <Name of={row.user} /> },
          {
            title: 'Where',
            cell: (row) => (
              <>
                <span className="mono">
                  <Name of={row.account} />
                </span>
                <div className="quiet small">
                  {row.sessions === 1 ? 'one session' : `${row.sessions} sessions`}
                </div>
                {row.doubt === null ? null : <Doubt of={row.doubt} />}
              </>
            ),
          },
          {
            title: 'Why',
            fit: 'text',
            cell: (row) => (
              <>
                {visible(row.reason)}
                {row.note === null ? null : (
                  <div className="quiet small">
                    {row.reviewedBy}: {visible(row.note)}
                  </div>
                )}
              </>
            ),
          },
          {
            title: 'Alarmed',
            cell: (row) => (row.alarmed.length === 0 ? 'nobody' : row.alarmed.map(visible).join(', ')),
          },
          {
            title: 'Secret',
            fit: 'whole',
            cell: (row) =>
              row.secretChanged ? (
                'changed since'
              ) : (
                <>
                  to be changed
                  <div className="quiet small">
                    due <When at={row.secretDueAt} />
                  </div>
                </>
              ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              row.mayReview ? (
                <Button
                  size="sm"
                  onClick={() => setReviewing(row)}
                  aria-label={`Review ${row.account} by ${row.user}`}
                >
                  Review
                </Button>
              ) : mayEnd(row) ? (
                <Button
                  size="sm"
                  variant="danger"
                  onClick={() => setEnding(row)}
                  aria-label={`End it: ${row.account} by ${row.user}`}
                >
                  End it
                </Button>
              ) : null,
          },
        ]}
        empty={{
          title: all ? 'Nobody has broken the glass' : 'No break-glass runs or waits for its review',
          body: (
            <>
              {isAdmin ? (
                <>
                  Say under <Link href="/safes">Safes</Link>, at <em>break-glass</em>,
                </>
              ) : (
                'An administrator says in each safe'
              )}{' '}
              who may let themselves in without approval, for how long, and whom that alarms.
              {all ? '' : ' Those of before are under Reviewed ones too.'}
            </>
          ),
        }}
      />
      {reviewing === null ? null : <Review of={reviewing} onClose={() => setReviewing(null)} />}
      {ending === null ? null : <EndBreakGlass {...ending} onClose={() => setEnding(null)} />}
    </Page>
  )
}

function State({ of: row }: { readonly of: BreakGlassView }) {
  const colour = row.state === 'running' ? 'red' : row.state === 'ended' ? 'orange' : 'grey'
  return (
    <>
      <Label color={colour} isCompact>
        {row.state === 'ended' ? 'to be reviewed' : row.state}
      </Label>
      <div className="quiet small">
        {row.state === 'running' ? (
          <>
            ends <When at={row.endsAt} />
          </>
        ) : (
          <When at={row.openedAt} />
        )}
      </div>
    </>
  )
}

/** What is sent to a machine of which nobody knows which credential it takes. */
function Doubt({ of: { rotation, order } }: { readonly of: BreakGlassDoubt }) {
  const [first, then] = order.map(
    ({ version, is }) => `version ${version} (${is === 'new' ? 'the new one' : 'the one before'})`,
  )
  return (
    <div className="small">
      Nobody knows which password or key the machine takes: the rotation{' '}
      <span className="mono">{visible(rotation)}</span> ended in doubt. The next session sends {first}; if the
      machine refuses it, connect again: that sends {then ?? 'it again'}.
    </div>
  )
}

/** Ends a break-glass before its time: its user's own, or by whoever lets people in there. */
export function EndBreakGlass(props: {
  readonly user: string
  readonly account: string
  /** What the break-glass lets in by. */
  readonly grant: string
  readonly onClose: () => void
}) {
  const change = useChange()
  const isOwn = useUser().name === props.user
  return (
    <Dialog
      title={isOwn ? 'End your break-glass?' : `End the break-glass of ${props.user}?`}
      action="End it"
      danger
      onClose={props.onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/grants/${props.grant}/revoke`))
        props.onClose()
      }}
    >
      <Content component="p">
        It lets {isOwn ? 'you' : visible(props.user)} into{' '}
        <span className="mono">{visible(props.account)}</span> no more, and its sessions are cut within three
        seconds; what runs on the machine may stop half way. Somebody else reviews it then, and the secret of
        the account is to be changed.
      </Content>
    </Dialog>
  )
}

function Review({ of: row, onClose }: { readonly of: BreakGlassView; readonly onClose: () => void }) {
  const change = useChange()
  const [note, setNote] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Review ${row.user}’s break-glass`}
      action="Close it"
      ready={note.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'breakglass.review', { breakGlass: row.id }, { note: note.trim() })
        await change(() => ask('POST', at`/api/break-glass/${row.id}/review`, body))
        onClose()
      }}
    >
      <dl className="facts">
        <dt>Account</dt>
        <dd className="mono">
          <Name of={row.account} />
        </dd>
        <dt>Opened</dt>
        <dd>
          <Moment at={row.openedAt} />
        </dd>
        <dt>Sessions</dt>
        <dd>{row.sessions}</dd>
        <dt>Why</dt>
        <dd>{visible(row.reason)}</dd>
      </dl>
      {row.secretChanged ? null : (
        <Note variant="info" title="The secret of the account is the one that it was">
          Change it on the machine, and under <Link href="/accounts">Accounts</Link>.
        </Note>
      )}
      <LongField
        label="What came of it"
        name="note"
        rows={3}
        value={note}
        onChange={setNote}
        hint={`${row.user} reads it, and it is in the audit log`}
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** The accounts for which the user may break the glass, with for how long. */
export function useGlass(): readonly {
  readonly account: string
  readonly minutes: number
  readonly alarms: readonly string[]
}[] {
  const user = useUser()
  const isNever = hasRole(user, 'auditor', 'vendor', 'observer', 'security-officer')
  const safes = useSafes(!isNever)
  const mine = (safes.data ?? []).filter(({ members }) =>
    members.some((member) => member.user === user.name && member.permissions.includes('break-glass')),
  )
  const accounts = useAccounts(mine.length > 0)
  return forSessions(accounts.data).flatMap(({ name, safe }) => {
    const { breakGlass = null } = mine.find((one) => one.name === safe) ?? {}
    return breakGlass === null ? [] : [{ account: name, ...breakGlass }]
  })
}

/** Lets the user in at once, after it has said what that means. */
export function OpenBreakGlass({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const glass = useGlass()
  const [account, setAccount] = useState(glass.length === 1 ? (glass[0]?.account ?? '') : '')
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const [doubt, setDoubt] = useState<BreakGlassDoubt | null>(null)
  const chosen = glass.find((one) => one.account === account)
  if (doubt !== null)
    return (
      <Dialog title="You are let in" action="Close" onClose={onClose} act={async () => onClose()}>
        <Note variant="warning" title={`Two credentials of ${visible(account)} may be right`}>
          <Doubt of={doubt} />
        </Note>
        <Content component="small">
          A session that gets in settles it: the machine takes what let it in. This is repeated on the page
          Break-glass.
        </Content>
      </Dialog>
    )
  return (
    <Dialog
      title="Break glass"
      action="Break the glass"
      danger
      ready={chosen !== undefined && reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'breakglass.open', {}, { account, reason: reason.trim() })
        const opened = await change(() => ask<BreakGlassView>('POST', '/api/break-glass', body))
        if (opened.doubt === null) onClose()
        else setDoubt(opened.doubt)
      }}
    >
      <Note variant="danger" title="For an emergency, when nobody can approve in time">
        <List>
          <ListItem>
            {chosen === undefined
              ? 'People are alarmed at once.'
              : `${chosen.alarms.map(visible).join(', ')} and the administrators are alarmed at once.`}
          </ListItem>
          <ListItem>Everything that you do there is recorded, and somebody else has to review it.</ListItem>
          <ListItem>
            {chosen === undefined
              ? 'It ends by itself.'
              : `It ends by itself after ${span(chosen.minutes * 60)}.`}{' '}
            The secret of the account is to be changed afterwards.
          </ListItem>
        </List>
      </Note>
      <Choice
        label="Account"
        name="account"
        value={account}
        onChange={setAccount}
        options={[
          { value: '', label: 'Choose an account' },
          ...glass.map((one) => ({ value: one.account, label: one.account })),
        ]}
      />
      <LongField
        label="Reason"
        name="reason"
        rows={2}
        value={reason}
        onChange={setReason}
        hint="What has happened"
      />
      <FreshCode code={code} onChange={setCode} />
      <Content component="small">Nobody’s approval is asked; the rest of the policy holds.</Content>
    </Dialog>
  )
}
