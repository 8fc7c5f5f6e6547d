import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../vault/kernel/fault.ts'

/** What the recorder plane is told. Times are in milliseconds. */
export type RecorderConfig = {
  readonly dataDir: string
  readonly ssh: { readonly host: string; readonly port: number }
  readonly workers: number
  /** Folder in which `recordings/` lies. */
  readonly storePath: string
  /** A session's recording ends here, or at the safe's own quota where that is less. */
  readonly quotaBytes: number
  /** No session starts with less free space than this. */
  readonly floorBytes: number
  /** How long sessions go on while the vault is away. */
  readonly vaultAwayMs: number
  /** What carries desktops; undefined: they are off. */
  readonly guacd:
    | { readonly host: string; readonly port: number; readonly uid: number | undefined }
    | undefined
}

const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most)
const file = z.looseObject({
  ssh: z
    .looseObject({ host: z.string().min(1).optional(), port: wholeNumber(0, 65_535).optional() })
    .optional(),
  recorder: z
    .looseObject({
      workers: wholeNumber(1, 64).optional(),
      quotaBytes: wholeNumber(64 * 1024, Number.MAX_SAFE_INTEGER).optional(),
      floorBytes: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
      storePath: z.string().min(1).optional(),
      vaultAwaySeconds: wholeNumber(1, 86_400).optional(),
    })
    .optional(),
  guacd: z
    .looseObject({
      host: z.string().min(1).optional(),
      port: wholeNumber(1, 65_535).optional(),
      uid: wholeNumber(0, 2 ** 32).optional(),
    })
    .optional(),
})

/** The variables that win over the file: name, place in the file. */
const variables = [
  ['TAGOUT_SSH_HOST', 'ssh', 'host'],
  ['TAGOUT_SSH_PORT', 'ssh', 'port'],
  ['TAGOUT_RECORDER_WORKERS', 'recorder', 'workers'],
  ['TAGOUT_RECORDER_QUOTA_BYTES', 'recorder', 'quotaBytes'],
  ['TAGOUT_RECORDER_FLOOR_BYTES', 'recorder', 'floorBytes'],
  ['TAGOUT_RECORDER_STORE', 'recorder', 'storePath'],
  ['TAGOUT_RECORDER_VAULT_AWAY_SECONDS', 'recorder', 'vaultAwaySeconds'],
  ['TAGOUT_GUACD_HOST', 'guacd', 'host'],
  ['TAGOUT_GUACD_PORT', 'guacd', 'port'],
  // Where guacd runs as a user of its own: the start says it.
  ['TAGOUT_GUACD_UID', 'guacd', 'uid'],
] as const

/**
 * Reads the recorder's settings: `<TAGOUT_DATA>/tagout.json`, and environment variables, which win.
 * Throws `Fault('configuration')` that names the variable or the member of the file, and the fix.
 */
export function readConfig(env: NodeJS.ProcessEnv): RecorderConfig {
  const data = env.TAGOUT_DATA
  if (data === undefined || data === '')
    throw new Fault('configuration', 'TAGOUT_DATA is not set: give it the path of the data folder')
  const dataDir = resolve(data)
  const merged = readSettings(join(dataDir, 'tagout.json'))
  for (const [variable, section, member] of variables) {
    const value = env[variable]
    if (value === undefined || value === '') continue
    const before = merged[section]
    merged[section] = { ...(typeof before === 'object' ? before : {}), [member]: value }
  }
  const parsed = file.safeParse(merged)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const path = (issue?.path ?? []).join('.')
    const named = variables.find(([, section, member]) => path === `${section}.${member}`)?.[0]
    const where = named !== undefined && env[named] ? named : `${path} in ${join(dataDir, 'tagout.json')}`
    throw new Fault('configuration', `${where} cannot be used (${issue?.message ?? 'malformed'}): correct it`)
  }
  const { ssh, recorder, guacd } = parsed.data
  return {
    dataDir,
    ssh: { host: ssh?.host ?? '0.0.0.0', port: ssh?.port ?? 2222 },
    workers: recorder?.workers ?? 2,
    storePath: resolve(dataDir, recorder?.storePath ?? 'recorder'),
    quotaBytes: recorder?.quotaBytes ?? 1024 ** 3,
    floorBytes: recorder?.floorBytes ?? 1024 ** 3,
    vaultAwayMs: (recorder?.vaultAwaySeconds ?? 600) * 1000,
    guacd:
      guacd?.host === undefined || guacd.port === undefined
        ? undefined
        : { host: guacd.host, port: guacd.port, uid: guacd.uid },
  }
}

function readSettings(path: string): Record<string, unknown> {
  if (!existsSync(path)) return {}
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Said below: a file that does not parse and one that holds no object have the same fix.
  }
  throw new Fault('configuration', `${path} is not a JSON object: correct it or remove it`)
}
