import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../vault/index.ts'
import { isLoopback } from './loopback.ts'
import { type NotifyConfig, notifyFile, readNotifyConfig } from './notify/config.ts'
import { type SiemConfig, siemFile } from './siem/sender.ts'

/** How the console is served. */
export type Transport =
  | { readonly kind: 'tls'; readonly certFile: string; readonly keyFile: string }
  /** SECURITY: only ever on a loopback address, and only when it was asked for. */
  | { readonly kind: 'insecurePlain' }

export type ApiConfig = {
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly transport: Transport
  /** Host names (without port) under which the console may be reached; empty: any name, over TLS. */
  readonly names: readonly string[]
  /** Where sessions come in, to be told to people; 0: a port that the system chose. */
  readonly sshPort: number
  /** Where the built console lies. */
  readonly consoleDir: string
  readonly notify: NotifyConfig
  readonly siem: SiemConfig
}

const fileSchema = z.object({
  notify: notifyFile.optional(),
  siem: siemFile.optional(),
  ssh: z.object({ port: z.int().min(0).max(65535).optional() }).optional(),
  http: z
    .strictObject({
      host: z.string().min(1).max(255).optional(),
      port: z.int().min(0).max(65535).optional(),
      names: z.array(z.string().min(1).max(255)).max(50).optional(),
      tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),
      plain: z.boolean().optional(),
    })
    .optional(),
})

/**
 * Reads the api's settings: environment first, then `http` of `<data>/tagout.json`, then defaults. Throws
 * `Fault('configuration')` that names the variable or the member, and the fix.
 */
export function readApiConfig(env: NodeJS.ProcessEnv): ApiConfig {
  const dataDir = env.TAGOUT_DATA
  if (dataDir === undefined || dataDir === '')
    throw new Fault('configuration', 'TAGOUT_DATA is not set: give the data folder, as npm start does')
  const { http: file = {}, ssh, notify = {}, siem = {} } = readSettings(join(dataDir, 'tagout.json'))
  const host = env.TAGOUT_HTTP_HOST || (file.host ?? '127.0.0.1')
  const certFile = env.TAGOUT_HTTP_TLS_CERT || file.tls?.certFile
  const keyFile = env.TAGOUT_HTTP_TLS_KEY || file.tls?.keyFile
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Fault(
      'configuration',
      'TAGOUT_HTTP_TLS_CERT and TAGOUT_HTTP_TLS_KEY go together: give both, or neither',
    )
  const plain = env.TAGOUT_HTTP_PLAIN === undefined ? file.plain === true : isYes(env.TAGOUT_HTTP_PLAIN)
  if (plain && !isLoopback(host))
    throw new Fault(
      'configuration',
      `TAGOUT_HTTP_PLAIN serves without TLS and is for loopback only, but the host is ${host}: set TAGOUT_HTTP_HOST to 127.0.0.1, or TAGOUT_HTTP_PLAIN to 0`,
    )
  return {
    dataDir,
    host,
    port: readPort('TAGOUT_HTTP_PORT', env.TAGOUT_HTTP_PORT) ?? file.port ?? 8443,
    transport: plain
      ? { kind: 'insecurePlain' }
      : {
          kind: 'tls',
          certFile: resolve(dataDir, certFile ?? join('api', 'tls', 'server.crt')),
          keyFile: resolve(dataDir, keyFile ?? join('api', 'tls', 'server.key')),
        },
    names: file.names ?? [],
    sshPort: readPort('TAGOUT_SSH_PORT', env.TAGOUT_SSH_PORT) ?? ssh?.port ?? 2222,
    consoleDir: join(import.meta.dirname, '..', 'web', 'dist'),
    notify: readNotifyConfig(notify, env, dataDir),
    siem: { loopback: env.TAGOUT_SIEM_LOOPBACK ? isYes(env.TAGOUT_SIEM_LOOPBACK) : siem.loopback === true },
  }
}

function readSettings(path: string): z.infer<typeof fileSchema> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw new Fault('configuration', `cannot read ${path}: let the api's user read it`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Fault('configuration', `${path} is not JSON: correct it, or remove it to use the defaults`)
  }
  const parsed = fileSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Fault(
    'configuration',
    `${path}: ${issue?.path.join('.') ?? 'http'}: ${issue?.message ?? 'invalid'}`,
  )
}

function readPort(variable: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port >= 0 && port <= 65535) return port
  throw new Fault('configuration', `${variable} is not a port: give a number from 0 to 65535`)
}

function isYes(text: string): boolean {
  if (['1', 'true', 'yes'].includes(text)) return true
  if (['0', 'false', 'no', ''].includes(text)) return false
  throw new Fault('configuration', 'TAGOUT_HTTP_PLAIN is neither yes nor no: give 1 or 0')
}
