import { csvText } from './csv.ts'

/** An entry of the exposure ledger, as `exposure.list` answers it. */
type Exposed = {
  readonly user: string
  readonly company: string | null
  readonly account: string
  readonly safe: string
  readonly version: number
  readonly at: string
  readonly reason: string
  readonly cause: string
  readonly rotationDueAt: string | null
  readonly isOverdue: boolean
  readonly rotatedAt: string | null
  readonly dueSet: { readonly by: string; readonly reason: string } | null
}

/** The ledger as a table for spreadsheets: moments in UTC. */
export function exposureCsv(rows: readonly Exposed[]): string {
  const head = [
    ...['at', 'user', 'company', 'account', 'safe', 'version', 'cause', 'reason'],
    ...['rotate by', 'overdue', 'rotated', 'date set by', 'because'],
  ]
  return csvText(
    head,
    rows.map((row) => [
      ...[row.at, row.user, row.company ?? '', row.account, row.safe, String(row.version), row.cause],
      ...[row.reason, row.rotationDueAt ?? '', row.isOverdue ? 'yes' : 'no', row.rotatedAt ?? ''],
      ...[row.dueSet?.by ?? '', row.dueSet?.reason ?? ''],
    ]),
  )
}
