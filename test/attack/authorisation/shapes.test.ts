import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { routes } from '../../../api/routes/table.ts'
import { verbs } from '../../../vault/contract.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { type FakeConsole, startFakeConsole } from '../../support/console-fake.ts'
import { send } from '../../support/raw-http.ts'
import { ldapSettings } from '../../support/vendor-asks.ts'

// Mass assignment: at every place of every route's body, a member that does not belong there is refused before the vault
// is asked. And whatever way a request is written, it is the route of the table or none.

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 })

let edge: FakeConsole
let own: string
let cookie: string
beforeAll(async () => {
  edge = await startFakeConsole({ limits: { requests: 10_000_000, proofs: 10_000_000 } })
  own = edge.address
  cookie = `__Host-tagout=${edge.signIn('alice', 'admin')}`
})
afterAll(() => edge[Symbol.asyncDispose]())

/** What somebody would like to say of themselves, or of what they add. */
const privileged = [
  'role',
  'roles',
  'permissions',
  'admin',
  'isAdmin',
  'owner',
  'ownerId',
  'own',
  'user',
  'userId',
  'user_id',
  'actor',
  'principal',
  'uid',
  'local',
  'by',
  'grantedBy',
  'granted_by',
  'approved',
  'approvedBy',
  'approvals',
  'approverId',
  'verdict',
  'state',
  'safe',
  'safeId',
  'safe_id',
  'target',
  'targetId',
  'parentId',
  'id',
  'token',
  'login',
  'source',
  'origin',
  'browser',
  'createdAt',
  'mac',
  'epoch',
  'evenLast',
  'secret',
  'password',
  'door',
  'verb',
  'input',
  'x',
] as const
const poisons = ['__proto__', 'constructor', 'prototype'] as const

const texts = [
  ...['UTC', '06:00', '2031-01-01T00:00:00Z'],
  'press-3',
  'AAAA',
  'ssh://127.0.0.1:22',
  '2030-01-01T00:00:00Z',
  '0'.repeat(64),
  `${'0'.repeat(64)}  a.txt\n`,
  'a@b.com',
  'ssh',
  'ldaps://127.0.0.1:1',
  'dc=plant',
  ldapSettings.certificates,
  ...[
    'lgn',
    'req',
    'grt',
    'ses',
    'rec',
    'nte',
    'key',
    'pky',
    'hld',
    'lse',
    'off',
    'bgl',
    'ntf',
    'psw',
    'tok',
    'kit',
    'exp',
    'wai',
    'hov',
    'usr',
    'wch',
    'plr',
    'rot',
    'rtk',
    'sie',
    'rsk',
    'lho',
    'dst',
    'cam',
    'cmi',
  ].map((kind) => newId(kind)),
]

/** What zod keeps of a schema, as far as it is read here. */
type Def = {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly element?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly entries?: Readonly<Record<string, string>>
  readonly values?: readonly unknown[]
}

/** Some value that a schema takes; every optional member is there, so that the places below it are. */
function sampleOf(schema: z.ZodType): unknown {
  const def = schema._zod.def as unknown as Def
  if (def.shape !== undefined)
    return Object.fromEntries(Object.entries(def.shape).map(([name, member]) => [name, sampleOf(member)]))
  if (def.innerType !== undefined) return sampleOf(def.innerType)
  if (def.in !== undefined) return sampleOf(def.in)
  if (def.element !== undefined) return firstTaken(schema, [[sampleOf(def.element)], ['sue', 'ann'], []])
  if (def.type === 'record') return {}
  if (def.options !== undefined) return firstTaken(schema, def.options.map(sampleOf))
  if (def.entries !== undefined) return Object.values(def.entries)[0]
  if (def.values !== undefined) return def.values[0]
  if (def.type === 'boolean') return true
  if (def.type === 'number') return firstTaken(schema, [1, 60, 2, 300])
  return firstTaken(schema, texts)
}

function firstTaken(schema: z.ZodType, samples: readonly unknown[]): unknown {
  return samples.find((sample) => schema.safeParse(sample).success) ?? samples[0]
}

/** Every object in a value, by the way to it; the places of arrays' first members are among them. */
function objectsIn(
  value: unknown,
  way: readonly (string | number)[] = [],
): readonly (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return []
  const below = Object.entries(value).flatMap(([key, member]) =>
    objectsIn(member, [...way, Array.isArray(value) ? Number(key) : key]),
  )
  return Array.isArray(value) ? below : [way, ...below]
}

