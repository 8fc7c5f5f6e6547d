import { once } from 'node:events'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { contentPath, routesBeside } from '../../../api/http/app.ts'
import { stampPath } from '../../../api/stamp.ts'
import { cookieName } from '../../../api/http/cookie.ts'
import { routes } from '../../../api/routes/table.ts'
import { liveProtocol } from '../../../recorder/live/protocol.ts'
import type { HttpAnswer } from '../../support/plant-http.ts'
import { may, type Row, table } from '../../support/matrix-table.ts'
import { type Asker, type MatrixWorld, startMatrixWorld, type Thing } from '../../support/matrix-world.ts'
import { whyNoSshd } from '../../support/sshd.ts'

// Every route and live socket × who asks × what it is about × open and sealed, against a running installation. What is
// expected stands in test/support/matrix-table.ts.

vi.setConfig({ testTimeout: 900_000, hookTimeout: 240_000 })

const why = whyNoSshd()
if (why !== undefined) console.warn(`the authorisation matrix is not tested: ${why}`)

let world: MatrixWorld
beforeAll(async () => {
  if (why === undefined) world = await startMatrixWorld()
})
afterAll(() => world?.[Symbol.asyncDispose]())

type Route = { readonly method: string; readonly path: string; readonly access: string }
const everyRoute: readonly Route[] = [
  ...routes.map(({ method, path, access }) => ({ method, path, access })),
  ...routesBeside,
]
/** Read by people: a service's token is not looked at there. */
const isBeside = ({ path, access }: Route) =>
  access === 'user' && routesBeside.some((one) => one.path === path)
const nameOf = ({ method, path }: Route) => `${method} ${path}`

/** One cell: a request, and what the table says of it. */
type Cell = {
  readonly route: Route
  readonly row: Row
  readonly asker: Asker
  /** What it is about, by its name in the matrix. */
  readonly about: string
  readonly thing: Thing | undefined
}

/** The things of a row, and what is the asker's own in any case. */
function thingsOf(row: Row, asker: Asker): readonly (readonly [string, Thing | undefined])[] {
  if (row.of === undefined) return [['', undefined]]
  const things: (readonly [string, Thing | undefined])[] = Object.entries(world.things[row.of])
  if (row.alsoOfMe !== true || asker.kind === 'nobody' || asker.kind === 'service') return things
  const name = asker.name.replace(/ by key$/, '')
  return things.some(([known]) => known === name)
    ? things
    : [...things, ['me', { ref: name, is: 'there', own: name }]]
}

const isService = (asker: Asker) => String(asker.token).startsWith('tagout_')

/** What an asker's request carries: a login in its cookie, or a service's token in its own header. */
function carried(asker: Asker) {
  if (isService(asker)) return { headers: { authorization: `Bearer ${String(asker.token)}` } }
  return asker.token === null ? {} : { token: asker.token }
}

function requestOf({ route, row, asker, thing }: Cell) {
  const ref = thing?.ref ?? ''
  // The thing is in the path where nothing else is said of it.
  const path = route.path.replaceAll(/:(\w+)/g, (_whole, name: string) =>
    encodeURIComponent(row.path?.[name] ?? ref),
  )
  const query = row.query === undefined ? '' : `?${row.query(ref)}`
  return world.http.ask(route.method, `${path}${query}`, {
    ...carried(asker),
    ...(route.method === 'GET' ? {} : { body: row.body?.(ref, world.login) ?? {} }),
  })
}

/** What the table says, or undefined where who may asks it of other things alone. */
function expectedOf({ route, row, asker, about, thing }: Cell): number | undefined {
  if (route.access === 'anyone') return statusOf(row, about)
  // Two cookies are none.
  const hasCookie = typeof asker.token === 'string'
  if (asker.kind === 'nobody' && route.access === 'either') return 200
  if (!hasCookie) return 401
  if (isService(asker) && isBeside(route)) return 401
  // What is no name at all is told about its form, to whoever carries a cookie: it is looked at before the vault is asked.
  // Of services it is told to those that may ask at all.
  if (thing?.is === 'malformed' && !isService(asker)) return 400
  if (asker.kind === 'nobody') return 401
  if (thing?.is === 'malformed') return may(row, asker, thing) ? 400 : 403
  if (asker.kind === 'replays' && row.replays !== true) return 403
  if (!may(row, asker, thing)) return 403
  if (owesFirst(asker, row)) return 403
  if (row.only !== undefined && !row.only.includes(about)) return undefined
  if (thing?.is === 'none') return row.none ?? 404
  return statusOf(row, about)
}

