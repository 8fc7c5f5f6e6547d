import type { Command } from 'commander'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout exposure`: who has ever seen which secret. */
export function addExposureCommands(root: Command, tools: Tools): void {
  root
    .command('exposure')
    .description('the exposure ledger: who has seen which secret')
    .command('list')
    .description('list exposures')
    .option('--account <account>', 'of this account')
    .addHelpText(
      'after',
      examples('tagout exposure list --account press-3/engineer', 'tagout exposure list --json'),
    )
    .action(async (options: { account?: string }) => {
      const exposures = await tools.withVault((vault) =>
        vault.ask('exposure.list', options.account === undefined ? {} : { account: options.account }),
      )
      tools.list(
        exposures,
        [
          ['AT', (row) => when(row.at)],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['VERSION', (row) => String(row.version)],
          ['REASON', (row) => row.reason],
          ['ROTATE BY', (row) => when(row.rotationDueAt)],
        ],
        'nobody has seen a secret',
      )
    })
}
