import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type PlantSwitchView, switchActs, type VerbAnswer } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { collect, examples, type Tools, type Vault } from './tools.ts'

const states = { run: 'on', stop: 'off: holds', lost: 'not read: holds' } as const

/** `tagout switch`: switches at the plant that hold or end what goes on in their safes. */
export function addSwitchCommands(root: Command, tools: Tools): void {
  const command = root
    .command('switch')
    .description('plant switches: what somebody at the machines turns to hold or end all sessions there')

  command
    .command('add <name>')
    .description('add a switch: one that calls, or one whose input is read over Modbus/TCP')
    .requiredOption('--safe <safe>', 'whose sessions it holds; may be given more than once', collect)
    .option('--terminate', 'it ends the sessions instead of freezing them')
    .option('--modbus <input>', 'read this input: modbus://host[:502]/unit/discrete|coil/number')
    .option('--stops-at <value>', 'with --modbus: the value that stops, on or off (a broken wire reads off)')
    .addHelpText(
      'after',
      examples(
        'tagout switch add hall-3 --safe line-3 --modbus modbus://10.0.3.9/1/discrete/12 --stops-at off',
        'tagout switch add gate --safe line-3 --safe line-4 --terminate',
        'tagout switch key gate --out gate.key',
      ),
    )
    .action(
      async (
        name: string,
        options: { safe: readonly string[]; terminate?: boolean; modbus?: string; stopsAt?: string },
      ) => {
        if (options.stopsAt !== undefined && options.stopsAt !== 'on' && options.stopsAt !== 'off')
          throw misuse('--stops-at is on or off', 'off is safer: a broken wire reads off')
        const added = await tools.withVault((vault) =>
          vault.ask('switch.add', {
            name,
            safes: [...options.safe],
            act: options.terminate === true ? 'terminate' : 'freeze',
            ...(options.modbus === undefined ? {} : { input: options.modbus }),
            ...(options.stopsAt === undefined ? {} : { stopsAt: options.stopsAt === 'on' }),
          }),
        )
        tools.show(added, () =>
          added.input === null
            ? `added the switch ${added.name}; its key: tagout switch key ${added.name} --out FILE`
            : `added the switch ${added.name}; it holds ${added.safes.join(', ')} until its input was read`,
        )
      },
    )

  command
    .command('list')
    .description('list the switches and how they stand')
    .addHelpText('after', examples('tagout switch list', 'tagout switch list --json'))
    .action(async () => {
      const rows = await tools.withVault((vault) => vault.ask('switch.list', {}))
      tools.list<PlantSwitchView>(
        rows,
        [
          ['NAME', (row) => row.name],
          ['STATE', (row) => states[row.state]],
          ['SINCE', (row) => when(row.changedAt)],
          ['SAFES', (row) => row.safes.join(', ')],
          ['DOES', (row) => row.act],
          [
            'BY',
            (row) =>
              row.input === null ? 'calls' : `${row.input}, stops at ${row.stopsAt === true ? 'on' : 'off'}`,
          ],
        ],
        'there are no plant switches; add one with: tagout switch add NAME --safe SAFE',
      )
    })

  command
    .command('test [switch]')
    .description('say what an input reads now: of a switch, or of one that is to be; turns nothing')
    .option('--modbus <input>', 'this input: modbus://host[:502]/unit/discrete|coil/number')
    .addHelpText(
      'after',
      examples('tagout switch test hall-3', 'tagout switch test --modbus modbus://10.0.3.9/1/discrete/12'),
    )
    .action(async (name: string | undefined, options: { modbus?: string }) => {
      if ((name === undefined) === (options.modbus === undefined))
        throw misuse('say which input', 'name a switch, or give --modbus')
      const found = await tools.withVault((vault) =>
        vault.ask('switch.test', {
          ...(name === undefined ? {} : { switch: name }),
          ...(options.modbus === undefined ? {} : { input: options.modbus }),
        }),
      )
      tools.show(found, () => readText(found))
      if (found.reads === null)
        throw new Complaint(`${found.input}: ${found.fault}`, 'check the address, the unit and the number')
    })

  command
    .command('change <switch>')
    .description('change what a switch holds and does, and where it is read')
    .option('--safe <safe>', 'whose sessions it holds, all of them; may be given more than once', collect)
    .addOption(new Option('--act <act>', 'what it does to sessions').choices(switchActs))
    .option('--modbus <input>', 'read this input instead; it holds until that was read')
    .addOption(new Option('--stops-at <value>', 'the value that stops').choices(['on', 'off']))
    .option('--yes', 'do it although it holds something now')
    .addHelpText(
      'after',
      examples(
        'tagout switch change hall-3 --safe line-3 --safe line-4',
        'tagout switch change hall-3 --modbus modbus://10.0.3.9/1/discrete/14 --stops-at off',
      ),
    )
    .action(async (name: string, options: ChangeOptions) => {
      const { safe, act, modbus, stopsAt } = options
      const wanted = {
        ...(safe === undefined ? {} : { safes: [...safe] }),
        ...(act === undefined ? {} : { act }),
        ...(modbus === undefined ? {} : { input: modbus }),
        ...(stopsAt === undefined ? {} : { stopsAt: stopsAt === 'on' }),
      }
      if (Object.keys(wanted).length === 0)
        throw misuse('say what to change', 'give --safe, --act, --modbus or --stops-at')
      await tools.withVault(async (vault) => {
        if (safe !== undefined && options.yes !== true) await refuseIfHolding(vault, name, safe)
        const changed = await vault.ask('switch.change', { switch: name, ...wanted })
        tools.show(changed, () =>
          modbus === undefined && stopsAt === undefined
            ? `changed the switch ${changed.name}`
            : `changed the switch ${changed.name}; it holds ${changed.safes.join(', ')} until its input was read`,
        )
      })
    })

  command
    .command('key <switch>')
    .description('write the key with which a switch signs its calls to a new file, mode 0600')
    .requiredOption('--out <file>', 'the file')
    .addHelpText('after', examples('tagout switch key gate --out gate.key'))
    .action(async (name: string, options: { out: string }) => {
      const { key } = await tools.withVault((vault) => vault.ask('switch.key', { switch: name }))
      await writeNewFile(resolve(tools.io.cwd, options.out), `${key}\n`)
      tools.show({ file: options.out }, () => `${options.out} holds the key: whoever has it turns the switch`)
    })

  command
    .command('remove <switch>')
    .description('take a switch away; what it holds goes on')
    .option('--yes', 'do it although it holds something now')
    .addHelpText('after', examples('tagout switch remove gate'))
    .action(async (name: string, options: { yes?: boolean }) => {
      await tools.withVault(async (vault) => {
        if (options.yes !== true) await refuseIfHolding(vault, name, [])
        await vault.ask('switch.remove', { switch: name })
        tools.show({ removed: name }, () => `took the switch ${name} away`)
      })
    })
}

type ChangeOptions = {
  readonly safe?: readonly string[]
  readonly act?: (typeof switchActs)[number]
  readonly modbus?: string
  readonly stopsAt?: 'on' | 'off'
  readonly yes?: boolean
}

/** Whoever takes a safe from a switch that holds it says so twice. */
async function refuseIfHolding(vault: Vault, name: string, but: readonly string[]): Promise<void> {
  const found = (await vault.ask('switch.list', {})).find(
    (row) => row.id === name || row.name.toLowerCase() === name.toLowerCase(),
  )
  if (found === undefined || found.state === 'run') return
  const kept = but.map((safe) => safe.toLowerCase())
  const free = found.safes.filter((safe) => !kept.includes(safe.toLowerCase()))
  if (free.length === 0) return
  throw new Complaint(
    `the switch ${found.name} holds ${free.join(', ')} now: without it work goes on there`,
    'do it all the same with --yes',
  )
}

function readText({ input, reads, stops }: VerbAnswer<'switch.test'>): string {
  if (reads === null) return `${input} reads nothing`
  const means = stops === null ? '' : stops ? ': it stops' : ': work goes on'
  return `${input} reads ${reads ? 'on' : 'off'}${means}`
}
