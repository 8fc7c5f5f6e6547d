import type { Command } from 'commander'
import type { VerbAnswer } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { checkHandOut, handOut, removeShares } from './hand-out.ts'
import { when } from './io.ts'
import { shareSheet } from './share-input.ts'
import { collect, examples, facts, type Tools, type Vault } from './tools.ts'
import { sharesText } from './unseal.ts'

type SetOptions = {
  readonly custodian?: readonly string[]
  readonly threshold: string
  readonly out?: string
  readonly print?: boolean
  readonly dryRun?: boolean
}

/** `tagout custody`: the people who open the vault together. */
export function addCustodyCommands(root: Command, tools: Tools): void {
  const custody = root
    .command('custody')
    .description('custodians: people who hold shares, of whom some together open the vault')
  for (const [name, change, description] of [
    ['init', false, 'make custodians: each gets a share, any K of them open the vault'],
    ['change', true, 'exchange the custodians: new shares, and the old ones open nothing any more'],
  ] as const)
    custody
      .command(name)
      .description(description)
      .requiredOption('--threshold <k>', 'how many of them it takes, two at least')
      .requiredOption('--custodian <name>', 'one of them; give it for each, or names with commas', collect)
      .option('--out <folder>', 'write each share to a file of its own there, mode 0600')
      .option('--print', 'show the shares on the terminal, one at a time, and wipe each from it')
      .option('--dry-run', 'rehearse: make shares, try them, throw them away; changes nothing')
      .addHelpText(
        'after',
        `
The other ways to unseal stay: take them away with tagout keys remove, so that nobody opens the vault alone.
Copies of the database from before still open with what they opened with then: tagout keys rotate-root.
${examples(
  `tagout custody ${name} --threshold 2 --custodian anna,bob,carl --out /media/stick`,
  `tagout custody ${name} --threshold 3 --custodian anna,bob,carl,dora,emil --print`,
)}`,
      )
      .action(async (options: SetOptions) => {
        await tools.withVault((vault) => makeCustodians(tools, vault, change, options))
      })

  custody
    .command('show')
    .description('say who the custodians are, and whose shares have been entered, to unseal or to rehearse')
    .addHelpText('after', examples('tagout custody show'))
    .action(async () => {
      const [status, seals] = await tools.withVault(async (vault) => {
        const known = await vault.ask('status', {})
        return [known, known.sealed ? [] : await vault.ask('seal.list', {})] as const
      })
      const sets = seals.flatMap(({ custodians, createdAt }) =>
        custodians === null ? [] : [{ ...custodians, createdAt }],
      )
      tools.show({ sealed: status.sealed, sets, entered: status.shares, rehearsed: status.rehearsal }, () =>
        facts([
          ['vault', status.sealed ? 'sealed' : 'unsealed'],
          ...sets.map(({ set, threshold, names, createdAt }): readonly [string, string] => [
            `set ${set}`,
            `any ${threshold} of ${names.join(', ')}; made ${when(createdAt)}`,
          ]),
          ['entered', status.shares === null ? 'none' : sharesText(status.shares)],
          ...(status.rehearsal === null
            ? []
            : [['rehearsed', `${sharesText(status.rehearsal)}; nothing is opened by them`] as const]),
        ]),
      )
    })
}

async function makeCustodians(
  tools: Tools,
  vault: Vault,
  change: boolean,
  options: SetOptions,
): Promise<void> {
  const custodians = options.custodian ?? []
  const threshold = Number(options.threshold)
  if (!Number.isInteger(threshold))
    throw misuse('--threshold is a whole number', 'for example: --threshold 2')
  if (options.dryRun !== true) checkHandOut(tools, options)
  const prepared = await vault.ask('custody.prepare', {
    custodians: [...custodians],
    threshold,
    change,
    ...(options.dryRun === true ? { rehearse: true } : {}),
  })
  if (prepared.prepared === null)
    return tools.show({ rehearsal: true, threshold, custodians }, () =>
      [
        `rehearsed: ${custodians.length} shares were made, and any ${threshold} of them open what they should`,
        change ? 'the present custodians stay as they are' : 'no custodians were made',
      ].join('\n'),
    )
  const sheets = prepared.shares.map((share) => ({ name: share.name, sheet: sheetOf(prepared, share) }))
  const files = await handOut(tools, options, sheets, 'no custodians were made')
  try {
    await vault.ask('seal.confirm', { prepared: prepared.prepared })
  } catch (error) {
    // A refusal changed nothing. An answer that was lost may follow a change: the shares may be all that opens the vault.
    if (error instanceof Complaint) await removeShares(tools, files)
    else if (files.length > 0)
      tools.note(
        `it is not known whether the vault took these custodians: keep the shares until tagout custody show says so (set ${prepared.set})`,
      )
    throw error
  }
  tools.show({ set: prepared.set, threshold, custodians, files }, () =>
    [
      `any ${threshold} of ${custodians.join(', ')} open this vault now (set ${prepared.set})`,
      ...files.map((file) => `  ${file}`),
      change
        ? 'the shares of before open nothing any more, but copies of the database from before: tagout keys rotate-root'
        : 'try them, without sealing: tagout unseal --share --dry-run',
    ].join('\n'),
  )
}

function sheetOf(
  prepared: VerbAnswer<'custody.prepare'>,
  share: VerbAnswer<'custody.prepare'>['shares'][number],
): string {
  return shareSheet({
    ...share,
    of: prepared.shares.length,
    threshold: prepared.threshold,
    set: prepared.set,
    madeAt: new Date().toISOString().slice(0, 10),
    opens: 'the vault',
    notes: [
      'Keep it by yourself, apart from the others. Print it and delete the file. Lost or seen: tagout custody change.',
      'To enter it: tagout unseal --share',
    ],
  })
}
