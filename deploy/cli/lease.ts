import type { Command } from 'commander'
import { z } from 'zod'
import { askAs, askFreshAs, type Person } from './ask-as.ts'
import { parseDuration } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

const held = z.looseObject({
  id: z.string(),
  account: z.string(),
  user: z.string(),
  exclusive: z.boolean(),
  until: z.string(),
})

const waiting = z.looseObject({
  id: z.string(),
  account: z.string(),
  user: z.string(),
  place: z.number().nullable(),
  heldBy: z.array(z.looseObject({ user: z.string(), until: z.string().nullable() })),
})
const offered = z.looseObject({
  id: z.string(),
  account: z.string(),
  from: z.string(),
  to: z.string(),
  expiresAt: z.string(),
})

type CheckOutOptions = Person & { readonly for?: string; readonly exclusive?: boolean }

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
      const taken = await askAs(tools, options, async (client) =>
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

  addQueueCommands(lease, tools)
  addHandOverCommands(lease, tools)
}

const twoAnswers = 'read two lines: your password and your present code'
const threeAnswers = 'read three lines: your password, your present code, and the one after it'

function addQueueCommands(lease: Command, tools: Tools): void {
  lease
    .command('queue')
    .description('list who waits for which account, and for whom one is kept now')
    .addHelpText('after', examples('tagout lease queue', 'tagout lease queue --json'))
    .action(async () => {
      const waits = await tools.withVault((vault) => vault.ask('lease.queue', {}))
      tools.list(
        waits,
        [
          ['ID', (row) => row.id],
          ['ACCOUNT', (row) => row.account],
          ['PLACE', (row) => String(row.place ?? '-')],
          ['USER', (row) => row.user],
          ['WANTS', (row) => (row.exclusive ? 'alone' : 'shared')],
          ['SINCE', (row) => when(row.since)],
          ['KEPT UNTIL', (row) => when(row.keptUntil)],
          ['HELD BY', (row) => row.heldBy.map(({ user }) => user).join(',') || '-'],
        ],
        'nobody waits for an account',
      )
    })

  lease
    .command('wait <account>')
    .description('join the queue for an account that others hold: it is kept 5 minutes when it is your turn')
    .requiredOption('--user <name>', 'you: the machine’s administrator holds no accounts')
    .option('--exclusive', 'nobody else may use it meanwhile')
    .option('--answers-stdin', twoAnswers)
    .addHelpText('after', examples('tagout lease wait press-3/engineer --user bob'))
    .action(async (account: string, options: Person & { readonly exclusive?: boolean }) => {
      const wait = await askAs(tools, options, async (client) =>
        waiting.parse(
          await client.ask('POST', '/api/queue', { account, exclusive: options.exclusive === true }),
        ),
      )
      tools.show(wait, () => {
        const held = wait.heldBy.map(({ user, until }) => `${user} until ${when(until)}`).join(', ')
        const place = wait.place === null ? '' : `, place ${wait.place}`
        return (
          `${wait.user} waits for ${wait.account}${place} (${wait.id})${held === '' ? '' : `; held by ${held}`}\n` +
          'you are told by mail and in the console when it is kept for you'
        )
      })
    })

  lease
    .command('leave <wait>')
    .description('leave the queue; without --user you take somebody out of it, who is told')
    .option('--user <name>', 'you, where it is your own place')
    .option('--answers-stdin', twoAnswers)
    .addHelpText('after', examples('tagout lease leave wai_… --user bob', 'tagout lease leave wai_…'))
    .action(async (text: string, options: Partial<Person>) => {
      const id = parseGivenId('wai', text, 'tagout lease queue')
      const { user } = options
      if (user === undefined) await tools.withVault((vault) => vault.ask('lease.leave', { wait: id }))
      else await askAs(tools, { ...options, user }, (client) => client.ask('DELETE', `/api/queue/${id}`))
      tools.show({ left: id }, () => `left the queue: ${id}`)
    })
}

function addHandOverCommands(lease: Command, tools: Tools): void {
  lease
    .command('hand-over <lease>')
    .description('offer your lease to a colleague, who takes it with a code of their own within 15 minutes')
    .requiredOption('--to <name>', 'who takes it over; they must have access of their own')
    .requiredOption('--user <name>', 'you: the holder')
    .option('--answers-stdin', twoAnswers)
    .addHelpText('after', examples('tagout lease hand-over lse_… --to ben --user ann'))
    .action(async (text: string, options: Person & { readonly to: string }) => {
      const id = parseGivenId('lse', text, 'tagout lease list')
      const offer = await askAs(tools, options, async (client) =>
        offered.parse(await client.ask('POST', '/api/hand-overs', { lease: id, user: options.to })),
      )
      tools.show(
        offer,
        () =>
          `offered ${offer.account} to ${offer.to} until ${when(offer.expiresAt)} (${offer.id}); ` +
          'it is yours until they take it, and your sessions on it end then',
      )
    })

  lease
    .command('hand-overs')
    .description('list what is offered and not answered yet')
    .addHelpText('after', examples('tagout lease hand-overs', 'tagout lease hand-overs --json'))
    .action(async () => {
      const offers = await tools.withVault((vault) => vault.ask('handover.list', {}))
      tools.list(
        offers,
        [
          ['ID', (row) => row.id],
          ['ACCOUNT', (row) => row.account],
          ['FROM', (row) => row.from],
          ['TO', (row) => row.to],
          ['MODE', (row) => (row.exclusive ? 'exclusive' : 'shared')],
          ['OFFERED', (row) => when(row.createdAt)],
          ['UNTIL', (row) => when(row.expiresAt)],
        ],
        'nobody hands anything over',
      )
    })

  lease
    .command('accept <hand-over>')
    .description('take over what a colleague offers you: their sessions on it end')
    .requiredOption('--user <name>', 'you: the one to whom it is offered')
    .option('--answers-stdin', threeAnswers)
    .addHelpText('after', examples('tagout lease accept hov_… --user ben'))
    .action(async (text: string, options: Person) => {
      const id = parseGivenId('hov', text, 'tagout lease hand-overs')
      const taken = await askFreshAs(tools, options, async (client, nextCode) =>
        held
          .extend({ until: z.string().nullable() })
          .parse(await client.ask('POST', `/api/hand-overs/${id}/accept`, { totpCode: await nextCode() })),
      )
      tools.show(
        taken,
        () => `${taken.user} holds ${taken.account} until ${when(taken.until)} (${taken.id}): connect now`,
      )
    })

  lease
    .command('decline <hand-over>')
    .description('decline what is offered to you, or take your own offer back')
    .requiredOption('--user <name>', 'you: one of the two')
    .option('--answers-stdin', twoAnswers)
    .addHelpText('after', examples('tagout lease decline hov_… --user ben'))
    .action(async (text: string, options: Person) => {
      const id = parseGivenId('hov', text, 'tagout lease hand-overs')
      await askAs(tools, options, (client) => client.ask('DELETE', `/api/hand-overs/${id}`))
      tools.show({ ended: id }, () => `the hand-over ${id} is over: nothing changed hands`)
    })
}
