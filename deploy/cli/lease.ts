import type { Command } from 'commander'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout lease`: who holds which account now. */
export function addLeaseCommands(root: Command, tools: Tools): void {
  const lease = root.command('lease').description('leases: who holds which account now')

  lease
    .command('list')
    .description('list leases')
    .addHelpText('after', examples('tagout lease list', 'tagout lease list --json'))
    .action(async () => {
      const leases = await tools.withVault((vault) => vault.ask('lease.list', {}))
      tools.list(
        leases,
        [
          ['ID', (row) => row.id],
          ['ACCOUNT', (row) => row.account],
          ['USER', (row) => row.user],
          ['MODE', (row) => (row.exclusive ? 'exclusive' : 'shared')],
          ['SINCE', (row) => when(row.since)],
          ['UNTIL', (row) => when(row.until)],
        ],
        'nobody holds an account',
      )
    })

  lease
    .command('check-in <lease>')
    .description('take a lease back')
    .addHelpText('after', examples('tagout lease check-in lse_…'))
    .action(async (text: string) => {
      const id = parseGivenId('lse', text, 'tagout lease list')
      await tools.withVault((vault) => vault.ask('lease.checkIn', { lease: id }))
      tools.show({ checkedIn: id }, () => `checked in ${id}`)
    })
}
