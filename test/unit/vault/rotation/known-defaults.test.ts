import { expect, test } from 'vitest'
import { knownDefaults } from '../../../../vault/rotation/known-defaults.ts'

test('each password that is publicly known says where, and stands there once', () => {
  expect(knownDefaults.length).toBeGreaterThan(60)
  for (const { login, secret, source } of knownDefaults) {
    expect(secret, source).not.toBe('')
    // A manual, an advisory, or a list by its name.
    expect(source, `${login ?? ''}:${secret}`).toMatch(
      /SecLists|CVE-\d{4}-\d+|ICS-ALERT|\.com|ics-default-passwords/,
    )
  }
  const pairs = knownDefaults.map(({ login, secret }) => `${login ?? ''}:${secret}`)
  expect(pairs.length).toBe(new Set(pairs).size)
})
