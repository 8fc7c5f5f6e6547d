import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { id, people, type Verb, verb } from './shapes.ts'

/** What can be asked about close-outs: what people say that they did. */

export const closeOutResults = ['done', 'not done', 'follow-up'] as const
export type CloseOutResult = (typeof closeOutResults)[number]

export type CloseOutView = {
  /** The session at whose end it was asked; the form is for all sessions of that check-out. */
  readonly session: Id<'ses'>
  readonly recording: Id<'rec'>
  readonly user: string
  readonly account: string
  readonly askedAt: string
  /** Not filled, and its user checks nothing more out in this safe before it is. */
  readonly isRequired: boolean
  readonly filled: {
    readonly at: string
    readonly result: CloseOutResult
    readonly done: string
    /** Changes that were left in place. */
    readonly left: string | null
    readonly workOrder: string | null
  } | null
}

const text = (most: number) => z.string().trim().min(1).max(most)

export const closeoutVerbs = {
  'closeout.list': verb(people, z.strictObject({ open: z.boolean().optional() })),
  'closeout.show': verb(people, z.strictObject({ session: id('ses') })),
  'closeout.fill': verb(
    ['user'],
    z.strictObject({
      session: id('ses'),
      result: z.enum(closeOutResults),
      done: text(2_000),
      left: text(1_000).optional(),
      workOrder: text(100).optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type CloseoutAnswers = {
  'closeout.list': readonly CloseOutView[]
  'closeout.show': CloseOutView
  'closeout.fill': null
}
