import { z } from 'zod'
import type { Connector, Credential, Place, Seen, ToldResult } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { toldRules } from '../profile-shape.ts'
import { callHttps } from './https-call.ts'
import { jsonBytes } from './json-bytes.ts'

/**
 * Users of a Siemens S7-1500 or S7-1200 from firmware 3.1 and TIA Portal 19 on, by the web API of its CPU. A user changes
 * their own password, an expired one too. What is changed so wins over the project, until a download resets the users to
 * the project's: verification finds that.
 */
export const s7WebApi: Connector = { rules, change, login }

/** Error codes of the web API (function manual "Web server", Api.Login and Api.ChangePassword; JSON-RPC 2.0). */
const codes = {
  permissionDenied: 2,
  busy: 3,
  noResources: 4,
  notAccepted: 6,
  loginFailed: 100,
  passwordExpired: 102,
  againstPolicy: 103,
  sameAsBefore: 104,
  noServer: 105,
  noMethod: -32601,
} as const

const answerShape = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.int() }).optional(),
})

type Answer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: number }
  | { readonly kind: 'untried' | 'unanswered'; readonly why: string }

/** A text, or a secret that is written into the message and nowhere else. */
type Param = string | (Credential & { readonly kind: 'password' })

async function call(
  at: Place,
  method: string,
  params: Readonly<Record<string, Param>>,
  token?: string,
): Promise<Answer> {
  const answer = await callHttps(at, {
    ...{ method: 'POST', path: '/api/jsonrpc', body: messageOf(method, params) },
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { 'x-auth-token': token }),
    },
  })
  if (answer.kind !== 'answered') return answer
  const { name } = at.target
  const odd = { kind: 'unanswered', why: `${name} did not answer as the web API of an S7 does` } as const
  if (answer.status !== 200) return odd
  try {
    const { result, error } = answerShape.parse(JSON.parse(answer.body.toString()))
    if (error !== undefined) return { kind: 'error', code: error.code }
    return result === undefined ? odd : { kind: 'result', result }
  } catch {
    return odd
  }
}

function messageOf(method: string, params: Readonly<Record<string, Param>>): Buffer {
  const pieces: Buffer[] = [
    Buffer.from(`{"jsonrpc":"2.0","id":1,"method":${JSON.stringify(method)},"params":{`),
  ]
  for (const [at, [name, value]] of Object.entries(params).entries()) {
    const text = typeof value === 'string' ? jsonBytes(Buffer.from(value)) : value.secret.expose(jsonBytes)
    pieces.push(Buffer.from(`${at === 0 ? '' : ','}${JSON.stringify(name)}:"`), text, Buffer.from('"'))
  }
  pieces.push(Buffer.from('}}'))
  const all = Buffer.concat(pieces)
  for (const piece of pieces) piece.fill(0)
  return all
}

/** So many characters of a kind are asked for at most of what makes passwords (`counts` of a profile). */
const mostOfAKind = 6

const policyShape = z.object({
  password_policy: z.object({
    min_password_length: z.int().min(0).max(128).optional(),
    max_password_length: z.int().min(0).optional(),
    min_digits: z.int().min(0).optional(),
    min_special_characters: z.int().min(0).optional(),
    requires_uppercase_characters: z.boolean().optional(),
    requires_lowercase_characters: z.boolean().optional(),
  }),
})

