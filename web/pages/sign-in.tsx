import { Button, Card, CardBody, CardTitle, Form } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import type { UserView, VerbAnswer } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible } from '../parts/wording.ts'
import { sealLoginPassword } from '../sealed/intake.ts'
import { hasPasskeys, signInByPasskey, signInProof } from '../sealed/passkeys.ts'
import { leaveFor } from '../sealed/providers.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { DemoBanner } from '../shell/demo-banner.tsx'
import { becomeUser, useSaid, useStatus } from '../shell/me.ts'
import { Brand } from '../shell/shell.tsx'

/** Name, password and code. The password is sealed here to the vault's key: the console's server never sees it. */
export function SignIn() {
  const client = useQueryClient()
  const status = useStatus()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)
  const [factor, setFactor] = useState<'code' | 'recovery code' | 'passkey'>('code')
  const signedOut = useSaid('signed out')
  const providers = useQuery({
    queryKey: ['providers'],
    queryFn: () => get<VerbAnswer<'login.providers'>>('/api/login/providers'),
    enabled: status.data?.sealed === false,
  })

  useEffect(() => {
    document.title = 'Sign in · Tagout'
    void loadSodium().catch(() => undefined)
  }, [])

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (running) return
    setRunning(true)
    setError(null)
    try {
      const given = { name: name.trim(), sealedPassword: await sealLoginPassword(name.trim(), password) }
      const totpCode =
        factor === 'passkey' ? await signInProof('login.start', given) : code.replaceAll(/\s/g, '')
      const { user } = await ask<{ readonly user: UserView }>('POST', '/api/login', { ...given, totpCode })
      setPassword('')
      becomeUser(client, user)
      signedOut.close()
      if (factor === 'recovery code') client.setQueryData(['recovery codes'], leftText(user.recoveryCodes))
    } catch (refused) {
      setError(refused)
      setCode('')
    } finally {
      setRunning(false)
    }
  }

  const byKey = async () => {
    setRunning(true)
    setError(null)
    try {
      becomeUser(client, await signInByPasskey())
      signedOut.close()
    } catch (refused) {
      setError(refused)
    } finally {
      setRunning(false)
    }
  }

  const byProvider = async (name: string) => {
    setRunning(true)
    setError(null)
    try {
      await leaveFor(name)
    } catch (refused) {
      setError(refused)
      setRunning(false)
    }
  }

  return (
    <main className="alone">
      <Card className="alone-card" component="section">
        <CardTitle component="h1">
          <Brand />
          <span className="card-heading">Sign in</span>
        </CardTitle>
        <CardBody>
          <DemoBanner />
          <VaultNotice initialised={status.data?.initialised} sealed={status.data?.sealed} />
          {signedOut.text === undefined ? null : (
            <Note variant="info" title={signedOut.text} className="gap-below" />
          )}
          <Form onSubmit={submit} noValidate>
            <Field label="Name" value={name} onChange={setName} autoComplete="username" autoFocus />
            <Field
              label="Password"
              type="password"
              value={password}
              onChange={setPassword}
              autoComplete="current-password"
            />
            {factor === 'passkey' ? <p>You are asked for your passkey in place of the code.</p> : null}
            {factor === 'recovery code' ? (
              <Field
                label="Recovery code"
                value={code}
                onChange={setCode}
                autoFocus
                hint="One of the ten that you kept, such as 4k7qd-9x2hm: each is good once"
                mono
              />
            ) : null}
            {factor === 'code' ? (
              <Field
                label="Code"
                value={code}
                onChange={setCode}
                autoComplete="one-time-code"
                inputMode="numeric"
                hint="Six digits from your authenticator app"
                mono
              />
            ) : null}
            <Problem error={error} />
            <Button
              type="submit"
              isBlock
              isLoading={running}
              isDisabled={running || name === '' || password === '' || (factor !== 'passkey' && code === '')}
            >
              Sign in
            </Button>
          </Form>
          {(providers.data ?? []).map(({ name }) => (
            <Button
              key={name}
              variant="secondary"
              isBlock
              isDisabled={running}
              onClick={() => byProvider(name)}
              className="gap-above"
            >
              Sign in by {visible(name)}
            </Button>
          ))}
          {hasPasskeys ? (
            <Button variant="secondary" isBlock isDisabled={running} onClick={byKey} className="gap-above">
              Sign in with a passkey
            </Button>
          ) : null}
          <p className="gap-above row close">
            Authenticator not at hand?{' '}
            {ways
              .filter(({ by }) => by !== factor && (by !== 'passkey' || hasPasskeys))
              .map(({ by, text }) => (
                <Button
                  key={by}
                  variant="link"
                  isInline
                  size="sm"
                  onClick={() => {
                    setFactor(by)
                    setCode('')
                  }}
                >
                  {text}
                </Button>
              ))}
          </p>
          <p className="quiet small">
            No password yet, or lost it? An administrator of this installation gives you a one-time link.
          </p>
        </CardBody>
      </Card>
    </main>
  )
}

/** What is given beside the password. */
const ways = [
  { by: 'code', text: 'Use the authenticator' },
  { by: 'recovery code', text: 'Use a recovery code' },
  { by: 'passkey', text: 'Use a passkey beside the password' },
] as const

function leftText(left: number): string {
  if (left === 0) return 'That was your last recovery code.'
  return left === 1 ? 'One recovery code is left.' : `${left} recovery codes are left.`
}

function VaultNotice(props: {
  readonly initialised: boolean | undefined
  readonly sealed: boolean | undefined
}) {
  if (props.initialised === false)
    return (
      <Note variant="info" title="This vault is not initialised" className="gap-below">
        On the machine it runs on, run <code>npm start</code>.
      </Note>
    )
  if (props.sealed === true)
    return (
      <Note variant="warning" title="The vault is sealed" className="gap-below">
        Nobody can sign in until the machine administrator runs <code>tagout unseal</code>.
      </Note>
    )
  return null
}
