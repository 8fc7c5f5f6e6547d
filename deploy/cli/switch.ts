import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { PlantSwitchView } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { collect, examples, type Tools } from './tools.ts'

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
        const found = (await vault.ask('switch.list', {})).find(
          (row) => row.id === name || row.name.toLowerCase() === name.toLowerCase(),
        )
        if (found !== undefined && found.state !== 'run' && options.yes !== true)
          throw new Complaint(
            `the switch ${found.name} holds ${found.safes.join(', ')} now: without it work goes on there`,
            'take it away all the same with --yes',
          )
        await vault.ask('switch.remove', { switch: name })
        tools.show({ removed: name }, () => `took the switch ${name} away`)
      })
    })
}
