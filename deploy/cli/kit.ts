import { resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { KitView, VerbAnswer } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { askFreshAs, type Person } from './ask-as.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { checkHandOut, type HandOut, handOut } from './hand-out.ts'
import { when } from './io.ts'
import { addKitOpenCommand, readNote } from './kit-open.ts'
import { writeNewFile } from './new-file.ts'
import { shareSheet } from './share-input.ts'
import { collect, examples, facts, type Tools, type Vault } from './tools.ts'

const shown = z.looseObject({ safe: z.string(), state: z.string(), set: z.string() })

type InitOptions = HandOut & { readonly custodian?: readonly string[]; readonly threshold: string }

/** `tagout kit`: what is left when Tagout is not. */
export function addKitCommands(root: Command, tools: Tools): void {
  const kit = root
    .command('kit')
    .description('emergency kits: the secrets of a safe for custodians, who open them without Tagout')

  kit
    .command('list')
    .description('list the emergency kits, how old they are, and what is to be done')
    .addHelpText('after', examples('tagout kit list', 'tagout kit list --json'))
    .action(async () => {
      const [kits, safes] = await tools.withVault(async (vault) => [
        await vault.ask('kit.list', {}),
        tools.json() ? [] : await vault.ask('safe.list', {}),
      ])
      tools.list(
        kits,
        [
          ['ID', (row) => row.id],
          ['SAFE', (row) => row.safe],
          ['STATE', (row) => row.state],
          ['OPENS', (row) => `any ${row.threshold} of ${row.custodians.join(', ')}`],
          ['TAKEN', (row) => (row.taken === null ? 'never' : when(row.taken.at))],
          ['CHANGED SINCE', (row) => `${row.changedSince} of ${row.accounts}`],
          ['DRILLED', (row) => (row.drilledAt === null ? 'never' : when(row.drilledAt))],
          ['TO DO', todo],
        ],
        'no safe has an emergency kit; make one: tagout kit init SAFE --threshold 2 --custodian anna,bob,carl --print',
      )
      const without = safes.filter(
        ({ name, accounts }) =>
          accounts > 0 && !kits.some(({ safe, state }) => safe === name && state === 'in force'),
      )
      if (without.length > 0 && kits.length > 0)
        tools.note(`without an emergency kit: ${without.map(({ name }) => name).join(', ')}`)
    })

  kit
    .command('init <safe>')
    .description('make the shares of a safe’s kit; an administrator confirms it before it is in force')
    .requiredOption('--threshold <k>', 'how many of the custodians it takes, two at least')
    .requiredOption('--custodian <name>', 'one of them; give it for each, or names with commas', collect)
    .option('--out <folder>', 'write each share to a file of its own there, mode 0600')
    .option('--print', 'show the shares on the terminal, one at a time, and wipe each from it')
    .addHelpText(
      'after',
      `
The vault keeps nothing that opens a kit. A kit that is in force stays so until the new one is confirmed.
${examples(
  'tagout kit init line-3 --threshold 2 --custodian anna,bob,carl --print',
  'tagout kit init line-3 --threshold 2 --custodian anna,bob,carl --out /media/stick',
)}`,
    )
    .action(async (safe: string, options: InitOptions) => {
      await tools.withVault((vault) => initKit(tools, vault, safe, options))
    })

  kit
    .command('confirm <kit>')
    .description('put a kit in force: its custodians have their shares')
    .requiredOption('--user <name>', 'you, an administrator: not who handed the shares out')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText('after', examples('tagout kit confirm kit_… --user alice'))
    .action(async (text: string, options: Person) => {
      const id = parseGivenId('kit', text, 'tagout kit list')
      const after = await askFreshAs(tools, options, async (client, nextCode) =>
        client.ask('POST', `/api/kits/${id}/confirm`, { totpCode: await nextCode() }),
      )
      const row = shown.parse(after)
      tools.show(
        after,
        () =>
          `the emergency kit of ${row.safe} (set ${row.set}) is in force; take it away: tagout kit write ${row.safe} --out FILE`,
      )
    })

  kit
    .command('write <safe>')
    .description('write the kit of a safe as it is now, to take away; it opens for its custodians alone')
    .requiredOption('--out <file>', 'where to, on a stick for instance')
    .option('--replace', 'put it in the place of a file that is there')
    .addHelpText('after', examples('tagout kit write line-3 --out /media/stick/line-3.kit --replace'))
    .action(async (safe: string, { out, replace }: { readonly out: string; readonly replace?: boolean }) => {
      const made = await tools.withVault((vault) => vault.ask('kit.write', { safe }, undefined, 600_000))
      await writeNewFile(resolve(tools.io.cwd, out), made.file, { replace: replace === true })
      const { file: _, ...known } = made
      tools.show({ ...known, file: out }, () =>
        [
          `${out}: ${count(made.accounts, 'secret')} of ${safe}, as of ${when(made.madeAt)}`,
          'try it, without showing anything: tagout kit open FILE --drill',
        ].join('\n'),
      )
    })

  addKitOpenCommand(kit, tools)

  kit
    .command('report <note>')
    .description('note that a kit was opened, or practised: the note that tagout kit open has written')
    .addHelpText(
      'after',
      `
Without the note: tagout kit opened KIT --made … --opened … --custodian … --reason ….
${examples('tagout kit report line-3.kit.2026-12-01T03-10-00.000Z.opened')}`,
    )
    .action(async (path: string) => {
      const note = readNote(path, await tools.readText(path))
      const after = await tools.withVault((vault) => vault.ask('kit.report', note))
      tools.show(after, () => reported(after, note.drill))
    })

  kit
    .command('opened <kit>')
    .description('note by hand that a kit was opened')
    .requiredOption('--made <moment>', 'when the kit had been made: its first lines say so')
    .requiredOption('--opened <moment>', 'when it was opened')
    .requiredOption('--custodian <name>', 'who gave their shares', collect)
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .option('--drill', 'it was practised, and no secret was shown')
    .addHelpText(
      'after',
      examples(
        'tagout kit opened kit_… --made 2026-11-30T08:00Z --opened 2026-12-01T03:10Z --custodian anna,bob --reason "server burnt"',
      ),
    )
    .action(
      async (
        text: string,
        options: {
          readonly made: string
          readonly opened: string
          readonly custodian: readonly string[]
          readonly reason: string
          readonly drill?: boolean
        },
      ) => {
        const drill = options.drill === true
        const after = await tools.withVault((vault) =>
          vault.ask('kit.report', {
            kit: parseGivenId('kit', text, 'tagout kit list'),
            madeAt: parseMoment(options.made),
            openedAt: parseMoment(options.opened),
            custodians: [...options.custodian],
            drill,
            reason: options.reason,
          }),
        )
        tools.show(after, () => reported(after, drill))
      },
    )

  kit
    .command('end <kit>')
    .description('end a kit: nothing is sealed to its custodians any more')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .addHelpText('after', examples('tagout kit end kit_… --reason "the safe is given up"'))
    .action(async (text: string, { reason }: { readonly reason: string }) => {
      const id = parseGivenId('kit', text, 'tagout kit list')
      const after = await tools.withVault((vault) => vault.ask('kit.end', { kit: id, reason }))
      tools.show(
        after,
        () =>
          `ended; what was taken away before still opens with its shares: rotate what is in it, or have it brought back`,
      )
    })
}

async function initKit(tools: Tools, vault: Vault, safe: string, options: InitOptions): Promise<void> {
  const custodians = options.custodian ?? []
  const threshold = Number(options.threshold)
  if (!Number.isInteger(threshold))
    throw misuse('--threshold is a whole number', 'for example: --threshold 2')
  checkHandOut(tools, options)
  const prepared = await vault.ask('kit.prepare', { safe, custodians: [...custodians], threshold })
  const sheets = prepared.shares.map((share) => ({ name: share.name, sheet: sheetOf(safe, prepared, share) }))
  const files = await handOut(tools, options, sheets, 'no kit was made').catch(async (error: unknown) => {
    // Nobody can confirm what nobody has.
    await vault.ask('kit.end', { kit: prepared.kit, reason: 'the shares were not handed out' })
    throw error
  })
  const { shares: _, ...known } = prepared
  tools.show({ ...known, custodians, files }, () =>
    [
      `any ${threshold} of ${custodians.join(', ')} will open the emergency kit of ${safe} (set ${prepared.set})`,
      ...files.map((file) => `  ${file}`),
      `an administrator puts it in force: tagout kit confirm ${prepared.kit} --user NAME, or in the console at Emergency kits`,
    ].join('\n'),
  )
}

function sheetOf(
  safe: string,
  prepared: VerbAnswer<'kit.prepare'>,
  share: VerbAnswer<'kit.prepare'>['shares'][number],
): string {
  return shareSheet({
    ...share,
    of: prepared.shares.length,
    threshold: prepared.threshold,
    set: prepared.set,
    madeAt: new Date().toISOString().slice(0, 10),
    opens: `the emergency kit of the safe ${safe}`,
    notes: [
      'Keep it by yourself, apart from the others. Print it and delete the file. Lost or seen: have a new kit made.',
      'To use it, when Tagout is gone: tagout kit open FILE. It takes no server and no network.',
      `A kit is genuine if it says that it is signed by ${prepared.signedBy}`,
    ],
  })
}

function todo(row: KitView): string {
  if (row.state === 'waiting') return 'confirm it: tagout kit confirm'
  const left = row.openings.find((one) => one.left.length > 0)
  if (left !== undefined)
    return `${count(left.left.length, 'secret')} to rotate by ${when(left.dueAt)}${left.isOverdue ? ' OVERDUE' : ''}: it was opened ${when(left.openedAt)}`
  return row.due ?? ''
}

function reported(row: KitView, drill: boolean): string {
  if (drill) return `noted: opening the kit of ${row.safe} was practised`
  const left = row.openings.find((one) => one.left.length > 0)
  return left === undefined
    ? 'noted; every secret that was in it is another one already'
    : facts([
        ['noted', `the kit of ${row.safe} was opened ${when(left.openedAt)}`],
        ['to rotate', `by ${when(left.dueAt)}: ${left.left.join(', ')}`],
        ['then', `make a new kit: tagout kit init ${row.safe}`],
      ])
}
