import type { Request, RequestHandler, Response } from 'express'
import {
  type LoginView,
  type VerbAnswer,
  type VerbInput,
  type VerbName,
  verbs,
} from '../../vault/contract.ts'
import { readBearer } from '../http/bearer.ts'
import { clearToken, keepBrowser, readBrowser, readToken, setToken } from '../http/cookie.ts'
import { HttpRefusal } from '../http/problem.ts'
import type { AskVault } from '../vault-link.ts'
import type { QueryKind, Route } from './route.ts'

/** Answers one route: checks the shape of what came in, asks the vault, and sends what it answers. */
export function answerRoute(route: Route, ask: AskVault): RequestHandler {
  return async (request, response) => {
    const bearer = route.access === 'anyone' ? undefined : readBearer(request)
    const token = bearer ?? readToken(request)
    if (route.access === 'either' && token === undefined) {
      response.json(null)
      return
    }
    if (route.access === 'user' && token === undefined)
      throw new HttpRefusal({ code: 'unauthenticated', message: 'sign in first' })
    const input =
      bearer === undefined ? parseInput(route, request) : await parseFor(route, request, ask, bearer)
    // SECURITY: a route open to anyone is asked as nobody, whatever the cookie says.
    const outcome = await ask(
      route.verb,
      input,
      route.access === 'anyone' ? undefined : token,
      route.timeout,
      ...(bearer === undefined ? [] : [sourceOf(request)]),
    )
    if (route.login === 'ends') clearToken(response)
    if (!outcome.ok) {
      const over = outcome.refusal.code === 'unauthenticated'
      if (over && route.access !== 'anyone' && bearer === undefined) clearToken(response)
      if (over && route.access === 'either') {
        response.json(null)
        return
      }
      throw new HttpRefusal(outcome.refusal)
    }
    if (route.login === 'starts') sendLogin(response, outcome.value as LoginView)
    else if (route.browser === 'keeps') sendAway(response, outcome.value as VerbAnswer<'login.leave'>)
    else response.json(outcome.value)
  }
}

/**
 * What a service asks. Where it is malformed, that is said only to whoever might ask it at all: a token that is good for
 * nothing here learns that, and no more.
 */
async function parseFor(route: Route, request: Request, ask: AskVault, token: string) {
  try {
    return parseInput(route, request)
  } catch (fault) {
    const answer = await ask(route.verb, {} as never, token, route.timeout, sourceOf(request))
    throw !answer.ok && answer.refusal.code !== 'invalid' ? new HttpRefusal(answer.refusal) : fault
  }
}

/** SECURITY: the token goes into the cookie, out of the reach of scripts; the body says who signed in. */
function sendLogin(response: Response, login: LoginView): void {
  setToken(response, login.token, login.expiresAt)
  const { token: _, ...shown } = login
  response.json(shown)
}

/** SECURITY: what binds the way back to this browser is out of the reach of scripts too. */
function sendAway(response: Response, { browser, url }: VerbAnswer<'login.leave'>): void {
  keepBrowser(response, browser)
  response.json({ url })
}

function parseInput(route: Route, request: Request): VerbInput<VerbName> {
  const body: Readonly<Record<string, unknown>> = request.body ?? {}
  const outside: Record<string, unknown> = { ...parseQuery(route.query ?? {}, request.url) }
  for (const [name, value] of Object.entries(request.params)) outside[name] = value
  if (route.source === true) outside.source = sourceOf(request)
  if (route.origin === true) outside.origin = request.headers.origin ?? ''
  if (route.browser === 'brings') outside.browser = readBrowser(request) ?? 'none'
  // What the address says is not said again, perhaps otherwise, in the body.
  for (const name of Object.keys(body))
    if (name in outside)
      throw new HttpRefusal({ code: 'invalid', message: `${name} does not belong into the body` })
  const parsed = verbs[route.verb].input.safeParse({ ...body, ...outside })
  if (parsed.success) return parsed.data as VerbInput<VerbName>
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  throw new HttpRefusal({
    code: 'invalid',
    message: field === '' ? (issue?.message ?? 'the input is malformed') : `${field}: ${issue?.message}`,
  })
}

function parseQuery(
  known: Readonly<Record<string, QueryKind>>,
  url: string,
): Readonly<Record<string, unknown>> {
  const query: Record<string, unknown> = {}
  for (const [name, text] of new URLSearchParams(url.split('?')[1] ?? '')) {
    const kind = Object.hasOwn(known, name) ? known[name] : undefined
    if (kind === undefined || Object.hasOwn(query, name))
      throw new HttpRefusal({ code: 'invalid', message: 'the query has an unknown or repeated member' })
    query[name] = parseMember(kind, text)
  }
  return query
}

function parseMember(kind: QueryKind, text: string): string | number | boolean {
  if (kind === 'text') return text
  if (kind === 'flag' && (text === 'true' || text === 'false')) return text === 'true'
  if (kind === 'int' && /^\d{1,15}$/.test(text)) return Number(text)
  throw new HttpRefusal({ code: 'invalid', message: `the query's ${kind} is malformed` })
}

/** The address that the connection comes from; headers of a proxy are never believed. */
function sourceOf(request: Request): string {
  return (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '').slice(0, 100)
}
