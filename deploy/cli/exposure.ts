import { resolve } from 'node:path'
import type { Command } from 'commander'
import { exposureCsv } from '../../vault/kernel/exposure-csv.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { examples, type Tools } from './tools.ts'

type ListOptions = {
  readonly account?: string
  readonly user?: string
  readonly company?: string
  readonly overdue?: boolean
  readonly csv?: string
}

/** `tagout exposure`: who has ever seen which secret, and by when it is another one. */
export function addExposureCommands(root: Command, tools: Tools): void {
  const exposure = root
    .command('exposure')
    .description('the exposure ledger: who has seen which secret, and by when it is rotated')

  exposure
    .command('list')
    .description('list exposures')
    .option('--account <account>', 'of this account')
    .option('--user <user>', 'to this person')
    .option('--company <company>', 'to the people of this company')
    .option('--overdue', 'those alone whose secret should be another one by now')
    .option('--csv <file>', 'write them to a new file, for spreadsheets')
    .addHelpText(
      'after',
      examples(
        'tagout exposure list --account press-3/engineer',
        'tagout exposure list --company acme --csv acme.csv',
        'tagout exposure list --overdue --json',
      ),
    )
    .action(async ({ overdue, csv, ...which }: ListOptions) => {
      if (csv !== undefined && tools.json()) throw misuse('--csv and --json exclude one another')
      const all = await tools.withVault((vault) => vault.ask('exposure.list', which))
      const rows = overdue === true ? all.filter(({ isOverdue }) => isOverdue) : all
      if (csv !== undefined) {
        await writeNewFile(resolve(tools.io.cwd, csv), exposureCsv(rows))
        tools.say(`wrote ${rows.length} exposures to ${csv}`)
        return
      }
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['AT', (row) => when(row.at)],
          ['USER', (row) => (row.company === null ? row.user : `${row.user} (${row.company})`)],
          ['ACCOUNT', (row) => row.account],
          ['VERSION', (row) => String(row.version)],
          ['CAUSE', (row) => row.cause],
          ['REASON', (row) => row.reason],
          [
            'ROTATE BY',
            (row) => (row.isOverdue ? `${when(row.rotationDueAt)} OVERDUE` : when(row.rotationDueAt)),
          ],
        ],
        overdue === true ? 'nothing is overdue' : 'nobody has seen a secret',
      )
    })

  exposure
    .command('due <exposure>')
    .description('set by when an exposed secret is rotated: earlier freely, later with a reason')
    .requiredOption('--by <moment>', '2026-12-01, 2026-12-01T06:00Z or +7d')
    .option('--reason <text>', 'why it is later; it is in the audit log')
    .addHelpText(
      'after',
      examples(
        'tagout exposure due exp_… --by +2d',
        'tagout exposure due exp_… --by 2027-01-10 --reason "line stops then"',
      ),
    )
    .action(async (text: string, options: { readonly by: string; readonly reason?: string }) => {
      const id = parseGivenId('exp', text, 'tagout exposure list')
      const dueAt = parseMoment(options.by)
      const after = await tools.withVault((vault) =>
        vault.ask('exposure.due', {
          exposure: id,
          dueAt,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
        }),
      )
      tools.show(
        after,
        () => `version ${after.version} of ${after.account} is rotated by ${when(after.rotationDueAt)}`,
      )
    })
}
