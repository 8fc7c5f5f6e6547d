import { z } from 'zod'
import { base64, nameText, nothing, people, type Verb, verb } from './shapes.ts'
import { type Enrolment, type LoginView } from './users.ts'

/** What can be asked about the audit log, the auditors, and what a backup reads. */

export type AuditLeafView = {
  readonly seq: number
  readonly at: string
  readonly kind: string
  readonly actor: string
  readonly text: string // one line for people
  readonly entry: unknown // the entry as it was signed
}

export type AuditVerdict = {
  readonly ok: boolean
  readonly leaves: number
  readonly checkpoints: number
  readonly sentence: string
}

/** A link of the chain of auditor lists; `body` (canonical JSON, base64) is what `signature` signs. */
export type AuditorListLink = { readonly version: number; readonly body: string; readonly signature: string }

export const auditVerbs = {
  'auditor.lists': verb(['local', 'user', 'recorder'], nothing),
  /** Adds a link to the chain. The first comes through the admin door; the next are signed by an existing auditor. */
  'auditor.append': verb(
    people,
    z.strictObject({ body: base64, signature: base64, newAuditorUser: nameText.optional() }),
  ),
  'auditor.challenge': verb(['local', 'anyone'], z.strictObject({ auditor: nameText })),
  /** Proves an auditor by a signature over the challenge; the login may only replay. */
  'auditor.login': verb(
    ['local', 'anyone'],
    z.strictObject({ auditor: nameText, challenge: base64, signature: base64, source: z.string().max(100) }),
  ),
  'audit.list': verb(
    people,
    z.strictObject({
      from: z.int().min(0).optional(),
      limit: z.int().min(1).max(10_000).optional(),
      kind: z.string().max(60).optional(),
    }),
  ),
  'audit.verify': verb(people, nothing),
  /** A page of the export: raw leaves and checkpoints, enough to verify offline. */
  'audit.export': verb(people, z.strictObject({ from: z.int().min(0), limit: z.int().min(1).max(5_000) })),
  'backup.page': verb(
    ['local'],
    z.strictObject({
      table: z.string().max(63),
      after: z.string().max(200).optional(),
      limit: z.int().min(1).max(5_000),
    }),
  ),
} as const satisfies Record<string, Verb>

export type AuditAnswers = {
  'auditor.lists': readonly AuditorListLink[]
  'auditor.append': {
    readonly version: number
    readonly fingerprint: string
    readonly enrolment: Enrolment | null
  }
  'auditor.challenge': { readonly challenge: string }
  'auditor.login': LoginView
  'audit.list': readonly AuditLeafView[]
  'audit.verify': AuditVerdict
  'audit.export': {
    readonly leaves: readonly { readonly seq: number; readonly body: string }[]
    readonly checkpoints: readonly string[]
    readonly publicKey: string
    readonly next: number | null
  }
  'backup.page': { readonly rows: readonly unknown[]; readonly next: string | null }
}
