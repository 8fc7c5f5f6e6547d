import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import { requireKnownMembers } from './known-settings.ts'

/** What is given on the command line; it wins over the environment, which wins over `tagout.json`. */
export type Flags = {
  readonly httpHost?: string
  readonly httpPort?: string
  readonly sshHost?: string
  readonly sshPort?: string
  readonly workers?: string
}

/** What the supervisor itself must know. The planes read the rest of `tagout.json` by themselves. */
export type Settings = {
  readonly http: { readonly host: string; readonly port: number; readonly plain: boolean }
  readonly ssh: { readonly host: string; readonly port: number }
  readonly workers: number
  /** A certificate of the site's own; otherwise the installation's CA makes one. */
  readonly certificate: GivenCertificate | undefined
  /** More names and addresses for the certificate that is made. */
  readonly names: readonly string[]
  /** The owner's URL of a PostgreSQL server of the site; otherwise the embedded one runs. */
  readonly databaseUrl: string | undefined
  /** A Redis of the site for the queue of rotation; otherwise it lies in PostgreSQL. */
  readonly redisUrl: string | undefined
  /** A guacd that the site runs; otherwise one that is installed here runs below the supervisor. */
  readonly guacd: { readonly host: string; readonly port: number } | undefined
}

/** A file that a person gave, and where they gave it. */
export type GivenFile = { readonly path: string; readonly named: string }
export type GivenCertificate = { readonly cert: GivenFile; readonly key: GivenFile }

const port = z.coerce.number().int().min(0).max(65_535)
const file = z.looseObject({
  http: z
    .looseObject({
      host: z.string().min(1).optional(),
      port: port.optional(),
      plain: z.boolean().optional(),
      names: z.array(z.string().min(1).max(255)).max(50).optional(),
      tls: z.looseObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),
    })
    .optional(),
  ssh: z.looseObject({ host: z.string().min(1).optional(), port: port.optional() }).optional(),
  recorder: z.looseObject({ workers: z.coerce.number().int().min(1).max(64).optional() }).optional(),
  guacd: z.looseObject({ host: z.string().min(1).optional(), port: port.optional() }).optional(),
})

