import { randomBytes } from 'node:crypto'
import type { Response } from 'express'
import type { Refusal } from '../../vault/index.ts'
import { Fault } from '../../vault/index.ts'
import type { FaultCode } from '../../vault/kernel/fault.ts'
import type { RefusalCode } from '../../vault/kernel/outcome.ts'

/** Every refusal and what it is in HTTP. The one table. */
const refusalStatus: Readonly<Record<RefusalCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  step_up: 403,
  stale_factor: 403,
  not_found: 404,
  conflict: 409,
  held: 409,
  expired: 410,
  changed_key: 412,
  not_pinned: 412,
  no_auditors: 412,
  not_initialised: 503,
  rate_limited: 429,
  sealed: 503,
  no_space: 507,
  unavailable: 503,
}

/** Every fault and what it is in HTTP: 503 where trying again later may help. */
const faultStatus: Readonly<Record<FaultCode, number>> = {
  database: 503,
  timeout: 503,
  closed: 503,
  forged_row: 500,
  rolled_back_row: 500,
  envelope: 500,
  audit: 500,
  recording: 500,
  protocol: 500,
  configuration: 500,
  internal: 500,
}

/** RFC 9457: what a browser gets when the answer is no. Holds no user text and no secret. */
export type Problem = {
  readonly type: `urn:tagout:${string}`
  readonly title: string
  readonly status: number
  readonly code: string
  /** What to do next. */
  readonly detail?: string
  /** Of a fault: what to look for in the log. */
  readonly instance?: string
}

/** A refusal made by the api itself, before the vault is asked. Thrown inside the HTTP edge only. */
export class HttpRefusal extends Error {
  readonly refusal: Refusal
  readonly status: number

  constructor(refusal: Refusal, status?: number) {
    super(refusal.message)
    this.name = 'HttpRefusal'
    this.refusal = refusal
    this.status = status ?? refusalStatus[refusal.code]
  }
}

export function problemOfRefusal(refusal: Refusal, status: number = refusalStatus[refusal.code]): Problem {
  const problem = {
    type: `urn:tagout:${refusal.code}` as const,
    title: refusal.message,
    status: status ?? 500,
    code: refusal.code,
  }
  return refusal.next === undefined ? problem : { ...problem, detail: refusal.next }
}

export function problemOfFault(fault: Fault): Problem {
  const status = faultStatus[fault.code]
  return {
    type: `urn:tagout:fault`,
    // SECURITY: a fault's own message stays in the log; the browser learns the kind and where to look.
    title: status === 503 ? 'a part of the installation is away' : 'something is broken inside',
    status,
    code: status === 503 ? 'unavailable' : 'fault',
    detail:
      status === 503
        ? 'try again in a moment; if it stays, run tagout doctor on the machine'
        : 'give the id of this answer to the machine administrator, who finds it in the log',
    instance: randomBytes(8).toString('hex'),
  }
}

/** Makes a problem of whatever was thrown. Errors of body parsing and routing carry a status of their own. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpRefusal) return problemOfRefusal(error.refusal, error.status)
  if (error instanceof Fault) return problemOfFault(error)
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500
  if (status >= 400 && status < 500)
    return problemOfRefusal(
      { code: 'invalid', message: sentenceOf[status] ?? 'the request is malformed' },
      status,
    )
  return problemOfFault(new Fault('internal', 'an internal fault'))
}

const sentenceOf: Readonly<Record<number, string>> = {
  404: 'there is nothing at this address',
  413: 'the request is too large',
  415: 'send application/json in UTF-8, uncompressed',
}

export function sendProblem(response: Response, problem: Problem): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}
