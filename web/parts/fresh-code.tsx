import { Field } from './field.tsx'

/** Is this the text of a code? */
export function isCode(text: string): boolean {
  return /^\d{6}$/.test(text)
}

/** A code for what outlives the login, or shows a secret. */
export function FreshCode(props: { readonly code: string; readonly onChange: (code: string) => void }) {
  return (
    <Field
      label="Code"
      name="totpCode"
      value={props.code}
      onChange={(value) => props.onChange(value.replaceAll(/\s/g, ''))}
      autoComplete="one-time-code"
      inputMode="numeric"
      mono
      hint="A fresh one: not the one that you signed in with"
    />
  )
}
