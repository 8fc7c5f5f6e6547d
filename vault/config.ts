import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from './kernel/fault.ts'
import type { SealerSettings } from './keys/sealers.ts'

/** What the vault plane is told. */
export type VaultConfig = {
  readonly dataDir: string
  /** A recording ends a session here. */
  readonly quotaBytes: number
  /** A session under a grant that does not say lasts this long at most. */
  readonly longestSessionSeconds: number
  /** A login of the console ends after so many seconds without a call, and so many after it began. */
  readonly loginIdleSeconds: number
  readonly loginLongestSeconds: number
  /** Names under which people reach the console, small letters: passkeys are good there. */
  readonly consoleNames: readonly string[]
  readonly sealers: SealerSettings
}

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most)
const section = z.record(z.string(), z.unknown()).optional()
const file = z.looseObject({
  session: z
    .looseObject({
      quotaBytes: wholeNumber(1024 * 1024, Number.MAX_SAFE_INTEGER).optional(),
      longestSeconds: wholeNumber(60, 7 * 24 * 3600).optional(),
    })
    .optional(),
  login: z
    .looseObject({
      idleSeconds: wholeNumber(60, 12 * 3600).optional(),
      longestSeconds: wholeNumber(300, 24 * 3600).optional(),
    })
    .optional(),
})

const absolute = z.string().regex(/^\//, 'give an absolute path').max(4096)
const environment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(4096)).default({})
const named = <T extends z.ZodType>(of: T) =>
  z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of small letters, digits and hyphens'), of)
    .default({})
const seal = z
  .strictObject({
    modules: named(z.strictObject({ path: absolute, env: environment })),
    plugIns: named(
      z.strictObject({
        command: z
          .array(z.string().max(4096))
          .min(1)
          .refine(([file]) => file?.startsWith('/') === true, 'give the absolute path of the program first'),
        env: environment,
      }),
    ),
    secondsToAnswer: z.int().min(1).max(300).default(30),
  })
  .prefault({})

/** The variables that win over the file: name, and section and member of the file. */
const variables = [
  ['TAGOUT_SESSION_QUOTA_BYTES', 'session', 'quotaBytes'],
  ['TAGOUT_SESSION_LONGEST_SECONDS', 'session', 'longestSeconds'],
  ['TAGOUT_LOGIN_IDLE_SECONDS', 'login', 'idleSeconds'],
  ['TAGOUT_LOGIN_LONGEST_SECONDS', 'login', 'longestSeconds'],
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
  const given = { session: { ...stored.session }, login: { ...stored.login } }
  for (const [variable, section, member] of variables)
    if (env[variable]) given[section][member] = env[variable]
  const parsed = file.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const member = (issue?.path ?? []).map(String).join('.')
    const variable = variables.find(([, section, name]) => `${section}.${name}` === member)?.[0]
    const where = variable !== undefined && env[variable] ? variable : `${member} in ${path}`
    throw new Fault('configuration', `${where} cannot be used (${issue?.message ?? 'malformed'}): correct it`)
  }
  const sealers = seal.safeParse(stored.seal)
  if (!sealers.success) {
    const issue = sealers.error.issues[0]
    throw new Fault(
      'configuration',
      `${['seal', ...(issue?.path ?? [])].map(String).join('.')} in ${path} cannot be used (${issue?.message ?? 'malformed'}): correct it`,
    )
  }
  return {
    dataDir,
    sealers: sealers.data,
    quotaBytes: parsed.data.session?.quotaBytes ?? 1024 ** 3,
    longestSessionSeconds: parsed.data.session?.longestSeconds ?? 12 * 3600,
    loginIdleSeconds: parsed.data.login?.idleSeconds ?? 15 * 60,
    loginLongestSeconds: parsed.data.login?.longestSeconds ?? 12 * 3600,
    consoleNames: namesOf(env, stored),
  }
}

const whereReached = z.looseObject({
  http: z
    .looseObject({ host: z.string().optional(), names: z.array(z.string()).optional() })
    .optional()
    .catch(undefined),
  notify: z.looseObject({ consoleUrl: z.string().optional() }).optional().catch(undefined),
})

/** The names under which people reach the console. What is wrong with them is said by the planes whose settings they are. */
function namesOf(env: NodeJS.ProcessEnv, stored: unknown): readonly string[] {
  const { http, notify } = whereReached.parse(stored)
  const url = env['TAGOUT_CONSOLE_URL'] || notify?.consoleUrl
  const names = [
    'localhost',
    hostname(),
    env['TAGOUT_HTTP_HOST'] || http?.host,
    ...(http?.names ?? []),
    url !== undefined && URL.canParse(url) ? new URL(url).hostname : undefined,
  ].map((name) => name?.toLowerCase())
  // No authenticator makes a passkey for an address in numbers.
  return [...new Set(names)].filter(
    (name) => name !== undefined && /[a-z]/.test(name) && !name.includes(':'),
  ) as string[]
}

function readFile(path: string): {
  readonly session?: Record<string, unknown>
  readonly login?: Record<string, unknown>
  readonly http?: unknown
  readonly notify?: unknown
  readonly seal?: unknown
} {
  if (!existsSync(path)) return {}
  try {
    const stored: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return z.looseObject({ session: section, login: section }).parse(stored) as never
  } catch {
    throw new Fault('configuration', `${path} is not readable JSON: correct it, or remove it`)
  }
}
