import { expect, test } from 'vitest'
import { pairsOnlyIn } from '../../../../vault/access/apply.ts'
import type { AccountId, SafeId, TargetId, UserId } from '../../../../vault/kernel/id.ts'
import { compilePolicy, noIds } from '../../../../vault/policy/access-rule.ts'
import type { PolicyDocument } from '../../../../vault/policy/document.ts'

const users = Array.from({ length: 1_000 }, (_, at) => ({
  name: `u${at}`,
  subject: { user: `usr_${at}` as UserId, roles: ['operator' as const], company: null },
}))
const accounts = Array.from({ length: 10_000 }, (_, at) => ({
  name: `m${at}/root`,
  resource: {
    safe: `saf_${at % 100}` as SafeId,
    target: `tgt_${at}` as TargetId,
    account: `acc_${at}` as AccountId,
    protocol: 'ssh',
  },
}))
const safes = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`s${at}`, `saf_${at}` as SafeId]))
const ids = {
  ...noIds,
  users: Object.fromEntries(users.map(({ name, subject }) => [name, subject.user])),
  safes,
  targets: {},
  accounts: {},
}
type Rule = PolicyDocument['rules'][number]
const allow = (name: string, who: Rule['who'], what: Rule['what']): Rule => ({
  name,
  effect: 'allow',
  actions: ['shell'],
  who,
  what,
})
const policyOf = (...rules: readonly Rule[]) => compilePolicy({ version: 1, rules: [...rules] }, ids)
const people = { users, accounts }

test('pairs of a whole plant are counted, and the first are named', () => {
  const none = policyOf()
  const all = policyOf(allow('all', { everyone: true }, { everything: true }))
  const found = pairsOnlyIn(all, none, people)
  expect(found.total).toBe(10_000_000)
  expect(found.pairs).toHaveLength(200)
  expect(found.pairs[0]).toEqual({ user: 'u0', account: 'm0/root' })
  expect(pairsOnlyIn(none, all, people)).toEqual({ total: 0, pairs: [] })
})

test('five hundred rules are gone through in seconds, and each user has what their own rules give', () => {
  const rules = Array.from({ length: 500 }, (_, at) =>
    allow(`r${at}`, { users: [`u${at}`, `u${at + 500}`] }, { safes: [`s${at % 100}`] }),
  )
  const began = performance.now()
  const found = pairsOnlyIn(policyOf(...rules), policyOf(...rules.slice(1)), people)
  expect(found.total).toBe(200)
  expect(new Set(found.pairs.map(({ user }) => user))).toEqual(new Set(['u0', 'u500']))
  expect(performance.now() - began).toBeLessThan(10_000)
})
