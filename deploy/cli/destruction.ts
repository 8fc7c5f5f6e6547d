import type { Command } from 'commander'
import { z } from 'zod'
import type { DestructionView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { askFreshAs, type Person } from './ask-as.ts'
import { Complaint, misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { size, when } from './io.ts'
import { confirmed } from './secret-input.ts'
import { collect, examples, facts, type Tools, type Vault } from './tools.ts'

const answered = z.looseObject({ id: z.string(), recordings: z.array(z.string()) })
const list = 'tagout destruction list --all'

type AskOptions = Person & {
  readonly reason: string
  readonly due?: true
  readonly safe?: string
  readonly recording?: readonly string[]
}

/** `tagout destruction`: recordings that are past their time, and the two people who have them destroyed. */
export function addDestructionCommands(root: Command, tools: Tools): void {
  const destruction = root
    .command('destruction')
    .description('recordings past their time, and the two people who have them destroyed')

  destruction
    .command('due')
    .description('list recordings that are past their time and that nothing holds, the oldest first')
    .option('--safe <safe>', 'of this safe')
    .addHelpText('after', examples('tagout destruction due', 'tagout destruction due --safe line-3 --json'))
    .action(async ({ safe }: { readonly safe?: string }) => {
      const { recordings, more } = await tools.withVault((vault) =>
        vault.ask('destruction.due', safe === undefined ? {} : { safe }),
      )
      tools.list(
        recordings,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['SAFE', (row) => row.safe],
          ['ENDED', (row) => when(row.endedAt)],
          ['DUE', (row) => when(row.dueAt)],
          ['CLASS', (row) => row.retentionClass],
          ['SIZE', (row) => size(row.sizeBytes)],
        ],
        'no recording is past its time; see for how long they are kept: tagout retention list',
      )
      if (more) tools.note('there are more: ask for these first')
    })

  destruction
    .command('ask')
    .description('ask for recordings to be destroyed that are due; it takes somebody else to approve it')
    .requiredOption('--user <name>', 'you: an administrator or an auditor')
    .requiredOption('--reason <text>', 'why; it is in the audit log and on their tombstones')
    .option('--due', 'all that are due, up to 1000')
    .option('--safe <safe>', 'with --due: of this safe')
    .option('--recording <recording>', 'this one; give it for each, or ids with commas', collect)
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      examples(
        'tagout destruction ask --due --safe line-3 --user ann --reason "works agreement, 90 days"',
        'tagout destruction ask --recording rec_… --user ann --reason "works agreement, 90 days"',
      ),
    )
    .action(async (options: AskOptions) => {
      const recordings = await tools.withVault((vault) => whichOf(vault, options))
      const after = await askFreshAs(tools, options, async (client, nextCode) =>
        client.ask('POST', '/api/destructions', {
          recordings,
          reason: options.reason,
          totpCode: await nextCode(),
        }),
      )
      const row = answered.parse(after)
      tools.show(
        after,
        () =>
          `asked for ${count(row.recordings.length, 'recording')} to be destroyed; somebody else approves it: tagout destruction approve ${row.id} --user NAME`,
      )
    })

  destruction
    .command('list')
    .description('list what waits for somebody’s approval, and what is being destroyed')
    .option('--all', 'what was destroyed or withdrawn, too')
    .addHelpText('after', examples('tagout destruction list', 'tagout destruction list --all --json'))
    .action(async ({ all }: { readonly all?: true }) => {
      const rows = await tools.withVault((vault) =>
        vault.ask('destruction.list', all === true ? { state: 'all' } : {}),
      )
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['STATE', (row) => row.state],
          ['RECORDINGS', (row) => String(row.recordings.length)],
          ['DESTROYED', (row) => String(row.destroyed)],
          ['ASKED', (row) => `by ${row.askedBy}, ${when(row.askedAt)}`],
          ['CLOSED', (row) => (row.closed === null ? '-' : `by ${row.closed.by}, ${when(row.closed.at)}`)],
          ['BECAUSE', (row) => row.reason],
        ],
        'nothing waits to be destroyed; see what is due: tagout destruction due',
      )
    })

  destruction
    .command('approve <destruction>')
    .description('have recordings destroyed for good that somebody else asked for; shows which first')
    .requiredOption('--user <name>', 'you: not the one who asked; one of the two is an auditor')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .option('--yes', 'do it without being asked')
    .addHelpText('after', examples('tagout destruction approve dst_… --user ingrid'))
    .action(async (text: string, options: Person & { readonly yes?: boolean }) => {
      const found = await tools.withVault((vault) => find(vault, text))
      if (!tools.json()) tools.io.err(`${describe(found)}\n`)
      if (!(await confirmed(tools.io, options.yes === true, 'Destroy them for good?')))
        throw new Complaint('nothing was destroyed', 'have them destroyed with --yes')
      const after = await askFreshAs(tools, options, async (client, nextCode) =>
        client.ask('POST', `/api/destructions/${found.id}/approve`, {
          digest: found.digest,
          totpCode: await nextCode(),
        }),
      )
      const row = answered.parse(after)
      tools.show(
        after,
        () =>
          `${count(row.recordings.length, 'recording')} are being destroyed; see: tagout destruction list`,
      )
    })

  destruction
    .command('withdraw <destruction>')
    .description('take a request back that waits, or say no to another’s')
    .addHelpText('after', examples('tagout destruction withdraw dst_…'))
    .action(async (text: string) => {
      const id = parseGivenId('dst', text, list)
      const gone = await tools.withVault((vault) => vault.ask('destruction.withdraw', { destruction: id }))
      tools.show(gone, () => `withdrew ${gone.id}; its recordings stay`)
    })
}

async function whichOf(vault: Vault, options: AskOptions): Promise<readonly string[]> {
  const { due, safe, recording } = options
  if ((due === true) === (recording !== undefined)) throw misuse('say either --due or --recording')
  if (recording !== undefined) {
    if (safe !== undefined) throw misuse('--safe goes with --due')
    return recording.map((text) => parseGivenId('rec', text, 'tagout destruction due'))
  }
  const found = await vault.ask('destruction.due', safe === undefined ? {} : { safe })
  if (found.recordings.length === 0)
    throw new Complaint('no recording is past its time', 'see: tagout retention list')
  return found.recordings.map(({ id }) => id)
}

async function find(vault: Vault, text: string): Promise<DestructionView> {
  const id = parseGivenId('dst', text, list)
  const found = (await vault.ask('destruction.list', { state: 'all' })).find((row) => row.id === id)
  if (found === undefined) throw new Complaint(`there is no destruction ${text}`, `see: ${list}`)
  return found
}

function describe(row: DestructionView): string {
  return facts([
    ['id', row.id],
    ['state', row.state],
    ['asked', `by ${row.askedBy}, ${when(row.askedAt)}: ${row.reason}`],
    ['recordings', row.recordings.join('\n')],
  ])
}
