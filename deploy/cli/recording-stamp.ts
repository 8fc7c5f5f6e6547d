import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readTimestampConfig, requestTimestamp } from '../../api/index.ts'
import { readZip, stampFile, verifyPackage, withStamp } from '../../recorder/evidence/index.ts'
import { Complaint, misuse } from './complaint.ts'
import { writePieces } from './recording-package.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

/** Writes a package that went without a time-stamp anew, with one of today: it proves that the signature was there by then. */
export async function stampPackage(tools: Tools, path: string, out: string): Promise<number> {
  const archive = await readFile(resolve(tools.io.cwd, path))
  const verdict = await verifyPackage(await loadSodium(), archive)
  if (verdict.state === 'tampered') throw new Complaint(verdict.sentence, 'ask whoever made it for another')
  const files = new Map(readZip(archive).map(({ name, bytes }) => [name, bytes]))
  if (files.has(stampFile)) throw new Complaint(`${path} has a time-stamp already`)
  const certificates = files.get('timestamp.pem')
  const signature = files.get('SHA256SUMS.p7s')
  if (certificates === undefined || signature === undefined)
    throw new Complaint(
      `${path} was made where there was no time-stamper, and does not name whose stamps it takes`,
      'make it anew',
    )
  const stamper = readTimestampConfig(tools.dataDir())
  if (stamper === undefined)
    throw misuse('this installation has no time-stamper', 'set timestamp in tagout.json: docs/operations.md')
  const stamp = await requestTimestamp(
    { url: stamper.url, certificates: Buffer.from(certificates).toString() },
    signature,
  ).catch((error: unknown) => {
    throw new Complaint(
      error instanceof Error ? error.message : 'the time-stamper did not answer',
      'try again later',
    )
  })
  return writePieces(resolve(tools.io.cwd, out), withStamp(archive, stamp))
}
