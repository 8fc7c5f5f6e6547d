import type { Command } from 'commander'
import type { AccountView, TargetView } from '../../vault/contract.ts'
import { addElevationCommand, elevationText } from './account-elevation.ts'
import { addTypeInsCommand, typeInsText } from './account-type-ins.ts'
import { addFilesCommand, filesText } from './account-files.ts'
import { addRevealCommand } from './account-reveal.ts'
import { type CredentialInput, readGivenSecret, type SecretOptions, sealGiven } from './account-secret.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { addRotationSettings } from './rotation-settings.ts'
import { loadSodium } from './sodium.ts'
import { examples, facts, type Tools, type Vault } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

/** Splits `press-3/engineer`. */
export function splitAccount(name: string): { readonly target: string; readonly login: string } {
  const [target, login, ...more] = name.split('/')
  if (!target || !login || more.length > 0)
    throw misuse(
      `${JSON.stringify(name)} is not an account`,
      'write it as target/login, like press-3/engineer',
    )
  return { target, login }
}

async function sealedCredential(
  tools: Tools,
  vault: Vault,
  account: string,
  options: SecretOptions,
): Promise<CredentialInput> {
  // The key first: nobody should type a secret for a vault that is then refused.
  const intakeKey = await pinnedIntakeKey(tools, vault)
  const given = await readGivenSecret(tools.io, account, options)
  return sealGiven(await loadSodium(), intakeKey, account, given)
}

/** Says out loud what VNC makes of a password, before it is typed. */
function noteLength(tools: Tools, { name, protocol }: TargetView): void {
  if (protocol === 'vnc')
    tools.note(
      `${name} is a desktop over VNC: of its password the first 8 characters count, and no more; for a panel that asks for none, give any word`,
    )
}

/** `tagout account`: how somebody logs in to a target. */
export function addAccountCommands(root: Command, tools: Tools): void {
  const account = root.command('account').description('accounts: logins on targets, and their secrets')

  account
    .command('add <account>')
    .description('add an account (target/login) with its secret, sealed here to the vault')
    .option('--password-stdin', 'read the password from standard input')
    .option('--key-file <file>', 'a private SSH key instead of a password')
    .option('--key-passphrase-stdin', 'read the passphrase of --key-file from standard input')
    .addHelpText(
      'after',
      examples(
        'tagout account add press-3/engineer',
        "printf %s 'secret' | tagout account add press-3/engineer --password-stdin",
        'tagout account add press-3/backup --key-file id_ed25519',
      ),
    )
    .action(async (name: string, options: SecretOptions) => {
      const { target, login } = splitAccount(name)
      const added = await tools.withVault(async (vault) => {
        // By name whatever was given, since the sealed secret says what it is for.
        const found = await vault.ask('target.show', { target })
        noteLength(tools, found)
        const credential = await sealedCredential(tools, vault, `${found.name}/${login}`, options)
        return vault.ask('account.add', { target: found.id, login, credential })
      })
      tools.show(added, () => `added account ${added.name} (${added.id})`)
    })

  account
    .command('list')
    .description('list accounts')
    .addHelpText('after', examples('tagout account list', 'tagout account list --json'))
    .action(async () => {
      const accounts = await tools.withVault((vault) => vault.ask('account.list', {}))
      tools.list(
        accounts,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['SAFE', (row) => row.safe],
          ['CREDENTIAL', (row) => credentialText(row)],
          ['BOUND TO', (row) => row.boundTo.join(' ') || 'nothing'],
          ['HELD BY', (row) => row.holder?.user ?? '-'],
        ],
        'there are no accounts; add one with: tagout account add TARGET/LOGIN',
      )
    })

  account
    .command('show <account>')
    .description('show an account; never its secret')
    .addHelpText('after', examples('tagout account show press-3/engineer'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) => vault.ask('account.show', { account: name }))
      tools.show(found, () => describe(found))
    })

  account
    .command('secret <account>')
    .description('give an account a new secret, which becomes its next version')
    .option('--password-stdin', 'read the password from standard input')
    .option('--key-file <file>', 'a private SSH key instead of a password')
    .option('--key-passphrase-stdin', 'read the passphrase of --key-file from standard input')
    .addHelpText(
      'after',
      examples("printf %s 'secret' | tagout account secret press-3/engineer --password-stdin"),
    )
    .action(async (name: string, options: SecretOptions) => {
      const changed = await tools.withVault(async (vault) => {
        const found = await vault.ask('account.show', { account: name })
        noteLength(tools, await vault.ask('target.show', { target: found.target }))
        const credential = await sealedCredential(tools, vault, found.name, options)
        return vault.ask('account.secret', { account: found.id, credential })
      })
      tools.show(changed, () => `${changed.name} has ${credentialText(changed)}`)
    })

  account
    .command('bind <account>')
    .description('bind an account to the present identity of its target, or of another one')
    .option('--target <target>', 'another target that this account logs in to')
    .addHelpText('after', examples('tagout account bind press-3/engineer'))
    .action(async (name: string, options: { target?: string }) => {
      const bound = await tools.withVault((vault) =>
        vault.ask('account.bind', {
          account: name,
          ...(options.target === undefined ? {} : { target: options.target }),
        }),
      )
      tools.show(bound, () => `${bound.name} is bound to ${bound.boundTo.join(', ')}`)
    })

  account
    .command('remove <account>')
    .description('remove an account and destroy its secrets')
    .addHelpText('after', examples('tagout account remove press-3/engineer'))
    .action(async (name: string) => {
      await tools.withVault((vault) => vault.ask('account.remove', { account: name }))
      tools.show({ removed: name }, () => `removed account ${name}`)
    })

  addRotationSettings(account, tools)
  addElevationCommand(account, tools)
  addTypeInsCommand(account, tools)
  addFilesCommand(account, tools)
  addRevealCommand(account, tools)
}

function credentialText(account: AccountView): string {
  if (account.credential === null) return 'none'
  return `${account.credential.kind === 'password' ? 'password' : 'private key'}, version ${account.credential.version}`
}

function describe(account: AccountView): string {
  return facts([
    ['id', account.id],
    ['name', account.name],
    ['safe', account.safe],
    ['credential', credentialText(account)],
    ...(account.credential === null ? [] : [['since', when(account.credential.at)] as const]),
    ['elevated', elevationText(account)],
    ...(account.typeIns.length === 0 ? [] : [['linked', typeInsText(account)] as const]),
    ...(account.files === null ? [] : [['files', filesText(account)] as const]),
    ['bound to', account.boundTo.join(', ') || 'nothing: it cannot be used'],
    [
      'held by',
      account.holder === null ? 'nobody' : `${account.holder.user}, until ${when(account.holder.until)}`,
    ],
    ['added', when(account.createdAt)],
  ])
}
