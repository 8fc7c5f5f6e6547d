import { expect, test } from 'vitest'
import { canonicalDomain, canonicalMail } from '../../../../vault/vendors/mail.ts'

test.each([
  ['acme.com', 'acme.com'],
  ['ACME.Com', 'acme.com'],
  ['xn--mller-kva.de', 'xn--mller-kva.de'],
  ['service.acme.co.uk', 'service.acme.co.uk'],
])('%s is the domain %s', (text, domain) => {
  expect(canonicalDomain(text)).toEqual({ ok: true, value: domain })
})

test.each([
  '',
  'acme',
  '@acme.com',
  'acme.com.',
  '.acme.com',
  'acme..com',
  '-acme.com',
  'acme-.com',
  'acme.com/x',
  'acme.com ',
  'ac me.com',
  'müller.de',
  'acme.com\u212a',
  'аcme.com', // a Cyrillic а
  'acme\u200b.com',
  '10.0.0.1',
  `${'a'.repeat(64)}.com`,
  '*.acme.com',
])('%j is no domain', (text) => {
  expect(canonicalDomain(text).ok).toBe(false)
})

test.each([
  ['ada@acme.com', 'ada@acme.com'],
  ['Ada.Lovelace+plant@ACME.COM', 'Ada.Lovelace+plant@acme.com'],
])('%s is an address of the company', (text, mail) => {
  expect(canonicalMail(text, ['acme.com', 'acme.de'])).toEqual({ ok: true, value: mail })
})

test.each([
  'evil@acme.com.evil',
  'evil@acme.com.evil.com',
  'evil@notacme.com',
  'evil@sub.acme.com',
  'evil@evil.com@acme.com',
  'evil@evil.com,ada@acme.com',
  '"evil@evil.com"@acme.com',
  'ada@acme.com\r\nBcc: evil@evil.com',
  'ada@acme.com ',
  ' ada@acme.com',
  '<ada@acme.com>',
  'Ada <ada@acme.com>',
  'ada@аcme.com', // a Cyrillic а
  'ada@acme.com\u0000',
  'ada@ac\u212ae.com',
  'adа@acme.com', // a Cyrillic а
  '.ada@acme.com',
  'a..b@acme.com',
  'ada@acme.com.',
  '@acme.com',
  'acme.com',
  'ada@',
  '',
  `${'a'.repeat(65)}@acme.com`,
])('%j is no address of the company', (text) => {
  expect(canonicalMail(text, ['acme.com']).ok).toBe(false)
})
