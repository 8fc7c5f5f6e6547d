import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DirectoryMapping, Role } from '../../../../vault/contract.ts'
import {
  type Entry,
  givenBy,
  type Known,
  planSync,
  rolesAfter,
  tooManyOff,
} from '../../../../vault/directory/plan.ts'

const mappings: readonly DirectoryMapping[] = [
  { group: 'ops', roles: ['operator'], policyGroup: 'Line-3' },
  { group: 'leads', roles: ['approver', 'operator'], policyGroup: null },
]
const known = (name: string, more: Partial<Known> = {}): Known => ({
  user: `usr_${name}` as Known['user'],
  name,
  isOff: false,
  roles: ['operator'],
  subject: name,
  login: name,
  givenRoles: ['operator'],
  policyGroups: ['line-3'],
  state: 'present',
  ...more,
})
const entry = (login: string, more: Partial<Entry> = {}): Entry => ({
  subject: login,
  login,
  disabled: null,
  groups: ['ops'],
  ...more,
})
const acts = (steps: ReturnType<typeof planSync>) => steps.map(({ does, user }) => `${does} ${user}`)

test('nothing is done where all is as it was', () => {
  expect(planSync([known('bob')], new Set(['bob']), [entry('bob')], mappings)).toEqual([])
})

test('an entry under a name that somebody has is nobody, in any case of letters', () => {
  expect(acts(planSync([], new Set(['bob']), [entry('BOB')], mappings))).toEqual(['skip BOB'])
  expect(acts(planSync([], new Set(), [entry('bob'), entry('Bob', { subject: '2' })], mappings))).toEqual([
    'skip Bob',
    'add bob',
  ])
})

test('names that are none, and entries that are disabled, become no users', () => {
  for (const login of ['a b', '-rf', 'bob@plant', '*', 'x'.repeat(64), 'bob\u202e'])
    expect(acts(planSync([], new Set(), [entry(login)], mappings))).toEqual([`skip ${login}`])
  expect(planSync([], new Set(), [entry('bob', { disabled: 'disabled' })], mappings)).toEqual([])
})

test('who comes back stays off, and is told of once', () => {
  const off = known('bob', { isOff: true, state: 'disabled', policyGroups: [] })
  const [step] = planSync([off], new Set(['bob']), [entry('bob')], mappings)
  expect(step).toMatchObject({ does: 'back', roles: null, entry: { state: 'present' } })
  expect(planSync([{ ...off, state: 'present' }], new Set(['bob']), [entry('bob')], mappings)).toEqual([])
})

test('who is off, and gone too, is written down as gone and not told of', () => {
  const off = known('bob', { isOff: true })
  expect(acts(planSync([off], new Set(['bob']), [], mappings))).toEqual(['keep bob'])
  expect(planSync([{ ...off, state: 'gone' }], new Set(['bob']), [], mappings)).toEqual([])
})

test('a role that a group gave before somebody was turned off is taken when they are back without it', () => {
  const was = known('bob', { roles: ['operator', 'approver'], givenRoles: ['operator', 'approver'] })
  const [off] = planSync([was], new Set(['bob']), [], mappings)
  expect(off?.entry).toMatchObject({ givenRoles: ['operator', 'approver'], policyGroups: [] })
  const back = { ...was, ...off?.entry, isOff: false, state: 'present' as const }
  expect(planSync([back], new Set(['bob']), [entry('bob')], mappings)).toMatchObject([
    { does: 'change', roles: ['operator'] },
  ])
})

test('somebody made an auditor here keeps to that, whatever the directory says', () => {
  const auditor = known('bob', { roles: ['auditor'], givenRoles: [] })
  expect(acts(planSync([auditor], new Set(['bob']), [entry('bob')], mappings))).toEqual(['skip bob'])
})

test('roles by hand stay; what the directory says counts where it changes', () => {
  const roles = fc.uniqueArray(fc.constantFrom<Role>('operator', 'approver', 'supervisor', 'admin'))
  fc.assert(
    fc.property(roles, roles, roles, (now, before, given) => {
      const after = rolesAfter({ roles: now, givenRoles: before }, given)
      for (const role of after) expect(now.includes(role) || given.includes(role)).toBe(true)
      for (const role of now) if (!before.includes(role)) expect(after).toContain(role)
      for (const role of before) if (!given.includes(role)) expect(after).not.toContain(role)
      expect(rolesAfter({ roles: now, givenRoles: given }, given)).toEqual(now)
    }),
  )
})

test('no directory gives a role that its mappings do not name', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (groups) => {
      expect(givenBy(groups, mappings).roles.every((role) => ['operator', 'approver'].includes(role))).toBe(
        true,
      )
    }),
  )
})

test.each([
  [3, 3, undefined],
  [4, 4, 4],
  [12, 4, undefined],
  [11, 4, 4],
  [100, 34, 34],
])('of %i users %i going: %s has to be meant', (all, going, expected) => {
  const people = Array.from({ length: all }, (_, at) => known(`u${at}`))
  const entries = people.slice(going).map(({ name }) => entry(name))
  expect(tooManyOff(people, planSync(people, new Set(), entries, mappings))).toBe(expected)
})
