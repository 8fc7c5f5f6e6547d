import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endReasons } from '../../vault/contract.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Cells of each body row of the tables in a Markdown file. */
function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-| ]+\|$/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

const threats = rows(read('THREATS.md')).filter(([id]) => /^T\d+$/.test(id ?? ''))

test('there are threats, each with an id of its own', () => {
  expect(threats.length).toBeGreaterThan(10)
  expect(new Set(threats.map(([id]) => id)).size).toBe(threats.length)
})

test.each(threats)('threat %s names a defence and a test that exist', (...cells) => {
  const [, asset, adversary, attack, defence, tried] = cells
  expect([asset, adversary, attack].every((cell) => (cell ?? '').length > 2)).toBe(true)
  for (const path of [defence, tried]) expect(existsSync(join(root, path ?? 'missing')), path).toBe(true)
  expect(tried).toMatch(/^test\//)
})

test('each invariant of ARCHITECTURE.md names a test that exists', () => {
  const invariants = rows(read('ARCHITECTURE.md')).filter(([number]) => /^\d+$/.test(number ?? ''))
  expect(invariants.map(([number]) => number)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'])
  for (const [number, , tried] of invariants) {
    const paths = (tried ?? '').match(/test\/[\w./-]+/g) ?? []
    expect(paths.length > 0 || /not built yet/.test(tried ?? ''), `invariant ${number}`).toBe(true)
    for (const path of paths) expect(existsSync(join(root, path)), path).toBe(true)
  }
})

test.each(['README.md', 'ARCHITECTURE.md', 'THREATS.md', 'CONTRIBUTING.md', 'SECURITY.md'])(
  'each file that %s links to exists',
  (file) => {
    const links = [...read(file).matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)].map(([, link]) => link ?? '')
    for (const link of links.filter((one) => !/^[a-z]+:/.test(one))) {
      expect(existsSync(join(root, link)), `${file} links to ${link}`).toBe(true)
    }
  },
)

test('the first screen of the README gives the two commands', () => {
  const first = read('README.md').split('\n').slice(0, 20).join('\n')
  expect(first).toContain('npm start')
  expect(first).toContain('npm test')
})

test('the recording format names every reason for which a session ends', () => {
  const format = read('docs/recording-format.md')
  for (const reason of endReasons) expect(format).toContain(`\`${reason}\``)
})

test('docs/webhooks.md says of everything that a webhook is told when it is', () => {
  const kinds = new Set(read('vault/notifications/about.ts').match(/'[a-z]+\.[a-z-]+'/g))
  expect(kinds.size).toBeGreaterThan(30)
  const documented = rows(read('docs/webhooks.md')).flatMap(
    ([kind]) => (kind ?? '').match(/[a-z]+\.[a-z-]+/g) ?? [],
  )
  expect([...kinds].map((kind) => kind.slice(1, -1)).filter((kind) => !documented.includes(kind))).toEqual([])
})
