import { z } from 'zod'
import { moment, nothing, people, reference, type Verb, verb } from './shapes.ts'
import { type ReportName, reportNames } from './words.ts'

/** What can be asked about reports: evidence packs, from what is there now, signed. See docs/report-format.md. */

export type ReportInfo = {
  readonly name: ReportName
  readonly title: string
  /** What it answers. */
  readonly question: string
  /** Clauses whose evidence it is. */
  readonly clauses: readonly string[]
  /** It is of a moment, and not of a time: what holds now. */
  readonly isOfNow: boolean
  /** It can be of one machine. */
  readonly takesTarget: boolean
}

/** A report as a program has it. `docs/report-format.md` keeps this. */
export type ReportDocument = {
  readonly format: 'tagout-report'
  readonly version: 1
  readonly report: ReportName
  readonly title: string
  readonly question: string
  readonly clauses: readonly string[]
  readonly installation: string
  readonly from: string
  readonly to: string
  /** The one machine that it is of; null: all. */
  readonly target: string | null
  readonly madeAt: string
  readonly madeBy: string
  readonly facts: readonly { readonly name: string; readonly value: string }[]
  readonly tables: readonly ReportTable[]
}

export type ReportTable = {
  readonly title: string
  /** What its rows are, in a sentence. */
  readonly about: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Rows that it leaves out, the oldest. */
  readonly left: number
}

export type MadeReport = {
  /** Canonical JSON of a `ReportDocument`: the bytes that are signed. */
  readonly document: string
  /** Detached, CMS; base64 as the certificate. */
  readonly signature: string
  readonly certificate: string
  /** The entries of the log that speak of the report and of the certificate, with their proofs. */
  readonly publicKey: string
  readonly checkpoint: string
  readonly leaves: readonly {
    readonly seq: number
    readonly body: string
    readonly proof: readonly string[]
  }[]
}

export const reportsVerbs = {
  'report.list': verb(people, nothing),
  'report.make': verb(
    people,
    z.strictObject({
      report: z.enum(reportNames),
      /** What went on at this moment or after it, and began before the other. */
      from: moment,
      to: moment,
      target: reference.optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type ReportsAnswers = {
  'report.list': readonly ReportInfo[]
  'report.make': MadeReport
}
