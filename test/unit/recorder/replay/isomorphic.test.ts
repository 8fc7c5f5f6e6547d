import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../../../..')

/** Everything that a file imports for its values, and so on. */
function reachedFrom(
  entry: string,
  reached = new Map<string, readonly string[]>(),
): Map<string, readonly string[]> {
  if (reached.has(entry)) return reached
  const text = readFileSync(entry, 'utf8')
  const imports = [...text.matchAll(/^(?:import|export) (?!type\b)(?:[\s\S]*?from )?'([^']+)'/gm)].map(
    (found) => found[1] ?? '',
  )
  reached.set(entry, imports)
  for (const one of imports) if (one.startsWith('.')) reachedFrom(join(dirname(entry), one), reached)
  return reached
}

test.each(['recorder/replay/index.ts', 'vault/auditors/index.ts', 'vault/auditors/argon2-sumo.ts'])(
  '%s runs in browsers: nothing that it reaches is Node’s or a package',
  (entry) => {
    const reached = reachedFrom(join(root, entry))
    expect(reached.size).toBeGreaterThan(0)
    for (const [file, imports] of reached) {
      expect([file, imports.filter((one) => !one.startsWith('.'))]).toEqual([file, []])
      expect([file, /\bBuffer\b|\bprocess\.|\brequire\(/.test(readFileSync(file, 'utf8'))]).toEqual([
        file,
        false,
      ])
    }
  },
)
