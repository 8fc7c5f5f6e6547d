import { expect, test } from 'vitest'
import type { AccountId, SafeId, TargetId, UserId } from '../../../../vault/kernel/id.ts'
import {
  compilePolicy,
  noIds,
  type PolicyIds,
  limitingRules,
  type Machine,
  ruleAt,
  type Subject,
  wantedOf,
} from '../../../../vault/policy/access-rule.ts'
import { fitsPattern, type PolicyDocument, policyDocument } from '../../../../vault/policy/document.ts'

const ids: PolicyIds = {
  ...noIds,
  users: { bob: 'usr_bob' as UserId, ivan: 'usr_ivan' as UserId },
  safes: { 'line-3': 'saf_3' as SafeId },
  targets: { 'press-3': 'tgt_press' as TargetId },
  accounts: { 'press-3/root': 'acc_root' as AccountId },
}
const bob: Subject = { user: 'usr_bob' as UserId, roles: ['operator'], company: null }
const ivan: Subject = { user: 'usr_ivan' as UserId, roles: ['admin'], company: null }
const press: Machine = {
  safe: 'saf_3' as SafeId,
  target: 'tgt_press' as TargetId,
  account: 'acc_root' as AccountId,
  protocol: 'ssh',
  targetName: 'press-3',
  accountName: 'press-3/root',
  otherTargets: ['tgt_press' as TargetId],
  otherSafes: ['saf_3' as SafeId],
}
const elsewhere: Machine = {
  ...press,
  safe: 'saf_4' as SafeId,
  target: 'tgt_4' as TargetId,
  account: 'acc_4' as AccountId,
  targetName: 'press-4',
  accountName: 'press-4/root',
  otherTargets: [],
  otherSafes: [],
}
type Rule = PolicyDocument['rules'][number]
const limit = (more: Partial<Rule>): Rule =>
  ({ name: 'r', effect: 'limit', who: { everyone: true }, what: { everything: true }, ...more }) as Rule
const policyOf = (...rules: readonly Rule[]) =>
  compilePolicy({ version: 1, groups: { ot: ['bob'], OTHER: ['ivan'] }, rules: [...rules] }, ids)
const concerns = (rule: Rule, subject: Subject, machine: Machine) =>
  limitingRules(policyOf(rule), subject, machine).length > 0

test.each<[Partial<Rule>, boolean, boolean]>([
  [{ who: { everyone: true } }, true, true],
  [{ who: { users: ['Bob'] } }, true, false],
  [{ who: { groups: ['OT'] } }, true, false],
  [{ who: { groups: ['other'] } }, false, true],
  [{ who: { roles: ['admin'] } }, false, true],
  [{ who: { users: ['bob'], roles: ['admin'] } }, true, true],
  [{ who: { users: ['eve'] } }, false, false],
  [{ who: {} }, false, false],
])('whom %j concerns: bob %j, ivan %j', (more, isBob, isIvan) => {
  expect([concerns(limit(more), bob, press), concerns(limit(more), ivan, press)]).toEqual([isBob, isIvan])
})

test.each<[Rule['what'], boolean, boolean]>([
  [{ everything: true }, true, true],
  [{ safes: ['LINE-3'] }, true, false],
  [{ targets: ['press-3'] }, true, false],
  [{ accounts: ['press-3/root'] }, true, false],
  [{ everything: true, protocols: ['ssh'] }, true, true],
  [{ protocols: ['ssh'] }, false, false],
  [{}, false, false],
])('what %j concerns: the press %j, elsewhere %j', (what, isPress, isElsewhere) => {
  const rule = limit({ what })
  expect([concerns(rule, bob, press), concerns(rule, bob, elsewhere)]).toEqual([isPress, isElsewhere])
})

const now = Date.parse('2026-11-30T12:00:00Z')
const fault = (rule: Partial<Rule>, source?: string, factorAt?: number | null) => {
  const policy = policyOf(limit(rule))
  const [compiled] = policy.rules
  if (compiled === undefined) throw new TypeError('a rule')
  return ruleAt(policy, compiled, {
    now,
    ...(source === undefined ? {} : { source }),
    ...(factorAt === undefined ? {} : { factorAt }),
  }).unmet
}

test.each([
  ['10.20.1.7', true],
  ['::ffff:10.20.1.7', true],
  ['10.21.0.1', false],
  ['fd00::1', true],
  ['fd00::1%eth0', true],
  ['fe80::1', false],
  // What is no address is in no network.
  ['unknown', false],
  ['', false],
  ['10.20.1.7/8', true],
  ['10.20.1.7, 10.21.0.1', false],
  ['0x0a.20.1.7', false],
])('from %s, of 10.20.0.0/16 and fd00::/8: %j', (source, isIn) => {
  expect(fault({ networks: ['10.20.0.0/16', 'fd00::/8'] }, source)).toBe(
    isIn ? null : `the rule “r” lets nobody in from ${source}`,
  )
})

