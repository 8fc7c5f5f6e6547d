import type { Command } from 'commander'
import type { AccountView } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { collect, examples, type Tools } from './tools.ts'

/** `tagout account type-ins`: whose secrets are typed into the desktop of an account. */
export function addTypeInsCommand(account: Command, tools: Tools): void {
  account
    .command('type-ins <account>')
    .description('name all accounts whose passwords are typed into desktops of this one, on the user’s act')
    .option('--of <account>', 'whose password is typed; give it for each, or names with commas', collect)
    .option('--none', 'take all back')
    .addHelpText(
      'after',
      examples(
        "tagout account type-ins 'ews-1/PLANT\\operator' --of plc-2/engineer --of plc-3/engineer",
        "tagout grant add bob 'ews-1/PLANT\\operator' --for 4h --allow observe,interact,type-in",
        "tagout account type-ins 'ews-1/PLANT\\operator' --none",
      ),
    )
    .action(async (name: string, options: { readonly of?: readonly string[]; readonly none?: true }) => {
      const { of: secrets = [] } = options
      if (secrets.length > 0 === (options.none === true)) throw misuse('give --of, or --none')
      const changed = await tools.withVault((vault) =>
        vault.ask('account.type-ins', { account: name, secrets: [...secrets] }),
      )
      tools.show(changed, () => `${changed.name}: ${typeInsText(changed)}`)
    })
}

/** Whose secrets are typed into an account's desktop, in words. */
export function typeInsText({ typeIns }: AccountView): string {
  return typeIns.length === 0 ? 'no linked secrets' : `types the secrets of ${typeIns.join(', ')}`
}
