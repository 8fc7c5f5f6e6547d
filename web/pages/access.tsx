import {
  Button,
  Card,
  CardBody,
  CardTitle,
  Content,
  EmptyState,
  EmptyStateBody,
  Gallery,
  Spinner,
} from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { GrantView, VerbAnswer } from '../../vault/contract.ts'
import { ask } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { GrantBadge } from '../parts/state.tsx'
import { Moment, When } from '../parts/when.tsx'
import { span } from '../parts/wording.ts'
import { useUser } from '../shell/me.ts'
import { useGrants } from './lists.ts'
import { sshCommand, terminalPath, useSshPort } from './ssh-command.ts'

/** One's own grants, and exactly how to connect. */
export function Access() {
  const user = useUser()
  const grants = useGrants()
  const mine = grants.data?.filter((grant) => grant.user === user.name && grant.state !== 'revoked')
  const current = mine?.filter(({ state }) => state === 'active' || state === 'future') ?? []
  return (
    <Page
      title="My access"
      about="What you may use now, and the command that connects you. No password is asked of you for the machine."
    >
      {user.keys > 0 ? null : (
        <Note variant="info" title="No SSH key of yours is known yet" className="gap-below">
          <Link href="/account">Add your public key</Link> to connect without typing anything, or use a
          one-time ticket.
        </Note>
      )}
      <Problem error={grants.error} />
      {grants.isPending ? <Spinner aria-label="Loading grants" /> : null}
      {mine !== undefined && current.length === 0 ? (
        <EmptyState titleText="You have no access now" headingLevel="h2">
          <EmptyStateBody>
            Ask an approver or administrator for a grant: they need your name, the account and how long.
          </EmptyStateBody>
        </EmptyState>
      ) : null}
      <Gallery hasGutter minWidths={{ default: '100%', lg: '34rem' }}>
        {current.map((grant) => (
          <GrantCard key={grant.id} grant={grant} user={user.name} />
        ))}
      </Gallery>
    </Page>
  )
}

function GrantCard({ grant, user }: { readonly grant: GrantView; readonly user: string }) {
  const port = useSshPort()
  const [ticket, setTicket] = useState<VerbAnswer<'ticket.issue'> | null>(null)
  const [error, setError] = useState<unknown>(null)
  const issue = async () => {
    setError(null)
    try {
      setTicket(await ask<VerbAnswer<'ticket.issue'>>('POST', '/api/tickets', { account: grant.account }))
    } catch (refused) {
      setError(refused)
    }
  }
  return (
    <Card>
      <CardTitle component="h2" className="split">
        <span className="mono">{grant.account}</span>
        <GrantBadge state={grant.state} />
      </CardTitle>
      <CardBody>
        <Content component="p">
          {grant.actions.join(', ')}. Until <Moment at={grant.notAfter} />, sessions of{' '}
          {span(grant.maxSessionSeconds)} at most.
        </Content>
        {grant.state === 'future' ? (
          <Content component="p">
            Begins <When at={grant.notBefore} />.
          </Content>
        ) : (
          <>
            <Command
              text={sshCommand(user, grant.account, port)}
              label={`SSH command for ${grant.account}`}
            />
            <div className="row gap-above">
              {grant.actions.includes('shell') ? (
                <Button
                  variant="primary"
                  size="sm"
                  component="a"
                  href={terminalPath(grant.account)}
                  target="_blank"
                  rel="noopener"
                  aria-label={`Connect to ${grant.account} in the browser`}
                >
                  Connect
                </Button>
              ) : null}
              <Button variant="secondary" size="sm" onClick={issue}>
                One-time ticket
              </Button>
            </div>
            <Problem error={error} />
            {ticket === null ? null : (
              <div className="gap-above" role="status">
                <Command text={ticket.ticket} label="One-time ticket" />
                <Content component="small">
                  Give it where ssh asks for a password or ticket. Works once, for this account, and expires{' '}
                  <When at={ticket.expiresAt} />.
                </Content>
              </div>
            )}
          </>
        )}
      </CardBody>
    </Card>
  )
}
