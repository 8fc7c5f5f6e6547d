import { expect, test } from 'vitest'
import { refusalBanner } from '../../../recorder/broker/ssh/banner.ts'
import { refusalCodes } from '../../../vault/kernel/outcome.ts'

test('of a person nothing is told before they have proven a factor of theirs', () => {
  const about = refusalCodes.filter((code) => !['sealed', 'not_initialised', 'unavailable'].includes(code))
  for (const code of about)
    expect(refusalBanner({ code, message: 'bob is turned off', next: 'ask' })).toBeUndefined()
  const away = refusalBanner({ code: 'unavailable', message: 'the directory of bob is away' })
  expect(away).toBe('Tagout: the vault does not answer, nobody can log in: try again in a minute')
})

test('who has proven one is told why, and what to do, in one line that drives no terminal', () => {
  expect(refusalBanner({ code: 'unavailable', message: 'corp is away', next: 'try again', told: true })).toBe(
    'Tagout: corp is away: try again',
  )
  const hostile = refusalBanner({
    code: 'unavailable',
    message: 'corp \u001b]0;owned\u0007\u202eis\u001b[2J away\r\nPassword: ',
    told: true,
  })
  expect(hostile).toBe('Tagout: corp is away')
  expect(refusalBanner({ code: 'forbidden', message: 'x'.repeat(9_000), told: true })?.length).toBeLessThan(
    500,
  )
})
