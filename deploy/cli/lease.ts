import type { Command } from 'commander'
import { z } from 'zod'
import { asPerson } from './console-login.ts'
import { parseDuration } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { readAnswers } from './person-answers.ts'
import { examples, type Tools } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

const held = z.looseObject({
  id: z.string(),
  account: z.string(),
  user: z.string(),
  exclusive: z.boolean(),
  until: z.string(),
})

type CheckOutOptions = {
  readonly user: string
  readonly for?: string
  readonly exclusive?: boolean
  readonly answersStdin?: boolean
}

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
          ['SESSIONS', (row) => String(row.sessions)],
        ],
        'nobody holds an account',
      )
    })

  lease
    .command('check-out <account>')
    .description(
      'hold an account for a time, also while you are not connected; you are a user with a grant for it',
    )
    .requiredOption('--user <name>', 'you: the machine’s administrator holds no accounts')
    .option('--for <duration>', 'how long: 2h, 30m (default: as long as your grant)')
    .option('--exclusive', 'nobody else may use it meanwhile')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples(
        'tagout lease check-out press-3/engineer --user bob --for 2h',
        'tagout lease check-out press-3/engineer --user bob --for 2h --exclusive',
      ),
    )
    .action(async (account: string, options: CheckOutOptions) => {
      const forSeconds = options.for === undefined ? undefined : parseDuration(options.for)
      const intakeKey = await tools.withVault((vault) => pinnedIntakeKey(tools, vault))
      const answers = await readAnswers(tools.io, options)
      using password = answers.password
      const person = { name: options.user, password, code: answers.code, intakeKey }
      const taken = await asPerson(tools, person, async (client) =>
        held.parse(
          await client.ask('POST', '/api/leases', {
            account,
            exclusive: options.exclusive === true,
            ...(forSeconds === undefined ? {} : { forSeconds }),
          }),
        ),
      )
      tools.show(
        taken,
        () =>
          `${taken.user} holds ${taken.account}${taken.exclusive ? ', and nobody else,' : ''} until ` +
          `${when(taken.until)} (${taken.id}); sessions under it end then too`,
      )
    })

  lease
    .command('check-in <lease>')
    .description('take an account back from its holder: their sessions under the lease are cut within 3 s')
    .requiredOption('--reason <text>', 'why; the holder is told, and it is in the audit log')
    .addHelpText('after', examples('tagout lease check-in lse_… --reason "night shift needs the press"'))
    .action(async (text: string, { reason }: { readonly reason: string }) => {
      const id = parseGivenId('lse', text, 'tagout lease list')
      await tools.withVault((vault) => vault.ask('lease.checkIn', { lease: id, reason }))
      tools.show({ checkedIn: id }, () => `checked in ${id}`)
    })
}
