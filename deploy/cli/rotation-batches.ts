import type { Command } from 'commander'
import { batchesOf, batchText } from '../../vault/kernel/rotation-batches.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout rotation batches`: how far batches have come, and stopping one. */
export function addBatchCommands(rotation: Command, tools: Tools): void {
  rotation
    .command('batches')
    .description('list batches: the first of each, what is done, failed and waits')
    .option('--stop <batch>', 'give up what of it has not begun; what is under way is brought to its end')
    .option('--reason <text>', 'with --stop: why')
    .addHelpText(
      'after',
      examples(
        'tagout rotation batches',
        'tagout rotation batches --stop rbt_… --reason "the line starts early"',
      ),
    )
    .action(async ({ stop, reason }: { readonly stop?: string; readonly reason?: string }) => {
      if (stop !== undefined && reason === undefined)
        throw misuse('a batch is stopped for a reason', 'give --reason')
      const batches = batchesOf(await tools.withVault((vault) => vault.ask('rotation.list', {})))
      if (stop === undefined || reason === undefined)
        return tools.list(
          batches,
          [
            ['BATCH', (row) => row.id],
            ['BEGUN', (row) => when(row.createdAt)],
            ['BY', (row) => whoText(row.askedBy)],
            [
              'FIRST',
              (row) => (row.canary === undefined ? '-' : `${row.canary.account} ${row.canary.phase}`),
            ],
            ['SO FAR', batchText],
            [
              'STOPPED BY',
              (row) => (row.stoppedBy === undefined ? '' : `${row.stoppedBy.account}: ${row.stoppedBy.why}`),
            ],
            ['WHY', (row) => row.reason],
          ],
          'there is none: tagout rotate takes several accounts',
        )
      const batch = batches.find(({ id }) => id === stop)
      if (batch === undefined) throw misuse(`there is no batch ${stop}`, 'see tagout rotation batches')
      const given = await tools.withVault(async (vault) => {
        const found = []
        // The last first: none of them is begun because the one before it has ended.
        for (const { id } of batch.waiting.toReversed())
          found.push(await vault.ask('rotation.cancel', { run: id, reason }))
        return found
      })
      tools.show(given, () =>
        given.length === 0
          ? 'nothing of it waits\n'
          : `gave up ${given.length} that had not begun; ${batch.underWay} under way are brought to their end\n`,
      )
    })
}
