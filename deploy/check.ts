// `npm run check`: types, lint, format, and the rules of ARCHITECTURE.md. Ends with 1 when one of them is broken.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Breach, breachesOfDirection } from './check/directions.ts'
import { forbiddenIn } from './check/forbidden.ts'
import { breachesOfLockFile } from './check/lock-file.ts'

const root = join(import.meta.dirname, '..')
let broken = 0

function program(name: string, file: string, args: readonly string[]): void {
  process.stdout.write(`check: ${name}\n`)
  // Each is run under this very Node: an older one on the path is not good enough for them.
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', file), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` },
  })
  if (status !== 0) broken += 1
}

function rule(name: string, breaches: readonly Breach[]): void {
  process.stdout.write(`check: ${name}\n`)
  for (const { file, line, why } of breaches) process.stdout.write(`${file}:${line}: ${why}\n`)
  if (breaches.length > 0) broken += 1
}

rule('directions between the planes', breachesOfDirection(root))
rule('what no file may say', forbiddenIn(root))
rule('package-lock.json', breachesOfLockFile(root))
program('types', 'typescript/bin/tsc', ['-p', '.'])
program('format', '@biomejs/biome/bin/biome', ['format', '.'])
program('lint', 'oxlint/bin/oxlint', ['--type-aware', '--quiet', '.'])

process.stdout.write(broken === 0 ? 'check: all is well\n' : `check: ${broken} of 6 found something\n`)
process.exitCode = broken === 0 ? 0 : 1