/** Whoever owes terms is refused what is theirs as well, and is told why. */
function owesFirst(asker: Asker, row: Row): boolean {
  return asker.kind === 'owes terms' && row.beforeTerms !== true
}

function statusOf({ ok }: Row, about: string): number {
  if (typeof ok === 'number') return ok
  const known = ok[about]
  if (known === undefined) throw new TypeError(`the table does not say what ${about} is answered`)
  return known
}

/** Routes that anybody may ask are asked by a few: what they take is looked at elsewhere, and guesses cost everybody time. */
function asksIt(route: Route, asker: Asker): boolean {
  return (
    route.access !== 'anyone' ||
    route.method === 'GET' ||
    ['no cookie', 'an invented token', 'ann', 'vera'].includes(asker.name)
  )
}

/** Runs over all of `items`, some at a time. */
async function inTurns<T>(items: readonly T[], at: number, act: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: at }, async () => {
      for (const item of waiting) await act(item)
    }),
  )
}

test.skipIf(why !== undefined)(
  'nobody may what they may not: every route, everybody, everything',
  async () => {
    const cells = everyRoute.flatMap((route) => {
      const row = table[nameOf(route)]
      if (row === undefined) return []
      return world.askers
        .filter((asker) => asksIt(route, asker))
        .flatMap((asker) =>
          thingsOf(row, asker).map(([about, thing]): Cell => ({ route, row, asker, about, thing })),
        )
    })
    const deviations: string[] = []
    const refusals = new Map<string, Map<string, string>>()
    const counts = { asked: 0, left: 0, denied: 0, nobody: 0, done: 0 }
    /** Who was denied what, as often as it happened: the log must say the same. */
    const denials: string[] = []
    const before = (await refusalsInLog()).length
    const started = Date.now()
    await inTurns(cells, 12, async (cell) => {
      const expected = expectedOf(cell)
      if (expected === undefined) {
        counts.left += 1
        return
      }
      const answer = await requestOf(cell)
      counts.asked += 1
      if (expected === 401) counts.nobody += 1
      else if (expected === 403) counts.denied += 1
      else counts.done += 1
      const { asker, about, route, row, thing } = cell
      if (answer.status !== expected)
        deviations.push(
          `${nameOf(route)} of ${about || 'nothing'} by ${asker.name}: ${answer.status}, not ${expected}: ${answer.text.slice(0, 160)}`,
        )
      // What is another's and what nobody has are refused alike, byte for byte and header for header.
      if (expected !== 403) return
      denials.push(`${asker.name.replace(/ by key$/, '')}: ${verbOf(route)}`)
      const who = `${nameOf(route)} by ${asker.name}${may(row, asker, thing) ? ', of what is theirs' : ''}`
      const said = refusals.get(who) ?? new Map<string, string>()
      said.set(bytesOf(answer), about)
      refusals.set(who, said)
    })
    const seconds = (Date.now() - started) / 1000
    console.info(
      `authorisation matrix: ${counts.asked} cells (${everyRoute.length} routes, ${world.askers.length} askers) in ${seconds.toFixed(0)} s: ` +
        `${counts.nobody} not signed in, ${counts.denied} denied, ${counts.done} answered; ${counts.left} left out as acts of who may`,
    )
    for (const [who, said] of refusals)
      if (said.size > 1)
        deviations.push(`${who} is refused in ${said.size} ways: ${[...said].join(' | ').slice(0, 400)}`)
    expect(deviations).toEqual([])
    expect(counts.asked).toBeGreaterThan(5_000)

    // One entry for each denial, of who and what, and none beside.
    const denied = (await refusalsInLog())
      .slice(before)
      .flatMap(({ code, verb, actor }) => (code === 'forbidden' ? [`${actor.name ?? ''}: ${verb}`] : []))
    expect(denied.toSorted()).toEqual(denials.toSorted())
  },
)

type Refused = { readonly code: string; readonly verb: string; readonly actor: { readonly name?: string } }

/** All refusals of the log from this entry on, in its order. */
async function refusalsInLog(from = 0): Promise<readonly Refused[]> {
  // Entries are numbered a moment after they were committed: whoever has the log verified waits for that.
  await world.local('audit.verify', {})
  const page = await world.local('audit.list', { from, limit: 10_000, kind: 'refused' })
  const last = page.at(-1)
  const rest = last === undefined || page.length < 10_000 ? [] : await refusalsInLog(last.seq + 1)
  return [...page.map(({ entry }) => entry as Refused), ...rest]
}

function verbOf(route: Route): string {
  if (route.path === contentPath || route.path === stampPath) return 'recording.readable'
  if (isBeside(route)) return 'recording.search'
  return routes.find(({ method, path }) => method === route.method && path === route.path)?.verb ?? ''
}

