import { Button, Content, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useLocation } from 'wouter'
import type { PolicyPlan, PolicyRequestView, PolicyView, VerbAnswer } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { usePolicy, usePolicyRequests } from './lists.ts'

// What compares texts is no part of what everybody loads.
const PolicyDifference = lazy(() => import('./policy-difference.tsx'))

/**
 * The policies that wait for a second administrator, where it takes two to change it. `looked`: one of them, which a
 * link led to: it is shown at once.
 */
export function PolicyRequests({ looked }: { readonly looked?: string }) {
  const user = useUser()
  const requests = usePolicyRequests()
  const [, go] = useLocation()
  const [doing, setDoing] = useState<{ request: PolicyRequestView; kind: 'look' | 'withdraw' } | null>(null)
  if (requests.data === undefined) return <Problem error={requests.error} />
  const led = requests.data.find(({ id }) => id === looked)
  const over =
    looked === undefined || led !== undefined ? null : (
      <Note variant="info" title="What was asked for waits no more">
        It was put in force, withdrawn, or not answered in time: the audit log says which.
      </Note>
    )
  if (requests.data.length === 0) return over
  const shown = doing ?? (led === undefined ? null : { request: led, kind: 'look' as const })
  const close = () => {
    setDoing(null)
    if (looked !== undefined) go('/policy', { replace: true })
  }
  return (
    <>
      {over}
      <Note variant="info" title={`${count(requests.data.length, 'change')} of the policy asked for`}>
        <ul className="plain">
          {requests.data.map((request) => (
            <li key={request.id}>
              By {whoText(visible(request.askedBy))} <Moment at={request.askedAt} />, until{' '}
              <Moment at={request.expiresAt} />.{' '}
              <Button
                variant="link"
                isInline
                onClick={() => setDoing({ request, kind: 'look' })}
                aria-label={`Look at the change that ${visible(request.askedBy)} asked for`}
              >
                {request.mayApprove ? 'Look and approve' : 'Look'}
              </Button>{' '}
              {hasRole(user, 'admin') ? (
                <Button
                  variant="link"
                  isInline
                  isDanger
                  onClick={() => setDoing({ request, kind: 'withdraw' })}
                  aria-label={`Withdraw the change that ${visible(request.askedBy)} asked for`}
                >
                  Withdraw
                </Button>
              ) : null}
            </li>
          ))}
        </ul>
        {shown?.kind === 'look' ? <Look request={shown.request} onClose={close} /> : null}
        {shown?.kind === 'withdraw' ? <Withdraw request={shown.request} onClose={close} /> : null}
      </Note>
    </>
  )
}

type Shown = { readonly request: PolicyRequestView; readonly onClose: () => void }

function Withdraw({ request, onClose }: Shown) {
  const change = useChange()
  return (
    <Dialog
      title={`Withdraw the change that ${whoText(visible(request.askedBy))} asked for?`}
      action="Withdraw"
      danger
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/policy/requests/${request.id}`))
        onClose()
      }}
    >
      <Content component="p">The policy in force stays as it is. It is in the audit log.</Content>
    </Dialog>
  )
}

/** Shows what somebody asks for, and what it would change now; whoever may puts it in force. */
function Look({ request, onClose }: Shown) {
  const change = useChange()
  const [code, setCode] = useState('')
  const whole = useQuery({
    queryKey: ['policy request', request.id],
    queryFn: () => get<VerbAnswer<'policy.request'>>(at`/api/policy/requests/${request.id}`),
    gcTime: 0,
  })
  const present = usePolicy()
  const plan = whole.data?.plan ?? null
  return (
    <Dialog
      wide
      title={`What ${whoText(visible(request.askedBy))} asks for`}
      action={request.mayApprove ? 'Put it in force' : null}
      ready={plan !== null && isCode(code)}
      {...(request.mayApprove ? {} : { closing: 'Close' })}
      onClose={onClose}
      act={async () => {
        const of = { request: request.id }
        const body = await proven(code, 'policy.approve', of, { means: request.means })
        await change(() => ask('POST', at`/api/policy/requests/${request.id}/approve`, body))
        onClose()
      }}
    >
      {whole.isPending ? <Spinner size="md" aria-label="Reading what is asked for" /> : null}
      <Problem error={whole.error} />
      {whole.data === undefined || whole.data.fault === null ? null : (
        <Note variant="warning" title="It cannot be put in force as it is">
          {visible(whole.data.fault)}. Have it withdrawn and asked for again.
        </Note>
      )}
      {plan === null || whole.data === undefined || present.data === undefined ? null : (
        <PlanText plan={plan} present={present.data.document} wanted={whole.data.document} />
      )}
      {whole.data === undefined ? null : (
        <details>
          <summary>The whole document</summary>
          <pre className="mono small document">
            {JSON.stringify(whole.data.document, null, 2).split('\n').map(visible).join('\n')}
          </pre>
        </details>
      )}
      {request.mayApprove ? <FreshCode code={code} onChange={setCode} /> : null}
    </Dialog>
  )
}

/** What a policy would change: its parts, who gains and loses, what ends. */
export function PlanText(props: {
  readonly plan: PolicyPlan
  readonly present: PolicyView['document']
  readonly wanted: PolicyView['document']
}) {
  const { plan } = props
  return (
    <>
      <Lines title={plan.changes.length === 0 ? 'Nothing changes' : 'What changes'} of={[]} />
      <Suspense fallback={<Spinner size="md" aria-label="Comparing the two" />}>
        <PolicyDifference changes={plan.changes} present={props.present} wanted={props.wanted} />
      </Suspense>
      <Lines
        title={`People gain access by a rule: ${plan.gains.total}`}
        of={plan.gains.pairs.slice(0, 20).map(({ user, account }) => `${user} to ${account}`)}
      />
      <Lines
        title={`People lose access by a rule: ${plan.loses.total}`}
        of={plan.loses.pairs.slice(0, 20).map(({ user, account }) => `${user} to ${account}`)}
      />
      <Lines
        title={`Sessions that do not go on as they are: ${plan.sessions.length}`}
        of={plan.sessions.map(({ user, account, change, why }) => `${user} on ${account} ${change}: ${why}`)}
      />
      <Lines
        title={`Open requests of which more would be wanted: ${plan.requests.length}`}
        of={plan.requests.map(({ user, account, why }) => `${user} for ${account}: ${why}`)}
      />
    </>
  )
}

function Lines({ title, of }: { readonly title: string; readonly of: readonly string[] }) {
  return (
    <>
      <Content component="p">
        <strong>{title}</strong>
      </Content>
      {of.length === 0 ? null : (
        <ul>
          {of.map((line) => (
            <li key={line}>{visible(line)}</li>
          ))}
        </ul>
      )}
    </>
  )
}
