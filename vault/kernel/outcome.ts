/** Why something was refused. A refusal is an expected answer; a fault (`Fault`) is not. */
export const refusalCodes = [
  'invalid', // the input is malformed; the message names the field
  'unauthenticated',
  'forbidden', // not allowed, or unknown: after authentication the two read alike
  'step_up', // their provider has to ask them anew first: `login.stepUp`
  'stale_factor', // a rule wants their second factor shown more lately: `login.confirm`
  'not_found', // only where the caller may know what exists
  'conflict', // already exists, or changed meanwhile
  'held', // an exclusive lease of somebody else
  'expired',
  'sealed',
  'not_initialised',
  'not_pinned',
  'changed_key',
  'no_auditors',
  'no_space',
  'rate_limited',
  'unavailable', // a plane, the database or a target is away
] as const

export type RefusalCode = (typeof refusalCodes)[number]

/** One clear sentence for the person (`message`), and what to do next (`next`). Neither holds a secret. */
export type Refusal = {
  readonly code: RefusalCode
  readonly message: string
  readonly next?: string
  /**
   * Of a login over SSH: whoever it is has proven a factor of the person's own, and may be told before they are in.
   * Every other refusal there reads alike.
   */
  readonly told?: true
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal }

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value }
}

export function refuse(code: RefusalCode, message: string, next?: string): Outcome<never> {
  return { ok: false, refusal: next === undefined ? { code, message } : { code, message, next } }
}

/** The same refusal, for whoever has proven something of the person's own. */
export function told<T>(outcome: Outcome<T>): Outcome<T> {
  return outcome.ok ? outcome : { ok: false, refusal: { ...outcome.refusal, told: true } }
}

/** Fails to compile, and throws, where a `switch` has missed a member of a union. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`)
}