/** All of an answer but what differs by itself: the moment, and how many requests are left. */
function bytesOf({ status, headers, text }: HttpAnswer): string {
  const { date: _, ratelimit: __, 'ratelimit-policy': ___, ...rest } = headers
  return `${status} ${JSON.stringify(rest)} ${text}`
}

test.skipIf(why !== undefined)(
  'live sockets open to who has signed in, from this console alone',
  async () => {
    const { origin } = world.http
    const watch = await world.http.ask('POST', `/api/sessions/${world.things.session.oli?.ref}/watch`, {
      token: tokenOf('ann'),
      body: {},
    })
    const { worker } = JSON.parse(watch.text)
    const paths = [
      '/live',
      `/live/${worker}`,
      '/live/no-such-worker',
      '/live/',
      '/live/%2e',
      '/LIVE',
      '/api/login',
    ]
    const froms: readonly (string | undefined)[] = [origin, undefined, 'https://evil.example', 'null']
    const deviations: string[] = []
    const cells = world.askers.flatMap((asker) =>
      paths.flatMap((path) => froms.map((from) => ({ asker, path, from }))),
    )
    await inTurns(cells, 8, async ({ asker, path, from }) => {
      const tokens = [asker.token ?? []].flat()
      const isLive = /^\/live(\/[a-z0-9-]+)?$/i.test(path)
      const expected =
        from !== origin
          ? 403
          : asker.kind === 'nobody' || asker.kind === 'service'
            ? 401
            : asker.kind !== 'person'
              ? 403
              : path.endsWith('no-such-worker')
                ? 503
                : 101
      const status = await upgrade(`${origin.replace('https', 'wss')}${path}`, tokens, from)
      // What is no live socket's address is answered as if nobody had wished for one.
      if (isLive ? status !== expected : status === 101)
        deviations.push(`${path} from ${from} by ${asker.name}: ${status}, not ${expected}`)
    })
    console.info(`live sockets: ${cells.length} cells`)
    expect(deviations).toEqual([])
  },
)

function tokenOf(name: string): string {
  const token = world.askers.find((asker) => asker.name === name)?.token
  return typeof token === 'string' ? token : ''
}

let turn = 0
/** The status with which a live socket is answered; 101 when it opened. */
async function upgrade(
  address: string,
  tokens: readonly string[],
  from: string | undefined,
): Promise<number> {
  turn += 1
  const socket = new WebSocket(address, liveProtocol, {
    rejectUnauthorized: false,
    localAddress: `127.0.8.${(turn % 200) + 1}`,
    headers: {
      ...(from === undefined ? {} : { origin: from }),
      ...(tokens.length === 0 ? {} : { cookie: tokens.map((one) => `${cookieName}=${one}`).join('; ') }),
    },
  })
  socket.on('error', () => undefined)
  return new Promise((resolve) => {
    socket.once('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.once('unexpected-response', (_request, response) => {
      response.destroy()
      resolve(response.statusCode ?? 0)
    })
    void once(socket, 'close').then(() => resolve(0))
  })
}

test.skipIf(why !== undefined)(
  'a sealed vault answers nobody, and says so to who carries a login',
  async () => {
    await world.local('vault.seal', { sessions: 'keep' })
    const deviations: string[] = []
    let asked = 0
    const cells = everyRoute.flatMap((route) => {
      const row = table[nameOf(route)]
      if (row === undefined) return []
      return world.askers
        .filter((asker) => asksIt(route, asker))
        .flatMap((asker) =>
          thingsOf(row, asker)
            .slice(0, 1)
            .map(([about, thing]): Cell => ({ route, row, asker, about, thing })),
        )
    })
    await inTurns(cells, 12, async (cell) => {
      const { route, asker } = cell
      const open = nameOf(route) === 'GET /api/status' || nameOf(route) === 'GET /api/health'
      const expected = open
        ? 200
        : route.access === 'anyone'
          ? [400, 503]
          : typeof asker.token !== 'string' || (isService(asker) && isBeside(route))
            ? route.access === 'either'
              ? 200
              : 401
            : 503
      const { status, text } = await requestOf(cell)
      asked += 1
      if (![expected].flat().includes(status))
        deviations.push(
          `${nameOf(route)} by ${asker.name}: ${status}, not ${String(expected)}: ${text.slice(0, 120)}`,
        )
    })
    await world.local('vault.unseal', { kind: 'stored-key-file' })
    console.info(`sealed: ${asked} cells`)
    expect(deviations).toEqual([])
  },
)
