import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import type { KeyedTrapdoors, OpenedSearch } from '../recorder/replay/index.ts'
import type { Outcome } from '../vault/index.ts'
import { recordingAsked } from '../vault/contract.ts'
import { readToken } from './http/cookie.ts'
import { HttpRefusal } from './http/problem.ts'
import type { AskVault } from './vault-link.ts'

/** Searches inside recordings, at the recorder: what passes here are keyed trigrams and sealed indexes. */
export type SearchPort = {
  readonly begin: (token: string, asked: object) => Promise<Outcome<OpenedSearch>>
  readonly candidates: (
    token: string,
    search: string,
    keys: readonly KeyedTrapdoors[],
  ) => Promise<Outcome<{ readonly recordings: readonly string[] }>>
  readonly index: (token: string, search: string, recording: string) => Promise<Outcome<Uint8Array>>
}

/** Where searches are asked: beside the content of recordings, the routes that are no verbs of the vault. */
export const searchPaths = {
  begin: '/api/search',
  candidates: '/api/search/candidates',
  index: '/api/search/index',
} as const

const beginBody = z.strictObject(recordingAsked)
const candidatesBody = z.strictObject({
  search: z.string().max(60),
  keys: z
    .array(z.strictObject({ id: z.string().max(64), trapdoors: z.array(z.string().max(32)).min(1).max(64) }))
    .max(10_000),
})
const indexBody = z.strictObject({ search: z.string().max(60), recording: z.string().max(60) })

/**
 * Answers the three questions of a search.
 *
 * SECURITY: the vault is asked whether this login may search at all, before anything goes to the recorder; that asks the vault for
 * the list of what may be searched, and again for each index that is handed out.
 */
export function serveSearch(
  ask: AskVault,
  port: () => SearchPort,
): Readonly<Record<keyof typeof searchPaths, RequestHandler>> {
  const allowed = async <Body>([token, input]: readonly [string, Body]): Promise<readonly [string, Body]> => {
    taken(await ask('recording.search', {}, token))
    return [token, input]
  }
  return {
    begin: async (request, response) => {
      const [token, asked] = await allowed(asking(request, beginBody))
      response.json(taken(await port().begin(token, asked)))
    },
    candidates: async (request, response) => {
      const [token, { search, keys }] = await allowed(asking(request, candidatesBody))
      response.json(taken(await port().candidates(token, search, keys)))
    },
    index: async (request, response) => {
      const [token, { search, recording }] = await allowed(asking(request, indexBody))
      const bytes = taken(await port().index(token, search, recording))
      response.set('Content-Type', 'application/octet-stream').end(bytes)
    },
  }
}

function asking<Body extends z.ZodType>(
  request: Request,
  body: Body,
): [token: string, input: z.output<Body>] {
  const token = readToken(request)
  if (token === undefined) throw new HttpRefusal({ code: 'unauthenticated', message: 'sign in first' })
  const parsed = body.safeParse(request.body ?? {})
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new HttpRefusal({
      code: 'invalid',
      message: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`,
    })
  }
  return [token, parsed.data]
}

function taken<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new HttpRefusal(outcome.refusal)
  return outcome.value
}