/** Reads the settings. Throws `Fault('configuration')` that names the option, variable or member, and the fix. */
export function readSettings(dataDir: string, flags: Flags, env: NodeJS.ProcessEnv): Settings {
  const stored = readFile(join(dataDir, 'tagout.json'))
  const text = (flag: string | undefined, name: string) => flag ?? (env[name] || undefined)
  const number = (flag: string | undefined, option: string, name: string, most: number, least: number) => {
    const given = text(flag, name)
    if (given === undefined) return undefined
    const value = /^\d{1,6}$/.test(given) ? Number(given) : Number.NaN
    if (value >= least && value <= most) return value
    const where = flag === undefined ? name : option
    throw new Fault(
      'configuration',
      `${where} is ${JSON.stringify(given)}: give a number from ${least} to ${most}`,
    )
  }
  // A path in the file is seen from the folder that the file lies in, as the api sees it.
  const given = (variable: string, member: 'certFile' | 'keyFile'): GivenFile | undefined => {
    const text = env[variable]
    const inFile = stored.http?.tls?.[member]
    if (text) return { path: resolve(text), named: variable }
    if (inFile === undefined) return undefined
    return {
      path: resolve(dataDir, inFile),
      named: `http.tls.${member} in ${join(dataDir, 'tagout.json')}`,
    }
  }
  const cert = given('TAGOUT_HTTP_TLS_CERT', 'certFile')
  const key = given('TAGOUT_HTTP_TLS_KEY', 'keyFile')
  if ((cert === undefined) !== (key === undefined))
    throw new Fault(
      'configuration',
      'TAGOUT_HTTP_TLS_CERT and TAGOUT_HTTP_TLS_KEY go together: give both, or neither',
    )
  const guacdHost = text(undefined, 'GUACD_HOST') ?? stored.guacd?.host
  const guacdPort = number(undefined, '', 'GUACD_PORT', 65_535, 1) ?? stored.guacd?.port
  // SECURITY: passwords of desktops pass to guacd, and nothing on this way encrypts them.
  if (guacdHost !== undefined && !isLoopback(guacdHost))
    throw new Fault(
      'configuration',
      `GUACD_HOST (or guacd.host) is ${JSON.stringify(guacdHost)}: give an address of loopback, such as 127.0.0.1 and the published port of a container; what passes to guacd is not encrypted`,
    )
  return {
    http: {
      host: text(flags.httpHost, 'TAGOUT_HTTP_HOST') ?? stored.http?.host ?? '127.0.0.1',
      port: number(flags.httpPort, '--http-port', 'TAGOUT_HTTP_PORT', 65_535, 0) ?? stored.http?.port ?? 8443,
      plain: isYes(env['TAGOUT_HTTP_PLAIN']) ?? stored.http?.plain ?? false,
    },
    ssh: {
      host: text(flags.sshHost, 'TAGOUT_SSH_HOST') ?? stored.ssh?.host ?? '127.0.0.1',
      port: number(flags.sshPort, '--ssh-port', 'TAGOUT_SSH_PORT', 65_535, 0) ?? stored.ssh?.port ?? 2222,
    },
    workers:
      number(flags.workers, '--workers', 'TAGOUT_RECORDER_WORKERS', 64, 1) ?? stored.recorder?.workers ?? 2,
    certificate: cert === undefined || key === undefined ? undefined : { cert, key },
    names: stored.http?.names ?? [],
    databaseUrl: readDatabaseUrl(env['DATABASE_URL']),
    redisUrl: readRedisUrl(env['REDIS_URL']),
    guacd:
      guacdHost === undefined && guacdPort === undefined
        ? undefined
        : { host: guacdHost ?? '127.0.0.1', port: guacdPort ?? 4822 },
  }
}

/** The variables that tell a plane what was decided here. */
export function planeVariables(settings: Settings): Record<string, string> {
  return {
    TAGOUT_HTTP_HOST: settings.http.host,
    TAGOUT_HTTP_PORT: String(settings.http.port),
    TAGOUT_HTTP_PLAIN: settings.http.plain ? '1' : '0',
    TAGOUT_SSH_HOST: settings.ssh.host,
    TAGOUT_SSH_PORT: String(settings.ssh.port),
    TAGOUT_RECORDER_WORKERS: String(settings.workers),
  }
}

function readDatabaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  // SECURITY: the sentence does not quote the URL, it holds a password.
  if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol) || url.pathname.length < 2)
    throw new Fault(
      'configuration',
      'DATABASE_URL is not a PostgreSQL URL: give postgresql://owner:password@host:5432/database, or unset it to use the embedded PostgreSQL',
    )
  return text
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)
}

function isYes(text: string | undefined): boolean | undefined {
  if (text === undefined || text === '') return undefined
  if (['1', 'true', 'yes'].includes(text)) return true
  if (['0', 'false', 'no'].includes(text)) return false
  throw new Fault('configuration', 'TAGOUT_HTTP_PLAIN is neither yes nor no: give 1 or 0')
}

function readFile(path: string): z.infer<typeof file> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Fault('configuration', `cannot read ${path}: start as the user who owns the data folder`)
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Fault('configuration', `${path} is not JSON: correct it, or remove it to use the defaults`)
  }
  requireKnownMembers(json, path)
  const parsed = file.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Fault(
    'configuration',
    `${issue?.path.join('.') || 'the top'} in ${path} cannot be used (${issue?.message ?? 'malformed'}): correct it`,
  )
}

function readRedisUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  // SECURITY: the text is left out, it may hold a password.
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol))
    throw new Fault(
      'configuration',
      'REDIS_URL is not a URL of Redis: give redis://host:6379 or rediss://user:password@host:6379, or unset it to keep the queue in PostgreSQL',
    )
  return text
}
