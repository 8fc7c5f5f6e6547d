import { csvText } from './csv.ts'

/** Who could use what, as `policy.reach` answers it. */
type Reached = {
  readonly user: string
  readonly account: string
  readonly target: string
  readonly actions: readonly string[]
  readonly by: readonly string[]
  readonly conditions: readonly string[]
  readonly until: string
  readonly exclusive: boolean
}

/** Who could reach what at a moment (ISO 8601), as a table for spreadsheets: moments in UTC. */
export function reachCsv(at: string, rows: readonly Reached[]): string {
  return csvText(
    ['at', 'user', 'account', 'target', 'may', 'by', 'conditions', 'until at the latest', 'alone'],
    rows.map((row) => [
      ...[at, row.user, row.account, row.target, row.actions.join(', '), row.by.join(', ')],
      ...[row.conditions.join('; '), row.until, row.exclusive ? 'yes' : 'no'],
    ]),
  )
}
