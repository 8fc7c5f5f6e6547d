import type { Command } from 'commander'
import { z } from 'zod'
import type { CampaignItem, CampaignView } from '../../vault/contract.ts'
import { askAs, type Person } from './ask-as.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

const decidedItem = z.looseObject({ id: z.string(), user: z.string(), what: z.string() })
const closedCampaign = z.looseObject({ name: z.string() })
const listedBy = 'tagout campaign list'

/** `tagout campaign`: access reviews, who still needs what. */
export function addCampaignCommands(root: Command, tools: Tools): void {
  const campaign = root
    .command('campaign')
    .description('access reviews: who still needs what, decided by people, signed off')

  campaign
    .command('start <name>')
    .description('ask about each grant and each permission on a safe that holds now')
    .requiredOption('--due <moment>', 'by when: +14d, or 2026-12-31')
    .option('--reviewer <user>', 'whom to ask; else an approver of each safe, else an administrator')
    .addHelpText(
      'after',
      examples(
        'tagout campaign start "Q4 2026" --due +14d',
        'tagout campaign start vendors --due 2026-12-31 --reviewer sue',
      ),
    )
    .action(async (name: string, options: { due: string; reviewer?: string }) => {
      const begun = await tools.withVault((vault) =>
        vault.ask('campaign.start', {
          name,
          dueAt: parseMoment(options.due),
          ...(options.reviewer === undefined ? {} : { reviewer: options.reviewer }),
        }),
      )
      tools.show(begun, () => `asked about ${begun.items} things, due ${when(begun.dueAt)}: ${begun.id}`)
    })

  campaign
    .command('list')
    .description('list access reviews, the newest first')
    .addHelpText('after', examples('tagout campaign list', 'tagout campaign list --json'))
    .action(async () => {
      const rows = await tools.withVault((vault) => vault.ask('campaign.list', {}))
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['DUE', (row) => when(row.dueAt)],
          ['DECIDED', (row) => `${row.decided} of ${row.items}`],
          ['TO CARRY OUT', (row) => String(row.toCarryOut)],
          ['STATE', stateOf],
        ],
        'no access review was begun',
      )
    })

  campaign
    .command('show <campaign>')
    .description('list what people were asked, and what they said')
    .addHelpText('after', examples('tagout campaign show cam_…'))
    .action(async (text: string) => {
      const id = parseGivenId('cam', text, listedBy)
      const found = await tools.withVault((vault) => vault.ask('campaign.show', { campaign: id }))
      if (tools.json()) return tools.show(found, () => '')
      tools.list(
        found.list,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['MAY', (row) => row.what],
          ['ASKED', (row) => row.reviewer],
          ['DECISION', (row) => decisionOf(row)],
          ['BECAUSE', (row) => row.reason || '-'],
        ],
        'nothing was asked',
      )
      for (const row of found.list.filter(({ decision, holds }) => decision === 'revoke' && holds))
        tools.note(`to carry out: ${carryOut(row)}`)
    })

  campaign
    .command('decide <item>')
    .description('say whether somebody keeps what they may; never of your own')
    .requiredOption('--user <name>', 'you: who was asked, or an administrator or security officer')
    .option('--keep', 'they need it still')
    .option('--revoke', 'it is to be taken: who may does that by the usual command')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples('tagout campaign decide cmi_… --user sue --revoke --reason "the project is over"'),
    )
    .action(async (text: string, options: Person & { keep?: true; revoke?: true; reason: string }) => {
      const id = parseGivenId('cmi', text, 'tagout campaign show')
      if ((options.keep === true) === (options.revoke === true))
        throw misuse('give one of --keep and --revoke')
      const decision = options.keep === true ? 'keep' : 'revoke'
      const answer = decidedItem.parse(
        await askAs(tools, options, (client) =>
          client.ask('POST', `/api/campaign-items/${id}`, { decision, reason: options.reason }),
        ),
      )
      tools.show(
        answer,
        () => `${answer.user} ${decision === 'keep' ? 'keeps' : 'is to lose'}: ${answer.what}`,
      )
    })

  campaign
    .command('close <campaign>')
    .description('sign it off: all is decided, or its day has passed')
    .requiredOption('--user <name>', 'you: an administrator, security officer or auditor')
    .requiredOption('--note <text>', 'what came of it; it is in the audit log')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples('tagout campaign close cam_… --user sue --note "two taken, both carried out"'),
    )
    .action(async (text: string, options: Person & { note: string }) => {
      const id = parseGivenId('cam', text, listedBy)
      const answer = closedCampaign.parse(
        await askAs(tools, options, (client) =>
          client.ask('POST', `/api/campaigns/${id}/close`, { note: options.note }),
        ),
      )
      tools.show(answer, () => `signed off ${answer.name}; its report: tagout report make access-reviews`)
    })
}

function stateOf({ signedOff, isOverdue }: CampaignView): string {
  if (signedOff !== null) return `signed off by ${signedOff.by}`
  return isOverdue ? 'overdue' : 'open'
}

function decisionOf({ decision, holds, decidedBy }: CampaignItem): string {
  if (decision === null) return '-'
  if (decision === 'keep') return `keep, by ${decidedBy ?? ''}`
  return `${holds ? 'revoke: to carry out' : 'revoked'}, by ${decidedBy ?? ''}`
}

function carryOut({ grant, safe, user }: CampaignItem): string {
  return grant === null ? `tagout safe member ${safe} ${user} --none` : `tagout grant revoke ${grant}`
}
