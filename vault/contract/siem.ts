import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { type SiemFormat, siemFormats } from './words.ts'
import { freshCode, id, nameText, nothing, people, reference, type Verb, verb } from './shapes.ts'

/** What can be asked about receivers of the audit log: a SIEM, a log server. See docs/siem.md. */

export type SiemReceiver = {
  readonly id: Id<'sie'>
  readonly name: string
  readonly address: string
  readonly format: SiemFormat
  /** It is trusted by certificates of its own, not by public authorities. */
  readonly ownCertificates: boolean
  readonly setBy: string
  readonly setAt: string
  /** Number of the last entry that it was told; null: none yet. */
  readonly toldSeq: number | null
  readonly toldAt: string | null
  /** Entries of the log that it has not got yet. */
  readonly waiting: number
  /** Why it could not be told, since when, and when it is tried again; null: it could. */
  readonly error: string | null
  readonly failingSince: string | null
  readonly nextAt: string | null
}

/** Entries for one receiver, as whoever sends them gets them. */
export type SiemBatch = {
  readonly receiver: Id<'sie'>
  readonly address: string
  /** PEM; null: public authorities are trusted. */
  readonly certificates: string | null
  /** Said back with what became of it. */
  readonly through: number
  readonly told: number
  readonly payload:
    | { readonly kind: 'syslog'; readonly messages: readonly string[] }
    | {
        readonly kind: 'https'
        readonly id: string
        readonly body: string
        /** Seconds since 1970, as text. */
        readonly timestamp: string
        readonly signature: string
      }
}

const seq = z.int().min(0)

export const siemVerbs = {
  'siem.list': verb(people, nothing),
  'siem.add': verb(
    people,
    z.strictObject({
      name: nameText,
      address: z.string().max(300),
      format: z.enum(siemFormats),
      certificates: z.string().max(20_000).optional(),
      /** From the first entry of the log on; otherwise from now on. */
      fromStart: z.boolean().optional(),
      totpCode: freshCode,
    }),
  ),
  'siem.remove': verb(people, z.strictObject({ receiver: reference, totpCode: freshCode })),
  /** What is due, for whoever sends it. */
  'siem.take': verb(['api'], nothing),
  /** What became of it. Without `error` the receiver has it. */
  'siem.done': verb(
    ['api'],
    z.strictObject({ receiver: id('sie'), through: seq, told: seq, error: z.string().max(300).optional() }),
  ),
} as const satisfies Record<string, Verb>

export type SiemAnswers = {
  'siem.list': readonly SiemReceiver[]
  'siem.add': SiemReceiver
  'siem.remove': null
  'siem.take': readonly SiemBatch[]
  'siem.done': null
}
