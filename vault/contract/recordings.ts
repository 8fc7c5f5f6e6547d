import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import type { RiskMark } from './risk.ts'
import type { Destroyed } from './destruction.ts'
import type { Keeping } from './retention.ts'
import type { RecordingView } from './sessions.ts'
import { base64, id, line, moment, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { endReasons, shownStates, riskAsked } from './words.ts'

/** What can be asked to find recordings, and to say that they were looked at. */

/** Whether an auditor has reviewed a recording; `mine`: the asker has. */
export const reviewStates = ['yes', 'no', 'mine'] as const

/** What is looked for; all of what is given holds of what is found. Names are whole ones, in any case of letters. */
export const recordingAsked = {
  person: reference.optional(),
  /** Whose representative the user was. */
  company: reference.optional(),
  target: reference.optional(),
  zone: reference.optional(),
  safe: reference.optional(),
  /** `press-3/engineer` */
  account: reference.optional(),
  /** Who gave the grant, or approved its request. */
  approver: reference.optional(),
  workOrder: line(100).optional(),
  endReason: z.enum(endReasons).optional(),
  state: z.enum(shownStates).optional(),
  reviewed: z.enum(reviewStates).optional(),
  /** An auditor who has reviewed it. */
  reviewer: reference.optional(),
  /** Marked as out of the ordinary: by any rule, by this one, or and nobody has reviewed the mark. */
  risk: z.enum(riskAsked).optional(),
  session: id('ses').optional(),
  /** It went on at this moment or after it. */
  since: moment.optional(),
  /** It began before this moment. */
  until: moment.optional(),
}

const filterName = z
  .string()
  .trim()
  .min(1)
  .max(60)
  .regex(/^[^\p{C}]*$/u, 'one line of text')

export type RecordingReview = { readonly by: string; readonly at: string; readonly note: string }

export type RecordingFound = RecordingView & {
  readonly safe: string | null
  readonly company: string | null
  readonly zone: string | null
  readonly letInBy: readonly string[]
  readonly workOrders: readonly string[]
  readonly reviews: readonly RecordingReview[]
  /** What was out of the ordinary, for those who see everything. */
  readonly marks: readonly RiskMark[]
  /** For those who see everything; null for everybody else: whoever is held learns nothing of it. */
  readonly keeping: Keeping | null
  /** By whom it was destroyed, for those who see everything; null where it was not. */
  readonly destroyed: Destroyed | null
}

/** What is looked for often, by name. */
export type SavedFilter = {
  readonly name: string
  readonly asked: z.output<typeof savedAsked>
  readonly savedAt: string
}

/** What a filter keeps: what is asked, without where a page goes on. */
const savedAsked = z.strictObject(recordingAsked)

/** A note on a recording, sealed by its key. */
export type RecordingNote = {
  readonly id: Id<'nte'>
  readonly by: string
  readonly writtenAt: string
  readonly sealed: string
}

export const recordingsVerbs = {
  /** Pages of what one may see, newest first. */
  'recording.find': verb(
    people,
    z.strictObject({
      ...recordingAsked,
      /** Where the page before ended. */
      after: z
        .string()
        .regex(/^\d{4}-[\d:T.-]+Z\/ses_[a-z0-9]{26}$/, 'not a place in the answer')
        .optional(),
      limit: z.int().min(1).max(1_000).optional(),
    }),
  ),
  /** An auditor says that they have looked at a recording that ended. Once; what was said stays. */
  'recording.review': verb(
    ['user'],
    z.strictObject({ recording: id('rec'), note: z.string().trim().min(1, 'say what you saw').max(2_000) }),
  ),
  /** What auditors noted at moments of a recording, in the order in which they did. Sealed by its key: the vault reads none. */
  'recording.notes': verb(['user'], z.strictObject({ recording: id('rec') })),
  /** Keeps a note for good. Its id and its author are sealed with it. */
  'recording.note': verb(
    ['user'],
    z.strictObject({
      recording: id('rec'),
      note: id('nte'),
      sealed: base64.min(40).max(16_000, 'this note is too long: write another one'),
    }),
  ),
  'filter.list': verb(['user'], nothing),
  /** Keeps what is looked for under a name; one that is there already is written over. */
  'filter.save': verb(['user'], z.strictObject({ name: filterName, asked: savedAsked })),
  'filter.rename': verb(['user'], z.strictObject({ name: filterName, to: filterName })),
  'filter.remove': verb(['user'], z.strictObject({ name: filterName })),
} as const satisfies Record<string, Verb>

export type RecordingsAnswers = {
  'recording.find': { readonly recordings: readonly RecordingFound[]; readonly next: string | null }
  'recording.review': RecordingFound
  'recording.notes': readonly RecordingNote[]
  'recording.note': null
  'filter.list': readonly SavedFilter[]
  'filter.save': null
  'filter.rename': null
  'filter.remove': null
}
