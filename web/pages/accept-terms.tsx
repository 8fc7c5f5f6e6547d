import { Button, Card, CardBody, CardTitle, Content, Form, Spinner } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import type { TermsView, UserView } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'
import { Problem } from '../parts/problem.tsx'
import { Terms } from '../parts/terms.tsx'
import { becomeUser, signOut } from '../shell/me.ts'
import { Brand } from '../shell/shell.tsx'

/** What a representative sees while their company's terms are not accepted: nothing else is answered to them. */
export function AcceptTerms() {
  const client = useQueryClient()
  const terms = useQuery({
    queryKey: ['terms'],
    queryFn: () => get<TermsView | null>('/api/terms'),
    refetchInterval: 30_000,
  })
  const [accepted, setAccepted] = useState<string | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)
  const shown = terms.data ?? null
  // Another text, another answer.
  const isAccepted = shown !== null && accepted === shown.digest

  useEffect(() => {
    document.title = 'Terms · Tagout'
  }, [])

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (shown === null || !isAccepted || running) return
    setRunning(true)
    setError(null)
    try {
      becomeUser(client, await ask<UserView>('POST', '/api/terms', { digest: shown.digest }))
    } catch (refused) {
      setError(refused)
      // Other terms by now, or none any more.
      await client.invalidateQueries()
    } finally {
      setRunning(false)
    }
  }

  return (
    <main className="alone">
      <Card className="alone-card wide" component="section">
        <CardTitle component="h1">
          <Brand />
          <span className="card-heading">Before you go on</span>
        </CardTitle>
        <CardBody>
          {terms.isPending ? <Spinner aria-label="Loading the terms" /> : null}
          {shown === null ? <Problem error={terms.error} /> : null}
          {shown === null ? null : (
            <Form onSubmit={submit} noValidate>
              <Content component="p">
                You represent {shown.company} here. What is agreed on with it has changed: read it and accept
                it to go on.
              </Content>
              <Terms
                terms={shown}
                accepted={isAccepted}
                onChange={(checked) => setAccepted(checked ? shown.digest : null)}
              />
              <Problem error={error} />
              <div className="row">
                <Button type="submit" isLoading={running} isDisabled={!isAccepted || running}>
                  Accept and go on
                </Button>
                <Button variant="link" onClick={() => void signOut(client)}>
                  Sign out
                </Button>
              </div>
            </Form>
          )}
        </CardBody>
      </Card>
    </main>
  )
}
