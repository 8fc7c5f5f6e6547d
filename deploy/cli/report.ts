import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { ReportDocument } from '../../vault/contract.ts'
import { type ReportName, reportNames } from '../../vault/contract/words.ts'
import { count } from '../../vault/kernel/count.ts'
import { pastMoment } from './audit-find.ts'
import { misuse } from './complaint.ts'
import { writeNewFile } from './new-file.ts'
import { examples, type Tools } from './tools.ts'

type Options = {
  readonly from?: string
  readonly to?: string
  readonly target?: string
  readonly out: string
}

/** Milliseconds within which a report is made. */
const patience = 120_000

/** `tagout report`: evidence packs, from what is there now. */
export function addReportCommands(root: Command, tools: Tools): void {
  const report = root
    .command('report')
    .description('evidence packs from what is there now, signed, as PDF and JSON; see docs/report-format.md')

  report
    .command('list')
    .description('list the reports, what each answers, and for which clauses')
    .addHelpText('after', examples('tagout report list', 'tagout report list --json'))
    .action(async () => {
      const rows = await tools.withVault((vault) => vault.ask('report.list', {}))
      tools.list(
        rows,
        [
          ['REPORT', (row) => row.name],
          ['ANSWERS', (row) => row.question],
          ['OF', (row) => (row.isOfNow ? 'now' : 'a time')],
          ['EVIDENCE FOR', (row) => row.clauses.join('; ')],
        ],
        'there are no reports',
      )
    })

  report
    .command('make <report>')
    .description('make one: a zip with the PDF, the JSON that the vault signed, and what proves both')
    .addOption(new Option('--from <moment>', 'of the time from then on: 2026-03-01, or 90d').default('90d'))
    .option('--to <moment>', 'up to this moment (default: now)')
    .option('--target <target>', 'of this machine alone; of asset-access and who-watched-whom')
    .requiredOption('--out <file>', 'where to write it; never over another file')
    .addHelpText(
      'after',
      examples(
        'tagout report make asset-access --target press-3 --from 2026-03-01 --to 2026-04-01 --out march.zip',
        'tagout report make password-age --out passwords.zip',
        'tagout verify march.zip',
      ),
    )
    .action(async (name: string, options: Options) => {
      const { makeReportFile } = await import('../../recorder/evidence/report.ts')
      const { drawReport } = await import('./report-draw.ts')
      const made = await tools.withVault((vault) =>
        vault.ask(
          'report.make',
          {
            report: parseName(name),
            from: pastMoment(options.from ?? '90d'),
            to: options.to === undefined ? new Date().toISOString() : pastMoment(options.to),
            ...(options.target === undefined ? {} : { target: options.target }),
          },
          undefined,
          patience,
        ),
      )
      const pieces = await makeReportFile(made, drawReport)
      await writeNewFile(resolve(tools.io.cwd, options.out), Buffer.concat(pieces))
      const document = JSON.parse(made.document) as ReportDocument
      const rows = document.tables.reduce((sum, table) => sum + table.rows.length, 0)
      tools.show(
        { file: options.out, ...document },
        () =>
          `wrote ${options.out}: ${document.title}, ${document.from} to ${document.to}, ${count(rows, 'row')}; ` +
          `check it with: tagout verify ${options.out}`,
      )
      const left = document.tables.reduce((sum, table) => sum + table.left, 0)
      if (left > 0)
        tools.note(`${count(left, 'older row')} left out: choose a shorter time, and make several`)
    })
}

function parseName(text: string): ReportName {
  const name = reportNames.find((known) => known === text.toLowerCase())
  if (name === undefined)
    throw misuse(`there is no report ${JSON.stringify(text)}`, 'see: tagout report list')
  return name
}
