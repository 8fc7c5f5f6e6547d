import { csvText } from './csv.ts'

/** A recording, as `recording.find` answers it. */
type Found = {
  readonly id: string
  readonly session: string
  readonly user: string
  readonly company: string | null
  readonly account: string
  readonly target: string
  readonly zone: string | null
  readonly safe: string | null
  readonly source: string
  readonly startedAt: string
  readonly endedAt: string | null
  readonly endReason: string | null
  readonly state: string
  readonly sizeBytes: number
  readonly letInBy: readonly string[]
  readonly workOrders: readonly string[]
  readonly marks: readonly { readonly rule: string; readonly why: string }[]
  readonly reviews: readonly { readonly by: string; readonly at: string; readonly note: string }[]
  readonly keeping: {
    readonly until: string | null
    readonly holds: readonly { readonly matter: string }[]
  } | null
}

/** Recordings as a table for spreadsheets: moments in UTC. */
export function recordingsCsv(rows: readonly Found[]): string {
  return csvText(
    [
      ...['recording', 'session', 'user', 'company', 'account', 'target', 'zone', 'safe', 'from'],
      ...['started', 'ended', 'because', 'state', 'bytes', 'let in by', 'work orders', 'reviewed', 'marked'],
      ...['kept until', 'legal holds'],
    ],
    rows.map((row) => [
      ...[row.id, row.session, row.user, row.company ?? '', row.account, row.target],
      ...[row.zone ?? '', row.safe ?? '', row.source, row.startedAt, row.endedAt ?? '', row.endReason ?? ''],
      ...[row.state, String(row.sizeBytes), row.letInBy.join(', '), row.workOrders.join(', ')],
      row.reviews.map(({ by, at, note }) => `${by}, ${at}: ${note}`).join('; '),
      row.marks.map(({ rule, why }) => `${rule}: ${why}`).join('; '),
      ...[row.keeping?.until ?? '', row.keeping?.holds.map(({ matter }) => matter).join('; ') ?? ''],
    ]),
  )
}
