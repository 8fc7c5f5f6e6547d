import { createHash } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Outcome } from '../vault/index.ts'
import { isId, type RecordingId } from '../vault/kernel/id.ts'
import { readToken } from './http/cookie.ts'
import { HttpRefusal } from './http/problem.ts'
import type { AskVault } from './vault-link.ts'

export type Purpose = 'replay' | 'verify' | 'export'
export const purposes: readonly Purpose[] = ['replay', 'verify', 'export']

/** A recording's ciphertext, opened at the recorder for one login and purpose. */
export type OpenContent = {
  readonly size: number
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
  readonly close: () => Promise<void>
}

export type ContentPorts = {
  readonly ask: AskVault
  /** The recorder asks the vault whether this login may; a replay is audited there, once per opening. */
  readonly open: (token: string, recording: RecordingId, purpose: Purpose) => Promise<Outcome<OpenContent>>
  readonly now: () => number
}

/** Milliseconds after its last read for which an opening is kept: one replay is one opening and one audit entry. */
const keptMs = 10 * 60_000
/** Openings kept at once; the oldest gives way. */
const maxOpen = 200
const pieceBytes = 1024 * 1024

type Opening = { readonly content: Promise<Outcome<OpenContent>>; usedAt: number }

/**
 * Serves ranges of a recording's ciphertext.
 *
 * SECURITY: an opening belongs to one login, and each range asks the vault again whether that login may read the recording,
 * so that a right taken away ends a replay at its next read. The api holds no key: what passes here is sealed.
 */
export function serveContent(ports: ContentPorts): RequestHandler {
  const openings = new Map<string, Opening>()

  return async (request, response) => {
    const token = readToken(request)
    if (token === undefined) throw new HttpRefusal({ code: 'unauthenticated', message: 'sign in first' })
    const { recording, purpose } = parseRequest(request)
    const seen = await ports.ask('recording.readable', { recording }, token)
    if (!seen.ok) throw new HttpRefusal(seen.refusal)

    closeOld(openings, ports.now())
    const name = createHash('sha256').update(`${token}/${recording}/${purpose}`).digest('hex')
    const open = () => openOnce(openings, name, ports, () => ports.open(token, recording, purpose))
    let content = await open()
    // A session that is still going on: whoever begins anew sees what was added since.
    if (seen.value.sizeBytes > content.size && /^bytes=0-/.test(request.headers.range ?? 'bytes=0-')) {
      openings.delete(name)
      void content.close().catch(() => undefined)
      content = await open()
    }
    await sendRange(request, response, content).catch((error: unknown) => {
      openings.delete(name)
      void content.close().catch(() => undefined)
      throw error
    })
  }
}

async function openOnce(
  openings: Map<string, Opening>,
  name: string,
  ports: ContentPorts,
  open: () => Promise<Outcome<OpenContent>>,
): Promise<OpenContent> {
  const known = openings.get(name)
  const opening = known ?? { content: open(), usedAt: ports.now() }
  opening.usedAt = ports.now()
  openings.delete(name)
  openings.set(name, opening)
  try {
    const outcome = await opening.content
    if (outcome.ok) return outcome.value
    throw new HttpRefusal(outcome.refusal)
  } catch (error) {
    openings.delete(name)
    throw error
  }
}

function closeOld(openings: Map<string, Opening>, now: number): void {
  for (const [name, { content, usedAt }] of openings) {
    if (now - usedAt < keptMs && openings.size < maxOpen) break
    openings.delete(name)
    void content.then((outcome) => (outcome.ok ? outcome.value.close() : undefined)).catch(() => undefined)
  }
}

function parseRequest(request: Request): { readonly recording: RecordingId; readonly purpose: Purpose } {
  const { recording } = request.params
  if (typeof recording !== 'string' || !isId('rec', recording))
    throw new HttpRefusal({ code: 'invalid', message: 'that is not the id of a recording' })
  const query = new URLSearchParams(request.url.split('?')[1] ?? '')
  const asked = query.get('purpose') ?? 'replay'
  const purpose = purposes.find((known) => known === asked)
  if (purpose === undefined || [...query.keys()].some((key) => key !== 'purpose'))
    throw new HttpRefusal({ code: 'invalid', message: 'the purpose is replay, verify or export' })
  return { recording, purpose }
}

async function sendRange(request: Request, response: Response, content: OpenContent): Promise<void> {
  const range = parseRange(request.headers.range, content.size)
  response.set({ 'Accept-Ranges': 'bytes', 'Content-Type': 'application/octet-stream' })
  if (range === 'unsatisfiable') {
    response.status(416).set('Content-Range', `bytes */${content.size}`).end()
    return
  }
  const { from, to } = range ?? { from: 0, to: content.size }
  response.status(range === undefined ? 200 : 206).set('Content-Length', String(to - from))
  if (range !== undefined) response.set('Content-Range', `bytes ${from}-${to - 1}/${content.size}`)
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  for (let at = from; at < to && !response.destroyed; ) {
    const bytes = await content.read(at, Math.min(pieceBytes, to - at))
    // The file is shorter than it was when it was opened: the browser must not take the rest for the whole.
    if (bytes.length === 0) {
      response.destroy()
      return
    }
    at += bytes.length
    if (!response.write(bytes)) await drained(response)
  }
  response.end()
}

/** Resolves when the browser has taken what was written, or went away. */
function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle)
      response.off('close', settle)
      resolve()
    }
    response.on('drain', settle)
    response.on('close', settle)
  })
}

/** One range of RFC 9110 §14.1.2, end exclusive. Several ranges, or another unit, are no range: the whole is sent. */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  return from < to ? { from, to } : 'unsatisfiable'
}
