import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import type { TaskKind, TaskState } from '../rotation/assisted.ts'
import { base64, freshCode, id, line, moment, people, reference, type Verb, verb } from './shapes.ts'

/** Tasks of rotation: what people do where no machine can, two of them, with evidence. */

export type { TaskKind, TaskState } from '../rotation/assisted.ts'

export type TaskView = {
  readonly id: Id<'rtk'>
  readonly run: Id<'rot'>
  readonly account: string
  readonly safe: string
  /** `change`: the credential itself; `place`: another place that holds the same secret. */
  readonly kind: TaskKind
  /** That place; null for the change itself. */
  readonly place: string | null
  readonly state: TaskState
  /** Why the rotation was asked for, and by whom. */
  readonly cause: string
  readonly reason: string
  readonly askedBy: string
  readonly version: number | null
  readonly createdAt: string
  readonly dueAt: string
  readonly isOverdue: boolean
  readonly pausedUntil: string | null
  readonly pauseReason: string
  /** Who has it in hand, and the recorded session in which they change it. */
  readonly changer: string | null
  readonly session: Id<'ses'> | null
  readonly approver: string | null
  readonly revealedAt: string | null
  readonly madeBy: string | null
  readonly madeAt: string | null
  readonly note: string
  readonly workOrder: string | null
  /** What shows that it was done: a photo or a file that is kept elsewhere. */
  readonly evidence: { readonly name: string; readonly sha256: string | null } | null
  readonly signer: string | null
  readonly signedAt: string | null
  readonly signNote: string
  readonly closedAt: string | null
  /** A machine logs in and looks; otherwise the second person signs. */
  readonly logsIn: boolean
  /** What is to be done next, and by whom; null: nothing. */
  readonly next: string | null
}

const task = id('rtk')
const text = (most: number) => z.string().trim().min(1).max(most)
const evidence = z
  .strictObject({
    name: line(200),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'not a SHA-256: 64 digits of 0-9 and a-f')
      .optional(),
  })
  .optional()

export const taskVerbs = {
  'task.list': verb(people, z.strictObject({ account: reference.optional(), all: z.boolean().optional() })),
  'task.take': verb(['user'], z.strictObject({ task, session: id('ses') })),
  'task.approve': verb(['user'], z.strictObject({ task, totpCode: freshCode })),
  'task.reveal': verb(['user'], z.strictObject({ task, boxKey: base64, totpCode: freshCode })),
  'task.make': verb(
    ['user'],
    z.strictObject({ task, note: text(2_000), workOrder: line(100).optional(), evidence }),
  ),
  'task.sign': verb(
    ['user'],
    z.strictObject({
      task,
      note: text(2_000),
      workOrder: line(100).optional(),
      evidence,
      totpCode: freshCode,
    }),
  ),
  'task.release': verb(people, z.strictObject({ task, reason: line(500) })),
  'task.drop': verb(people, z.strictObject({ task, reason: line(500), totpCode: freshCode })),
  'task.postpone': verb(
    people,
    z.strictObject({
      task,
      dueAt: moment.optional(),
      /** Until then nobody is reminded; null: from now on again. */
      pausedUntil: moment.nullable().optional(),
      reason: line(500),
    }),
  ),
} as const satisfies Record<string, Verb>

export type TaskAnswers = {
  'task.list': readonly TaskView[]
  'task.take': TaskView
  'task.approve': TaskView
  'task.reveal': { readonly sealed: string; readonly version: number }
  'task.make': TaskView
  'task.sign': TaskView
  'task.release': TaskView
  'task.drop': TaskView
  'task.postpone': TaskView
}
