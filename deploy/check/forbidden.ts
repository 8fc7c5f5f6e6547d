import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Breach } from './directions.ts'
import { sourcesUnder, withoutComments } from './imports.ts'

const planes = ['vault', 'recorder', 'api', 'migrations']
const everything = [...planes, 'deploy', 'web']

/** What no file may say. The linter knows most of them too; these hold where it is told to look away. */
const forbidden: readonly {
  readonly pattern: RegExp
  readonly in: readonly string[]
  readonly why: string
  /** Files that may say it, for the reason that stands there. */
  readonly but?: readonly string[]
}[] = [
  {
    pattern: /\bMath\.random\b/,
    in: [...planes, 'web'],
    why: 'Math.random can be foretold: use node:crypto',
  },
  { pattern: /\beval\s*\(|\bnew Function\b/, in: everything, why: 'text is never run as code' },
  {
    pattern: /\bshell:\s*true\b/,
    in: everything,
    why: 'a shell parses what it is given: list the arguments',
  },
  {
    pattern: /\bexecSync\b|[^.\w]exec\s*\(\s*[`'"]/,
    in: planes,
    why: 'a shell parses what it is given: use spawn',
  },
  {
    pattern: /dangerouslySetInnerHTML|\.innerHTML\s*=/,
    in: ['web'],
    why: 'text from elsewhere never becomes markup',
  },
  {
    pattern: /rejectUnauthorized:\s*false/,
    in: everything,
    // A pin needs no authority: nothing is written before it is compared.
    but: ['vault/tls/connect.ts'],
    why: 'a certificate is checked or pinned, never ignored',
  },
  {
    pattern: /NODE_TLS_REJECT_UNAUTHORIZED/,
    in: everything,
    why: 'a certificate is checked or pinned, never ignored',
  },
]

/** Finds forbidden constructions; comments may name them. */
export function forbiddenIn(root: string): readonly Breach[] {
  return sourcesUnder(root, everything).flatMap((file) => {
    // This very list would otherwise be found.
    if (file.startsWith(join('deploy', 'check'))) return []
    const lines = withoutComments(readFileSync(join(root, file), 'utf8')).split('\n')
    return forbidden
      .filter((rule) => rule.in.some((folder) => file.startsWith(`${folder}/`)) && !rule.but?.includes(file))
      .flatMap(({ pattern, why }) =>
        lines.flatMap((text, index) => (pattern.test(text) ? [{ file, line: index + 1, why }] : [])),
      )
  })
}
