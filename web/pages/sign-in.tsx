import { Button, Card, CardBody, CardTitle, Form } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useState } from 'react'
import type { UserView } from '../../vault/contract.ts'
import { ask } from '../api.ts'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { sealLoginPassword } from '../sealed/intake.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { DemoBanner } from '../shell/demo-banner.tsx'
import { becomeUser, useStatus } from '../shell/me.ts'
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
      const { user } = await ask<{ readonly user: UserView }>('POST', '/api/login', {
        name: name.trim(),
        sealedPassword: await sealLoginPassword(name.trim(), password),
        totpCode: code.replaceAll(/\s/g, ''),
      })
      setPassword('')
      becomeUser(client, user)
    } catch (refused) {
      setError(refused)
      setCode('')
    } finally {
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
          <Form onSubmit={submit} noValidate>
            <Field label="Name" value={name} onChange={setName} autoComplete="username" autoFocus />
            <Field
              label="Password"
              type="password"
              value={password}
              onChange={setPassword}
              autoComplete="current-password"
            />
            <Field
              label="Code"
              value={code}
              onChange={setCode}
              autoComplete="one-time-code"
              inputMode="numeric"
              hint="Six digits from your authenticator app"
              mono
            />
            <Problem error={error} />
            <Button
              type="submit"
              isBlock
              isLoading={running}
              isDisabled={running || name === '' || password === '' || code === ''}
            >
              Sign in
            </Button>
          </Form>
          <p className="quiet small">
            No password yet, or lost it? An administrator of this installation gives you a one-time link.
          </p>
        </CardBody>
      </Card>
    </main>
  )
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
