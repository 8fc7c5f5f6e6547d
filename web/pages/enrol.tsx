import { Button, Card, CardBody, CardTitle, Content, Form, Spinner } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import type { UserView } from '../../vault/contract.ts'
import { ask, Refused } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { QrCode } from '../parts/qr-code.tsx'
import { Terms } from '../parts/terms.tsx'
import { visible, zonedMoment } from '../parts/wording.ts'
import { type Begun, beginEnrolment } from '../sealed/enrolment.ts'
import { type Arrived, leaveFor } from '../sealed/providers.ts'
import { sealLoginPassword } from '../sealed/intake.ts'
import { becomeUser } from '../shell/me.ts'
import { Brand } from '../shell/shell.tsx'
import { withRecoveryCodes } from '../sealed/recovery-codes.ts'
import { CodeSheet } from './recovery-codes.tsx'
import { passwordAdvice } from './password-advice.ts'

// SECURITY: the token is in the fragment, which browsers send to no server, and leaves the address bar at once.
const linkToken = window.location.pathname === '/enrol' ? window.location.hash.slice(1) : ''
if (linkToken !== '') window.history.replaceState(null, '', '/enrol')
// A link that is opened where this page is open already changes the fragment alone, and loads nothing.
window.addEventListener('hashchange', () => {
  if (window.location.pathname === '/enrol' && window.location.hash !== '') window.location.reload()
})

type Finished = { readonly user: UserView; readonly sealedRecoveryCodes?: string }

