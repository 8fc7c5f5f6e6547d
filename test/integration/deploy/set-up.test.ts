import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bindingFolder, examineBinding } from '../../../deploy/setup/binding.ts'
import { whatIsMissing } from '../../../deploy/setup/dependencies.mjs'
import { findPostgresPackage, makeLibraryLinks } from '../../../deploy/supervisor/postgres-programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-setup-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const hasCompiler = spawnSync('cc', ['--version']).status === 0
if (!hasCompiler) console.log('no C compiler: the test of a binding built for another Node is left out')

/** An add-on in C that registers itself as one built for the module version `version`. */
function buildAddon(into: string, version: number): void {
  const source = join(folder, `addon-${version}.c`)
  writeFileSync(
    source,
    `struct module { int version; unsigned flags; void *dso; const char *file; void *reg; void *context; const char *name; void *priv; void *link; };
     extern void node_module_register(void *);
     static void init(void *a, void *b, void *c) {}
     static struct module m = { ${version}, 0, 0, "addon.c", init, 0, "sshcrypto", 0, 0 };
     __attribute__((constructor)) static void start(void) { node_module_register(&m); }`,
  )
  mkdirSync(join(into, 'build', 'Release'), { recursive: true })
  const { status, stderr } = spawnSync(
    'cc',
    ['-shared', '-fPIC', '-o', join(into, 'build', 'Release', 'sshcrypto.node'), source],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
}

describe("ssh2's native binding", () => {
  test('one that is not there is missing', () => {
    expect(examineBinding(join(folder, 'none'))).toEqual({ kind: 'missing' })
  })

  test.runIf(hasCompiler)(
    'one built for another Node is noticed, although ssh2 itself would say nothing',
    () => {
      const into = join(folder, 'other-node')
      buildAddon(into, 115)
      expect(examineBinding(into)).toEqual({
        kind: 'unusable',
        why: expect.stringContaining('was compiled against a different Node.js version'),
      })
    },
  )

  test.runIf(hasCompiler)('one that loads but lacks the ciphers is noticed', () => {
    const into = join(folder, 'empty')
    buildAddon(into, Number(process.versions.modules))
    expect(examineBinding(into).kind).toBe('unusable')
  })

  test('the one that is installed here is native, or said to be missing', () => {
    const state = examineBinding(bindingFolder)
    if (state.kind !== 'native') console.log(`ssh2 runs without its native binding here: ${state.kind}`)
    expect(['native', 'missing']).toContain(state.kind)
  })
})

describe("the links to PostgreSQL's libraries", () => {
  const installed = findPostgresPackage()?.programs ?? ''
  const copy = join(folder, 'package', 'native')
  beforeAll(() => {
    mkdirSync(join(folder, 'package'))
    spawnSync('cp', ['-a', installed, copy])
    for (const name of readdirSync(join(copy, 'lib'), { withFileTypes: true }))
      if (name.isSymbolicLink()) unlinkSync(join(copy, 'lib', name.name))
  })
  const version = () =>
    spawnSync(join(copy, 'bin', 'initdb'), ['--version'], { env: { LD_LIBRARY_PATH: join(copy, 'lib') } })
      .status

  test('without them nothing starts, and they are made once', () => {
    expect(version()).not.toBe(0)
    expect(makeLibraryLinks(copy)).toBeGreaterThan(10)
    expect(version()).toBe(0)
    expect(makeLibraryLinks(copy)).toBe(0)
    expect(existsSync(join(copy, 'lib', 'libpq.so.5'))).toBe(true)
  })
})

describe('the packages of a clone', () => {
  const lock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages })
  const clone = (wanted: object, installed: object | undefined, present: readonly string[]) => {
    const root = mkdtempSync(join(folder, 'clone-'))
    mkdirSync(join(root, 'node_modules'))
    writeFileSync(join(root, 'package-lock.json'), lock(wanted))
    if (installed !== undefined)
      writeFileSync(join(root, 'node_modules', '.package-lock.json'), lock(installed))
    for (const name of present) {
      mkdirSync(join(root, name), { recursive: true })
      writeFileSync(join(root, name, 'package.json'), '{}')
    }
    return root
  }
  const a = { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } }

  test.each([
    ['nothing installed', clone(a, undefined, []), 'packages are not installed'],
    ['an installation cut short', clone(a, undefined, ['node_modules/a']), 'packages are not installed'],
    ['a folder gone', clone(a, a, []), 'node_modules/a is not installed'],
    [
      'another version',
      clone(a, { 'node_modules/a': { version: '0.9.0', integrity: 'sha512-b' } }, ['node_modules/a']),
      'node_modules/a is not the version that package-lock.json names',
    ],
    [
      'other bytes',
      clone(a, { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-b' } }, ['node_modules/a']),
      'node_modules/a is not the version that package-lock.json names',
    ],
    [
      'an optional package for this machine gone',
      clone({ 'node_modules/a': { version: '1.0.0', optional: true, os: [process.platform] } }, {}, []),
      'node_modules/a is not installed',
    ],
  ])('%s is noticed', (_what, root, sentence) => {
    expect(whatIsMissing(root)).toBe(sentence)
  })

  test.each([
    ['all there', clone(a, a, ['node_modules/a'])],
    [
      'an optional package of another platform not there',
      clone({ 'node_modules/a': { version: '1.0.0', optional: true, os: ['aix'], cpu: ['ppc64'] } }, {}, []),
    ],
    [
      'what only such a package needs not there',
      clone({ 'node_modules/a': { version: '1.0.0', optional: true } }, {}, []),
    ],
    ['more there than is wanted', clone({}, a, ['node_modules/a'])],
  ])('%s is fine', (_what, root) => {
    expect(whatIsMissing(root)).toBeUndefined()
  })
})