/** The value with one more member at a place, as JSON text: `__proto__` is a member there like any other. */
function withMember(value: unknown, way: readonly (string | number)[], name: string): string {
  const [next, ...rest] = way
  if (next === undefined) {
    const members = Object.entries(value as object).map(
      ([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`,
    )
    return `{${[...members, `${JSON.stringify(name)}:true`].join(',')}}`
  }
  const parts = Object.entries(value as object).map(([key, member]) => {
    const text = key === String(next) ? withMember(member, rest, name) : JSON.stringify(member)
    return Array.isArray(value) ? text : `${JSON.stringify(key)}:${text}`
  })
  return Array.isArray(value) ? `[${parts.join(',')}]` : `{${parts.join(',')}}`
}

const changing = routes.filter(({ method }) => method !== 'GET')

/** The route's input that the verb takes, apart into what the path says and what the body does. */
function inputOf(route: (typeof routes)[number]) {
  const input = { ...(sampleOf(verbs[route.verb].input) as Record<string, unknown>) }
  if (route.verb === 'grant.add') delete input['notAfter'] // an end or a duration
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '')
  const path = route.path.replaceAll(/:(\w+)/g, (_whole, name: string) =>
    encodeURIComponent(String(input[name])),
  )
  // These the api says itself: no body does.
  const said = [route.source && 'source', route.origin && 'origin', route.browser === 'brings' && 'browser']
  const body = Object.fromEntries(
    Object.entries(input).filter(([name]) => !inPath.includes(name) && !said.includes(name)),
  )
  return { path, body, input }
}

test('what is sent to every route is what its verb takes', () => {
  const unfit = changing.flatMap((route) => {
    const parsed = verbs[route.verb].input.safeParse(inputOf(route).input)
    return parsed.success
      ? []
      : [`${route.verb}: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`]
  })
  expect(unfit).toEqual([])
})

test('no body says more than its route asks, at no place of it', async () => {
  let tried = 0
  const wrong: string[] = []
  for (const route of changing) {
    const { path, body } = inputOf(route)
    // The body as it is gets to the vault: what is refused below is refused for the member.
    edge.asked.length = 0
    await put(route.method, path, JSON.stringify(body))
    if (edge.asked.at(-1)?.verb !== route.verb)
      wrong.push(`${route.method} ${path} does not reach ${route.verb}`)
    edge.asked.length = 0
    for (const way of objectsIn(body)) {
      const place = way.reduce<unknown>(
        (value, key) => (value as Record<string, unknown>)[key],
        body,
      ) as object
      for (const name of [...privileged, ...poisons]) {
        if (Object.hasOwn(place, name) || isFree(route.verb, way)) continue
        tried += 1
        const { status } = await put(route.method, path, withMember(body, way, name))
        if (status !== 400)
          wrong.push(`${route.method} ${route.path}: ${[...way, name].join('.')}: ${status}`)
      }
    }
    if (edge.asked.length > 0) wrong.push(`${route.method} ${route.path} asked the vault`)
  }
  console.info(`mass assignment: ${tried} bodies over ${changing.length} routes`)
  expect(wrong).toEqual([])
  expect(tried).toBeGreaterThan(3_000)
})

/** Cells of an import have the names of the file's columns: which there are is the import's to say. */
function isFree(verb: string, way: readonly (string | number)[]): boolean {
  return verb === 'import' && way.at(-1) === 'cells'
}

function put(method: string, path: string, body: string) {
  return send(own, method, path, {
    headers: { origin: own, cookie, 'content-type': 'application/json' },
    body,
  })
}

test('however the address or the method is written, it is that route or none', async () => {
  const wrong: string[] = []
  let tried = 0
  for (const route of routes) {
    const { path, body } = inputOf(route)
    const last = path.slice(path.lastIndexOf('/') + 1)
    const ways: readonly (readonly [string, string])[] = [
      [route.method, `${path}/`],
      [route.method, path.replace('/api/', '//api/')],
      [route.method, path.replace('/api/', '/api//')],
      [route.method, path.replace('/api/', '/API/')],
      [route.method, path.replace('/api/', '/api/./')],
      [route.method, path.replace('/api/', '/api/x/../')],
      [route.method, path.replace('/api/', '/api%2f')],
      [route.method, path.replace('/api/', '/%61pi/')],
      [route.method, path.replace('/api/', '/api/%2e%2e/api/')],
      [route.method, path.replace('/api/', String.raw`/api\\`)],
      [route.method, path.replace('/api/', '/api;x=1/')],
      [route.method, `${path};x=1`],
      [route.method, `${path}%00`],
      [route.method, `${path}%20`],
      [route.method, `${path}%2f`],
      [route.method, `${path}%252f`],
      [route.method, `${path}.json`],
      [route.method, `${path}?_method=GET`],
      [route.method, `${path}?${last}=1`],
      [route.method, `${own}${path}`],
      ...['HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'get', 'Post'].map(
        (method) => [method, path] as const,
      ),
    ]
    for (const [method, way] of ways) {
      for (const headers of [{}, { cookie }] as const) {
        edge.asked.length = 0
        tried += 1
        const answer = await send(own, method, way, {
          headers: {
            origin: own,
            'content-type': 'application/json',
            'x-http-method-override': 'DELETE',
            'x-original-url': '/api/users',
            'x-rewrite-url': '/api/users',
            ...headers,
          },
          ...(route.method === 'GET' || method === 'HEAD' || method === 'TRACE'
            ? {}
            : { body: JSON.stringify(body) }),
        }).catch(() => ({ status: 400, text: '' }))
        // A malformed name or id in the place of the last one is that route's own, and it is that verb which is asked.
        const asked = edge.asked.filter(({ verb }) => verb !== 'login.who' || route.verb === 'login.who')
        const other = asked.find(
          ({ verb, token }) =>
            !routesAt(route.path, method).some((one) => one.verb === verb) ||
            (route.access === 'user' && token === undefined),
        )
        if (other !== undefined) wrong.push(`${method} ${way}: asked ${other?.verb}`)
        const isOpen = routesAt(route.path, method).some(({ access }) => access !== 'user')
        if (!('cookie' in headers) && !isOpen && (asked.length > 0 || answer.status < 400))
          wrong.push(`${method} ${way} without a login: ${answer.status}, asked ${asked[0]?.verb}`)
      }
    }
  }
  console.info(`ways to write an address or a method: ${tried} over ${routes.length} routes`)
  expect(wrong).toEqual([])
})

/** The routes at a path by this method: HEAD reads as GET does. */
function routesAt(at: string, method: string) {
  const asked = method.toUpperCase() === 'HEAD' ? 'GET' : method.toUpperCase()
  return routes.filter((route) => route.path === at && route.method === asked)
}
