import { expect, test } from 'vitest'
import { type VerbName, verbs } from '../../../../vault/contract.ts'
import { asked } from '../../../support/vendor-asks.ts'

// What a vendor learns of others by each verb is looked at by test/attack/vault/vendor-sight.test.ts.
test('every verb that a person can ask is asked by the vendor who looks for others', () => {
  const ofPeople = (Object.keys(verbs) as VerbName[]).filter((verb) =>
    (verbs[verb].door as readonly string[]).includes('user'),
  )
  expect(Object.keys(asked).sort()).toEqual(ofPeople.sort())
})
