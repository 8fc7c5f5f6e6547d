import { Button, Content, Switch } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { RequestView, Verdict } from '../../vault/contract.ts'
import { verdicts } from '../../vault/contract/words.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { RequestBadge } from '../parts/state.tsx'
import { Moment, When } from '../parts/when.tsx'
import { sentence, span, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { May } from './grant-parts.tsx'
import { useRequests } from './lists.ts'
import { RequestAccess } from './request-access.tsx'

/** Who wants to be let in where, and what was said to it. */
export function Requests() {
  const user = useUser()
  const [all, setAll] = useState(false)
  const requests = useRequests(all ? 'all' : 'open')
  const [asking, setAsking] = useState(false)
  const [deciding, setDeciding] = useState<{ request: RequestView; verdict: Verdict } | null>(null)
  const [withdrawing, setWithdrawing] = useState<RequestView | null>(null)
  const add = hasRole(user, 'auditor', 'security-officer') ? null : (
    <Button onClick={() => setAsking(true)}>Request access</Button>
  )
  return (
    <Page
      title="Requests"
      about="Who asks to be let in, and who let them in. Nobody approves their own request."
      actions={
        <div className="row">
          {add}
          <Switch
            id="all-requests"
            label="Answered ones too"
            isChecked={all}
            onChange={(_event, checked) => setAll(checked)}
          />
        </div>
      }
    >
      <Listing
        name="Requests"
        query={requests}
        keyOf={({ id }) => id}
        text={(row) => [row.user, row.account, row.state, row.reason, row.workOrder ?? ''].join(' ')}
        columns={[
          { title: 'State', fit: 'whole', cell: (row) => <RequestState request={row} /> },
          { title: 'Who', cell: (row) => <Name of={row.user} /> },
          {
            title: 'Where',
            cell: (row) => (
              <>
                <span className="mono">
                  <Link href={`/requests/${row.id}`}>
                    <Name of={row.account} />
                  </Link>
                </span>
                <div className="small">
                  <May of={row} />
                </div>
              </>
            ),
          },
          {
            title: 'Why',
            fit: 'text',
            cell: (row) => (
              <>
                {visible(row.reason)}
                {row.workOrder === null ? null : (
                  <div className="quiet small">work order {visible(row.workOrder)}</div>
                )}
              </>
            ),
          },
          {
            title: 'For',
            fit: 'whole',
            cell: (row) => (
              <>
                {span(row.forSeconds)}
                {row.extends === null ? '' : ' more'}
                {row.mode === 'exclusive' ? ', alone' : ''}
                <div className="quiet small">
                  {row.notBefore === null ? (
                    'from its approval on'
                  ) : row.extends === null ? (
                    <>
                      from <Moment at={row.notBefore} />
                    </>
                  ) : (
                    <>
                      until <Moment at={row.extends.until} />
                    </>
                  )}
                </div>
              </>
            ),
          },
          { title: 'Said to it', cell: (row) => <Said request={row} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <>
                {row.mayDecide
                  ? (row.obstacle === null ? verdicts : (['deny'] as const)).map((verdict) => (
                      <Button
                        key={verdict}
                        size="sm"
                        variant={verdict === 'approve' ? 'primary' : 'secondary'}
                        onClick={() => setDeciding({ request: row, verdict })}
                        aria-label={`${verdict === 'approve' ? 'Approve' : 'Deny'} ${row.account} for ${row.user}`}
                      >
                        {verdict === 'approve' ? 'Approve' : 'Deny'}
                      </Button>
                    ))
                  : null}
                {row.user === user.name && row.state === 'open' ? (
                  <Button
                    size="sm"
                    variant="secondary"
                    onClick={() => setWithdrawing(row)}
                    aria-label={`Withdraw the request for ${row.account}`}
                  >
                    Withdraw
                  </Button>
                ) : null}
              </>
            ),
          },
        ]}
        empty={{
          title: all ? 'Nobody has asked for anything yet' : 'No request is waiting',
          body: 'Members of a safe ask here for one of its accounts; its approvers answer here.',
          ...(add === null ? {} : { action: add }),
        }}
      />
      {asking ? <RequestAccess onClose={() => setAsking(false)} /> : null}
      {deciding === null ? null : <Decide {...deciding} onClose={() => setDeciding(null)} />}
      {withdrawing === null ? null : <Withdraw request={withdrawing} onClose={() => setWithdrawing(null)} />}
    </Page>
  )
}

export function RequestState({ request }: { readonly request: RequestView }) {
  return (
    <>
      <RequestBadge state={request.state} />
      <div className="quiet small">
        {request.state === 'open' ? (
          <>
            ends <When at={request.expiresAt} />
          </>
        ) : (
          <When at={request.closedAt ?? request.expiresAt} />
        )}
      </div>
    </>
  )
}

