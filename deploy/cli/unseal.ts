import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { SharesView, VaultStatus, VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { otherPaper } from './recovery-kind.ts'
import { readSecret, readSecretFile } from './secret-input.ts'
import { readShare } from './share-input.ts'
import { examples, type Tools, type Vault } from './tools.ts'

export type UnsealOptions = {
  readonly ask?: boolean
  readonly passphraseStdin?: boolean
  readonly keyFile?: string
  readonly recoveryKeyStdin?: boolean
  readonly recoveryKeyFile?: string
  readonly share?: boolean
  readonly shareStdin?: boolean
  readonly shareFile?: string
  readonly forget?: boolean
  readonly token?: string | boolean
  readonly pinStdin?: boolean
  readonly plugIn?: string | boolean
}

type Conditions = { readonly acceptRollback?: boolean; readonly dryRun?: boolean }

/** Milliseconds that stretching a passphrase and reading all guarded rows may take. */
const patienceMs = 600_000

/** `tagout unseal`: by any of the ways that the vault has. */
export function addUnsealCommand(root: Command, tools: Tools): void {
  root
    .command('unseal')
    .description('unseal the vault: by its own key file where it has one, else as it asks')
    .option('--ask', 'ask for the passphrase, also where the vault has a key file of its own')
    .option('--passphrase-stdin', 'read the passphrase from standard input')
    .option('--key-file <file>', 'a key file')
    .option('--recovery-key-stdin', 'read the vault’s recovery key from standard input')
    .option('--recovery-key-file <file>', 'the file that holds the vault’s recovery key')
    .option('--share', 'enter one custodian’s share, row by row; the others enter theirs elsewhere')
    .option('--share-stdin', 'read one custodian’s share from standard input')
    .option('--share-file <file>', 'the file that holds one custodian’s share')
    .option(
      '--token [id]',
      'a token (PKCS#11), by its stored PIN file or as it asks; the id where there are several',
    )
    .option('--pin-stdin', 'read the PIN of the token from standard input')
    .option('--plug-in [id]', 'a plug-in that tagout.json names; the id where there are several')
    .option('--forget', 'forget the shares that were entered and wait for others')
    .option('--dry-run', 'prove that it opens the vault, sealed or not, and change nothing; audited')
    .option(
      '--accept-rollback',
      'take a database older than the vault remembers, which you put back; audited',
    )
    .addHelpText(
      'after',
      examples(
        'tagout unseal',
        "printf %s 'passphrase' | tagout unseal --passphrase-stdin",
        'tagout unseal --share',
        'tagout unseal --share-file anna.share --dry-run',
        'tagout unseal --recovery-key-file vault-recovery.key',
      ),
    )
    .action(async ({ acceptRollback, dryRun, ...all }: UnsealOptions & Conditions) => {
      const options: UnsealOptions =
        all.pinStdin === true && all.token === undefined ? { ...all, token: true } : all
      const { pinStdin: _, ...ways } = options
      const given = Object.values(ways).filter((value) => value !== undefined && value !== false)
      if (given.length > 1) throw misuse('give one way to unseal, not several')
      const conditions: Conditions = {
        ...(acceptRollback === true ? { acceptRollback } : {}),
        ...(dryRun === true ? { dryRun } : {}),
      }
      await tools.withVault(async (vault) => {
        if (options.forget === true) return await forget(tools, vault)
        const status = await vault.ask('status', {})
        const isOpen = status.initialised && !status.sealed
        if (isOpen && dryRun !== true) return tools.show({ sealed: false }, () => 'the vault is unsealed')
        if (options.share === true || options.shareStdin === true || options.shareFile !== undefined)
          return await enterShare(tools, vault, options, conditions)
        if (status.sealProviders.length > 0 && needsShares(status) && given.length === 0)
          return await enterShare(tools, vault, { share: true }, conditions)
        await unsealBy(tools, vault, await unsealing(tools, options, status), conditions, status)
      })
    })
}

async function forget(tools: Tools, vault: Vault): Promise<void> {
  const { given } = await vault.ask('custody.forget', {})
  tools.show({ forgotten: given }, () =>
    given === 0 ? 'no share was waiting' : `forgot ${given} share${given === 1 ? '' : 's'}`,
  )
}

async function unsealBy(
  tools: Tools,
  vault: Vault,
  how: VerbInput<'vault.unseal'>,
  { acceptRollback, dryRun }: Conditions,
  status: VaultStatus,
): Promise<void> {
  if (dryRun === true) {
    await vault.ask('seal.rehearse', { how }, undefined, patienceMs)
    return tools.show(
      { sealed: status.sealed, opens: true },
      () => `it opens this vault, which is ${status.sealed ? 'sealed' : 'unsealed'} as before`,
    )
  }
  const input = acceptRollback === true ? { ...how, acceptRollback } : how
  await vault.ask('vault.unseal', input, undefined, patienceMs)
  const stored = status.sealProviders.find((provider) => provider.kind === 'key-file')
  const by = how.kind === 'stored-key-file' ? ` by the key file ${stored?.path ?? ''}` : ''
  tools.show({ sealed: false }, () => `the vault is unsealed${by}`)
}

async function enterShare(
  tools: Tools,
  vault: Vault,
  options: UnsealOptions,
  { acceptRollback, dryRun }: Conditions,
): Promise<void> {
  const share = await readShare(tools.io, {
    fromStdin: options.shareStdin === true,
    file: options.shareFile,
  })
  const answer = await vault.ask(
    'custody.share',
    {
      share,
      ...(dryRun === true ? { rehearse: true } : {}),
      ...(acceptRollback === true ? { acceptRollback } : {}),
    },
    undefined,
    patienceMs,
  )
  tools.show({ ...answer, rehearsal: dryRun === true }, () => progress(answer, dryRun === true))
}

function progress(answer: VerbAnswer<'custody.share'>, rehearsal: boolean): string {
  const { name, already, opened, shares } = answer
  const entered = already ? `the share of ${name} had been entered before` : `the share of ${name} is right`
  if (opened)
    return rehearsal
      ? `${entered}\n${shares.given.length} of ${shares.threshold}: the shares open this vault; nothing was changed\n`
      : `${entered}\nthe vault is unsealed by the custodians\n`
  return `${entered}\n${sharesText(shares)}\n`
}

/** How far the custodians have come, in a line. */
export function sharesText(shares: SharesView): string {
  const missing = shares.missing.length === 0 ? '' : `; not yet: ${shares.missing.join(', ')}`
  return `${shares.given.length} of ${shares.threshold} shares entered${missing}; they wait until ${when(shares.until)}`
}

/** Are custodians the only way that could be meant? */
function needsShares(status: VaultStatus): boolean {
  const kinds = new Set(status.sealProviders.map(({ kind }) => kind))
  return kinds.has('custodians') && !kinds.has('key-file') && !kinds.has('passphrase')
}

export async function unsealing(
  tools: Tools,
  options: UnsealOptions,
  status: Pick<VaultStatus, 'sealProviders'>,
): Promise<VerbInput<'vault.unseal'>> {
  if (options.keyFile !== undefined) return { kind: 'key-file', path: resolve(tools.io.cwd, options.keyFile) }
  if (options.recoveryKeyFile !== undefined) {
    using file = await readSecretFile(tools.io, options.recoveryKeyFile)
    const recoveryKey = file.expose((bytes) => new TextDecoder().decode(bytes).trim())
    const other = otherPaper(options.recoveryKeyFile, recoveryKey, 'vault')
    if (other !== undefined) throw other
    return { kind: 'recovery', recoveryKey }
  }
  if (options.recoveryKeyStdin === true) {
    using key = await readSecret(tools.io, {
      what: 'recovery key of the vault',
      fromStdin: true,
      option: '--recovery-key-stdin',
      confirm: false,
    })
    return { kind: 'recovery', recoveryKey: key.expose((bytes) => new TextDecoder().decode(bytes).trim()) }
  }
  if (options.plugIn !== undefined) return { kind: 'plug-in', ...idOf(options.plugIn) }
  if (options.ask === true || options.passphraseStdin === true)
    return await passphraseUnsealing(tools, options.passphraseStdin === true)
  const kinds = new Set(status.sealProviders.map(({ kind }) => kind))
  const onlyToken = kinds.has('pkcs11') && !kinds.has('key-file') && !kinds.has('passphrase')
  if (options.token !== undefined || onlyToken) return await tokenUnsealing(tools, options, status)
  const isPlugIn = kinds.has('plug-in') && !kinds.has('key-file') && !kinds.has('passphrase')
  if (isPlugIn) return { kind: 'plug-in' }
  const hasKeyFile = status.sealProviders.some((provider) => provider.kind === 'key-file')
  return hasKeyFile ? { kind: 'stored-key-file' } : await passphraseUnsealing(tools, false)
}

async function passphraseUnsealing(tools: Tools, fromStdin: boolean): Promise<VerbInput<'vault.unseal'>> {
  using passphrase = await readSecret(tools.io, {
    what: 'passphrase of the vault',
    fromStdin,
    option: '--passphrase-stdin',
    confirm: false,
  })
  return { kind: 'passphrase', passphrase: passphrase.expose((bytes) => new TextDecoder().decode(bytes)) }
}

function idOf(option: string | boolean | undefined): { readonly seal?: string } {
  return typeof option === 'string' ? { seal: option } : {}
}

async function tokenUnsealing(
  tools: Tools,
  options: UnsealOptions,
  status: Pick<VaultStatus, 'sealProviders'>,
): Promise<VerbInput<'vault.unseal'>> {
  const byItself = status.sealProviders.some(
    ({ kind, byItself: alone }) => kind === 'pkcs11' && alone === true,
  )
  // Whoever asks for the token by hand types its PIN: the stored one may be what is wrong.
  if (byItself && options.token === undefined) return { kind: 'pkcs11' }
  using pin = await readSecret(tools.io, {
    what: 'PIN of the token',
    fromStdin: options.pinStdin === true,
    option: '--pin-stdin',
    confirm: false,
  })
  return {
    kind: 'pkcs11',
    pin: pin.expose((bytes) => new TextDecoder().decode(bytes)),
    ...idOf(options.token),
  }
}
