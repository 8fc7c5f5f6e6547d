import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Refused, run } from './token.ts'

/**
 * A process of its own for one act with a token, in the protocol of docs/seal-plugins.md: a vendor's library that
 * crashes or hangs takes this process down, never the vault.
 */
const request = z.looseObject({
  do: z.enum(['examine', 'generate', 'wrap', 'unwrap']),
  context: z.string(),
  pin: z.string(),
  secret: z.base64().optional(),
  wrapped: z.base64().optional(),
  unattended: z.boolean().optional(),
  token: z.looseObject({
    path: z.string(),
    token: z.string().optional(),
    serial: z.string().optional(),
    slot: z.number().optional(),
    key: z.string(),
    keyId: z.string().optional(),
  }),
})
export type TokenRequest = z.output<typeof request>

function answer(): object {
  try {
    return { ok: true, ...run(request.parse(JSON.parse(readFileSync(0, 'utf8')))) }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, why: error.why, message: error.message }
    // The names of PKCS#11 say what is wrong, and hold nothing of what was given.
    const name =
      error instanceof Error ? /^(CKR_\w+|dlopen|[\w /.:-]+cannot open)/.exec(error.message)?.[0] : undefined
    return { ok: false, why: 'unusable', message: name ?? 'the library or its binding does not load' }
  }
}

process.stdout.write(`${JSON.stringify(answer())}\n`)
