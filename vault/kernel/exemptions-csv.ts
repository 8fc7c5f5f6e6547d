import { csvText } from './csv.ts'

/** An account as `rotation.accounts` answers it. */
type Exempt = {
  readonly account: string
  readonly safe: string
  readonly grade: string
  readonly gradeReason: string
  readonly since: string | null
  readonly exemption: { readonly owner: string; readonly until: string; readonly isOver: boolean } | null
}

/** The register of who answers for what is not changed, as a table for spreadsheets: moments in UTC. */
export function exemptionsCsv(rows: readonly Exempt[]): string {
  return csvText(
    ['account', 'safe', 'grade', 'why', 'owner', 'until', 'over', 'since'],
    rows
      .filter(({ exemption }) => exemption !== null)
      .map((row) => [
        ...[row.account, row.safe, row.grade, row.gradeReason, row.exemption?.owner ?? ''],
        ...[row.exemption?.until ?? '', row.exemption?.isOver === true ? 'yes' : 'no', row.since ?? ''],
      ]),
  )
}
