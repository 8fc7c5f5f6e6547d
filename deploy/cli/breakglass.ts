import type { Command } from 'commander'
import { z } from 'zod'
import { askFreshAs, type Person } from './ask-as.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

const opened = z.looseObject({
  id: z.string(),
  user: z.string(),
  account: z.string(),
  endsAt: z.string(),
  alarmed: z.array(z.string()),
  doubt: z
    .looseObject({
      rotation: z.string(),
      order: z.array(z.looseObject({ version: z.number(), is: z.enum(['new', 'before']) })),
    })
    .nullable(),
})
const reviewed = z.looseObject({ id: z.string(), user: z.string(), account: z.string() })

/** `tagout breakglass`: who let themselves in, and what came of it. */
export function addBreakGlassCommands(root: Command, tools: Tools): void {
  const breakglass = root
    .command('breakglass')
    .description('break-glass: who let themselves in without approval, and what others found')

  breakglass
    .command('list')
    .description('list those that nobody has reviewed')
    .option('--all', 'the reviewed ones too')
    .addHelpText('after', examples('tagout breakglass list', 'tagout breakglass list --all --json'))
    .action(async (options: { all?: boolean }) => {
      const rows = await tools.withVault((vault) =>
        vault.ask('breakglass.list', { state: options.all === true ? 'all' : 'open' }),
      )
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['OPENED', (row) => when(row.openedAt)],
          ['ENDS', (row) => when(row.endsAt)],
          ['STATE', (row) => row.state],
          ['SESSIONS', (row) => String(row.sessions)],
          ['ALARMED', (row) => row.alarmed.join(',')],
          ['SECRET', (row) => (row.secretChanged ? 'changed' : `due ${when(row.secretDueAt)}`)],
          ['REVIEWED', (row) => (row.reviewedBy === null ? '-' : `${row.reviewedBy}: ${row.note ?? ''}`)],
          ['REASON', (row) => row.reason],
        ],
        options.all === true ? 'nobody has broken the glass' : 'no break-glass waits for its review',
      )
    })

  breakglass
    .command('open <account>')
    .description('let yourself in at once: people are alarmed, all is recorded, and somebody reviews it')
    .requiredOption('--user <name>', 'you: a member of the safe with break-glass')
    .requiredOption('--reason <text>', 'why; those who are alarmed read it in the console')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      examples('tagout breakglass open press-3/engineer --user bob --reason "oil on the floor"'),
    )
    .action(async (account: string, options: Person & { readonly reason: string }) => {
      const answer = opened.parse(
        await askFreshAs(tools, options, async (client, nextCode) =>
          client.ask('POST', '/api/break-glass', {
            account,
            reason: options.reason,
            totpCode: await nextCode(),
          }),
        ),
      )
      tools.show(
        answer,
        () =>
          `${answer.user} may use ${answer.account} until ${when(answer.endsAt)} (${answer.id}); ` +
          `${answer.alarmed.length === 0 ? 'nobody could be alarmed' : `alarmed: ${answer.alarmed.join(', ')}`}` +
          (answer.doubt === null ? '' : `\n${doubtWords(answer.doubt)}`),
      )
    })

  breakglass
    .command('review <break-glass>')
    .description('say what came of it, once it is over, and end its alarm; never of your own')
    .requiredOption('--user <name>', 'you: an administrator, an auditor, or an approver of the safe')
    .requiredOption('--note <text>', 'what you found; it is in the audit log')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      examples('tagout breakglass review bgl_… --user sue --note "a hose had burst; replayed, nothing else"'),
    )
    .action(async (text: string, options: Person & { readonly note: string }) => {
      const id = parseGivenId('bgl', text, 'tagout breakglass list')
      const answer = reviewed.parse(
        await askFreshAs(tools, options, async (client, nextCode) =>
          client.ask('POST', `/api/break-glass/${id}/review`, {
            note: options.note,
            totpCode: await nextCode(),
          }),
        ),
      )
      tools.show(answer, () => `reviewed the break-glass of ${answer.user} for ${answer.account}`)
    })
}

/** What whoever broke the glass is given, of an account of which nobody knows which credential its machine takes. */
function doubtWords({ rotation, order }: NonNullable<z.infer<typeof opened>['doubt']>): string {
  const [first, then] = order.map(
    ({ version, is }) => `version ${version} (${is === 'new' ? 'the new one' : 'the one before'})`,
  )
  return (
    `nobody knows which password or key its machine takes: ${rotation} ended in doubt\n` +
    `your first session sends ${first ?? 'none'}; if the machine refuses it, connect again: that sends ${then ?? 'it again'}`
  )
}
