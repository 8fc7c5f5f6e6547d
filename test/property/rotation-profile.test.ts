import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  classOf,
  makePassword,
  misfit,
  narrowed,
  profiles,
  strengthOf,
} from '../../vault/rotation/profile.ts'
import {
  characterClasses,
  type PasswordProfile,
  passwordProfile,
} from '../../vault/rotation/profile-shape.ts'

const textOf = (profile: PasswordProfile) => {
  using secret = makePassword(profile)
  return secret.expose((bytes) => Buffer.from(bytes).toString('utf8'))
}

/** What a device may say of itself: every class that is wanted is in the alphabet, and there is room for all. */
const anyProfile = fc
  .record({
    alphabet: fc
      .uniqueArray(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 10, maxLength: 94 })
      .map((codes) => String.fromCharCode(...codes)),
    least: fc.integer({ min: 4, max: 30 }),
    more: fc.integer({ min: 0, max: 20 }),
    wants: fc.subarray([...characterClasses]),
    repeats: fc.option(fc.integer({ min: 2, max: 4 }), { nil: undefined }),
    starts: fc.boolean(),
  })
  .map(({ alphabet, least, more, wants, repeats, starts }) =>
    passwordProfile.parse({
      ...{ name: 'told', title: 'what a device told', alphabet, least, most: least + more },
      // One of ten characters that must be there: rare in a short one, and still found.
      wants: wants.filter((one) => [...alphabet].some((char) => classOf(char) === one)),
      ...(repeats === undefined ? {} : { repeats }),
      ...(starts ? { first: [classOf(alphabet[0] ?? '')] } : {}),
    }),
  )

describe('passwords', () => {
  test.each(Object.values(profiles))('are made for $name, and fit', (profile) => {
    const made = new Set(Array.from({ length: 50 }, () => textOf(profile)))
    for (const password of made) expect(misfit(profile, password)).toBeUndefined()
    expect(made.size).toBe(50)
  })

  test('fit whatever a device tells of its rules', () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        expect(misfit(profile, textOf(profile))).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('are each as likely as any other', () => {
    // Two draws of a fixed sequence: no bias towards the beginning of the alphabet, and no character is left out.
    const { alphabet } = profiles['linux'] as PasswordProfile
    const seen = new Map<string, number>()
    for (let left = 300; left > 0; left -= 1)
      for (const char of textOf(profiles['linux'] as PasswordProfile))
        seen.set(char, (seen.get(char) ?? 0) + 1)
    expect([...seen.keys()].sort()).toEqual([...alphabet].sort())
    const counts = [...seen.values()]
    expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(4)
  })

  test('are not made where none fits', () => {
    const profile = { ...(profiles['four'] as PasswordProfile), wants: ['special' as const] }
    expect(() => makePassword(profile, (limit) => limit - 1)).toThrow('no password fits the profile four')
  })
})

describe('a misfit', () => {
  const linux = profiles['linux'] as PasswordProfile
  test.each([
    ['aB3.', 'it has fewer than 24 characters'],
    ['aB3.'.repeat(9), 'it has more than 32 characters'],
    ['aB3.'.repeat(6).replace('.', '?'), 'it has a character that is not taken there'],
    ['aB3x'.repeat(6), 'it has no character of the kind special'],
    ['.aB3'.repeat(6), 'it begins with a character that is not taken first'],
    [`${'aB3.'.repeat(6)}zzz`, 'a character follows itself more than 2 times'],
  ])('%s is told by what is wrong, not by what it is', (password, why) => {
    expect(misfit(linux, password)).toBe(why)
  })
})

describe('the strength of a profile', () => {
  test.each([
    ['linux', 32, 'strong'],
    ['vnc', 8, 'weak'],
    ['panel-7', 7, 'weak'],
    ['four', 4, 'weak'],
  ])('%s: %i characters count, and that is %s', (name, characters, verdict) => {
    expect(strengthOf(profiles[name] as PasswordProfile)).toMatchObject({ characters, verdict })
  })

  test('counts what can be made, where it can be counted by hand', () => {
    const profile = passwordProfile.parse({
      ...{ name: 'small', title: 'small', least: 2, most: 2, alphabet: 'abcdefgh12', wants: ['digit'] },
    })
    // 10² − 8² = 36 pairs have a digit.
    expect(strengthOf(profile).bits).toBe(Math.floor(Math.log2(36)))
  })

  test('is that of what counts: eight of twenty characters, and letters of one case', () => {
    const vnc = profiles['vnc'] as PasswordProfile
    expect(strengthOf({ ...vnc, least: 20, most: 20 }).bits).toBe(strengthOf(vnc).bits)
    expect(strengthOf({ ...vnc, folds: true }).bits).toBe(Math.floor(8 * Math.log2(36)))
  })
})

describe('what a device tells', () => {
  const linux = profiles['linux'] as PasswordProfile
  test('narrows a profile', () => {
    const told = narrowed(linux, { most: 12, alphabet: 'abcdefABCDEF0123456789-_', wants: ['digit'] })
    expect(told).toMatchObject({ least: 12, most: 12, alphabet: 'abcdefABCDEF0123456789_-' })
    expect(misfit(told as PasswordProfile, textOf(told as PasswordProfile))).toBeUndefined()
  })

  test('wants more than one of a kind, and gets them', () => {
    const told = narrowed(linux, { counts: { digit: 5, special: 3 } }) as PasswordProfile
    for (let left = 50; left > 0; left -= 1) {
      const text = textOf(told)
      expect([...text].filter((char) => /\d/.test(char)).length).toBeGreaterThanOrEqual(5)
      expect([...text].filter((char) => !/\w/.test(char) || char === '_').length).toBeGreaterThanOrEqual(3)
    }
    expect(misfit(told, 'Ab1.Ab1.abcdefghijklmnop')).toBe('it has too few characters of the kind digit')
  })

  test('that nothing fulfils is said', () => {
    expect(narrowed(linux, { most: 9, counts: { digit: 5 } })).toBeUndefined()
    expect(narrowed(linux, { alphabet: 'abcdefghij' })).toBeUndefined()
  })
})
