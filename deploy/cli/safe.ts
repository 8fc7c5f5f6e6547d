import type { Command } from 'commander'
import { inputPolicies, type Permission, permissions } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { collect, examples, type Tools } from './tools.ts'

/** `tagout safe`: safes and who may do what with what lies in them. */
export function addSafeCommands(root: Command, tools: Tools): void {
  const safe = root.command('safe').description('safes, which hold targets and accounts')

  safe
    .command('add <name>')
    .description('add a safe')
    .option(
      '--input <policy>',
      `what is recorded of typed input: ${inputPolicies.join(', ')} (default: echoed)`,
    )
    .addHelpText('after', examples('tagout safe add line-3', 'tagout safe add line-4 --input timing_only'))
    .action(async (name: string, options: { input?: string }) => {
      const inputPolicy = inputPolicies.find((known) => known === options.input)
      if (options.input !== undefined && inputPolicy === undefined)
        throw misuse(`there is no input policy ${options.input}`, `choose one of ${inputPolicies.join(', ')}`)
      const added = await tools.withVault((vault) =>
        vault.ask('safe.add', inputPolicy === undefined ? { name } : { name, inputPolicy }),
      )
      tools.show(added, () => `added safe ${added.name} (${added.id})`)
    })

  safe
    .command('list')
    .description('list safes')
    .addHelpText('after', examples('tagout safe list', 'tagout safe list --json'))
    .action(async () => {
      const safes = await tools.withVault((vault) => vault.ask('safe.list', {}))
      tools.list(
        safes,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['INPUT', (row) => row.inputPolicy],
          ['TARGETS', (row) => String(row.targets)],
          ['ACCOUNTS', (row) => String(row.accounts)],
          [
            'MEMBERS',
            (row) => row.members.map((member) => `${member.user}:${member.permissions.join('+')}`).join(' '),
          ],
        ],
        'there are no safes; add one with: tagout safe add NAME',
      )
    })

  safe
    .command('member <safe> <user>')
    .description('set what a user may do with the accounts of a safe')
    .option('--allow <permissions>', `any of ${permissions.join(', ')}`, collect)
    .option('--none', 'take all permissions away')
    .addHelpText(
      'after',
      examples(
        'tagout safe member line-3 alice --allow manage,approve',
        'tagout safe member line-3 alice --none',
      ),
    )
    .action(async (name: string, user: string, options: { allow?: readonly string[]; none?: boolean }) => {
      if ((options.allow === undefined) === (options.none !== true))
        throw misuse('say either --allow PERMISSIONS or --none')
      const given = parsePermissions(options.allow ?? [])
      const changed = await tools.withVault((vault) =>
        vault.ask('safe.member.set', { safe: name, user, permissions: given }),
      )
      tools.show(changed, () => {
        const member = changed.members.find((row) => row.user === user)
        return member === undefined
          ? `${user} is no member of ${changed.name}`
          : `${user} may ${member.permissions.join(', ')} in ${changed.name}`
      })
    })
}

function parsePermissions(names: readonly string[]): Permission[] {
  return names.map((name) => {
    const found = permissions.find((known) => known === name)
    if (found === undefined)
      throw misuse(`there is no permission ${name}`, `choose from ${permissions.join(', ')}`)
    return found
  })
}
