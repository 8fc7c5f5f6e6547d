import { Button } from '@patternfly/react-core'
import { useContext, useEffect } from 'react'
import { byPasskey, hasPasskeys } from '../sealed/passkeys.ts'
import { SignedIn } from '../shell/me.ts'
import { Field } from './field.tsx'

/** Is this the text of a code, or does the passkey stand for it? */
export function isCode(text: string): boolean {
  return text === byPasskey || /^\d{6}$/.test(text)
}

/** A code for what outlives the login, or shows a secret; or, for whoever has one, their passkey. */
export function FreshCode(props: {
  readonly code: string
  readonly onChange: (code: string) => void
  readonly autoFocus?: boolean
}) {
  const { code, onChange } = props
  const user = useContext(SignedIn)
  const mine = hasPasskeys && user !== null && user.passkeys > 0
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, where the form opens
  useEffect(() => {
    if (mine && code === '') onChange(byPasskey)
  }, [mine])
  if (mine && code === byPasskey)
    return (
      <p>
        You are asked for your passkey.{' '}
        <Button variant="link" isInline onClick={() => onChange('')}>
          Use a code instead
        </Button>
      </p>
    )
  return (
    <>
      <Field
        label="Code"
        name="totpCode"
        value={code}
        onChange={(value) => onChange(value.replaceAll(/\s/g, ''))}
        autoComplete="one-time-code"
        inputMode="numeric"
        mono
        {...(props.autoFocus === true ? { autoFocus: true } : {})}
        hint="A fresh one: not the one that you signed in with"
      />
      {mine ? (
        <p>
          <Button variant="link" isInline onClick={() => onChange(byPasskey)}>
            Use the passkey instead
          </Button>
        </p>
      ) : null}
    </>
  )
}
