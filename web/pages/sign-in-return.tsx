import { Button, Card, CardBody, CardTitle, Content, Form, Spinner } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import type { UserView } from '../../vault/contract.ts'
import { ask } from '../api.ts'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible } from '../parts/wording.ts'
import { hasPasskeys, signInProof } from '../sealed/passkeys.ts'
import { type Arrived, comeBack, takeAnew, takeLink } from '../sealed/providers.ts'
import { becomeUser } from '../shell/me.ts'
import { Brand } from '../shell/shell.tsx'
import { SignInAnew } from './sign-in-anew.tsx'
import { Enrol } from './enrol.tsx'

const returnPath = '/sign-in/return'

// SECURITY: what the provider sent leaves the address bar, and the history, at once. It is good for one use.
const search = window.location.pathname === returnPath ? window.location.search : ''
if (search !== '') window.history.replaceState(null, '', returnPath)

// Asked once, whatever is drawn anew.
let asked: Promise<{ readonly arrived: Arrived; readonly link: string | null }> | undefined

// A tab that was away to be asked anew signs nobody in.
const isAnew = search !== '' && takeAnew()

/** Where a provider sends people back: they were asked anew, or they give a code of ours, or go on with the link that they were following. */
export function SignInReturn() {
  const client = useQueryClient()
  const [, go] = useLocation()
  const [arrived, setArrived] = useState<Arrived | null>(null)
  const [link, setLink] = useState<string | null>(null)
  const [code, setCode] = useState('')
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)

  useEffect(() => {
    document.title = 'Sign in · Tagout'
    if (search === '' || isAnew) return
    let gone = false
    asked ??= comeBack(search).then((answer) => ({ arrived: answer, link: takeLink() }))
    asked.then(
      (answer) => {
        if (gone) return
        setArrived(answer.arrived)
        setLink(answer.link)
      },
      (refused: unknown) => gone || setError(refused),
    )
    return () => {
      gone = true
    }
  }, [])

  const finish = async (by: 'code' | 'passkey') => {
    if (arrived === null || running) return
    const { arrival } = arrived
    setRunning(true)
    setError(null)
    try {
      const totpCode =
        by === 'code' ? code.replaceAll(/\s/g, '') : await signInProof('login.finish', { arrival })
      const { user } = await ask<{ readonly user: UserView }>('POST', '/api/login/finish', {
        arrival,
        totpCode,
      })
      becomeUser(client, user)
      go('/', { replace: true })
    } catch (refused) {
      setError(refused)
      setCode('')
    } finally {
      setRunning(false)
    }
  }

  if (isAnew) return <SignInAnew search={search} />
  if (arrived !== null && link !== null) return <Enrol link={link} arrived={arrived} />
  const anew = (
    <Button variant="link" isInline onClick={() => go('/', { replace: true })}>
      Begin anew
    </Button>
  )
  return (
    <main className="alone">
      <Card className="alone-card" component="section">
        <CardTitle component="h1">
          <Brand />
          <span className="card-heading">Sign in</span>
        </CardTitle>
        <CardBody>
          {search === '' ? (
            <Note variant="info" title="This sign-in is over" className="gap-below">
              {anew}
            </Note>
          ) : null}
          {search !== '' && arrived === null && error === null ? <Spinner aria-label="Signing in" /> : null}
          {arrived === null && error !== null ? (
            <>
              <Problem error={error} />
              <p className="gap-above">{anew}</p>
            </>
          ) : null}
          {arrived?.isEnrolling === true ? (
            <Note variant="info" title={`You have no second factor here yet, ${visible(arrived.name)}`}>
              <p>
                An administrator of this installation gives you a one-time link, with which you set it up. A
                login of {visible(arrived.directory)} alone opens nothing here.
              </p>
            </Note>
          ) : null}
          {arrived !== null && !arrived.isEnrolling ? (
            <Form
              onSubmit={(event: FormEvent) => {
                event.preventDefault()
                void finish('code')
              }}
              noValidate
            >
              <Content component="p">
                {visible(arrived.directory)} knows you as <strong>{visible(arrived.name)}</strong>.
              </Content>
              <Field
                label="Code"
                value={code}
                onChange={setCode}
                autoComplete="one-time-code"
                autoFocus
                mono
                hint="Six digits from your authenticator app, or a recovery code"
              />
              <Problem error={error} />
              <Button type="submit" isBlock isLoading={running} isDisabled={running || code === ''}>
                Sign in
              </Button>
              {hasPasskeys ? (
                <Button
                  variant="secondary"
                  isBlock
                  isDisabled={running}
                  onClick={() => void finish('passkey')}
                >
                  Use a passkey instead
                </Button>
              ) : null}
              {error === null ? null : <p>{anew}</p>}
            </Form>
          ) : null}
        </CardBody>
      </Card>
    </main>
  )
}
