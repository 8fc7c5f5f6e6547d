import type { RequestHandler } from 'express'
import { ipKeyGenerator, rateLimit } from 'express-rate-limit'
import { problemOfRefusal, sendProblem } from './problem.ts'

export type Limits = {
  /** Requests a minute of one source, over all routes. */
  readonly requests: number
  /** Proofs of identity (sign-in, enrolment) a minute of one source. */
  readonly proofs: number
}

export const defaultLimits: Limits = { requests: 1_200, proofs: 20 }

/** A limit per source address and minute. Addresses of a proxy are never believed. */
export function limitRate(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // A connection that has closed meanwhile has no address any more.
    keyGenerator: (request) => ipKeyGenerator(request.socket.remoteAddress ?? '::'),
    // A header that we do not believe is no reason to write to the log.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
    handler: (_request, response) =>
      sendProblem(
        response,
        problemOfRefusal({
          code: 'rate_limited',
          message: 'too many requests from this address',
          next: 'wait a minute, then try again',
        }),
      ),
  })
}
