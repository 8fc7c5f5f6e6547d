import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  distinctPeople,
  mailbox,
  type PersonFacts,
  samePerson,
} from '../../../../vault/identity/same-person.ts'

const person = (name: string, more: Partial<PersonFacts> = {}): PersonFacts => ({
  id: `usr_${name}` as PersonFacts['id'],
  name,
  mails: [],
  entries: [],
  sameAs: null,
  ...more,
})

test.each([
  'ann@plant.example',
  'ANN@Plant.EXAMPLE',
  'ann+admin@plant.example',
  'ann+a+b@plant.example',
  'ann@plant.example.',
  'ａｎｎ@plant.example',
  'a\u00adnn@plant.example',
  'ann\u200b@plant.example',
  ' ann@plant.example ',
  'ann@ｐlant.example',
])('%j is delivered to ann', (address) => {
  expect(mailbox(address)).toBe('ann@plant.example')
  const why = samePerson(person('a', { mails: ['ann@plant.example'] }), person('b', { mails: [address] }))
  expect(why).toBe('the same mail address')
})

test.each([
  'anna@plant.example',
  'ann@other.example',
  'ann@sub.plant.example',
  '+ann@plant.example',
  'nn@plant.example',
])('%j is somebody else’s', (address) => {
  expect(samePerson(person('a', { mails: ['ann@plant.example'] }), person('b', { mails: [address] }))).toBe(
    undefined,
  )
})

test('a domain in letters of its own is the one that its ASCII form names', () => {
  expect(mailbox('ann@Bücher.example')).toBe(mailbox('ann@xn--bcher-kva.example'))
})

test('a link, an entry of a directory, or an address of several tells; nothing at all tells nothing', () => {
  const ann = person('ann')
  expect(samePerson(ann, ann)).toBe('the same user')
  expect(samePerson(ann, person('b', { sameAs: ann.id }))).toBe('an administrator has said so')
  expect(samePerson(person('c', { sameAs: ann.id }), person('b', { sameAs: ann.id }))).toBe(
    'an administrator has said so',
  )
  expect(samePerson(person('a', { entries: ['dir_1 x'] }), person('b', { entries: ['dir_1 x'] }))).toBe(
    'the same entry of a directory',
  )
  expect(
    samePerson(
      person('a', { mails: ['x@y.example', 'z@y.example'] }),
      person('b', { mails: ['Z@y.example'] }),
    ),
  ).toBe('the same mail address')
  expect(samePerson(person('a'), person('b'))).toBe(undefined)
  expect(samePerson(person('a', { sameAs: ann.id }), person('b'))).toBe(undefined)
})

test('it says the same of both, and of some people each counts once', () => {
  const people = fc.array(
    fc.record({
      at: fc.nat(5),
      mail: fc.option(fc.constantFrom('a@x.example', 'A+1@x.example', 'b@x.example'), { nil: null }),
      same: fc.option(fc.nat(5), { nil: null }),
    }),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(people, (given) => {
      const all = given.map(({ at, mail, same }) =>
        person(`${at}`, {
          mails: mail === null ? [] : [mail],
          sameAs: same === null ? null : (`usr_${same}` as PersonFacts['id']),
        }),
      )
      for (const one of all)
        for (const other of all) expect(samePerson(one, other)).toBe(samePerson(other, one))
      const left = distinctPeople(all)
      for (const [at, one] of left.entries())
        for (const other of left.slice(at + 1)) expect(samePerson(one, other)).toBe(undefined)
      expect(left.length > 0).toBe(all.length > 0)
    }),
  )
})