/** Asks for the policy of the project, which whoever asks is told. */
async function rules(at: Place): Promise<Seen<ToldResult>> {
  const { name } = at.target
  const answer = await call(at, 'Api.GetPasswordPolicy', {})
  if (answer.kind === 'error')
    return saw(
      answer.code === codes.noMethod
        ? {
            kind: 'untold',
            why: `the web API of ${name} changes no passwords: it needs firmware 3.1 or later`,
          }
        : { kind: 'untold', why: `${name} did not tell its password policy (${answer.code})` },
      false,
    )
  if (answer.kind !== 'result') return saw({ kind: 'untold', why: answer.why }, false)
  const told = policyShape.safeParse(answer.result)
  if (!told.success)
    return saw({ kind: 'untold', why: `${name} told a policy that nobody understands` }, false)
  const policy = told.data.password_policy
  const digits = policy.min_digits ?? 0
  const specials = policy.min_special_characters ?? 0
  const most = policy.max_password_length ?? 0
  if (Math.max(digits, specials) > mostOfAKind)
    return saw(
      {
        kind: 'untold',
        why: `${name} wants more than ${mostOfAKind} digits or signs in a password, which Tagout does not make: ask for fewer in its project, or have people change it (G3)`,
      },
      false,
    )
  return saw(
    {
      kind: 'told',
      rules: toldRules.parse({
        least: Math.max(1, policy.min_password_length ?? 0),
        // 0 is said by a device that has no longest.
        ...(most === 0 ? {} : { most: Math.min(128, most) }),
        wants: [
          ...(digits > 0 ? ['digit'] : []),
          ...(specials > 0 ? ['special'] : []),
          ...(policy.requires_uppercase_characters === true ? ['upper'] : []),
          ...(policy.requires_lowercase_characters === true ? ['lower'] : []),
        ],
        counts: { ...(digits > 1 ? { digit: digits } : {}), ...(specials > 1 ? { special: specials } : {}) },
      }),
    },
    false,
  )
}

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  if (current.kind !== 'password' || candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  const { name } = at.target
  const entered = await enter(at, current)
  // An expired password lets nobody in, and is changed all the same.
  if (entered.kind !== 'in' && entered.kind !== 'expired') {
    const { why } = entered
    return entered.kind === 'rejected'
      ? saw({ kind: 'untouched', why, rejected: true }, true)
      : saw({ kind: 'untouched', why }, entered.sent)
  }
  const token = entered.kind === 'in' ? entered.token : undefined
  const params = { username: at.account.login, password: current, new_password: candidate }
  const answer = await call(at, 'Api.ChangePassword', params, token)
  if (token !== undefined) await call(at, 'Api.Logout', {}, token)
  if (answer.kind === 'result')
    return saw(
      answer.result === true
        ? { kind: 'changed' }
        : { kind: 'unknown', why: `${name} did not say that it took the new password` },
      true,
    )
  if (answer.kind === 'error') return saw({ kind: 'refused', why: whyRefused(name, answer.code) }, true)
  return saw(
    answer.kind === 'untried'
      ? { kind: 'untouched', why: answer.why }
      : { kind: 'unknown', why: `${name} did not say whether it took the new password` },
    true,
  )
}

function whyRefused(name: string, code: number): string {
  switch (code) {
    case codes.againstPolicy:
      return `the new password is against the policy of ${name}, which has changed since it was asked`
    case codes.sameAsBefore:
      return `${name} says that the new password is the present one`
    case codes.notAccepted:
      return `the project of ${name} lets nobody change passwords at run time: it needs TIA Portal 19 or later`
    default:
      return `${name} did not take the new password (${code})`
  }
}

type Entered =
  | { readonly kind: 'in'; readonly token: string }
  | { readonly kind: 'expired' }
  | { readonly kind: 'rejected' | 'unreachable'; readonly why: string; readonly sent: boolean }

async function enter(at: Place, credential: Credential & { readonly kind: 'password' }): Promise<Entered> {
  const { name } = at.target
  const answer = await call(at, 'Api.Login', { user: at.account.login, password: credential })
  const nothing = (why: string, sent = true) => ({ kind: 'unreachable', why, sent }) as const
  if (answer.kind === 'result') {
    const token = z.object({ token: z.string().regex(/^[\x21-\x7e]{1,512}$/) }).safeParse(answer.result)
    return token.success
      ? { kind: 'in', token: token.data.token }
      : nothing(`${name} did not answer as the web API of an S7 does`)
  }
  if (answer.kind !== 'error') return nothing(answer.why, answer.kind === 'unanswered')
  switch (answer.code) {
    case codes.loginFailed:
      return { kind: 'rejected', why: `${name} refused the login of ${at.account.login}`, sent: true }
    case codes.passwordExpired:
      return { kind: 'expired' }
    case codes.noResources:
      return nothing(`${name} has no session left: one ends when nobody has used it for two minutes`)
    case codes.busy:
      return nothing(`${name} is busy`)
    case codes.noServer:
      return nothing(`${name} does not reach the server that knows its users`)
    default:
      return nothing(`${name} gives no verdict on the login of ${at.account.login} (${answer.code})`)
  }
}

/** A fresh login, and out again: sessions are few. */
async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  if (credential.kind !== 'password')
    return saw({ kind: 'unreachable', why: 'the web API takes passwords' }, false)
  const entered = await enter(at, credential)
  if (entered.kind === 'in') await call(at, 'Api.Logout', {}, entered.token)
  // Of a password that it says has expired, it has said that it is the one.
  if (entered.kind === 'in' || entered.kind === 'expired') return saw({ kind: 'accepted' }, true)
  return saw({ kind: entered.kind, why: entered.why }, entered.sent)
}
