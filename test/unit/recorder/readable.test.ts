import { expect, test } from 'vitest'
import { quotable, readableLines } from '../../../vault/ssh/readable.ts'

test('words stay as they are, in every language', () => {
  expect(readableLines('Grüße aus Halle 3\r\n\r\n  只限授权用户\tPresse\r\n')).toEqual([
    'Grüße aus Halle 3',
    '',
    '  只限授权用户    Presse',
  ])
})

test('what drives a terminal is taken out, with all that it carries', () => {
  const hostile = [
    'a\u001b[2J\u001b[1;31mb\u001b[0m',
    'c\u001b]0;owned\u0007d',
    'e\u001b]52;c;cm0gLXJmIC8=\u001b\\f',
    'g\u001bPq#0~~\u001b\\h',
    'i\u009b2Jj\u009d0;t\u009ck',
    'l\u001bcm\u001b(0n\u0000\u0007\bo',
    'p\u202eq\u200br\u2066s\ufefft',
    'u\rv\u0085w\u2028x',
    'y\u001b[',
  ].join('\n')
  const lines = readableLines(hostile)
  expect(lines).toEqual(['ab', 'cd', 'ef', 'gh', 'ijk', 'lmno', 'pqrst', 'u', 'v', 'w', 'x', 'y'])
})

test('an endless string sequence hides no more than what follows, and costs no time', () => {
  const began = performance.now()
  expect(readableLines(`before\u001b]0;${'x'.repeat(100_000)}`)).toEqual(['before'])
  readableLines('\u001b['.repeat(100_000))
  readableLines('\u001b]'.repeat(100_000))
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('many lines and long ones are cut', () => {
  const lines = readableLines(`${'x'.repeat(1_000)}\n`.repeat(1_000))
  expect(lines).toHaveLength(41)
  expect(lines[0]).toHaveLength(200)
  expect(lines.at(-1)).toBe('…')
  expect(quotable('y'.repeat(500))).toHaveLength(61)
  expect(quotable('\u001b[2J\r\n')).toBe('')
})
