import type { RequestHandler } from 'express'
import { z } from 'zod'
import { isId } from '../vault/kernel/id.ts'
import { readToken } from './http/cookie.ts'
import { HttpRefusal } from './http/problem.ts'
import { requestTimestamp, type TimestampConfig } from './timestamp.ts'
import type { AskVault } from './vault-link.ts'

/** Where a browser that makes an evidence package has its signature time-stamped (RFC 3161): it reaches nobody but this api. */
export const stampPath = '/api/recordings/:recording/stamp'

/**
 * Without a signature: the certificates by which stamps are checked, where there is a time-stamper. With one: its stamp in
 * base64, or why there is none, which keeps nobody from their evidence.
 */
export type Stamped = {
  readonly certificates: string | null
  readonly stamp: string | null
  readonly why: string | null
}

/** A signature of a package is some 900 bytes of DER. */
const body = z.strictObject({ signature: z.base64().max(8_192).optional() })

/**
 * Answers who makes a package.
 *
 * SECURITY: whoever may read the recording; what is sent on is a hash of what they gave, to the address of the settings alone.
 */
export function serveStamp(ask: AskVault, stamper: () => TimestampConfig | undefined): RequestHandler {
  return async (request, response) => {
    const token = readToken(request)
    if (token === undefined) throw new HttpRefusal({ code: 'unauthenticated', message: 'sign in first' })
    const { recording } = request.params
    if (typeof recording !== 'string' || !isId('rec', recording))
      throw new HttpRefusal({ code: 'invalid', message: 'recording: not the id of a recording' })
    const given = body.safeParse(request.body ?? {})
    if (!given.success)
      throw new HttpRefusal({ code: 'invalid', message: 'signature: give it in base64, and nothing else' })
    const seen = await ask('recording.readable', { recording }, token)
    if (!seen.ok) throw new HttpRefusal(seen.refusal)
    response.json(await stamped(stamper, given.data.signature))
  }
}

async function stamped(
  stamper: () => TimestampConfig | undefined,
  signature: string | undefined,
): Promise<Stamped> {
  let certificates: string | null = null
  try {
    const config = stamper()
    if (config === undefined) return { certificates: null, stamp: null, why: null }
    certificates = config.certificates
    if (signature === undefined) return { certificates, stamp: null, why: null }
    const stamp = await requestTimestamp(config, Buffer.from(signature, 'base64'))
    return { certificates, stamp: Buffer.from(stamp).toString('base64'), why: null }
  } catch (error) {
    return { certificates, stamp: null, why: error instanceof Error ? error.message : 'it did not answer' }
  }
}
