import type { Command } from 'commander'
import { type AccountView, type ElevationKind, elevationKinds } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { examples, type Tools } from './tools.ts'

type ElevationOptions = { readonly none?: boolean } & { readonly [Kind in ElevationKind]?: string }

/** `tagout account elevation`: whose secret is typed at the prompt of sudo, su or enable. */
export function addElevationCommand(account: Command, tools: Tools): void {
  account
    .command('elevation <account>')
    .description(
      'name the account whose secret is typed when sudo, su or enable asks in sessions of this one',
    )
    .option('--sudo <account>', 'at the prompt of sudo; often the account itself')
    .option('--su <account>', 'at the prompt of su: the account that one becomes')
    .option('--enable <account>', 'at the prompt of enable, on switches')
    .option('--none', 'take it back')
    .addHelpText(
      'after',
      examples(
        'tagout account elevation press-3/engineer --sudo press-3/engineer',
        'tagout account elevation switch-7/tech --enable switch-7/enable',
        'tagout grant add bob press-3/engineer --for 4h --allow shell,elevate',
      ),
    )
    .action(async (name: string, options: ElevationOptions) => {
      const kinds = elevationKinds.filter((kind) => options[kind] !== undefined)
      const [kind] = kinds
      if (kinds.length + (options.none === true ? 1 : 0) !== 1)
        throw misuse('give one of --sudo, --su, --enable and --none')
      const changed = await tools.withVault((vault) =>
        vault.ask('account.elevation', {
          account: name,
          elevation: kind === undefined ? null : { kind, account: options[kind] ?? '' },
        }),
      )
      tools.show(changed, () => `${changed.name}: ${elevationText(changed)}`)
    })
}

/** How an account is elevated, in words. */
export function elevationText({ elevation }: AccountView): string {
  return elevation === null ? 'not elevated' : `${elevation.kind} with the secret of ${elevation.account}`
}
