import type { Command } from 'commander'
import type { AccountView } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout account files`: by whose login files go beside desktops of an account. */
export function addFilesCommand(account: Command, tools: Tools): void {
  account
    .command('files <account>')
    .description(
      'name the account of SSH, on the same machine, by whose login files go beside desktops of this one',
    )
    .option('--by <account>', 'by whose login; it must be bound to its target')
    .option('--none', 'take it back')
    .addHelpText(
      'after',
      examples(
        "tagout account files 'ews-1/PLANT\\operator' --by ews-1-ssh/transfer",
        "tagout grant add bob 'ews-1/PLANT\\operator' --for 4h --allow observe,interact,sftp-read",
        "tagout account files 'ews-1/PLANT\\operator' --none",
      ),
    )
    .action(async (name: string, { by, none }: { readonly by?: string; readonly none?: true }) => {
      if ((by === undefined) === (none === undefined)) throw misuse('give --by, or --none')
      const changed = await tools.withVault((vault) =>
        vault.ask('account.files', { account: name, files: by ?? null }),
      )
      tools.show(changed, () => `${changed.name}: ${filesText(changed)}`)
    })
}

/** By whose login files go beside an account's desktop, in words. */
export function filesText({ files }: AccountView): string {
  return files === null ? 'no files go beside its desktop' : `files go by the login of ${files}`
}
