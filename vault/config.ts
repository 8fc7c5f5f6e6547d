import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from './kernel/fault.ts'

/** What the vault plane is told. */
export type VaultConfig = {
  readonly dataDir: string
  /** A recording ends a session here. */
  readonly quotaBytes: number
  /** A session under a grant that does not say lasts this long at most. */
  readonly longestSessionSeconds: number
}

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most)
const file = z.looseObject({
  session: z
    .looseObject({
      quotaBytes: wholeNumber(1024 * 1024, Number.MAX_SAFE_INTEGER).optional(),
      longestSeconds: wholeNumber(60, 7 * 24 * 3600).optional(),
    })
    .optional(),
})

/** The variables that win over the file: name, and member of `session` in the file. */
const variables = [
  ['TAGOUT_SESSION_QUOTA_BYTES', 'quotaBytes'],
  ['TAGOUT_SESSION_LONGEST_SECONDS', 'longestSeconds'],
] as const

/**
 * Reads the vault's settings: `<TAGOUT_DATA>/tagout.json`, and environment variables, which win.
 * Throws `Fault('configuration')` that names the variable or the member of the file, and the fix.
 */
export function readConfig(env: NodeJS.ProcessEnv): VaultConfig {
  const data = env['TAGOUT_DATA']
  if (data === undefined || data === '')
    throw new Fault('configuration', 'TAGOUT_DATA is not set: give it the path of the data folder')
  const dataDir = resolve(data)
  const path = join(dataDir, 'tagout.json')
  const stored = readFile(path)
  const session = { ...stored.session }
  for (const [variable, member] of variables) if (env[variable]) session[member] = env[variable]
  const parsed = file.safeParse({ session })
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const member = issue?.path.at(-1)
    const variable = variables.find(([, name]) => name === member)?.[0]
    const where = variable !== undefined && env[variable] ? variable : `session.${String(member)} in ${path}`
    throw new Fault('configuration', `${where} cannot be used (${issue?.message ?? 'malformed'}): correct it`)
  }
  return {
    dataDir,
    quotaBytes: parsed.data.session?.quotaBytes ?? 1024 ** 3,
    longestSessionSeconds: parsed.data.session?.longestSeconds ?? 12 * 3600,
  }
}

function readFile(path: string): { readonly session?: Record<string, unknown> } {
  if (!existsSync(path)) return {}
  try {
    const stored: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return z.looseObject({ session: z.record(z.string(), z.unknown()).optional() }).parse(stored) as never
  } catch {
    throw new Fault('configuration', `${path} is not readable JSON: correct it, or remove it`)
  }
}
