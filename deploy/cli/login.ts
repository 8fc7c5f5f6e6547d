import type { Command } from 'commander'
import { misuse } from './complaint.ts'
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
          ['LAST SEEN', (row) => when(row.lastSeenAt)],
          ['UNTIL', (row) => when(row.expiresAt)],
        ],
        'nobody is signed in',
      )
    })

  login
    .command('revoke [login]')
    .description(
      'sign somebody out of the console; their sessions in its browser end, those of other clients go on',
    )
    .option('--all-of <user>', 'all sign-ins of a user')
    .addHelpText('after', examples('tagout login revoke lgn_…', 'tagout login revoke --all-of bob'))
    .action(async (text: string | undefined, options: { allOf?: string }) => {
      const { allOf } = options
      if ((text === undefined) === (allOf === undefined))
        throw misuse('say either a sign-in or --all-of', 'see: tagout login list')
      if (text === undefined) {
        const ended = await tools.withVault((vault) => vault.ask('login.revokeAll', { user: allOf ?? '' }))
        tools.show(
          ended,
          () =>
            `revoked ${ended.revoked === 1 ? '1 sign-in' : `${ended.revoked} sign-ins`} of ${allOf ?? ''}`,
        )
        return
      }
      const id = parseGivenId('lgn', text, 'tagout login list')
      await tools.withVault((vault) => vault.ask('login.revoke', { login: id }))
      tools.show({ revoked: id }, () => `revoked ${id}`)
    })
}
