import type { Role, ServiceScope } from '../../vault/contract.ts'
import { newId } from '../../vault/kernel/id.ts'
import type { Asker, Kind, Thing } from './matrix-world.ts'
import { ldapSettings } from './vendor-asks.ts'

/**
 * Why somebody may: a role (`admin`, `approver`, `auditor`); a permission on the safe that the thing is in (`+approve`);
 * `own`: it is theirs; `granted`: they may use the account now; `all`: everybody who has signed in.
 */
export type Reason =
  | 'admin'
  | 'approver'
  | 'auditor'
  | 'supervisor'
  | 'security-officer'
  | '+use'
  | '+manage'
  | '+approve'
  | '+supervise'
  | '+observe'
  | '+reveal'
  | '+break-glass'
  | 'own'
  | 'granted'
  | 'all'

/** What the table says of one route. */
export type Row = {
  /** Who may; nobody else may. Missing: it is asked without a login, and of whoever has one too. */
  readonly who?: readonly Reason[]
  /** A service with a token of this scope may too. */
  readonly service?: ServiceScope
  /** Nobody may on what is their own. */
  readonly notOwn?: true
  /** What it is about; missing: about nothing. */
  readonly of?: Kind
  /** The answer to who may of what is there; where it depends on the thing, by the thing's name in the matrix. */
  readonly ok: number | Readonly<Record<string, number>>
  /** The answer to who may of what is not there; 404 where it is not said. */
  readonly none?: number
  /** Who may asks it of these alone: of the others it would change the world that the other cells are about. */
  readonly only?: readonly string[]
  /** The members of the path beside the thing. */
  readonly path?: Readonly<Record<string, string>>
  readonly body?: (ref: string, login: string) => object
  readonly query?: (ref: string) => string
  /** Answered to who owes terms, and to a login that only replays. */
  readonly beforeTerms?: true
  readonly replays?: true
  /** It is an own thing of whoever asks, whatever it is about: `/api/users/<me>`. */
  readonly alsoOfMe?: true
}

const admin: readonly Reason[] = ['admin']
const readers: readonly Reason[] = ['admin', 'auditor', 'security-officer']
const all: readonly Reason[] = ['all']
const manages: readonly Reason[] = ['admin', '+manage']
const approves: readonly Reason[] = ['admin', '+approve']
const supervises: readonly Reason[] = ['admin', '+approve', '+supervise']
const noTask = { task: newId('rtk', 0) }
const sealed = Buffer.alloc(48).toString('base64')
const credential = { kind: 'password', sealed }
const document = { version: 1, rules: [] }
const noCode = 400 // who may is told that it takes a code, and nothing is done

/**
 * Who may ask what over HTTP, reviewed by people: one row per route. What is not here fails the test, and so does
 * a row without a route.
 *
 * A row reads: who may, of which things, and what they are answered. Acts that would change the world are asked by
 * who may in a way that ends just after the decision: without the fresh code, of what has ended, of what is not there.
 */
