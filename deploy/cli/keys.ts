import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { SealView, VerbInput } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { addRotationCommands } from './keys-rotation.ts'
import { readSecret } from './secret-input.ts'
import { examples, type Tools } from './tools.ts'

type ProviderOptions = { readonly passphraseStdin?: boolean; readonly keyFile?: string }

/** `tagout keys`: the ways to unseal the vault, and the keys that it keeps. */
export function addKeysCommands(root: Command, tools: Tools): void {
  const keys = root
    .command('keys')
    .description('the keys of the vault: ways to unseal it, and their exchange')

  keys
    .command('list')
    .description('list the ways to unseal this vault')
    .addHelpText('after', examples('tagout keys list', 'tagout keys list --json'))
    .action(async () => {
      const seals = await tools.withVault((vault) => vault.ask('seal.list', {}))
      tools.list(
        seals,
        [
          ['ID', (seal) => seal.id],
          ['OPENS BY', sealText],
          ['MADE', (seal) => when(seal.createdAt)],
          [
            'FOLLOWS AN EXCHANGE OF THE ROOT KEY',
            (seal) => (seal.followsRotation ? 'yes' : 'once it has unsealed'),
          ],
        ],
        'this vault cannot be unsealed',
      )
    })

  keys
    .command('add')
    .description('add a way to unseal beside those that there are')
    .option('--passphrase-stdin', 'a passphrase, read from standard input')
    .option('--key-file <file>', 'a key file, made where it is missing')
    .addHelpText(
      'after',
      `
Custodians are made by tagout custody init. Without an option it asks for a passphrase.
${examples('tagout keys add --key-file /media/stick/seal.key', 'tagout keys add')}`,
    )
    .action(async (options: ProviderOptions) => {
      const provider = await providerOf(tools, options)
      const added = await tools.withVault((vault) => vault.ask('seal.add', { provider }, undefined, 120_000))
      tools.show(added, () => `the vault opens by this ${sealText(added)} too (${added.id})`)
    })

  keys
    .command('remove <id>')
    .description('take a way to unseal away; never the last one')
    .option('--dry-run', 'say whether it could be, and change nothing')
    .addHelpText(
      'after',
      `
Copies of the database from before still open by it: tagout keys rotate-root.
${examples('tagout keys remove wrp_01…', 'tagout keys remove wrp_01… --dry-run')}`,
    )
    .action(async (id: string, options: { dryRun?: boolean }) => {
      const rehearse = options.dryRun === true
      const gone = await tools.withVault((vault) => vault.ask('seal.remove', { seal: id, rehearse }))
      tools.show({ ...gone, removed: !rehearse }, () =>
        rehearse
          ? `the ${sealText(gone)} could be taken away; nothing was changed`
          : `the vault no longer opens by that ${sealText(gone)}`,
      )
    })

  keys
    .command('recovery-key')
    .description('exchange the vault’s recovery key for a new one')
    .requiredOption('--recovery-out <file>', 'where to write it, mode 0600')
    .addHelpText('after', examples('tagout keys recovery-key --recovery-out vault-recovery.key'))
    .action(async (options: { recoveryOut: string }) => {
      const path = resolve(tools.io.cwd, options.recoveryOut)
      await tools.withVault(async (vault) => {
        const { prepared, recoveryKey } = await vault.ask('seal.renewRecovery', {})
        // Durable before it is the one that counts.
        await writeNewFile(path, `${recoveryKey}\n`)
        await vault.ask('seal.confirm', { prepared })
      })
      tools.show(
        { recoveryKey: options.recoveryOut },
        () =>
          `the new recovery key is in ${options.recoveryOut}: print it, lock it away, delete it here; the old one opens nothing any more`,
      )
    })
  addRotationCommands(keys, tools)
}

/** A way to unseal in words. */
export function sealText(seal: SealView): string {
  const { custodians } = seal
  if (custodians !== null)
    return `custodians ${custodians.set} (any ${custodians.threshold} of ${custodians.names.join(', ')})`
  const noun = seal.kind.replace('-', ' ')
  return seal.path === null ? (seal.kind === 'recovery' ? 'recovery key' : noun) : `${noun} ${seal.path}`
}

/** The way to unseal that was chosen for the vault; a passphrase is asked for where no option says otherwise. */
export async function providerOf(
  tools: Tools,
  options: ProviderOptions,
): Promise<VerbInput<'vault.initialise'>['provider']> {
  if (options.keyFile !== undefined && options.passphraseStdin === true)
    throw misuse('give either a passphrase or a key file, not both')
  if (options.keyFile !== undefined) return { kind: 'key-file', path: resolve(tools.io.cwd, options.keyFile) }
  using passphrase = await readSecret(tools.io, {
    what: 'passphrase for the vault',
    fromStdin: options.passphraseStdin === true,
    option: '--passphrase-stdin (or give --key-file FILE)',
    confirm: true,
  })
  return { kind: 'passphrase', passphrase: passphrase.expose((bytes) => new TextDecoder().decode(bytes)) }
}
