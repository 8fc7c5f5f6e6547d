import { expect, test } from 'vitest'
import { decideSession, type SessionFacts } from '../../../../vault/policy/session.ts'

const now = Date.UTC(2026, 10, 24, 12)
const hour = 3600_000
const grant = {
  actions: ['shell', 'exec'],
  notBefore: now - hour,
  notAfter: now + 4 * hour,
  revoked: false,
  maxSessionSeconds: 2 * 3600,
  mode: 'shared',
  forwards: [],
} as const
const facts: SessionFacts = {
  now,
  user: { state: 'active', isAuditor: false },
  wants: 'shell',
  grants: [grant],
  pins: 1,
  isBound: true,
  hasCredential: true,
  auditors: 1,
  legacyUntil: null,
}
const code = (changed: Partial<SessionFacts>) => {
  const decision = decideSession({ ...facts, ...changed })
  return decision.kind === 'allow' ? 'allow' : decision.code
}

test('a valid grant lets its user in until the least of its end and the longest session', () => {
  expect(decideSession(facts)).toEqual({ kind: 'allow', grant: 0, endsAt: now + 2 * hour })
  const short = { ...grant, notAfter: now + hour / 2 }
  expect(decideSession({ ...facts, grants: [short] })).toMatchObject({ endsAt: now + hour / 2 })
})

test('a session does not outlive what its target was allowed, and none begins afterwards', () => {
  expect(decideSession({ ...facts, legacyUntil: now + hour })).toMatchObject({ endsAt: now + hour })
  expect(decideSession({ ...facts, legacyUntil: now + 9 * hour })).toMatchObject({ endsAt: now + 2 * hour })
  expect(decideSession({ ...facts, legacyUntil: now })).toMatchObject({
    kind: 'deny',
    code: 'expired',
    why: 'this target was allowed old algorithms until 2026-11-24 12:00 UTC, and nobody has renewed that',
    next: 'ask an administrator to update the machine, or to renew it with tagout target legacy',
  })
})

test('of two grants the one that lets the session run longest counts', () => {
  const short = { ...grant, maxSessionSeconds: 60 }
  expect(decideSession({ ...facts, grants: [short, grant] })).toMatchObject({ grant: 1 })
})

test.each<[string, Partial<SessionFacts>]>([
  ['forbidden', { grants: [] }],
  ['forbidden', { user: { state: 'disabled', isAuditor: false } }],
  ['forbidden', { user: { state: 'active', isAuditor: true } }],
  ['forbidden', { grants: [{ ...grant, revoked: true }] }],
  ['forbidden', { grants: [{ ...grant, notBefore: now + 1 }] }],
  ['forbidden', { wants: 'sftp-read' }],
  ['expired', { grants: [{ ...grant, notAfter: now }] }],
  ['not_pinned', { pins: 0 }],
  ['not_pinned', { isBound: false }],
  ['conflict', { hasCredential: false }],
  ['no_auditors', { auditors: 0 }],
])('%s: %j', (expected, changed) => {
  expect(code(changed)).toBe(expected)
})

test('a revoked grant lets in at no moment, not even beside an expired one', () => {
  expect(
    code({
      grants: [
        { ...grant, revoked: true },
        { ...grant, notAfter: now - 1 },
      ],
    }),
  ).toBe('expired')
})

test('a person without a grant learns nothing about the target', () => {
  const none = decideSession({ ...facts, grants: [] })
  for (const changed of [{ pins: 0 }, { isBound: false }, { hasCredential: false }, { auditors: 0 }])
    expect(decideSession({ ...facts, grants: [], ...changed })).toEqual(none)
})
