import { Bullseye, Button, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { RequestView, Verdict } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { useUser } from '../shell/me.ts'
import { Decide, RequestFacts, RequestState, Said, Withdraw } from './requests.tsx'

// SECURITY: the token is in the fragment, which browsers send to no server, and leaves the address bar at once.
let linkToken = /^\/(requests|policy)\/open$/.test(window.location.pathname)
  ? window.location.hash.slice(1)
  : ''
if (linkToken !== '') window.history.replaceState(null, '', window.location.pathname)

/** The page behind the link in a mail: it leads to what was asked for, once. */
export function OpenedRequest({ under }: { readonly under: 'requests' | 'policy' }) {
  const [, go] = useLocation()
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const token = linkToken
    linkToken = ''
    if (token === '') {
      // Looked at a second time: there is nothing to open any more.
      go(`/${under}`, { replace: true })
      return
    }
    ask<{ readonly request: string }>('POST', '/api/notifications/open', { token }).then(
      ({ request }) =>
        go(request.startsWith('plr_') ? `/policy/${request}` : `/requests/${request}`, { replace: true }),
      setError,
    )
  }, [go, under])
  return (
    <Page title={under === 'policy' ? 'Policy' : 'Request'}>
      {error === null ? (
        <Bullseye>
          <Spinner aria-label="Opening the request" />
        </Bullseye>
      ) : (
        <>
          <Problem error={error} />
          <p>
            <Link href={`/${under}`}>Look under {under === 'policy' ? 'Policy' : 'Requests'}</Link>
          </p>
        </>
      )}
    </Page>
  )
}

/** One request: what is asked, what was said to it, and the answer. */
export function RequestPage({ request: id }: { readonly request: string }) {
  const user = useUser()
  const query = useQuery({
    queryKey: ['request', id],
    queryFn: () => get<RequestView>(at`/api/requests/${id}`),
    refetchInterval: 5_000,
  })
  const [verdict, setVerdict] = useState<Verdict | null>(null)
  const [withdrawing, setWithdrawing] = useState(false)
  const request = query.data
  if (request === undefined)
    return (
      <Page title="Request">
        {query.isPending ? (
          <Bullseye>
            <Spinner aria-label="Loading the request" />
          </Bullseye>
        ) : (
          <Problem error={query.error} />
        )}
      </Page>
    )
  const mayWithdraw = request.user === user.name && request.state === 'open'
  return (
    <Page
      title={`Request of ${request.user}`}
      about={<RequestState request={request} />}
      actions={
        <div className="row">
          {request.mayDecide ? (
            <>
              <Button onClick={() => setVerdict('approve')}>Approve</Button>
              <Button variant="secondary" onClick={() => setVerdict('deny')}>
                Deny
              </Button>
            </>
          ) : null}
          {mayWithdraw ? (
            <Button variant="secondary" onClick={() => setWithdrawing(true)}>
              Withdraw
            </Button>
          ) : null}
        </div>
      }
    >
      <div className="blocks">
        <Problem error={query.error} title="This may be out of date" />
        <RequestFacts request={request} />
        <div>
          <Said request={request} />
        </div>
        <p>
          <Link href="/requests">All requests</Link>
        </p>
      </div>
      {verdict === null ? null : (
        <Decide request={request} verdict={verdict} onClose={() => setVerdict(null)} />
      )}
      {withdrawing ? <Withdraw request={request} onClose={() => setWithdrawing(false)} /> : null}
    </Page>
  )
}