export function Said({
  request: { approvals, approvalsNeeded, approvalsFrom, state, obstacle },
}: {
  readonly request: RequestView
}) {
  const given = approvals.filter(({ verdict }) => verdict === 'approve').length
  return (
    <>
      {approvals.map(({ user, verdict, note }) => (
        <div key={user}>
          {user} {verdict === 'approve' ? 'approved' : 'denied'}
          {note === '' ? '' : `: ${visible(note)}`}
        </div>
      ))}
      {obstacle === null ? null : <div className="quiet small">{sentence(visible(obstacle))}</div>}
      {state === 'open' && approvalsNeeded > 1 ? (
        <div className="quiet small">
          {given} of {approvalsNeeded} approvals{missingText(approvalsFrom)}
        </div>
      ) : null}
    </>
  )
}

/** `; one of ot and two of it are missing`, or nothing. */
function missingText(from: RequestView['approvalsFrom']): string {
  const missing = from.filter((quorum) => quorum.missing > 0)
  const named = missing.map((quorum) => `${quorum.missing} of ${quorum.group}`).join(', ')
  return missing.length === 0 ? '' : `; missing: ${named}`
}

export function Decide(props: {
  readonly request: RequestView
  readonly verdict: Verdict
  readonly onClose: () => void
}) {
  const { request, verdict, onClose } = props
  const change = useChange()
  const [note, setNote] = useState('')
  const [code, setCode] = useState('')
  const approves = verdict === 'approve'
  const isLast =
    request.approvals.filter((one) => one.verdict === 'approve').length + 1 >= request.approvalsNeeded
  return (
    <Dialog
      title={
        approves
          ? request.extends === null
            ? `Let ${request.user} in?`
            : `Give ${request.user} more time?`
          : `Deny ${request.user}’s request?`
      }
      action={approves ? 'Approve' : 'Deny'}
      danger={!approves}
      ready={!approves || isCode(code)}
      onClose={onClose}
      act={async () => {
        const said = {
          verdict,
          digest: request.digest,
          ...(note.trim() === '' ? {} : { note: note.trim() }),
        }
        const body = approves ? await proven(code, 'request.decide', { request: request.id }, said) : said
        await change(() => ask('POST', at`/api/requests/${request.id}/decide`, body))
        onClose()
      }}
    >
      <RequestFacts request={request} />
      {request.obstacle === null ? null : (
        <Note variant="warning" title={sentence(visible(request.obstacle))}>
          Deny it, or have it withdrawn and asked for again.
        </Note>
      )}
      {approves && !isLast ? (
        <Content component="p">
          {request.approvalsNeeded} people must approve{missingText(request.approvalsFrom)}. After you
          somebody else has to.
        </Content>
      ) : null}
      <LongField
        label={approves ? 'Note' : 'What you say to it'}
        name="note"
        rows={2}
        required={false}
        value={note}
        onChange={setNote}
        hint={`${request.user} reads it, and it is in the audit log`}
      />
      {approves ? <FreshCode code={code} onChange={setCode} /> : null}
    </Dialog>
  )
}

/** What is asked for. */
export function RequestFacts({ request }: { readonly request: RequestView }) {
  return (
    <dl className="facts">
      <dt>Account</dt>
      <dd className="mono">
        <Name of={request.account} />
      </dd>
      <dt>May</dt>
      <dd>
        <May of={request} />
      </dd>
      <dt>For</dt>
      <dd>
        {span(request.forSeconds)}
        {request.extends !== null ? (
          <>
            {' '}
            more: it ends <Moment at={request.notBefore} />, and would end{' '}
            <Moment at={request.extends.until} />
          </>
        ) : request.notBefore === null ? (
          ' from now on'
        ) : (
          <>
            {' '}
            from <Moment at={request.notBefore} />
          </>
        )}
        {request.mode === 'exclusive' ? ', alone on the account' : ''}
      </dd>
      <dt>Why</dt>
      <dd>
        {visible(request.reason)}
        {request.workOrder === null ? '' : ` (work order ${visible(request.workOrder)})`}
      </dd>
    </dl>
  )
}

export function Withdraw({
  request,
  onClose,
}: {
  readonly request: RequestView
  readonly onClose: () => void
}) {
  const change = useChange()
  return (
    <Dialog
      title="Withdraw this request?"
      action="Withdraw"
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/requests/${request.id}/withdraw`))
        onClose()
      }}
    >
      <Content component="p">
        Nobody can approve your request for <span className="mono">{request.account}</span> any more. You can
        ask again.
      </Content>
    </Dialog>
  )
}
