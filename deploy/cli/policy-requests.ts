import type { Command } from 'commander'
import { z } from 'zod'
import { whoText } from '../../vault/kernel/who.ts'
import type { PolicyDocument } from '../../vault/policy/document.ts'
import { askAs, askFreshAs, type Person } from './ask-as.ts'
import { Complaint, misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { planText } from './policy-plan.ts'
import { confirmed } from './secret-input.ts'
import { examples, facts, type Tools, type Vault } from './tools.ts'

const applied = z.looseObject({ version: z.number() })
const asked = z.looseObject({ id: z.string(), expiresAt: z.string() })
const allThese = 'tagout policy requests --all'

/** `tagout policy requests|request|approve|withdraw`: what waits for a second person. */
export function addPolicyRequestCommands(policy: Command, tools: Tools): void {
  policy
    .command('requests')
    .description('list the policies that wait for a second administrator')
    .option('--all', 'those that were applied, withdrawn or are too old, too')
    .addHelpText('after', examples('tagout policy requests', 'tagout policy requests --all --json'))
    .action(async (options: { all?: boolean }) => {
      const rows = await tools.withVault((vault) =>
        vault.ask('policy.requests', { state: options.all === true ? 'all' : 'open' }),
      )
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['STATE', (row) => row.state],
          ['ASKED BY', (row) => whoText(row.askedBy)],
          ['ASKED', (row) => when(row.askedAt)],
          ['ENDS', (row) => when(row.closedAt ?? row.expiresAt)],
          ['CLOSED BY', (row) => (row.closedBy === null ? '' : whoText(row.closedBy))],
        ],
        options.all === true
          ? 'nobody has asked for another policy'
          : 'no policy waits for a second administrator',
      )
    })

  policy
    .command('request <request>')
    .description('show a policy that waits, and what it would change')
    .addHelpText('after', examples('tagout policy request plr_…'))
    .action(async (text: string) => {
      const { found, plan } = await tools.withVault((vault) => look(vault, text))
      tools.show(found, () =>
        [
          facts([
            ['id', found.id],
            ['state', found.state],
            ['asked', `by ${whoText(found.askedBy)}, ${when(found.askedAt)}`],
            ['means', found.means],
            ...(found.fault === null ? [] : [['but', found.fault] as const]),
          ]),
          plan,
        ].join('\n'),
      )
    })

  policy
    .command('approve <request>')
    .description('put a policy in force that another administrator asked for; shows what it changes first')
    .requiredOption('--user <name>', 'you: an administrator, not the one who asked')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .option('--yes', 'do it without being asked')
    .addHelpText('after', examples('tagout policy approve plr_… --user ann'))
    .action(async (text: string, options: Person & { readonly yes?: boolean }) => {
      const { found, plan } = await tools.withVault((vault) => look(vault, text))
      if (!tools.json()) tools.io.err(plan)
      if (found.plan === null)
        throw new Complaint(found.fault ?? `this is ${found.state} already`, `see: ${allThese}`)
      if (!(await confirmed(tools.io, options.yes === true, 'Put it in force?')))
        throw new Complaint('nothing was changed', 'put it in force with --yes')
      const answer = applied.parse(
        await askFreshAs(tools, options, async (client, nextCode) =>
          client.ask('POST', `/api/policy/requests/${found.id}/approve`, {
            means: found.means,
            totpCode: await nextCode(),
          }),
        ),
      )
      tools.show(answer, () => `version ${answer.version} of the policy is in force`)
    })

  policy
    .command('withdraw <request>')
    .description('take back a policy that waits, or say no to another’s')
    .option('--user <name>', 'do it as yourself, an administrator: your name is in the audit log')
    .option('--answers-stdin', 'with --user: read two lines: your password and your present code')
    .addHelpText('after', examples('tagout policy withdraw plr_…', 'tagout policy withdraw plr_… --user ann'))
    .action(async (text: string, options: Partial<Person>) => {
      const request = parseGivenId('plr', text, allThese)
      const { user, ...answers } = options
      if (user === undefined && answers.answersStdin === true)
        throw misuse('--answers-stdin goes with --user', 'say who you are: --user NAME')
      const gone =
        user === undefined
          ? await tools.withVault((vault) => vault.ask('policy.withdraw', { request }))
          : await askAs(tools, { user, ...answers }, async (client) =>
              asked.parse(await client.ask('DELETE', `/api/policy/requests/${request}`, {})),
            )
      tools.show(gone, () => `withdrew ${gone.id}`)
    })
}

/** Puts a policy in force as a person. */
export function applyPolicyAs(
  tools: Tools,
  person: Person,
  body: { readonly document: PolicyDocument; readonly expected: string | null },
) {
  return askFreshAs(tools, person, async (client, nextCode) =>
    applied.parse(await client.ask('PUT', '/api/policy', { ...body, totpCode: await nextCode() })),
  )
}

/** Asks for a policy as a person, where it takes two to change it. */
export function askForPolicyAs(
  tools: Tools,
  person: Person,
  body: { readonly document: PolicyDocument; readonly expected: string },
) {
  return askFreshAs(tools, person, async (client, nextCode) =>
    asked.parse(await client.ask('POST', '/api/policy/requests', { ...body, totpCode: await nextCode() })),
  )
}

async function look(vault: Vault, text: string) {
  const found = await vault.ask('policy.request', { request: parseGivenId('plr', text, allThese) })
  const present = await vault.ask('policy.show', {})
  const plan = found.plan === null ? '' : planText(present.document, found.document, found.plan)
  return { found, plan }
}
