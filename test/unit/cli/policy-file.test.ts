import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { faultInFile, policyText, readPolicyText } from '../../../vault/policy/file.ts'
import { policyDocument } from '../../../vault/policy/document.ts'
import { tagout } from '../../support/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-policy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// A file is read before the vault is asked: in a folder without one, what is wrong with the file is said first.
const plan = async (text: string) => {
  writeFileSync(join(folder, 'policy.yaml'), text)
  const { code, err } = await tagout(['policy', 'plan', 'policy.yaml'], { cwd: folder })
  return { code, err }
}

test.each([
  ['', 'policy.yaml: Invalid input: expected object'],
  ['version: 2\nrules: []\n', 'policy.yaml, line 1: version: this program knows version 1'],
  ['version: 1\nrules:\n  - name: a\n   effect: limit\n', 'policy.yaml, line 4:'],
  ['version: 1\nversion: 1\nrules: []\n', 'policy.yaml, line 2: Map keys must be unique'],
  [
    'version: 1\nrules:\n  - name: a\n    effect: limit\n    who: { everyone: true }\n    what: { everything: true }\n    longest: soon\n',
    'policy.yaml, line 7: rule a, longest: write a duration like 4h, 30m or 1h30m',
  ],
  [
    'version: 1\nrules:\n  - name: a\n    effect: forbid\n    who: {}\n    what: {}\n',
    'policy.yaml, line 4: rule a, effect:',
  ],
  ['version: 1\nrules: []\nextra: 1\n', 'there is no "extra" here; it knows version, applyBy'],
  [
    'version: 1\ngroups: { g: [yes, "no@body"] }\nrules: []\n',
    'policy.yaml, line 2: groups.g.1: use 1 to 63',
  ],
  ['!!js/function "x"', 'policy.yaml, line 1: Unresolved tag'],
  // An alias that grows nine-fold with each line.
  [
    `a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefghij'.replace(/./g, (now) => `${now}: &${now} [${Array.from({ length: 9 }, () => `*${String.fromCharCode(now.charCodeAt(0) - 1)}`).join(', ')}]\n`)}`,
    'Excessive alias count',
  ],
])('a file that is no policy: %j', async (text, sentence) => {
  const { code, err } = await plan(text)
  expect(err).toContain(sentence)
  expect(code).toBe(2)
})

test('a policy that is written is read again as the same', async () => {
  const { parse } = await import('yaml')
  const document = policyDocument.parse({
    version: 1,
    groups: { ot: ['jonas', 'no', '1e3'] },
    calendars: { shifts: { zone: 'Europe/Berlin', weekly: [{ days: ['mon'], from: '06:00', to: '22:00' }] } },
    rules: [
      {
        name: 'yes',
        effect: 'limit',
        who: { groups: ['ot'] },
        what: { accounts: ['press-3/root'] },
        workOrder: 'WO-####',
        contact: 'the shift leader: extension 4711 # or the gate',
      },
    ],
  })
  expect(parse(policyText(document))).toEqual(document)
})

test('a policy is the same text in whichever order its members came', () => {
  const rule = {
    name: 'a',
    effect: 'limit',
    who: { everyone: true },
    what: { everything: true },
    longest: '2h',
  }
  const document = { version: 1, contact: 'ann', groups: { b: ['x'], a: ['y'] }, rules: [rule] }
  const turned = {
    rules: [Object.fromEntries(Object.entries(rule).reverse())],
    groups: document.groups,
    contact: 'ann',
    version: 1,
  }
  const text = policyText(policyDocument.parse(document))
  expect(policyText(turned as never)).toBe(text)
  expect(text).toMatch(/version: 1\ncontact: ann\ngroups:\n {2}b:[\s\S]*- name: a\n {4}effect: limit/)
})

test.each([
  ['document.rules.0.longest: write a duration', 5, 'rule a, longest: write a duration'],
  ['document: rule a: there is no user "x"', 4, 'rule a: there is no user "x"'],
  ['document: group ot: there is no user "x"', 2, 'group ot: there is no user "x"'],
  ['document: applyBy: there is 1 administrator', undefined, 'applyBy: there is 1 administrator'],
])('what the vault says of a document has its line: %s', (message, line, fault) => {
  const read = readPolicyText('version: 1\ngroups: { ot: [x] }\nrules:\n  - name: a\n    longest: soon\n')
  if (!('file' in read)) throw new Error(read.fault)
  const found = faultInFile(read.file, message)
  expect(found).toMatchObject({ fault })
  expect(found?.line).toBe(line)
  expect(faultInFile(read.file, 'another policy was applied meanwhile')).toBe(undefined)
})
