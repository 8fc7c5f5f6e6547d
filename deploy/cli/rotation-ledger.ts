import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { AccountLedger, LineCalendar } from '../../vault/contract.ts'
import { exemptionsCsv } from '../../vault/kernel/exemptions-csv.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { misuse } from './complaint.ts'
import { parseDuration } from './duration.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout rotation ledger`, `tagout rotation exemptions`: what is known, and who answers for what is not changed. */
export function addLedgerCommands(rotation: Command, tools: Tools): void {
  rotation
    .command('ledger <account>')
    .description(
      'list each version of an account’s secret: when, by whom, why, when it was last seen to work, who has seen it',
    )
    .addHelpText(
      'after',
      examples('tagout rotation ledger press-3/engineer', 'tagout rotation ledger plc-7/fw --json'),
    )
    .action(async (account: string) => {
      const ledger = await tools.withVault((vault) => vault.ask('rotation.ledger', { account }))
      if (tools.json()) return tools.show(ledger, () => '')
      tools.list(
        ledger.versions,
        [
          ['VERSION', (row) => String(row.version)],
          ['STATE', (row) => row.state],
          ['SINCE', (row) => when(row.createdAt)],
          ['BY', byText],
          ['WHY', (row) => (row.reason === '' ? row.cause : `${row.cause}: ${row.reason}`)],
          ['SEEN TO WORK', (row) => (row.verifiedAt === null ? 'never' : when(row.verifiedAt))],
          ['KNOWN TO', (row) => [...new Set(row.exposures.map(({ user }) => user))].join(', ') || 'nobody'],
        ],
        'it has no secret',
      )
      for (const { at, why } of ledger.checks.filter(({ result }) => result === 'drift'))
        tools.note(`drift ${when(at)}: ${why}`)
      if (ledger.exemption !== null)
        tools.note(`${ledger.exemption.owner} answers for it until ${when(ledger.exemption.until)}`)
    })

  rotation
    .command('exemptions')
    .description('list credentials that are not changed, with who answers for each and until when')
    .option('--csv <file>', 'write them to a new file, for spreadsheets')
    .addHelpText(
      'after',
      examples('tagout rotation exemptions', 'tagout rotation exemptions --csv exemptions.csv'),
    )
    .action(async ({ csv }: { readonly csv?: string }) => {
      if (csv !== undefined && tools.json()) throw misuse('--csv and --json exclude one another')
      const all = await tools.withVault((vault) => vault.ask('rotation.accounts', {}))
      const rows = all.filter(({ exemption }) => exemption !== null)
      if (csv !== undefined) {
        await writeNewFile(resolve(tools.io.cwd, csv), exemptionsCsv(rows))
        tools.say(`wrote ${rows.length} exemptions to ${csv}`)
        return
      }
      tools.list(
        rows,
        [
          ['ACCOUNT', (row) => row.account],
          ['GRADE', (row) => row.grade],
          ['WHY', (row) => row.gradeReason],
          ['ANSWERS', (row) => row.exemption?.owner ?? ''],
          [
            'UNTIL',
            (row) => `${when(row.exemption?.until ?? null)}${row.exemption?.isOver === true ? ' OVER' : ''}`,
          ],
        ],
        'nothing is exempt',
      )
    })
}

function byText({ by, people }: AccountLedger['versions'][number]): string {
  if (people === null) return by === 'vault' ? 'itself' : whoText(by)
  const second = people.signer ?? people.approver
  return second === null ? people.changer : `${people.changer}, with ${second}`
}

/** `tagout rotate --plan --due 30d`: what comes, line by line. */
export async function planDue(tools: Tools, due: string): Promise<void> {
  const days = Math.ceil(parseDuration(due) / 86_400)
  const lines = await tools.withVault((vault) => vault.ask('rotation.calendar', { days }))
  if (tools.json()) return tools.show(lines, () => '')
  tools.list(
    lines.flatMap((line) => line.due.map((row) => ({ ...row, safe: line.safe }))),
    [
      ['SAFE', (row) => row.safe],
      ['ACCOUNT', (row) => row.account],
      ['DUE', (row) => `${when(row.dueAt)}${row.isOverdue ? ' OVERDUE' : ''}`],
      ['HOW', (row) => row.how],
      ['WINDOW', (row) => row.calendar ?? 'at any time'],
      ['BEGINS', beginText],
    ],
    `nothing is due within ${days} days`,
  )
  for (const { safe, hold } of lines)
    if (hold !== null)
      tools.note(
        `production runs in ${safe}: ${hold.reason}${hold.until === null ? '' : `, until ${when(hold.until)}`}`,
      )
}

function beginText({ beginsAt, fits }: LineCalendar['due'][number]): string {
  if (beginsAt === null) return 'NO WINDOW has room for it'
  return fits ? when(beginsAt) : `${when(beginsAt)}: NO WINDOW before`
}
