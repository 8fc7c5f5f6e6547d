import express, { type ErrorRequestHandler, type Express } from 'express'
import { type ContentPorts, serveContent } from '../content.ts'
import { answerRoute } from '../routes/handler.ts'
import { routes } from '../routes/table.ts'
import { serveStamp, stampPath } from '../stamp.ts'
import type { TimestampConfig } from '../timestamp.ts'
import { type SearchPort, searchPaths, serveSearch } from '../search.ts'
import type { AskVault } from '../vault-link.ts'
import { jsonBody } from './body.ts'
import { consoleFiles } from './files.ts'
import { noStore, securityHeaders } from './headers.ts'
import { defaultLimits, type Limits, limitRate } from './limit.ts'
import { checkOrigin } from './origin.ts'
import { HttpRefusal, problemOf, sendProblem } from './problem.ts'

export type AppPorts = {
  readonly ask: AskVault
  readonly open: ContentPorts['open']
  /** Where evidence is time-stamped, where it is. */
  readonly stamper?: () => TimestampConfig | undefined
  /** Missing: nobody searches inside recordings here. */
  readonly search?: SearchPort
  readonly now: () => number
  /** Told of each fault, with the id that the browser was given. */
  readonly onFault: (fault: { readonly id: string; readonly route: string; readonly error: unknown }) => void
}

export type AppOptions = {
  readonly tls: boolean
  readonly names: readonly string[]
  readonly consoleDir: string
  /** Told to people who want to connect. */
  readonly sshPort: number
  /** Whether a demo plant is in this installation: the console says so. */
  readonly isDemo?: () => boolean
  readonly limits?: Limits
}

/** Where the recording's bytes are served: the one route of the API that is not a verb. */
export const contentPath = '/api/recordings/:recording/content'

/** Routes that are no verb of the vault's. */
export const routesBeside = [
  { method: 'GET', path: '/api/health', access: 'anyone' },
  { method: 'GET', path: contentPath, access: 'user' },
  { method: 'POST', path: stampPath, access: 'user' },
  ...Object.values(searchPaths).map((path) => ({ method: 'POST', path, access: 'user' }) as const),
] as const

/** Puts the HTTP edge together. Order is the safety: headers, limits, origin, body, then routes. */
export function makeApp(ports: AppPorts, options: AppOptions): Express {
  const limits = options.limits ?? defaultLimits
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', false)
  app.set('query parser', false)
  app.set('etag', false)
  app.enable('case sensitive routing')
  app.enable('strict routing')

  app.use(...securityHeaders(options))
  app.use(limitRate(limits.requests))
  app.use('/api', noStore)
  app.use(checkOrigin(options))
  app.get('/api/health', (_request, response) => {
    // SECURITY: that it is a demo, and nothing of what is in it.
    response.json({ ok: true, sshPort: options.sshPort, demo: options.isDemo?.() === true })
  })
  const proof = limitRate(limits.proofs)
  // Nobody guesses at these, and a sign-in at a provider takes two of them beside its code.
  const away = limitRate(limits.proofs)
  for (const route of routes)
    if (route.method !== 'GET' && route.access === 'anyone')
      app.use(route.path, onlyFor(route.method, route.browser === undefined ? proof : away))
  app.use('/api', ...jsonBody(bodyLimits))
  for (const route of routes) {
    const handler = answerRoute(route, ports.ask)
    app[methodOf(route.method)](route.path, handler)
  }
  app.get(contentPath, serveContent(ports))
  app.post(
    stampPath,
    serveStamp(ports.ask, () => ports.stamper?.()),
  )
  const search = serveSearch(ports.ask, () => {
    if (ports.search !== undefined) return ports.search
    throw new HttpRefusal({
      code: 'unavailable',
      message: 'the recorder is away',
      next: 'try again in a moment',
    })
  })
  for (const what of ['begin', 'candidates', 'index'] as const) app.post(searchPaths[what], search[what])
  app.use('/api', () => {
    throw new HttpRefusal({ code: 'not_found', message: 'there is nothing at this address' })
  })
  app.use(...consoleFiles(options.consoleDir))
  app.use(() => {
    throw new HttpRefusal({ code: 'not_found', message: 'there is nothing at this address' })
  })
  app.use(answerError(ports))
  return app
}

const bodyLimits = new Map(
  routes.flatMap(({ method, path, bodyLimit }) =>
    bodyLimit === undefined ? [] : [[`${method} ${path}`, bodyLimit] as const],
  ),
)

function methodOf(method: 'GET' | 'POST' | 'PUT' | 'DELETE'): 'get' | 'post' | 'put' | 'delete' {
  return method.toLowerCase() as 'get' | 'post' | 'put' | 'delete'
}

/** For a route itself, and not for what lies below its path. */
function onlyFor(method: string, handler: express.RequestHandler): express.RequestHandler {
  return (request, response, next) =>
    request.method === method && request.path === '/' ? handler(request, response, next) : next()
}

function answerError(ports: AppPorts): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const problem = problemOf(error)
    if (problem.instance !== undefined)
      ports.onFault({
        id: problem.instance,
        route: `${request.method} ${request.route?.path ?? 'unknown'}`,
        error,
      })
    sendProblem(response, problem)
  }
}
