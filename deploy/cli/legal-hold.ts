import type { Command } from 'commander'
import { z } from 'zod'
import { heldKinds, type LegalHoldView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { askFreshAs, type Person } from './ask-as.ts'
import { misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

const shown = z.looseObject({
  on: z.looseObject({ kind: z.string(), name: z.string() }),
  lifted: z.unknown().nullable(),
})
const list = 'tagout legal-hold list'

/** `tagout legal-hold`: what keeps recordings from being destroyed. */
export function addLegalHoldCommands(root: Command, tools: Tools): void {
  const hold = root
    .command('legal-hold')
    .description('legal holds: recordings that are not destroyed before two people say so')

  hold
    .command('list')
    .description('list the legal holds that are in force')
    .option('--all', 'those that were lifted, too')
    .addHelpText('after', examples(list, 'tagout legal-hold list --all --json'))
    .action(async (options: { readonly all?: true }) => {
      const rows = await tools.withVault((vault) =>
        vault.ask('legalhold.list', options.all === true ? { state: 'all' } : {}),
      )
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['ON', (row) => `${row.on.kind} ${row.on.name}`],
          ['MATTER', (row) => row.matter],
          ['BECAUSE', (row) => row.reason],
          ['RECORDINGS', (row) => String(row.recordings)],
          ['PLACED', (row) => `by ${row.placedBy}, ${when(row.placedAt)}`],
          ['LIFTED', liftedText],
        ],
        options.all === true ? 'there was never a legal hold' : 'no legal hold is in force',
      )
    })

  hold
    .command('place <kind> <of>')
    .description(`keep recordings from being destroyed: of a ${heldKinds.join(', a ')}`)
    .requiredOption('--matter <text>', 'the case that it is for')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .addHelpText(
      'after',
      `
Of a person or a safe it holds what is recorded later, too.
${examples(
  'tagout legal-hold place person acme-jo --matter "case 17/26" --reason "damage at press 3"',
  'tagout legal-hold place recording rec_… --matter "case 17/26" --reason "damage at press 3"',
)}`,
    )
    .action(async (text: string, of: string, given: { readonly matter: string; readonly reason: string }) => {
      const kind = heldKinds.find((known) => known === text)
      if (kind === undefined)
        throw misuse(`a hold is on no ${JSON.stringify(text)}`, `choose one of ${heldKinds.join(', ')}`)
      const { matter, reason } = given
      const placed = await tools.withVault((vault) =>
        vault.ask('legalhold.place', { kind, of, matter, reason }),
      )
      tools.show(
        placed,
        () => `${placed.id} holds ${count(placed.recordings, 'recording')} of the ${kind} ${placed.on.name}`,
      )
    })

  hold
    .command('lift <hold>')
    .description('ask for a hold to be lifted; where somebody else has asked, it is lifted by that')
    .requiredOption('--user <name>', 'you: an administrator, auditor or security officer')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText('after', examples('tagout legal-hold lift lho_… --user ann --reason "settled"'))
    .action(async (text: string, options: Person & { readonly reason: string }) => {
      const id = parseGivenId('lho', text, list)
      const { reason } = options
      const after = await askFreshAs(tools, options, async (client, nextCode) =>
        client.ask('POST', `/api/legal-holds/${id}/lift`, { reason, totpCode: await nextCode() }),
      )
      const row = shown.parse(after)
      tools.show(after, () =>
        row.lifted === null
          ? `asked; it holds until somebody else lifts it: tagout legal-hold lift ${id} --user NAME --reason TEXT`
          : `lifted the hold on the ${row.on.kind} ${row.on.name}`,
      )
    })

  hold
    .command('keep <hold>')
    .description('say no to who wants a hold lifted: it stays')
    .addHelpText('after', examples('tagout legal-hold keep lho_…'))
    .action(async (text: string) => {
      const legalHold = parseGivenId('lho', text, list)
      const kept = await tools.withVault((vault) => vault.ask('legalhold.keep', { legalHold }))
      tools.show(kept, () => `the hold on the ${kept.on.kind} ${kept.on.name} stays`)
    })
}

function liftedText({ lift, lifted }: LegalHoldView): string {
  if (lift === null) return '-'
  return lifted === null
    ? `${lift.by} wants it, ${when(lift.at)}: it takes somebody else`
    : `by ${lift.by} and ${lifted.by}, ${when(lifted.at)}`
}
