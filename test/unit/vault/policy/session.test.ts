import { expect, test } from 'vitest'
import type { RuleFacts } from '../../../../vault/policy/access-rule.ts'
import { ruleActions } from '../../../../vault/contract/words.ts'
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
  requested: false,
} as const
const facts: SessionFacts = {
  now,
  user: { state: 'active', neverConnects: false },
  company: null,
  wants: 'shell',
  grants: [grant],
  allowing: [],
  limits: [],
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
  expect(decideSession(facts)).toEqual({
    kind: 'allow',
    by: { kind: 'grant', index: 0 },
    endsAt: now + 2 * hour,
    exclusive: false,
    actions: ['shell', 'exec'],
  })
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
  expect(decideSession({ ...facts, grants: [short, grant] })).toMatchObject({ by: { index: 1 } })
})

test.each<[string, Partial<SessionFacts>]>([
  ['forbidden', { grants: [] }],
  ['forbidden', { user: { state: 'disabled', neverConnects: false } }],
  ['forbidden', { user: { state: 'active', neverConnects: true } }],
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

const rule: RuleFacts = {
  name: 'shifts',
  actions: ['shell', 'exec'],
  unmet: null,
  until: null,
  longestSeconds: 8 * 3600,
  factorWithin: null,
  exclusive: false,
  needsApproval: false,
  supervisors: null,
  contact: null,
  forwards: [],
}
const limit: RuleFacts = { ...rule, name: 'press', actions: ruleActions, longestSeconds: null }

test('a rule lets in without a grant, for what it names, as long as it holds', () => {
  const standing = { ...facts, grants: [], allowing: [rule] }
  expect(decideSession(standing)).toEqual({
    kind: 'allow',
    by: { kind: 'rule', index: 0 },
    endsAt: now + 8 * hour,
    exclusive: false,
    actions: ['shell', 'exec'],
  })
  expect(decideSession({ ...standing, allowing: [{ ...rule, until: now + hour }] })).toMatchObject({
    endsAt: now + hour,
  })
  expect(decideSession({ ...standing, wants: 'sftp-read' })).toMatchObject({ code: 'forbidden' })
  expect(decideSession({ ...standing, wants: 'forward', forward: { host: 'plc', port: 102 } })).toMatchObject(
    {
      kind: 'deny',
    },
  )
})

test('a rule that does not hold now says why, and whom to call', () => {
  const closed = { ...rule, unmet: 'closed until Monday', contact: 'the shift leader' }
  expect(decideSession({ ...facts, grants: [], allowing: [closed] })).toEqual({
    kind: 'deny',
    code: 'forbidden',
    why: 'closed until Monday',
    next: 'ask the shift leader',
  })
  // A grant that ended is past, and one that is to come is theirs.
  const ended = { ...grant, notAfter: now }
  expect(decideSession({ ...facts, grants: [ended], allowing: [closed] })).toMatchObject({
    why: closed.unmet,
  })
  const future = { ...grant, notBefore: now + hour }
  expect(decideSession({ ...facts, grants: [future], allowing: [closed] })).toMatchObject({
    why: 'your grant begins at 2026-11-24 13:00 UTC',
  })
})

test('a limit holds for every way in, ends what it lets in, and keeps others out where it says so', () => {
  for (const ways of [{}, { grants: [], allowing: [rule] }]) {
    const limited = (more: Partial<RuleFacts>) =>
      decideSession({ ...facts, ...ways, limits: [{ ...limit, ...more }] })
    expect(limited({ unmet: 'closed' })).toMatchObject({ kind: 'deny', why: 'closed' })
    expect(limited({ until: now + 60_000 })).toMatchObject({ endsAt: now + 60_000 })
    expect(limited({ longestSeconds: 600 })).toMatchObject({ endsAt: now + 600_000 })
    expect(limited({ exclusive: true })).toMatchObject({ exclusive: true })
    expect(limited({ actions: ['sftp-write'], unmet: 'closed' })).toMatchObject({ kind: 'allow' })
  }
})

test('where approval is wanted, neither a rule nor a grant of one person lets in', () => {
  const limits = [{ ...limit, needsApproval: true, contact: 'OT' }]
  const denied = {
    kind: 'deny',
    why: 'the rule “press” lets in only who asked and was approved',
    next: 'request access in the console, or ask OT',
  }
  expect(decideSession({ ...facts, limits })).toMatchObject(denied)
  expect(decideSession({ ...facts, allowing: [rule], limits })).toMatchObject(denied)
  const approved = { ...grant, requested: true, maxSessionSeconds: 60 }
  expect(decideSession({ ...facts, grants: [grant, approved], allowing: [rule], limits })).toMatchObject({
    by: { kind: 'grant', index: 1 },
    endsAt: now + 60_000,
  })
})

test('who may not come in at all learns of no rule but their own', () => {
  const limits = [{ ...limit, unmet: 'closed until Monday' }]
  expect(decideSession({ ...facts, grants: [], limits })).toEqual(decideSession({ ...facts, grants: [] }))
})

const company = { name: 'acme', contractEndsAt: now + 9 * hour, isOff: false, owesTerms: false }

test('a session does not outlive the contract of its user’s company', () => {
  expect(decideSession({ ...facts, company })).toMatchObject({ endsAt: now + 2 * hour })
  expect(decideSession({ ...facts, company: { ...company, contractEndsAt: now + hour } })).toMatchObject({
    kind: 'allow',
    endsAt: now + hour,
  })
})

test.each([
  [{ contractEndsAt: now }, 'expired', 'the contract of acme ended at 2026-11-24 12:00 UTC'],
  [{ isOff: true }, 'forbidden', 'acme no longer works here'],
  [{ owesTerms: true }, 'forbidden', 'you have not accepted the terms of your company yet'],
])('a representative is let in to nothing: %j', (changed, expected, why) => {
  const refused = { kind: 'deny', code: expected, why }
  expect(decideSession({ ...facts, company: { ...company, ...changed } })).toMatchObject(refused)
  // They learn the same wherever they knock.
  expect(decideSession({ ...facts, grants: [], company: { ...company, ...changed } })).toMatchObject(refused)
})
