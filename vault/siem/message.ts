import type { AuditLeafView, SiemFormat } from '../contract.ts'

/** An entry as a receiver gets it. */
export type Told = Pick<AuditLeafView, 'seq' | 'at' | 'kind' | 'actor' | 'text'> & {
  /** Number of the entry that was told before it; null: it is the first. A receiver sees by it that something is missing. */
  readonly after: number | null
  readonly entry: unknown
}

export type From = { readonly host: string; readonly version: string }

/** Severities of RFC 5424, as far as the log has any. */
type Severity = 2 | 4 | 5 | 6

const critical = new Set([
  'vault.fault',
  'vault.rollback-accepted',
  'breakglass.opened',
  'kit.opened',
  'clock.jumped',
])
const warning = new Set([
  'session.frozen',
  'session.terminated',
  'session.take-ended',
  'target.changed-key',
  'directory.failed',
  'notification.not-sent',
  'recorder.space',
  'user.code-used',
  'policy.unanswered',
  'siem.removed',
])
const notice = new Set([
  'account.revealed',
  'session.typed-in',
  'session.elevated',
  'session.taken',
  'grant.added',
  'policy.applied',
  'user.roles',
  'user.enrolment-issued',
  'recording.exported',
  'target.mask-set',
  'target.legacy-allowed',
  'vault.sealed',
  'webhook.set',
])

/** How serious an entry is: what a person should see today is 4 or less. */
export function severityOf({ kind }: Pick<Told, 'kind'>): Severity {
  if (critical.has(kind) || kind === 'unreadable') return 2
  if (warning.has(kind) || /[.-]refused$/.test(kind)) return 4
  return notice.has(kind) || /^(auditor|keys|seal|custody)\b/.test(kind) ? 5 : 6
}

/** What an entry is about, where it says so. */
export function aboutOf({ entry }: Pick<Told, 'entry'>) {
  const of = (member: string): string | undefined => {
    const value: unknown =
      typeof entry === 'object' && entry !== null ? Reflect.get(entry, member) : undefined
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const account = of('accountName')
  return {
    user: of('userName') ?? of('name'),
    account,
    target: of('targetName') ?? account?.split('/', 1)[0],
    safe: of('safeName'),
    session: of('session'),
    source: of('source'),
  }
}

/** JSON that shows every character that is not seen: it stays one line, and nothing in it hides. */
function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

/** `json`: the entry as it is in the log, with its number and the sentence that says it. */
function json({ seq, after, at, kind, actor, text, entry }: Told): string {
  return jsonLine({ seq, after, at, kind, actor, text, entry })
}

/**
 * A message of RFC 5424. Facility 13 is the log audit; the number in `tagout@32473` is the one that RFC 5612 keeps for
 * whoever has none of their own.
 */
function rfc5424(told: Told, from: From, message: string = line(told.text)): string {
  const about = aboutOf(told)
  const data = Object.entries({ seq: told.seq, after: told.after, actor: told.actor, ...about })
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}="${line(String(value)).replace(/["\\\]]/g, '\\$&')}"`)
  const header = [
    `<${13 * 8 + severityOf(told)}>1`,
    told.at === '' ? '-' : told.at,
    ascii(from.host, 255),
    'tagout',
    '-',
    ascii(told.kind, 32),
  ]
  return `${header.join(' ')} [tagout@32473 ${data.join(' ')}] ${message}`
}

/**
 * A signed checkpoint of the log (docs/audit-format.md), in base64: whoever keeps what they are sent is a witness of the log, and
 * `tagout audit verify --witness` reads it out of their file.
 */
export function checkpointMessage(checkpoint: string, at: Date, from: From): string {
  const size = /^[^\n]*\n(\d{1,15})\n/.exec(checkpoint)?.[1] ?? '0'
  const header = `<${13 * 8 + 6}>1 ${at.toISOString()} ${ascii(from.host, 255)} tagout - audit.checkpoint`
  const data = `[tagout@32473 size="${size}" checkpoint="${Buffer.from(checkpoint).toString('base64')}"]`
  return `${header} ${data} the log has ${size} entries, as it was signed`
}

