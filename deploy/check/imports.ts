import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** One import of one file; `target` is relative to the repository for files of ours, else the module's name. */
export type Import = {
  readonly file: string
  readonly line: number
  readonly target: string
  readonly ours: boolean
  /** It leaves nothing behind at run time. */
  readonly typeOnly: boolean
}

const sourceFile = /\.(ts|tsx|mts|mjs|js)$/

/** The source files below the given folders, relative to `root`. */
export function sourcesUnder(root: string, folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) => {
    let entries: readonly string[]
    try {
      entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
    return entries
      .filter((name) => sourceFile.test(name) && !/(^|\/)(dist|node_modules)\//.test(name))
      .map((name) => join(folder, name))
      .sort()
  })
}

/**
 * Finds the imports of a source text: `import … from`, `export … from`, `import '…'`, `import('…')`, `require('…')`
 * and `new URL('…', import.meta.url)`, which loads files just as well.
 */
export function importsOf(
  root: string,
  file: string,
  text = readFileSync(join(root, file), 'utf8'),
): readonly Import[] {
  const code = withoutComments(text)
  const found: Import[] = []
  const add = (index: number, specifier: string, typeOnly: boolean) => {
    const ours = specifier.startsWith('.')
    const target = ours ? relative(root, join(root, dirname(file), specifier)) : specifier
    found.push({ file, line: code.slice(0, index).split('\n').length, target, ours, typeOnly })
  }
  for (const match of code.matchAll(/^[ \t]*(import|export)\b([^'"`;()]*?)\bfrom\s*['"]([^'"]+)['"]/gm))
    add(match.index, match[3] ?? '', /^\s*type\b/.test(match[2] ?? ''))
  for (const match of code.matchAll(/^[ \t]*import\s*['"]([^'"]+)['"]/gm))
    add(match.index, match[1] ?? '', false)
  for (const match of code.matchAll(/\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]\s*[,)]/g))
    add(match.index, match[1] ?? '', false)
  for (const match of code.matchAll(/new URL\(\s*['"](\.[^'"]+\.(?:ts|mjs|js))['"]\s*,\s*import\.meta\.url/g))
    add(match.index, match[1] ?? '', false)
  return found
}

/** Blanks comments, keeping lines and the text of strings where they are. */
export function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (whole, string: string | undefined) => string ?? whole.replace(/[^\n]/g, ' '),
  )
}