test('a second factor is as old as it was shown, and a key alone shows none', () => {
  const rule = { factorWithin: '15m' }
  expect(fault(rule, undefined, now - 15 * 60_000)).toBe(null)
  expect(fault(rule, undefined, now - 15 * 60_000 - 1)).toBe(
    'the rule “r” wants your second factor within 15m',
  )
  expect(fault(rule, undefined, null)).toContain('a key alone does not show it')
  // A forecast does not know, and takes it to be as wanted.
  expect(fault({ ...rule, networks: ['10.0.0.0/8'] })).toBe(null)
})

test('what several limits want of a request adds up: of each group the most, of each work order its own', () => {
  const policy = policyOf(
    limit({ name: 'a', approvals: [{ group: 'ot', count: 1 }], workOrder: 'WO-*' } as Partial<Rule>),
    limit({
      name: 'b',
      approvals: [
        { group: 'OT', count: 2 },
        { group: 'other', count: 1 },
      ],
    } as Partial<Rule>),
    limit({ name: 'c', actions: ['sftp-write'], approvals: [{ group: 'other', count: 5 }] } as Partial<Rule>),
    limit({
      name: 'd',
      what: { targets: ['press-9'] },
      approvals: [{ group: 'other', count: 4 }],
    } as Partial<Rule>),
  )
  expect(wantedOf(policy, bob, [press], ['shell'])).toEqual({
    approvals: [
      { group: 'ot', count: 2 },
      { group: 'other', count: 1 },
    ],
    workOrders: [{ rule: 'a', pattern: 'WO-*' }],
  })
})

test.each([
  ['WO-####', 'WO-4711', true],
  ['WO-####', 'WO-471', false],
  ['WO-####', 'WO-47111', false],
  ['WO-*', 'WO-', true],
  ['*-SAP', '4711-SAP', true],
  ['a*a', 'a', false],
  ['?*', '', false],
  ['WO.#', 'WOx1', false],
  ['WO-#', 'WO-٣', false],
])('the pattern %s and %s: %j', (pattern, text, isFit) => {
  expect(fitsPattern(pattern, text)).toBe(isFit)
})

const errorOf = (rule: object, more: object = {}) => {
  const checked = policyDocument.safeParse({
    version: 1,
    ...more,
    rules: [{ name: 'r', who: {}, what: {}, ...rule }],
  })
  return checked.success ? undefined : checked.error.issues[0]?.message
}

test.each([
  [{ effect: 'limit', networks: ['10.0.0.0/33'] }, 'write a network like 10.20.0.0/16'],
  [{ effect: 'limit', networks: ['010.0.0.0/8'] }, 'write a network like 10.20.0.0/16'],
  [{ effect: 'limit', longest: '2 hours' }, 'write a duration like 4h, 30m or 1h30m'],
  [{ effect: 'limit', workOrder: 'a*b*c' }, 'a pattern has one * at most'],
  [{ effect: 'limit', contact: 'a\nb' }, 'one line of text'],
  [{ effect: 'allow' }, 'Invalid input: expected array, received undefined'],
  [
    { effect: 'limit', surprise: 1 },
    'there is no "surprise" here; it knows name, effect, who, what, actions, during, networks, factorWithin, longest, exclusive, contact, approvals, workOrder, supervisors',
  ],
])('a rule that cannot be meant: %j', (rule, message) => {
  expect(errorOf(rule)).toBe(message)
})

test('calendars say a zone that exists and times that a clock shows', () => {
  const calendar = (more: object) =>
    errorOf({ effect: 'limit' }, { calendars: { c: { zone: 'UTC', ...more } } })
  expect(calendar({ zone: 'Mars/Olympus', weekly: [] })).toBe('write a time zone like Europe/Berlin or UTC')
  expect(calendar({ weekly: [{ from: '25:00', to: '26:00' }] })).toBe('write a time of the day like 06:00')
  expect(calendar({ dates: [{ from: '24.12.2026', to: '2026-12-25' }] })).toContain('write a moment like')
  expect(calendar({ dates: [{ from: '2026-02-30', to: '2026-12-25' }] })).toBe('there is no such day or time')
  expect(calendar({ dates: [{ from: '2026-12-25', to: '2026-12-24T06:00' }] })).toBe(
    'to: it ends after it begins',
  )
  expect(calendar({})).toBe('a calendar says when it is open: weekly, or by dates')
})
