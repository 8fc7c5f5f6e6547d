import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tagout } from '../support/cli.ts'

// A policy file is written by somebody else, and read by an administrator: what is read is what people see, and nothing
// of it makes the reader slow or wrong.

const folder = mkdtempSync(join(tmpdir(), 'tagout-policy-file-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const plan = async (text: string | Uint8Array) => {
  writeFileSync(join(folder, 'policy.yaml'), text)
  const began = performance.now()
  const { code, out, err } = await tagout(['policy', 'plan', 'policy.yaml'], { cwd: folder })
  return { code, out, err, ms: performance.now() - began }
}
const rule = 'effect: limit, what: { everything: true }'
const line = (who: string) => `version: 1\nrules:\n  - { name: r, ${rule}, who: ${who} }\n`
const grown = (depth: number, width: number) =>
  Array.from({ length: depth }, (_, at) =>
    at === 0
      ? `a0: &a0 [${'x, '.repeat(width)}x]\n`
      : `a${at}: &a${at} [${Array.from({ length: width }, () => `*a${at - 1}`).join(', ')}]\n`,
  ).join('')

test.each<[string, string | Uint8Array, string]>([
  ['aliases that grow without end', grown(30, 10), 'Excessive alias count'],
  [
    'maps of aliases that grow',
    `x: &x { a: 1 }\n${Array.from({ length: 20 }, (_, at) => `y${at}: &y${at} { a: *${at === 0 ? 'x' : `y${at - 1}`}, b: *${at === 0 ? 'x' : `y${at - 1}`} }\n`).join('')}`,
    'Excessive alias count',
  ],
  ['an alias of itself', 'version: 1\ngroups: &g { ot: *g }\nrules: []\n', 'policy.yaml'],
  ['a key twice', 'version: 1\nrules: []\nrules: [{}]\n', 'Map keys must be unique'],
  [
    'a key twice in a rule',
    `version: 1\nrules:\n  - name: r\n    effect: limit\n    who: { everyone: true }\n    what: { everything: true }\n    longest: 1h\n    longest: 2d\n`,
    'Map keys must be unique',
  ],
  [
    'a merged key',
    `version: 1\nbase: &b { longest: 2d }\nrules:\n  - { <<: *b, name: r, ${rule}, who: { everyone: true } }\n`,
    'there is no "<<" here',
  ],
  ['more than a policy is', `# ${'x'.repeat(1_000_001)}\nversion: 1\nrules: []\n`, 'larger than a policy is'],
  [
    'nested deeper than anything',
    `version: 1\nrules: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`,
    'policy.yaml',
  ],
  ['a million rules', `version: 1\nrules: [${'{},'.repeat(100_000)}]\n`, '500 rules at most'],
  ['the prototype as a key', 'version: 1\n__proto__: { applyBy: two }\nrules: []\n', 'policy.yaml'],
  ['the prototype as a group', 'version: 1\ngroups: { __proto__: [bob] }\nrules: []\n', 'policy.yaml'],
  ['the prototype in a rule', line('{ __proto__: { everyone: true } }'), 'policy.yaml'],
  [
    'a constructor for a key',
    'version: 1\nconstructor: { prototype: { a: 1 } }\nrules: []\n',
    'there is no "constructor" here',
  ],
  [
    'a key that drives a terminal',
    'version: 1\nrules: []\n"\\e[2J\\u202efoo": 1\n',
    'there is no "\\u001b[2J',
  ],
  ['tabs for blanks', 'version: 1\nrules:\n\t- name: r\n', 'Tabs are not allowed as indentation'],
  ['two documents', 'version: 1\nrules: []\n---\nversion: 1\nrules: []\n', 'policy.yaml'],
  ['a tag that makes things', `version: 1\nrules: !!js/function "() => 1"\n`, 'Unresolved tag'],
  ['bytes that are no text', Uint8Array.from([0xff, 0xfe, 0x00, 0x76]), 'policy.yaml'],
  ['a Cyrillic o in a user', line('{ users: [b\u043Eb] }'), 'use 1 to 63 letters'],
  [
    'letters that read the same in a group',
    'version: 1\ngroups: { \u0456t: [bob] }\nrules: []\n',
    'use 1 to 63 letters',
  ],
  ['full-width letters', line('{ users: [\uFF42ob] }'), 'use 1 to 63 letters'],
  ['a blank that is not seen', line('{ users: ["bob\u200B"] }'), 'use 1 to 63 letters'],
  [
    'text that turns its direction',
    line('{ everyone: true }, contact: "the \u202Etfihs"'),
    'one line of text',
  ],
  ['what drives a terminal, in a name', line('{ users: ["\\e[2Jbob"] }'), 'use 1 to 63 letters'],
  [
    'an account of look-alikes',
    line('{ everyone: true }').replace('everything: true', 'accounts: [pr\u0435ss-3/root]'),
    '',
  ],
])('a policy file of %s is refused in a sentence, quickly', async (_what, text, sentence) => {
  const { code, out, err, ms } = await plan(text)
  expect(err).toContain(sentence)
  expect(code).not.toBe(0)
  expect(out).toBe('')
  // Nothing of it reaches the terminal as it is.
  expect(err).not.toMatch(/[\u200B\u202E]|\u001B\[2J/)
  expect(err).not.toMatch(/\n\s+at /)
  expect(ms).toBeLessThan(20_000)
  expect(({} as { applyBy?: unknown }).applyBy).toBeUndefined()
})
