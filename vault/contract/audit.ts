import { z } from 'zod'
import { base64, id, moment, nameText, nothing, people, reference, type Verb, verb } from './shapes.ts'
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

/** An entry that was looked for, with who it was. All of it comes from entries of the log. */
export type AuditFound = AuditLeafView & {
  /** The natural person: who did it, or whose session it is; null where that is nobody by name. */
  readonly who: string | null
  /** Of whom they are; null for the plant's own people. */
  readonly company: string | null
  /** Who approved the request, or gave the grant; nobody for who let themselves in and for what a rule of the policy lets in. */
  readonly approvedBy: readonly string[]
  readonly target: string | null
  readonly account: string | null
  readonly session: string | null
  /** The address that they came from. */
  readonly source: string | null
  /** Nobody vouches for it: the vault was sealed, or did not write it. */
  readonly unproven: boolean
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
  /** Entries by what they are about, the newest first; all that is given holds of what is found. */
  'audit.find': verb(
    people,
    z.strictObject({
      target: reference.optional(),
      account: reference.optional(),
      session: id('ses').optional(),
      person: z.string().min(1).max(100).optional(),
      company: reference.optional(),
      /** `session.started,account.revealed`, or `session` for all of these. */
      kinds: z
        .string()
        .max(500)
        .regex(
          /^[a-z]+(?:[.-][a-z-]+)*(?:,[a-z]+(?:[.-][a-z-]+)*)*$/,
          'write kinds like session.started,account.revealed',
        )
        .optional(),
      since: moment.optional(),
      /** Up to and without this moment. */
      until: moment.optional(),
      text: z.string().min(1).max(200).optional(),
      /** `next` of the page before. */
      after: z
        .string()
        .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\/\d{1,15}$/, 'give what the page before said')
        .optional(),
      limit: z.int().min(1).max(1_000).optional(),
    }),
  ),
  /** Raw leaves with the proofs that the log's last signed checkpoint covers them: enough to verify these offline. */
  'audit.prove': verb(people, z.strictObject({ seqs: z.array(z.int().min(0)).min(1).max(200) })),
  /** The last signed checkpoint, and what proves that the log begins with its first `from` entries: for witnesses elsewhere. */
  'audit.checkpoint': verb(people, z.strictObject({ from: z.int().min(0).optional() })),
  /** Makes the index by which the log is searched anew. */
  'audit.reindex': verb(people, nothing),
  'audit.verify': verb(people, nothing),
  /** A page of the export: raw leaves and checkpoints, enough to verify offline. */
  'audit.export': verb(people, z.strictObject({ from: z.int().min(0), limit: z.int().min(1).max(5_000) })),
  /** A backup was restored for trial, and what was proven of it. */
  'backup.drilled': verb(
    ['local'],
    z.strictObject({
      createdAt: z.iso.datetime(),
      ok: z.boolean(),
      secrets: z.int().min(0),
      entries: z.int().min(0),
      recordings: z.int().min(0),
      seconds: z.int().min(0),
    }),
  ),
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
  /**
   * `next`: where the next page begins; null where nothing follows. A page may hold less than was asked for. `zone`: by
   * whose clocks the plant lives, as far as this machine knows (`Europe/Berlin`).
   */
  'audit.find': {
    readonly entries: readonly AuditFound[]
    readonly next: string | null
    readonly zone: string
  }
  'audit.prove': {
    readonly leaves: readonly {
      readonly seq: number
      readonly body: string
      readonly proof: readonly string[]
    }[]
    readonly checkpoint: string
    readonly publicKey: string
  }
  'audit.reindex': null
  'audit.verify': AuditVerdict
  /** `checkpoint` is empty before anything is in the log, `consistency` (RFC 6962 §2.1.2) where the log is shorter than `from`. */
  'audit.checkpoint': {
    readonly checkpoint: string
    readonly publicKey: string
    readonly consistency: readonly string[]
  }
  'audit.export': {
    readonly leaves: readonly { readonly seq: number; readonly body: string }[]
    readonly checkpoints: readonly string[]
    readonly publicKey: string
    readonly next: number | null
  }
  'backup.drilled': null
  'backup.page': { readonly rows: readonly unknown[]; readonly next: string | null }
}
