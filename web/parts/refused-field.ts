import { createContext, useContext } from 'react'
import { Refused } from '../api.ts'
import { sentence } from './wording.ts'

/** The field that a refusal is about, and what is wrong with it. */
export type RefusedField = { readonly name: string; readonly fault: string }

/** Given by a form to its fields. */
export const RefusedFieldContext = createContext<RefusedField | null>(null)

/** Refusals of malformed input begin with the name of the field: "address: the port lies outside 1 to 65535", "settings.url: …". */
export function refusedField(error: unknown): RefusedField | null {
  if (!(error instanceof Refused) || error.code !== 'invalid') return null
  const [, name, message] = /^([a-z][\w.]*): (.+)$/is.exec(error.message) ?? []
  if (name === undefined || message === undefined) return null
  const next = error.next === undefined ? '' : ` ${sentence(error.next)}`
  return { name, fault: `${sentence(message)}${next}` }
}

/** What is wrong with the field of this name, where the form was refused for it. */
export function useFault(name: string | undefined): string | undefined {
  const refused = useContext(RefusedFieldContext)
  return refused !== null && refused.name === name ? refused.fault : undefined
}
