import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { breachesOfDirection } from '../../../deploy/check/directions.ts'
import { forbiddenIn } from '../../../deploy/check/forbidden.ts'
import { breachesOfLockFile } from '../../../deploy/check/lock-file.ts'

const root = join(import.meta.dirname, '..', '..', '..')

/** A little repository of these files. */
function repository(files: Readonly<Record<string, string>>): Disposable & { readonly root: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tagout-check-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return { root: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

const kernel = { 'vault/kernel/id.ts': 'export const x = 1\n', 'vault/safes/add.ts': 'export const x = 1\n' }

test('this repository goes one way', () => {
  expect(breachesOfDirection(root)).toEqual([])
})

test('this repository says nothing forbidden', () => {
  expect(forbiddenIn(root)).toEqual([])
})

test('package-lock.json names no host, has hashes, and lists optional packages of all platforms', () => {
  expect(breachesOfLockFile(root)).toEqual([])
})

test.each([
  ['vault/kernel/id.ts', "import { x } from '../safes/add.ts'", 'vault/kernel imports nothing of ours'],
  ['vault/up.ts', "export { x } from '../recorder/index.ts'", 'the vault imports only the vault'],
  [
    'vault/open.ts',
    "import { logIn } from './ssh/target.ts'",
    'the process with the root key speaks with no target',
  ],
  ['recorder/deep.ts', "import { x } from '../vault/safes/add.ts'", 'the recorder enters the vault by'],
  ['recorder/up.ts', "const x = await import('../api/main.ts')", 'the recorder enters the vault by'],
  [
    'api/deep.ts',
    "import type { X } from '../recorder/store/store.ts'",
    'the api enters the vault and the recorder',
  ],
  [
    'api/worker.ts',
    "new Worker(new URL('../vault/safes/add.ts', import.meta.url))",
    'the api enters the vault',
  ],
  ['web/deep.ts', "import '../vault/client.ts'", 'the console imports only'],
  [
    'migrations/0099.ts',
    "import {\n  x,\n} from '../vault/safes/add.ts'",
    'migrations import only vault/kernel',
  ],
  ['deploy/x.ts', "import { x } from '../test/support/postgres.ts'", 'deploy imports nothing of test/'],
])('a breach is noticed: %s says %s', (file, text, sentence) => {
  using made = repository({ ...kernel, [file]: `${text}\n` })
  const breaches = breachesOfDirection(made.root).filter((breach) => breach.why.startsWith('imports '))
  expect(breaches.map((breach) => [breach.file, breach.why.split(', but ')[1]])).toEqual([
    [file, expect.stringContaining(sentence)],
  ])
})

test('what the console reaches may not import Node, however far away', () => {
  using made = repository({
    'web/main.ts': "import '../vault/kernel/a.ts'\n",
    'vault/kernel/a.ts': "import './b.ts'\nimport type { Buffer } from 'node:buffer'\n",
    'vault/kernel/b.ts': "import { randomBytes } from 'node:crypto'\n",
  })
  expect(breachesOfDirection(made.root)).toEqual([
    { file: 'vault/kernel/b.ts', line: 1, why: 'imports node:crypto, but the console reaches this file' },
  ])
})

test('an import in a comment or of a package is no breach', () => {
  using made = repository({
    ...kernel,
    'recorder/fine.ts': "// import '../api/main.ts'\n/* import '../api/main.ts' */\nimport pg from 'pg'\n",
  })
  expect(breachesOfDirection(made.root)).toEqual([])
})

test.each([
  ['vault/a.ts', 'const x = Math.random()'],
  ['api/a.ts', "eval('1')"],
  ['recorder/a.ts', "const f = new Function('return 1')"],
  ['vault/a.ts', "spawn('ls', [], { shell: true })"],
  ['recorder/a.ts', "execSync('ls')"],
  ['api/a.ts', 'connect({ rejectUnauthorized: false })'],
  ['web/a.tsx', 'const x = <p dangerouslySetInnerHTML={{ __html: name }} />'],
])('a forbidden construction is noticed: %s %s', (file, text) => {
  using made = repository({ [file]: `// fine: Math.random() eval('x')\n${text}\n` })
  expect(forbiddenIn(made.root)).toMatchObject([{ file, line: 2 }])
})

test('a lock file that npm ci would refuse, or that names a host, is noticed', () => {
  const packages = {
    'node_modules/a': {
      version: '1.0.0',
      integrity: 'sha512-x',
      optionalDependencies: { 'a-elsewhere': '1.0.0' },
    },
    'node_modules/b': { version: '1.0.0', integrity: 'sha512-x', resolved: 'https://registry/b.tgz' },
    'node_modules/c': { version: '1.0.0' },
  }
  using made = repository({ 'package-lock.json': JSON.stringify({ packages }) })
  expect(breachesOfLockFile(made.root).map((breach) => breach.why)).toEqual([
    'node_modules/a may want a-elsewhere, which is not listed',
    'node_modules/b names where it comes from; npm config omits that',
    'node_modules/c has no hash',
  ])
})
