import { readApiConfig } from '../../api/config.ts'
import { readConfig as readRecorderConfig } from '../../recorder/config.ts'
import { readConfig as readVaultConfig } from '../../vault/config.ts'
import { Fault } from '../../vault/kernel/fault.ts'

/** All that `tagout.json` may say, by the path of what holds it: the start's own settings and those of the planes. */
const members: { readonly [path: string]: readonly string[] } = {
  '': ['http', 'ssh', 'recorder', 'session', 'login', 'seal', 'notify', 'siem', 'guacd', 'timestamp'],
  timestamp: ['url', 'certificatesFile'],
  http: ['host', 'port', 'plain', 'names', 'tls'],
  'http.tls': ['certFile', 'keyFile'],
  guacd: ['host', 'port'],
  ssh: ['host', 'port'],
  recorder: ['workers', 'quotaBytes', 'floorBytes', 'storePath', 'vaultAwaySeconds'],
  session: ['quotaBytes', 'longestSeconds'],
  login: ['idleSeconds', 'longestSeconds'],
  notify: ['consoleUrl', 'smtp', 'webhook'],
  siem: ['loopback'],
  'notify.smtp': ['url', 'from', 'user', 'passwordFile', 'caFile', 'plain'],
  'notify.webhook': ['caFile', 'loopback'],
  seal: ['modules', 'plugIns', 'secondsToAnswer'],
}

/** The variables of ours that something reads at a start. */
const variables = [
  'TAGOUT_DATA',
  'TAGOUT_HTTP_HOST',
  'TAGOUT_HTTP_PORT',
  'TAGOUT_HTTP_PLAIN',
  'TAGOUT_HTTP_TLS_CERT',
  'TAGOUT_HTTP_TLS_KEY',
  'TAGOUT_SSH_HOST',
  'TAGOUT_SSH_PORT',
  'TAGOUT_RECORDER_WORKERS',
  'TAGOUT_RECORDER_QUOTA_BYTES',
  'TAGOUT_RECORDER_FLOOR_BYTES',
  'TAGOUT_RECORDER_STORE',
  'TAGOUT_RECORDER_VAULT_AWAY_SECONDS',
  'TAGOUT_SESSION_QUOTA_BYTES',
  'TAGOUT_SESSION_LONGEST_SECONDS',
  'TAGOUT_LOGIN_IDLE_SECONDS',
  'TAGOUT_LOGIN_LONGEST_SECONDS',
  'TAGOUT_CONSOLE_URL',
  'TAGOUT_SMTP_URL',
  'TAGOUT_SMTP_FROM',
  'TAGOUT_SMTP_USER',
  'TAGOUT_SMTP_PASSWORD_FILE',
  'TAGOUT_SMTP_CA',
  'TAGOUT_SMTP_PLAIN',
  'TAGOUT_WEBHOOK_CA',
  'TAGOUT_WEBHOOK_LOOPBACK',
  'TAGOUT_SIEM_LOOPBACK',
]

/** Throws `Fault('configuration')` where the file's text names something that nothing reads. */
export function requireKnownMembers(json: unknown, file: string): void {
  const visit = (value: unknown, path: string) => {
    const known = members[path]
    if (known === undefined) return
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Fault(
        'configuration',
        path === ''
          ? `${file} cannot be used (it is no JSON object): correct it, or remove it to use the defaults`
          : `${path} in ${file} cannot be used (it is no JSON object): write "${path.split('.').at(-1)}": { … }`,
      )
    for (const [name, member] of Object.entries(value)) {
      const full = path === '' ? name : `${path}.${name}`
      if (!known.includes(name)) {
        const near = nearest(name, known)
        throw new Fault(
          'configuration',
          near === undefined
            ? `${full} in ${file} is not known: there are ${known.join(', ')}`
            : `${full} in ${file} is not known: did you mean ${path === '' ? near : `${path}.${near}`}?`,
        )
      }
      visit(member, full)
    }
  }
  visit(json, '')
}

/** Has every plane read its settings as it will. Throws the `Fault('configuration')` of the one that cannot. */
export function requirePlaneSettings(env: Readonly<Record<string, string>>): void {
  readVaultConfig(env)
  readRecorderConfig(env)
  readApiConfig(env)
}

/** A sentence for each variable of ours that nothing reads: most likely mistyped. */
export function unreadVariables(env: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('TAGOUT_') && !variables.includes(name))
    .map((name) => {
      const near = nearest(name, variables)
      return `${name} is set and nothing reads it${near === undefined ? '' : `: did you mean ${near}?`}`
    })
}

/** The known name that is a slip of the keyboard away, if any. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, steps: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.steps - b.steps)
  return best !== undefined && best.steps <= 2 && best.steps < name.length ? best.candidate : undefined
}

/** Letters to insert, remove or replace to make one of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1)
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      )
    row = next
  }
  return row.at(-1) ?? 0
}