export const table: Readonly<Record<string, Row>> = {
  // ---- signing in
  'GET /api/health': { ok: 200 },
  'GET /api/status': { ok: 200 },
  'POST /api/login': { ok: 400 },
  'POST /api/login/challenge': { ok: 200 },
  'POST /api/login/passkey': { ok: 400 },
  'GET /api/login/providers': { ok: 200 },
  'POST /api/login/leave': { ok: 400 },
  'POST /api/login/return': { ok: 400 },
  'POST /api/login/finish': { ok: 400 },
  'POST /api/enrolment/begin': { ok: 400 },
  'POST /api/enrolment/finish': { ok: 400 },
  'POST /api/switches/:switch/call': { ok: 400, path: { switch: 'hall-3' } },
  // Nobody of the matrix is of a provider, or was sent to one.
  'POST /api/login/step-up': { who: all, ok: 409 },
  'POST /api/login/step-up/return': { who: all, ok: 409, body: () => ({ state: 'nobodys' }) },
  'POST /api/login/confirm': { who: all, ok: noCode, body: () => ({}) },
  'GET /api/login': { who: all, ok: 200, beforeTerms: true, replays: true },
  'DELETE /api/login': { who: all, ok: 200, only: [], beforeTerms: true, replays: true },
  'GET /api/logins': { service: 'users.read', who: all, ok: 200 },
  'DELETE /api/logins/:login': { who: ['admin', 'own'], of: 'login', ok: 200, only: ['none'] },

  // ---- people
  'GET /api/users': { service: 'users.read', who: [...readers, 'approver'], ok: 200 },
  'POST /api/users': { who: admin, ok: noCode, body: () => ({ name: 'new', roles: ['operator'] }) },
  'GET /api/users/:user': {
    service: 'users.read',
    who: [...readers, 'own'],
    of: 'user',
    alsoOfMe: true,
    ok: 200,
  },
  'PUT /api/users/:user/roles': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: noCode,
    none: noCode,
    only: ['dis', 'none'],
    body: () => ({ roles: ['operator', 'approver'] }),
  },
  'POST /api/users/:user/disable': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: 409,
    only: ['dis', 'none'],
  },
  'POST /api/users/:user/enable': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: 409,
    only: ['oli', 'mallory', 'none'],
  },
  'POST /api/users/:user/enrol': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: noCode,
    none: noCode,
  },
  'POST /api/users/:user/off': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: 200,
    only: ['none'],
    body: () => ({ reason: 'x' }),
  },
  'GET /api/users/:user/passkeys': { who: [...readers, 'own'], of: 'user', alsoOfMe: true, ok: 200 },
  'DELETE /api/users/:user/passkeys/:passkey': {
    who: ['admin', 'own'],
    of: 'user',
    alsoOfMe: true,
    path: { passkey: 'pky_01kbdvq0000000000000000000' },
    ok: 404,
  },
  'POST /api/passkeys/challenge': { who: all, ok: 200 },
  'POST /api/passkeys/begin': { who: all, ok: 200 },
  'POST /api/passkeys': {
    who: all,
    ok: 410,
    body: () => ({ nonce: 'x', name: 'x', credential: 'x', clientDataJSON: 'x', attestationObject: 'x' }),
  },
  'POST /api/recovery-codes': { who: all, ok: noCode, body: () => ({ boxKey: sealed }) },
  'DELETE /api/users/:user/logins': {
    who: ['admin', 'own'],
    of: 'user',
    alsoOfMe: true,
    ok: 200,
    only: ['dis', 'none'],
  },
  'GET /api/tokens': { who: readers, ok: 200 },
  'POST /api/tokens': {
    who: admin,
    ok: noCode,
    body: () => ({
      service: 'historian',
      scopes: ['audit.read'],
      expiresAt: '2099-01-01T00:00:00Z',
      boxKey: sealed,
    }),
  },
  'DELETE /api/tokens/:token': { who: admin, of: 'token', ok: 409, only: ['revoked', 'none'] },
  'PUT /api/users/:user/same-person': {
    who: admin,
    notOwn: true,
    of: 'user',
    alsoOfMe: true,
    ok: noCode,
    none: noCode,
    body: () => ({ as: null }),
  },
  'PUT /api/users/:user/mail': {
    who: ['admin', 'own'],
    of: 'user',
    alsoOfMe: true,
    ok: noCode,
    none: noCode,
    body: () => ({ address: 'mallory@evil.example' }),
  },
  'GET /api/users/:user/keys': { who: [...readers, 'own'], of: 'user', alsoOfMe: true, ok: 200 },
  'POST /api/users/:user/keys': {
    who: ['admin', 'own'],
    of: 'user',
    alsoOfMe: true,
    ok: noCode,
    none: noCode,
    body: () => ({ publicKey: 'ssh-ed25519 AAAA' }),
  },
  'DELETE /api/users/:user/keys/:key': {
    who: ['admin', 'own'],
    of: 'user',
    alsoOfMe: true,
    path: { key: 'key_01kbdvq0000000000000000000' },
    ok: 404,
  },

  // ---- directories
  'GET /api/directories': { who: readers, ok: 200 },
  'POST /api/directories': { who: admin, ok: noCode, body: () => ({ name: 'corp', settings: ldapSettings }) },
  'GET /api/directories/:directory': { who: readers, of: 'directory', ok: 200 },
  'PUT /api/directories/:directory': {
    who: admin,
    of: 'directory',
    ok: noCode,
    body: () => ({ syncMinutes: 0 }),
  },
  'PUT /api/directories/:directory/groups': {
    who: admin,
    of: 'directory',
    ok: noCode,
    none: noCode,
    body: () => ({ group: 'cn=ops,dc=plant', roles: ['operator'], policyGroup: null }),
  },
  'POST /api/directories/:directory/remove': { who: admin, of: 'directory', ok: noCode, none: noCode },
  'POST /api/directories/:directory/sync': { who: admin, of: 'directory', ok: 200, only: ['none'] },
  'POST /api/directories/:directory/test': { who: admin, of: 'directory', ok: 200, only: ['none'] },

  // ---- companies
  'GET /api/companies': { service: 'users.read', who: all, ok: 200 },
  'POST /api/companies': {
    who: admin,
    ok: noCode,
    body: () => ({
      name: 'new',
      contractEndsAt: '2099-01-01T00:00:00Z',
      sponsor: 'sue',
      mailDomains: ['new.com'],
    }),
  },
  'GET /api/companies/:company': {
    service: 'users.read',
    who: [...readers, 'own'],
    of: 'company',
    ok: 200,
  },
  'GET /api/companies/:company/terms': {
    who: [...readers, 'own'],
    of: 'company',
    ok: 200,
  },
  'PUT /api/companies/:company': {
    who: admin,
    of: 'company',
    ok: noCode,
    none: noCode,
    body: () => ({ mailDomains: ['evil.example'] }),
  },
  'POST /api/companies/:company/representatives': {
    who: admin,
    of: 'company',
    ok: noCode,
    none: noCode,
    body: () => ({ name: 'new', mail: 'new@acme.com' }),
  },
  'POST /api/companies/:company/off': {
    who: ['admin', 'own'],
    of: 'company',
    ok: 409,
    only: ['initech', 'none'],
    body: () => ({ reason: 'x' }),
  },
  'POST /api/companies/:company/on': { who: admin, of: 'company', ok: noCode, none: noCode },
  'GET /api/offboardings': { service: 'users.read', who: readers, ok: 200 },
  'GET /api/offboardings/:offboarding': {
    service: 'users.read',
    who: [...readers, 'own'],
    of: 'offboarding',
    ok: 200,
  },
  'GET /api/terms': { who: all, ok: 200, beforeTerms: true },
  'POST /api/terms': { who: all, ok: 409, beforeTerms: true, body: () => ({ digest: '0'.repeat(64) }) },

  // ---- places
  'GET /api/safes': { service: 'inventory.read', who: all, ok: 200 },
  'POST /api/safes': { who: admin, ok: 409, body: () => ({ name: 'line-3' }) },
  'PUT /api/safes/:safe/watch-notice': {
    who: admin,
    of: 'safe',
    ok: 200,
    body: () => ({ shown: true }),
  },
  'PUT /api/safes/:safe/approvals': {
    who: admin,
    of: 'safe',
    ok: noCode,
    none: noCode,
    body: () => ({ approvals: 1 }),
  },
  'PUT /api/safes/:safe/close-out': {
    who: admin,
    of: 'safe',
    ok: 200,
    body: () => ({ closeOut: 'none' }),
  },
  'PUT /api/safes/:safe/exposure': { who: admin, of: 'safe', ok: 200, body: () => ({ days: 7 }) },
  'PUT /api/safes/:safe/notifications': {
    who: admin,
    of: 'safe',
    ok: 200,
    body: () => ({ sessions: false }),
  },
  'PUT /api/safes/:safe/break-glass': {
    who: admin,
    of: 'safe',
    ok: noCode,
    none: noCode,
    body: () => ({ minutes: null }),
  },
  'PUT /api/safes/:safe/members/:user': {
    who: admin,
    of: 'safe',
    path: { user: 'oli' },
    ok: noCode,
    body: () => ({ permissions: ['reveal', 'approve', 'manage'] }),
  },
  'GET /api/switches': { service: 'inventory.read', who: [...readers, 'approver', 'supervisor'], ok: 200 },
  'POST /api/switches': {
    who: admin,
    ok: noCode,
    body: () => ({ name: 'hall-9', safes: ['line-3'], act: 'freeze' }),
  },
  'PUT /api/switches/:switch': {
    who: admin,
    of: 'switch',
    ok: noCode,
    none: noCode,
    body: () => ({ act: 'terminate' }),
  },
  'POST /api/switches/test': { who: admin, ok: 400, body: () => ({ input: 'modbus://nowhere' }) },
  'POST /api/switches/:switch/remove': { who: admin, of: 'switch', ok: noCode, none: noCode },
  'GET /api/targets': { service: 'inventory.read', who: all, ok: 200 },
  'POST /api/targets': {
    who: manages,
    of: 'safe',
    ok: 409,
    body: (ref) => ({ name: 'press-3', safe: ref, address: 'ssh://127.0.0.1:2299' }),
  },
  'GET /api/targets/:target': {
    service: 'inventory.read',
    who: [...readers, '+manage', '+approve', 'granted'],
    of: 'target',
    ok: 200,
  },
  // Limits hold by tags and zones: who manages a safe lifts none.
  'PUT /api/targets/:target/marks': {
    who: admin,
    of: 'target',
    ok: noCode,
    none: noCode,
    body: () => ({ tags: ['bent'] }),
  },
  'PUT /api/targets/:target/address': {
    who: manages,
    of: 'target',
    ok: 400,
    none: 400,
    body: () => ({ address: 'ssh://127.0.0.1:99999' }),
  },
  'POST /api/targets/:target/scan': { who: manages, of: 'target', ok: 200 },
  'PUT /api/targets/:target/pin': {
    who: manages,
    of: 'target',
    ok: 200,
    only: ['spare', 'none'],
    body: () => ({ fingerprint: `SHA256:${'x'.repeat(43)}` }),
  },
  'PUT /api/targets/:target/legacy': {
    who: manages,
    of: 'target',
    ok: 400,
    body: () => ({ algorithms: ['ssh-rsa'] }),
  },
  // It takes evidence away: who manages a safe may be one whose sessions it would hide.
  'PUT /api/targets/:target/mask': {
    who: admin,
    of: 'target',
    ok: noCode,
    none: noCode,
    body: () => ({ regions: [] }),
  },
  'DELETE /api/targets/:target': { who: manages, of: 'target', ok: 200, only: ['none'] },
  'GET /api/accounts': { service: 'inventory.read', who: all, ok: 200 },
  'POST /api/accounts': {
    who: manages,
    of: 'target',
    ok: 400,
    body: (ref) => ({ target: ref, login: 'new', credential }),
  },
  'GET /api/accounts/:account': {
    service: 'inventory.read',
    who: [...readers, '+manage', '+approve', 'granted'],
    of: 'account',
    ok: 200,
  },
  'PUT /api/accounts/:account/secret': {
    who: manages,
    of: 'account',
    ok: 400,
    body: () => ({ credential }),
  },
  'PUT /api/accounts/:account/elevation': {
    who: manages,
    of: 'account',
    ok: 409,
    body: () => ({ elevation: null }),
  },
  'PUT /api/accounts/:account/type-ins': {
    who: manages,
    of: 'account',
    ok: 200,
    body: () => ({ secrets: [] }),
  },
  'PUT /api/accounts/:account/files': {
    who: manages,
    of: 'account',
    ok: 409,
    body: () => ({ files: null }),
  },
  'POST /api/accounts/:account/bind': { who: manages, of: 'account', ok: 200, only: ['spare', 'none'] },
  // No role reveals, the administrator's neither.
  'POST /api/accounts/:account/reveal': {
    who: ['+reveal'],
    of: 'account',
    ok: 400,
    body: () => ({ boxKey: sealed, totpCode: '', reason: 'x' }),
  },
  'GET /api/accounts/:account/rotation': {
    service: 'inventory.read',
    who: [...readers, '+manage', '+approve'],
    of: 'account',
    ok: 200,
  },
  'PUT /api/accounts/:account/rotation': {
    who: manages,
    of: 'account',
    ok: 200,
    body: () => ({ essential: true }),
    only: ['none'],
  },
  'GET /api/accounts/:account/rotation/plan': { who: manages, of: 'account', ok: 200 },
  // Nobody has said how they are rotated: who may is told so.
  'POST /api/accounts/:account/rotate': { who: manages, of: 'account', ok: 400, body: () => ({}) },
  'POST /api/accounts/:account/verify': { who: manages, of: 'account', ok: 400, body: () => ({}) },
  'GET /api/accounts/:account/ledger': {
    service: 'inventory.read',
    who: [...readers, '+manage', '+approve'],
    of: 'account',
    ok: 200,
  },
  'GET /api/rotation-calendar': { service: 'inventory.read', who: all, ok: 200 },
  'POST /api/accounts/:account/leak': {
    who: ['admin', '+manage', 'security-officer'],
    of: 'account',
    ok: 200,
    body: () => ({ reason: 'x' }),
  },
  'GET /api/connectors': { who: all, ok: 200 },
  'GET /api/recipes': { who: all, ok: 200 },
  'POST /api/recipes': { who: admin, ok: 400, body: () => ({ document: '{}' }) },
  'GET /api/recipes/:recipe': { who: all, ok: 200, path: { recipe: 'cisco-ios' } },
  'DELETE /api/recipes/:recipe': { who: admin, ok: 409, path: { recipe: 'cisco-ios' } },
  'GET /api/rotations': { service: 'inventory.read', who: all, ok: 200 },
  // Of each account it is looked at who may: of those that are not there, administrators are told so.
  'POST /api/rotations': {
    who: admin,
    ok: 404,
    body: () => ({ accounts: ['nothing-9/nobody'], reason: 'x' }),
  },
  // Of one that is not there: who manages an account that is rotated is told apart in rotation.test.ts.
  'GET /api/rotations/:run': {
    service: 'inventory.read',
    who: readers,
    ok: 404,
    path: { run: newId('rot', 0) },
  },
  'POST /api/rotations/:run/cancel': {
    who: admin,
    ok: 404,
    path: { run: newId('rot', 0) },
    body: () => ({ reason: 'x' }),
  },
  'POST /api/rotations/:run/retry': { who: admin, ok: 404, path: { run: newId('rot', 0) }, body: () => ({}) },
  'GET /api/rotation-accounts': { service: 'inventory.read', who: all, ok: 200 },
  'GET /api/rotation-findings': { who: all, ok: 200 },
  'GET /api/rotation-holds': { service: 'inventory.read', who: all, ok: 200 },
  'GET /api/rotation-limits': { service: 'inventory.read', who: all, ok: 200 },
  'PUT /api/rotation-limits': { who: admin, ok: 200, body: () => ({ abreast: null, perHour: null }) },
  'PUT /api/safes/:safe/rotation-hold': {
    who: [...manages, '+approve', '+supervise'],
    of: 'safe',
    ok: 200,
    only: ['none'],
    body: () => ({ reason: 'x' }),
  },
  'DELETE /api/safes/:safe/rotation-hold': {
    who: [...manages, '+approve', '+supervise'],
    of: 'safe',
    ok: 409,
  },
  'GET /api/rotation-tasks': { service: 'inventory.read', who: all, ok: 200 },
  // Of one that is not there: who may what of one that is, is told apart in rotation-assisted.test.ts.
  'POST /api/rotation-tasks/:task/take': {
    who: [],
    ok: 404,
    path: noTask,
    body: () => ({ session: newId('ses', 0) }),
  },
  'POST /api/rotation-tasks/:task/approve': { who: admin, ok: noCode, path: noTask, body: () => ({}) },
  'POST /api/rotation-tasks/:task/reveal': {
    who: [],
    ok: 404,
    path: noTask,
    body: () => ({ boxKey: sealed }),
  },
  'POST /api/rotation-tasks/:task/make': { who: [], ok: 404, path: noTask, body: () => ({ note: 'x' }) },
  'POST /api/rotation-tasks/:task/sign': {
    who: admin,
    ok: noCode,
    path: noTask,
    body: () => ({ note: 'x' }),
  },
  'POST /api/rotation-tasks/:task/release': {
    who: admin,
    ok: 404,
    path: noTask,
    body: () => ({ reason: 'x' }),
  },
  'POST /api/rotation-tasks/:task/drop': {
    who: admin,
    ok: noCode,
    path: noTask,
    body: () => ({ reason: 'x' }),
  },
  'POST /api/rotation-tasks/:task/postpone': {
    who: admin,
    ok: 404,
    path: noTask,
    body: () => ({ pausedUntil: null, reason: 'x' }),
  },
  'DELETE /api/accounts/:account': { who: manages, of: 'account', ok: 200, only: ['none'] },
  'GET /api/exposures': {
    service: 'access.read',
    who: [...readers, '+manage'],
    of: 'account',
    ok: 200,
    query: (ref) => `account=${encodeURIComponent(ref)}`,
  },
  // Of one that is not there: who manages an account that somebody has seen is told apart in exposure.test.ts.
  'PUT /api/exposures/:exposure/due': {
    who: admin,
    ok: 404,
    path: { exposure: newId('exp', 0) },
    body: () => ({ dueAt: '2099-01-01T00:00:00Z' }),
  },
  'POST /api/import': {
    who: admin,
    ok: 200,
    body: () => ({ kind: 'users', rows: [{ line: 2, cells: { name: 'new' } }], apply: false }),
  },

  // ---- who may, and why
  'GET /api/grants': { service: 'access.read', who: all, ok: 200 },
  'POST /api/grants': {
    who: approves,
    of: 'account',
    ok: 404,
    body: (ref) => ({ user: 'nobody-9', account: ref, actions: ['shell'] }),
  },
  'POST /api/grants/:grant/revoke': {
    who: ['admin', '+approve', 'own'],
    of: 'grant',
    ok: 409,
    only: ['revoked', 'none'],
  },
  'POST /api/grants/:grant/extend': {
    who: ['own'],
    of: 'grant',
    ok: 409,
    only: ['revoked'],
    body: () => ({ until: '2099-01-01T00:00:00Z', reason: 'x' }),
  },
  'GET /api/requests': { service: 'access.read', who: all, ok: 200, query: () => 'state=all' },
  'POST /api/requests': {
    who: ['+use', 'granted'],
    of: 'account',
    ok: 400,
    body: (ref) => ({ account: ref, actions: ['forward'], forSeconds: 3600, reason: 'x' }),
  },
  'GET /api/requests/:request': {
    service: 'access.read',
    who: [...readers, '+approve', 'own'],
    of: 'request',
    ok: 200,
  },
  'POST /api/requests/:request/withdraw': { who: ['own'], of: 'request', ok: 409, only: ['answered'] },
  'POST /api/requests/:request/decide': {
    who: approves,
    notOwn: true,
    of: 'request',
    ok: 409,
    body: () => ({ verdict: 'deny', digest: '0'.repeat(64), note: 'x' }),
  },
  'GET /api/policy': { service: 'policy.read', who: readers, ok: 200 },
  'PUT /api/policy': { who: admin, ok: noCode, body: () => ({ document, expected: null }) },
  'GET /api/policy/requests': { who: readers, ok: 200 },
  'POST /api/policy/requests': {
    who: admin,
    ok: noCode,
    body: () => ({ document, expected: '0'.repeat(64) }),
  },
  'GET /api/policy/requests/:request': { who: readers, of: 'policy-request', ok: 200 },
  'POST /api/policy/requests/:request/approve': {
    who: admin,
    of: 'policy-request',
    ok: noCode,
    none: noCode,
    body: () => ({ means: '0'.repeat(64) }),
  },
  'DELETE /api/policy/requests/:request': {
    who: admin,
    of: 'policy-request',
    ok: 409,
    only: ['withdrawn', 'none'],
  },
  'POST /api/policy/plan': { who: admin, ok: 200, body: () => ({ document }) },
  'POST /api/policy/explain': {
    service: 'policy.read',
    who: readers,
    of: 'account',
    ok: 200,
    body: (ref) => ({ user: 'oli', account: ref }),
  },
  'POST /api/policy/reach': {
    service: 'policy.read',
    who: readers,
    of: 'user',
    ok: 200,
    body: (ref) => ({ user: ref }),
  },
  'GET /api/break-glass': { service: 'access.read', who: all, ok: 200, query: () => 'state=all' },
  'POST /api/break-glass': {
    who: ['+break-glass'],
    of: 'account',
    ok: noCode,
    body: (ref) => ({ account: ref, reason: 'x' }),
  },
  'POST /api/break-glass/:breakGlass/review': {
    who: [...readers, '+approve'],
    notOwn: true,
    of: 'break-glass',
    ok: noCode,
    none: noCode,
    body: () => ({ note: 'x' }),
  },
  'POST /api/notifications/open': { who: all, ok: 404, body: () => ({ token: 'a'.repeat(43) }) },
  'GET /api/leases': { service: 'access.read', who: all, ok: 200 },
  'POST /api/leases': {
    who: ['granted'],
    of: 'account',
    ok: { press: 409, mill: 409, spare: 200 },
    body: (ref) => ({ account: ref, exclusive: true }),
  },
  'DELETE /api/leases/:lease': {
    who: ['admin', '+approve', 'own'],
    of: 'lease',
    ok: 404, // nobody holds it any more
    only: ['ended', 'none'],
  },
  // Who waits for an account, and who gives it on.
  'GET /api/queue': { who: all, ok: 200 },
  'POST /api/queue': {
    who: ['granted'],
    of: 'account',
    ok: 200,
    only: [],
    body: (ref) => ({ account: ref, exclusive: true }),
  },
  'DELETE /api/queue/:wait': { who: ['admin', '+approve', 'own'], of: 'wait', ok: 200, only: ['none'] },
  'GET /api/hand-overs': { who: all, ok: 200 },
  // One’s own, to somebody who may use it: nobody is that here.
  'POST /api/hand-overs': {
    who: ['own'],
    of: 'lease',
    ok: { oli: 403, vera: 403, els: 403, ended: 409 },
    body: (ref) => ({ lease: ref, user: 'nobody-9' }),
  },
  'POST /api/hand-overs/:handOver/accept': { who: ['own'], of: 'hand-over', ok: noCode },
  'DELETE /api/hand-overs/:handOver': { who: ['own'], of: 'hand-over', ok: 200, only: [] },
  'GET /api/access': { who: all, ok: 200 },
  'PUT /api/favourites': {
    who: ['granted'],
    of: 'account',
    ok: 200,
    body: (ref) => ({ account: ref, favourite: true }),
  },
  'POST /api/tickets': { who: ['granted'], of: 'account', ok: 200, body: (ref) => ({ account: ref }) },

  // ---- sessions
  'GET /api/sessions': { service: 'sessions.read', who: all, ok: 200 },
  'GET /api/close-outs': { who: all, ok: 200 },
  // Nobody is asked what they did here: who may is told so. What is there is tried in closeout.test.ts.
  'GET /api/close-outs/:session': {
    who: [...readers, '+approve', '+supervise', 'own'],
    of: 'session',
    ok: 404,
    replays: true,
  },
  'PUT /api/close-outs/:session': {
    who: ['own'],
    of: 'session',
    ok: 404,
    body: () => ({ result: 'done', done: 'x' }),
  },
  'GET /api/sessions/:session': {
    service: 'sessions.read',
    who: [...readers, '+approve', '+supervise', '+observe', 'own'],
    of: 'session',
    ok: 200,
    replays: true,
  },
  'POST /api/sessions/:session/terminate': {
    who: [...supervises, 'security-officer', 'own'],
    of: 'session',
    ok: 409,
    only: ['ended', 'ended there', 'none'],
  },
  'POST /api/sessions/:session/freeze': {
    who: supervises,
    notOwn: true,
    of: 'session',
    ok: 409,
    only: ['ended', 'ended there', 'none'],
  },
  'POST /api/sessions/:session/unfreeze': { who: supervises, notOwn: true, of: 'session', ok: 409 },
  'POST /api/sessions/:session/message': {
    who: supervises,
    notOwn: true,
    of: 'session',
    ok: 409,
    only: ['ended', 'ended there', 'none'],
    body: () => ({ text: 'x' }),
  },
  'POST /api/sessions/:session/watch': {
    who: [...supervises, '+observe'],
    notOwn: true,
    of: 'session',
    ok: { oli: 200, sam: 200, vera: 200, els: 200, mallory: 200, ended: 409, 'ended there': 409 },
  },
  // No role takes over, the administrator's neither. Nobody watches here, and nobody has taken over.
  'POST /api/sessions/:session/take': {
    who: ['+supervise'],
    notOwn: true,
    of: 'session',
    ok: 409,
    body: () => ({ watch: newId('wch') }),
  },
  'POST /api/sessions/:session/give-back': {
    who: ['+supervise'],
    notOwn: true,
    of: 'session',
    ok: 409,
  },
  'GET /api/holds': { service: 'sessions.read', who: all, ok: 200 },
  'DELETE /api/holds/:hold': { who: supervises, notOwn: true, of: 'hold', ok: 200, only: ['none'] },
  'GET /api/recordings': { service: 'recordings.read', who: all, ok: 200, replays: true },
  'GET /api/recordings/:recording': {
    service: 'recordings.read',
    who: [...readers, '+approve', 'own'],
    of: 'recording',
    ok: 200,
    replays: true,
  },
  'POST /api/recordings/:recording/evidence': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    replays: true,
    body: () => ({}),
  },
  'POST /api/recordings/:recording/signature': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    replays: true,
    body: () => ({ list: `${'0'.repeat(64)}  a.txt\n`, opens: 'openly' }),
  },
  'GET /api/recordings/find': {
    service: 'recordings.read',
    who: all,
    ok: 200,
    replays: true,
    query: () => 'target=press-3',
  },
  'GET /api/recordings/:recording/notes': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    replays: true,
  },
  'POST /api/recordings/:recording/notes': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    // Kept, for good: of one is enough.
    only: ['oli', 'none'],
    replays: true,
    body: () => ({ note: newId('nte'), sealed }),
  },
  'POST /api/recordings/:recording/review': {
    who: ['auditor'],
    notOwn: true,
    of: 'recording',
    ok: 409,
    // Of those that have ended it is kept, once: test/integration/vault/recordings.test.ts.
    only: ['oli', 'sam', 'vera', 'els', 'mallory'],
    replays: true,
    body: () => ({ note: 'seen' }),
  },
  'GET /api/campaigns': { who: all, ok: 200 },
  'GET /api/campaigns/:campaign': { who: all, ok: 404, path: { campaign: newId('cam', 0) } },
  'POST /api/campaigns': {
    who: ['admin', 'security-officer'],
    // It is begun in test/integration/vault/campaigns.test.ts: here its day has passed.
    ok: 400,
    body: () => ({ name: 'quarter', dueAt: '2020-01-01T00:00:00Z' }),
  },
  'POST /api/campaign-items/:item': {
    who: all,
    ok: 404,
    path: { item: newId('cmi', 0) },
    body: () => ({ decision: 'keep', reason: 'x' }),
  },
  'POST /api/campaigns/:campaign/close': {
    who: readers,
    ok: 404,
    path: { campaign: newId('cam', 0) },
    body: () => ({ note: 'x' }),
  },
  'GET /api/dashboard': { who: readers, ok: 200, query: () => 'days=7' },
  'GET /api/reports': { who: readers, ok: 200 },
  'POST /api/reports/:report': {
    who: readers,
    ok: 200,
    path: { report: 'entitlements' },
    body: () => ({ from: '2028-01-01T00:00:00Z', to: '2030-01-01T00:00:00Z' }),
  },
  'GET /api/marks': { who: readers, ok: 200, query: () => 'state=all' },
  // Of what is there it is kept, once, and by nobody of their own: test/integration/vault/recordings.test.ts.
  'POST /api/marks/:mark/review': {
    who: ['auditor', 'security-officer'],
    ok: 404,
    path: { mark: newId('rsk', 0) },
    body: () => ({ finding: 'explained', note: 'seen' }),
  },
  'GET /api/risk-settings': { who: readers, ok: 200 },
  'PUT /api/risk-settings': { who: admin, ok: 200, body: () => ({ hoursOf: 'vendors', reason: 'x' }) },
  'GET /api/destructions/due': { who: readers, ok: 200 },
  'GET /api/destructions': { who: readers, ok: 200 },
  'POST /api/destructions': {
    who: ['admin', 'auditor'],
    ok: noCode,
    body: () => ({ recordings: [newId('rec', 0)], reason: 'x' }),
  },
  'POST /api/destructions/:destruction/approve': {
    who: ['admin', 'auditor'],
    ok: noCode,
    path: { destruction: newId('dst', 0) },
    body: () => ({ digest: '0'.repeat(64) }),
  },
  'DELETE /api/destructions/:destruction': {
    who: ['admin', 'auditor'],
    ok: 404,
    path: { destruction: newId('dst', 0) },
  },
  'GET /api/retention': { who: readers, ok: 200 },
  'PUT /api/retention/classes/:retentionClass': {
    who: admin,
    ok: noCode,
    path: { retentionClass: 'long' },
    body: () => ({ days: 400, reason: 'x' }),
  },
  'DELETE /api/retention/classes/:retentionClass': {
    who: admin,
    ok: noCode,
    path: { retentionClass: 'long' },
    body: () => ({}),
  },
  'PUT /api/retention/floor': { who: admin, ok: noCode, body: () => ({ days: 10, basis: 'x' }) },
  'PUT /api/safes/:safe/retention': {
    who: admin,
    of: 'safe',
    ok: noCode,
    none: noCode,
    body: () => ({ retentionClass: 'long', reason: 'x' }),
  },
  'GET /api/legal-holds': { who: readers, ok: 200 },
  'POST /api/legal-holds': {
    who: readers,
    ok: 404,
    body: () => ({ kind: 'person', of: 'nobody', matter: 'x', reason: 'x' }),
  },
  'POST /api/legal-holds/:legalHold/lift': {
    who: readers,
    ok: noCode,
    path: { legalHold: newId('lho', 0) },
    body: () => ({ reason: 'x' }),
  },
  'POST /api/legal-holds/:legalHold/keep': {
    who: readers,
    ok: 404,
    path: { legalHold: newId('lho', 0) },
  },
  'GET /api/filters': { who: all, ok: 200 },
  'PUT /api/filters': { who: all, ok: 200, body: () => ({ name: 'mine', asked: {} }) },
  'POST /api/filters/rename': { who: all, ok: 404, body: () => ({ name: 'none', to: 'other' }) },
  'POST /api/filters/remove': { who: all, ok: 404, body: () => ({ name: 'none' }) },
  'GET /api/recordings/:recording/content': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    replays: true,
  },

  'POST /api/recordings/:recording/stamp': {
    who: ['auditor'],
    of: 'recording',
    ok: 200,
    none: 403,
    replays: true,
  },
  'POST /api/search': { who: ['auditor'], ok: 200, replays: true },
  // No search of this name was begun.
  'POST /api/search/candidates': {
    who: ['auditor'],
    ok: 410,
    replays: true,
    body: () => ({ search: 'none', keys: [] }),
  },
  'POST /api/search/index': {
    who: ['auditor'],
    ok: 410,
    replays: true,
    body: () => ({ search: 'none', recording: newId('rec', 0) }),
  },

  // ---- evidence, keys, notifications
  'GET /api/auditors': { who: all, ok: 200, replays: true },
  'POST /api/auditors': {
    who: ['auditor'],
    ok: 400,
    body: () => ({ body: sealed, signature: sealed }),
    replays: true,
  },
  'GET /api/audit': { service: 'audit.read', who: readers, ok: 200, query: () => 'limit=5' },
  'POST /api/audit/verify': { service: 'audit.read', who: readers, ok: 200 },
  'GET /api/audit/find': { service: 'audit.read', who: readers, ok: 200, query: () => 'target=press-3' },
  'POST /api/audit/proofs': { service: 'audit.read', who: readers, ok: 200, body: () => ({ seqs: [0] }) },
  'POST /api/audit/reindex': { who: admin, ok: 200, only: [] },
  'GET /api/audit/checkpoint': { service: 'audit.read', who: readers, ok: 200 },
  'GET /api/audit/export': { service: 'audit.read', who: readers, ok: 200, query: () => 'from=0&limit=5' },
  'GET /api/vault/seals': { who: readers, ok: 200 },
  'GET /api/vault/keys': { who: readers, ok: 200 },
  'GET /api/kits': { who: readers, ok: 200 },
  'POST /api/kits/:kit/confirm': {
    who: admin,
    ok: noCode,
    path: { kit: newId('kit', 0) },
    body: () => ({}),
  },
  'DELETE /api/kits/:kit': {
    who: admin,
    ok: noCode,
    path: { kit: newId('kit', 0) },
    body: () => ({ reason: 'x' }),
  },
  'POST /api/kits/:kit/report': {
    who: ['admin', 'security-officer'],
    ok: 404,
    path: { kit: newId('kit', 0) },
    body: () => ({
      madeAt: '2020-01-01T00:00:00Z',
      openedAt: '2020-01-02T00:00:00Z',
      custodians: ['anna', 'bob'],
      drill: false,
      reason: 'x',
    }),
  },
  // No safe of the matrix has a kit.
  'POST /api/safes/:safe/kit': { who: admin, of: 'safe', ok: 409, body: () => ({}) },
  'POST /api/vault/seal': { who: admin, ok: 200, only: [], body: () => ({ sessions: 'keep' }) },
  'GET /api/notifications': { who: admin, ok: 200 },
  'POST /api/notifications/test': {
    who: admin,
    of: 'user',
    ok: { oli: 409, vera: 200, mallory: 200, dis: 409, ann: 200 },
    only: ['oli', 'none'],
    body: (ref) => ({ user: ref }),
  },
  'POST /api/notifications/test-webhook': { who: admin, ok: 409 },
  'PUT /api/webhook': { who: admin, ok: noCode, body: () => ({ url: 'https://evil.example/' }) },
  'GET /api/siem': { who: readers, ok: 200 },
  'POST /api/siem': {
    who: admin,
    ok: noCode,
    body: () => ({ name: 'soc', address: 'https://evil.example/', format: 'json' }),
  },
  'POST /api/siem/:receiver/remove': { who: admin, ok: noCode, path: { receiver: 'soc' } },
}

/** Is it theirs? Whoever proves an auditor's key is that auditor. */
function isOwn(asker: Asker, thing: Thing | undefined): boolean {
  const name = asker.name.replace(/ by key$/, '')
  return thing?.is === 'there' && (thing.own === name || thing.alsoOwn === name)
}

/** Does one of the row's reasons hold for this person and this thing? */
export function may(row: Row, asker: Asker, thing: Thing | undefined): boolean {
  if (asker.kind === 'service')
    return row.service !== undefined && asker.scopes?.includes(row.service) === true
  const own = isOwn(asker, thing)
  if (row.notOwn === true && own) return false
  const isThere = thing === undefined || thing.is === 'there'
  return (row.who ?? []).some((reason) => {
    if (reason === 'all') return true
    if (reason === 'own') return own
    if (reason === 'granted') return isThere && asker.granted.includes(thing?.target ?? '')
    if (!reason.startsWith('+')) return asker.roles.includes(reason as Role)
    const permissions = isThere && thing?.safe !== undefined ? (asker.permissions[thing.safe] ?? []) : []
    return permissions.includes(reason.slice(1) as (typeof permissions)[number])
  })
}
