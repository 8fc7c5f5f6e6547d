import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { freshCode, id, nothing, people, reference, type Verb, verb } from './shapes.ts'

/** What can be asked about the destruction of recordings, by people and by the recorder that does it. */

/** Recordings that one request is about at most. */
export const mostDestroyed = 1_000

export type DueRecording = {
  readonly id: Id<'rec'>
  readonly user: string
  readonly account: string
  readonly safe: string
  readonly startedAt: string
  readonly endedAt: string
  readonly sizeBytes: number
  readonly retentionClass: string
  /** When its time was over. */
  readonly dueAt: string
}

export type DestructionView = {
  readonly id: Id<'dst'>
  /** `done`: all of them are gone. */
  readonly state: 'open' | 'approved' | 'done' | 'withdrawn'
  readonly reason: string
  readonly askedBy: string
  readonly askedAt: string
  readonly closed: { readonly by: string; readonly at: string } | null
  readonly recordings: readonly Id<'rec'>[]
  /** How many of them are destroyed. */
  readonly destroyed: number
  /** SHA-256 (hex) of which recordings they are: whoever approves says it. */
  readonly digest: string
}

/** What is left of a recording. */
export type Destroyed = {
  readonly destruction: Id<'dst'>
  /** When its bytes were gone; null: it was approved, and is being destroyed. */
  readonly at: string | null
  readonly askedBy: string
  readonly approvedBy: string
  readonly reason: string
  readonly retentionClass: string
}

/** A tombstone as it lies beside where the recording was: `content` is canonical JSON, `signature` a detached CMS in base64. */
export type Tombstone = { readonly content: string; readonly signature: string }

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const recordings = z.array(id('rec')).min(1, 'name one at least').max(mostDestroyed)

export const destructionVerbs = {
  /** Recordings past their time that nothing holds and nobody has asked about, the oldest first. */
  'destruction.due': verb(
    people,
    z.strictObject({ safe: reference.optional(), limit: z.int().min(1).max(mostDestroyed).optional() }),
  ),
  /** Asks for recordings to be destroyed that are due. */
  'destruction.ask': verb(
    ['user'],
    z.strictObject({
      recordings,
      reason: z.string().trim().min(1, 'say why').max(500),
      totpCode: freshCode,
    }),
  ),
  'destruction.list': verb(people, z.strictObject({ state: z.enum(['open', 'all']).optional() })),
  /** Has recordings destroyed for good that somebody else asked for. */
  'destruction.approve': verb(
    ['user'],
    z.strictObject({ destruction: id('dst'), digest: hex, totpCode: freshCode }),
  ),
  /** Takes a request back, or says no to another's. */
  'destruction.withdraw': verb(people, z.strictObject({ destruction: id('dst') })),
  /** What a recorder has to destroy, and the tombstones that are signed already. */
  'destruction.take': verb(['recorder'], nothing),
  /** Says what is there of a recording, and gets its tombstone, which is in the log then. Asked again, it is the same one. */
  'destruction.sign': verb(
    ['recorder'],
    z.strictObject({
      recording: id('rec'),
      /** Null: there is no such file. */
      found: z
        .strictObject({
          sizeBytes: z.int().min(0),
          /** SHA-256 of the first record, of the last 64 KiB, and of the whole. */
          head: hex,
          end: hex,
          whole: hex,
          state: z.enum(['complete', 'incomplete', 'tampered']),
        })
        .nullable(),
    }),
  ),
  /** Says that nothing is left of it but the tombstone. */
  'destruction.done': verb(['recorder'], z.strictObject({ recording: id('rec') })),
  /** Pages of the recordings whose files a recorder has to have, and of those that it must not have. */
  'recording.expected': verb(
    ['recorder'],
    z.strictObject({ after: id('ses').optional(), limit: z.int().min(1).max(5_000) }),
  ),
  /** Files that are missing, and files that are there again. */
  'recording.missing': verb(
    ['recorder'],
    z.strictObject({ missing: z.array(id('rec')).max(5_000), back: z.array(id('rec')).max(5_000) }),
  ),
} as const satisfies Record<string, Verb>

export type DestructionAnswers = {
  'destruction.due': { readonly recordings: readonly DueRecording[]; readonly more: boolean }
  'destruction.ask': DestructionView
  'destruction.list': readonly DestructionView[]
  'destruction.approve': DestructionView
  'destruction.withdraw': DestructionView
  'destruction.take': readonly {
    readonly recording: Id<'rec'>
    readonly startedAt: string
    readonly tombstone: Tombstone | null
  }[]
  'destruction.sign': Tombstone
  'destruction.done': null
  'recording.expected': {
    readonly recordings: readonly {
      readonly recording: Id<'rec'>
      readonly startedAt: string
      readonly is: 'kept' | 'missing' | 'destroyed'
    }[]
    readonly next: Id<'ses'> | null
  }
  'recording.missing': null
}
