import type { Command } from 'commander'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout login`: who is signed in to the console. */
export function addLoginCommands(root: Command, tools: Tools): void {
  const login = root.command('login').description('logins: who is signed in to the console')

  login
    .command('list')
    .description('list logins')
    .addHelpText('after', examples('tagout login list', 'tagout login list --json'))
    .action(async () => {
      const logins = await tools.withVault((vault) => vault.ask('login.list', {}))
      tools.list(
        logins,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['FROM', (row) => row.source],
          ['SINCE', (row) => when(row.createdAt)],
          ['UNTIL', (row) => when(row.expiresAt)],
        ],
        'nobody is signed in',
      )
    })

  login
    .command('revoke <login>')
    .description('sign somebody out of the console; their sessions on machines go on')
    .addHelpText('after', examples('tagout login revoke lgn_…'))
    .action(async (text: string) => {
      const id = parseGivenId('lgn', text, 'tagout login list')
      await tools.withVault((vault) => vault.ask('login.revoke', { login: id }))
      tools.show({ revoked: id }, () => `revoked ${id}`)
    })
}
