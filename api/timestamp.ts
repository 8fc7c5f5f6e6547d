import { readFileSync } from 'node:fs'
import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../vault/index.ts'
import { certificatesIn, openTimestamp, timestampRequest } from '../vault/proof/timestamp.ts'

/** Where time-stamps (RFC 3161) are asked for, and by whose certificates they are checked. */
export type TimestampConfig = { readonly url: string; readonly certificates: string }

/** `timestamp` of tagout.json. */
const file = z.object({
  timestamp: z
    .strictObject({ url: z.string().max(300), certificatesFile: z.string().min(1).max(4096) })
    .optional(),
})

/** Milliseconds for a time-stamper to answer, from the first step to the last. */
const patience = 15_000
const longestAnswer = 64 * 1024

/** Reads where the installation has evidence stamped; undefined where it has not. Throws `Fault('configuration')`. */
export function readTimestampConfig(dataDir: string): TimestampConfig | undefined {
  const path = join(dataDir, 'tagout.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // Without settings nothing is stamped.
    return undefined
  }
  const parsed = file.safeParse(JSON.parse(text))
  if (!parsed.success)
    throw new Fault(
      'configuration',
      `${path}: timestamp: give its url and its certificatesFile, and nothing else`,
    )
  const { timestamp } = parsed.data
  if (timestamp === undefined) return undefined
  const { url, certificatesFile } = timestamp
  if (!/^https?:\/\/[^\s]+$/.test(url) || !URL.canParse(url))
    throw new Fault('configuration', `${path}: timestamp.url: give an address like https://tsa.example/tsr`)
  let certificates: string
  try {
    certificates = readFileSync(resolve(dataDir, certificatesFile), 'utf8')
  } catch {
    throw new Fault('configuration', `${path}: timestamp.certificatesFile: cannot read ${certificatesFile}`)
  }
  if (certificatesIn(certificates).length === 0)
    throw new Fault(
      'configuration',
      `${path}: timestamp.certificatesFile: give the time-stamper's certificate and its authority's, PEM`,
    )
  return { url, certificates }
}

/**
 * Has a time-stamper say when it saw `message`; answers its answer, which was checked. Throws an `Error` whose message
 * says why there is none.
 */
export async function requestTimestamp(
  { url, certificates }: TimestampConfig,
  message: Uint8Array,
): Promise<Uint8Array> {
  const answer = await post(url, await timestampRequest(message))
  if ((await openTimestamp(answer, message, certificates)) === undefined)
    throw new Error(
      'what the time-stamper answered is no time-stamp of it by the certificate that is configured',
    )
  return answer
}

/** No redirect is followed, and no more is read than an answer may have. */
function post(url: string, body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolvePost, reject) => {
    const request = url.startsWith('https:') ? requestTls : requestPlain
    const sending = request(
      url,
      {
        method: 'POST',
        agent: false,
        signal: AbortSignal.timeout(patience),
        maxHeaderSize: 16 * 1024,
        headers: { 'Content-Type': 'application/timestamp-query', 'Content-Length': body.length },
      },
      (response) => {
        const pieces: Buffer[] = []
        let size = 0
        response.on('data', (piece: Buffer) => {
          size += piece.length
          if (size > longestAnswer) sending.destroy(new Error('the answer is too long'))
          else pieces.push(piece)
        })
        response.on('error', (error) => reject(away(error)))
        response.on('end', () => {
          if (response.statusCode === 200) resolvePost(Buffer.concat(pieces))
          else reject(new Error(`the time-stamper answered with status ${response.statusCode}`))
        })
      },
    )
    sending.on('error', (error) => reject(away(error)))
    sending.end(body)
  })
}

function away(error: Error): Error {
  return new Error(`the time-stamper does not answer: ${error.message}`, { cause: error })
}