/** The page behind a one-time link: choose a password, set up the second factor, prove it. */
export function Enrol({
  link = linkToken,
  arrived = null,
}: {
  readonly link?: string
  /** What a provider has proven of them, where they are of one. */
  readonly arrived?: Arrived | null
}) {
  const client = useQueryClient()
  const [, go] = useLocation()
  const [begun, setBegun] = useState<Begun | null>(null)
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [code, setCode] = useState('')
  const [accepted, setAccepted] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)
  const [renewed, setRenewed] = useState(false)
  const [made, setMade] = useState<{ readonly user: UserView; readonly codes: readonly string[] } | null>(
    null,
  )

  useEffect(() => {
    document.title = 'First sign-in · Tagout'
    if (link === '') return
    let gone = false
    beginEnrolment(link).then(
      (answer) => gone || setBegun(answer),
      (refused: unknown) => gone || setError(refused),
    )
    return () => {
      gone = true
    }
  }, [link])

  const advice = passwordAdvice(password, begun?.name ?? '')
  const isOfProvider = begun?.directory?.kind === 'oidc'
  const differs = again !== '' && again !== password
  const ready =
    begun !== null &&
    (isOfProvider
      ? arrived !== null
      : begun.directory === null
        ? advice.good && again === password
        : password !== '') &&
    /^\d{6}$/.test(code.replaceAll(/\s/g, '')) &&
    (begun.terms === null || accepted)

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (begun === null || !ready || running) return
    setRunning(true)
    setError(null)
    try {
      const proof =
        arrived === null
          ? { sealedPassword: await sealLoginPassword(begun.name, password) }
          : { arrival: arrived.arrival }
      const { answer, codes } = await withRecoveryCodes((boxKey) =>
        ask<Finished>('POST', '/api/enrolment/finish', {
          token: link,
          ...proof,
          totpCode: code.replaceAll(/\s/g, ''),
          boxKey,
          ...(begun.terms === null ? {} : { termsDigest: begun.terms.digest }),
        }),
      )
      setMade({ user: answer.user, codes })
    } catch (refused) {
      setError(refused)
      setCode('')
      // The terms are others by now: what is accepted is what is shown. The link shows another second factor with them.
      if (begun.terms !== null && refused instanceof Refused && refused.code === 'conflict') {
        setBegun(await beginEnrolment(link).catch(() => begun))
        setAccepted(false)
        setRenewed(true)
      }
    } finally {
      setRunning(false)
    }
  }

  if (made !== null)
    return (
      <main className="alone">
        <Card className="alone-card" component="section">
          <CardTitle component="h1">
            <Brand />
            <span className="card-heading">Your recovery codes</span>
          </CardTitle>
          <CardBody>
            <CodeSheet name={made.user.name} codes={made.codes} />
            <Button
              className="gap-above"
              onClick={() => {
                becomeUser(client, made.user)
                go('/')
              }}
            >
              I have kept them
            </Button>
          </CardBody>
        </Card>
      </main>
    )
  return (
    <main className="alone">
      <Card className="alone-card wide" component="section">
        <CardTitle component="h1">
          <Brand />
          <span className="card-heading">{begun === null ? 'First sign-in' : `Welcome, ${begun.name}`}</span>
        </CardTitle>
        <CardBody>
          {link === '' ? (
            <Note variant="warning" title="The link is incomplete">
              Open the whole link that you were given, or ask for a new one.
            </Note>
          ) : null}
          {begun === null && error !== null ? <Problem error={error} /> : null}
          {link !== '' && begun === null && error === null ? <Spinner aria-label="Opening the link" /> : null}
          {begun !== null && isOfProvider && arrived === null ? (
            <>
              <Content component="p">
                You are known by {visible(begun.directory?.name ?? '')}. Sign in there first: you come back
                here, and set up your second factor.
              </Content>
              <Problem error={error} />
              <Button
                isBlock
                isDisabled={running}
                onClick={async () => {
                  setRunning(true)
                  setError(null)
                  try {
                    await leaveFor(begun.directory?.name ?? '', link)
                  } catch (refused) {
                    setError(refused)
                    setRunning(false)
                  }
                }}
              >
                Sign in by {visible(begun.directory?.name ?? '')}
              </Button>
            </>
          ) : null}
          {begun === null || (isOfProvider && arrived === null) ? null : (
            <Form onSubmit={submit} noValidate>
              <Content component="p" className="quiet">
                This link is good until {zonedMoment(begun.expiresAt)}.
              </Content>
              <input type="text" name="username" autoComplete="username" value={begun.name} readOnly hidden />
              {isOfProvider ? null : begun.directory === null ? (
                <>
                  <Field
                    label="Password"
                    type="password"
                    value={password}
                    onChange={setPassword}
                    autoComplete="new-password"
                    autoFocus
                    hint={<span className={`advice advice-${advice.level}`}>{advice.sentence}</span>}
                  />
                  <Field
                    label="Password again"
                    type="password"
                    value={again}
                    onChange={setAgain}
                    autoComplete="new-password"
                    fault={differs ? 'The two passwords differ.' : undefined}
                  />
                </>
              ) : (
                <Field
                  label={`Your password of ${begun.directory.name}`}
                  type="password"
                  value={password}
                  onChange={setPassword}
                  autoComplete="current-password"
                  autoFocus
                  hint="The one that you have there: it is not kept here"
                />
              )}
              <div className="second-factor">
                <QrCode text={begun.uri} label="QR code of the second factor" />
                <div>
                  {renewed ? (
                    <Note variant="warning" title="This second factor is a new one">
                      Scan it again: the one that was here before is good no longer.
                    </Note>
                  ) : null}
                  <Content component="p">
                    Scan this with an authenticator app, or type the secret into it. Keep the app: each
                    sign-in asks for its code.
                  </Content>
                  <Command text={begun.secret} label="Secret of the second factor" />
                </div>
              </div>
              <Field
                label="Code"
                value={code}
                onChange={setCode}
                autoComplete="one-time-code"
                inputMode="numeric"
                mono
                hint="The six digits that the app shows now: this proves that it works"
              />
              {begun.terms === null ? null : (
                <Terms terms={begun.terms} accepted={accepted} onChange={setAccepted} />
              )}
              <Problem error={error} />
              <Button type="submit" isLoading={running} isDisabled={!ready || running}>
                Finish and sign in
              </Button>
            </Form>
          )}
        </CardBody>
      </Card>
    </main>
  )
}