/** ArcSight's Common Event Format, revision 0, as the message of a line of RFC 5424. */
function cef(told: Told, from: From): string {
  const about = aboutOf(told)
  const head = (text: string) => line(text).replace(/[\\|]/g, '\\$&')
  const extension: Readonly<Record<string, string | undefined>> = {
    rt: told.at === '' ? undefined : String(Date.parse(told.at)),
    externalId: String(told.seq),
    cat: told.kind,
    suser: told.actor,
    duser: about.user,
    dhost: about.target,
    shost: about.source,
    dvchost: from.host,
    cs1: about.account,
    cs1Label: about.account === undefined ? undefined : 'account',
    cs2: about.session,
    cs2Label: about.session === undefined ? undefined : 'session',
    cs3: about.safe,
    cs3Label: about.safe === undefined ? undefined : 'safe',
    cn1: told.after === null ? undefined : String(told.after),
    cn1Label: told.after === null ? undefined : 'after',
    msg: told.text,
  }
  const said = Object.entries(extension)
    .filter((one): one is [string, string] => one[1] !== undefined)
    .map(([name, value]) => `${name}=${line(value).replace(/[\\=]/g, '\\$&')}`)
  const level = { 2: 9, 4: 6, 5: 4, 6: 2 }[severityOf(told)]
  const start = ['CEF:0', 'Tagout', 'Tagout', head(from.version), head(told.kind), head(told.text), level]
  return `${start.join('|')}|${said.join(' ')}`
}

/** Classes of OCSF by what an entry is of. What has none is an event of the base class. */
function classOf(kind: string): { readonly class: number; readonly activity: number } {
  if (/^(login\.(started|stepped-up)|session\.opened)$/.test(kind)) return { class: 3002, activity: 1 }
  if (/^(login\.(ended|revoked)|session\.ended)$/.test(kind)) return { class: 3002, activity: 2 }
  if (/^(login\.refused|session\.refused)$/.test(kind)) return { class: 3002, activity: 1 }
  const managed =
    /^(user|safe|target|account|grant|company|directory|token|switch|policy|seal|siem|webhook)\.(.+)$/.exec(
      kind,
    )
  if (managed === null) return { class: 0, activity: 99 }
  const verb = managed[2] ?? ''
  if (verb === 'added') return { class: 3004, activity: 1 }
  return { class: 3004, activity: /^(removed|off|revoked)$/.test(verb) ? 4 : 3 }
}

/** An event of the Open Cybersecurity Schema Framework 1.3; what it has no place for is under `unmapped`. */
function ocsf(told: Told, from: From): string {
  const { class: kind, activity } = classOf(told.kind)
  const { user, account, target, session, source } = aboutOf(told)
  const isRefused = /refused$/.test(told.kind)
  const time = told.at === '' ? 0 : Date.parse(told.at)
  const named = user ?? told.actor
  return jsonLine({
    metadata: {
      version: '1.3.0',
      product: { name: 'Tagout', vendor_name: 'Tagout', version: from.version },
      uid: String(told.seq),
      sequence: told.seq,
      event_code: told.kind,
      log_provider: from.host,
    },
    class_uid: kind,
    category_uid: Math.floor(kind / 1000),
    activity_id: activity,
    type_uid: kind * 100 + activity,
    severity_id: { 2: 5, 4: 3, 5: 2, 6: 1 }[severityOf(told)],
    status_id: isRefused ? 2 : 1,
    time,
    message: told.text,
    actor: { user: { name: told.actor } },
    ...(kind === 3002 ? { user: { name: named } } : {}),
    ...(kind === 3004 ? { entity: { name: account ?? target ?? named, type: told.kind.split('.')[0] } } : {}),
    ...(source === undefined ? {} : { src_endpoint: { name: source } }),
    ...(target === undefined ? {} : { dst_endpoint: { hostname: target } }),
    ...(session === undefined ? {} : { session: { uid: session } }),
    unmapped: { after: told.after, entry: told.entry },
  })
}

/** What goes over syslog for an entry: one message. */
export function syslogMessage(format: SiemFormat, told: Told, from: From): string {
  switch (format) {
    case 'rfc5424':
      return rfc5424(told, from)
    case 'cef':
      return rfc5424(told, from, cef(told, from))
    case 'ocsf':
      return rfc5424(told, from, ocsf(told, from))
    case 'json':
      return rfc5424(told, from, json(told))
  }
}

/** What goes over HTTPS for some: a JSON array, oldest first. */
export function httpsBody(format: SiemFormat, all: readonly Told[], from: From): string {
  return `[${all.map((told) => (format === 'ocsf' ? ocsf(told, from) : json(told))).join(',')}]`
}

/** Text from elsewhere as one line: nothing in it begins another message. */
function line(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 4_000)
}

/** A word of printable ASCII, as the header of RFC 5424 wants it. */
function ascii(text: string, most: number): string {
  const word = text.replace(/[^!-~]+/g, '_').slice(0, most)
  return word === '' ? '-' : word
}
