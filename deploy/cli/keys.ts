import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { SealView, VerbInput } from '../../vault/contract.ts'
import { unreachable } from '../../vault/kernel/outcome.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { addRotationCommands } from './keys-rotation.ts'
import { writeNewFile } from './new-file.ts'
import { readSecret } from './secret-input.ts'
import { examples, type Tools } from './tools.ts'

type AddOptions = ProviderOptions & {
  readonly module?: string
  readonly tokenLabel?: string
  readonly slot?: string
  readonly keyLabel?: string
  readonly pinStdin?: boolean
  readonly pinFile?: string
  readonly plugIn?: string
  readonly dryRun?: boolean
}

/** Milliseconds that a token may take, several acts of it. */
const patienceMs = 1_000_000

/** How many ways open this vault that do not hang on each other; the recovery key is for the day that all are lost. */
export function independentWays(seals: readonly Pick<SealView, 'kind'>[]): number {
  return seals.filter(({ kind }) => kind !== 'recovery').length
}

/** Days after which a way to unseal that nobody has tried is spoken of, and a year for one that was. */
const untriedDays = 30
const day = 24 * 3600_000

/**
 * The ways to unseal of which nobody knows any more whether they open the vault: rehearsed more than a year ago, or never
 * since they were made a month ago. What opens it at each start is tried by that.
 */
export function unrehearsed(seals: readonly SealView[], now: number): readonly SealView[] {
  return seals.filter(({ byItself, createdAt, rehearsedAt }) => {
    const since = now - Date.parse(rehearsedAt ?? createdAt)
    return !byItself && since > (rehearsedAt === null ? untriedDays : 365) * day
  })
}

/** The command that shows whether a way opens the vault, and changes nothing. */
export function rehearsalOf({ kind, path, id }: SealView): string {
  switch (kind) {
    case 'passphrase':
      return 'tagout unseal --ask --dry-run'
    case 'key-file':
      return `tagout unseal --key-file ${path ?? 'FILE'} --dry-run`
    case 'recovery':
      return 'tagout unseal --recovery-key-file FILE --dry-run'
    case 'custodians':
      return 'tagout unseal --share --dry-run'
    case 'pkcs11':
      return `tagout unseal --token ${id} --dry-run`
    case 'plug-in':
      return `tagout unseal --plug-in ${id} --dry-run`
    default:
      return unreachable(kind)
  }
}

const oneWayOnly =
  'only one way opens this vault besides its recovery key: add a second, kept elsewhere (tagout keys add)'

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
      if (independentWays(seals) < 2) tools.note(oneWayOnly)
      tools.list(
        seals,
        [
          ['ID', (seal) => seal.id],
          ['OPENS BY', sealText],
          ['MADE', (seal) => when(seal.createdAt)],
          ['LAST REHEARSED', (seal) => (seal.rehearsedAt === null ? 'never' : when(seal.rehearsedAt))],
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
    .option('--module <name>', 'a token (PKCS#11): its library, as tagout.json names it')
    .option('--token-label <label>', 'the token, by its label')
    .option('--slot <number>', 'the token, by its slot')
    .option('--key-label <label>', 'what the key is called that is made in the token')
    .option('--pin-stdin', 'read the PIN of the token from standard input')
    .option('--pin-file <file>', 'the file of the vault’s that holds the PIN, mode 0600, read at each start')
    .option('--plug-in <name>', 'a plug-in, as tagout.json names it')
    .option('--dry-run', 'try the token or the plug-in, and change nothing; audited')
    .addHelpText(
      'after',
      `
Custodians are made by tagout custody init. Without an option it asks for a passphrase.
${examples('tagout keys add --key-file /media/stick/seal.key', 'tagout keys add', 'tagout keys add --module nethsm --token-label tagout --key-label tagout-2026 --pin-stdin')}`,
    )
    .action(async (options: AddOptions) => {
      const provider = await addedProvider(tools, options)
      const rehearse = options.dryRun === true
      const [added, seals] = await tools.withVault(async (vault) => {
        const one = await vault.ask('seal.add', { provider, rehearse }, undefined, patienceMs)
        return [one, await vault.ask('seal.list', {})] as const
      })
      if (added === null) return tools.show({ rehearsal: true }, () => 'it can be added; nothing was changed')
      if (independentWays(seals) < 2) tools.note(oneWayOnly)
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
    .option('--recovery-out <file>', 'where to write it, mode 0600')
    .option('--dry-run', 'rehearse: make one, try it, throw it away; changes nothing; audited')
    .addHelpText(
      'after',
      examples(
        'tagout keys recovery-key --dry-run',
        'tagout keys recovery-key --recovery-out vault-recovery.key',
      ),
    )
    .action(async ({ recoveryOut, dryRun }: { recoveryOut?: string; dryRun?: boolean }) => {
      if (dryRun === true) {
        await tools.withVault((vault) => vault.ask('seal.renewRecovery', { rehearse: true }))
        return tools.show(
          { rehearsal: true },
          () => 'rehearsed: a new recovery key opens this vault; the present one stays, nothing was changed',
        )
      }
      if (recoveryOut === undefined)
        throw misuse('say where the new recovery key goes', 'give --recovery-out FILE')
      const path = resolve(tools.io.cwd, recoveryOut)
      await tools.withVault(async (vault) => {
        const { prepared, recoveryKey } = await vault.ask('seal.renewRecovery', {})
        if (prepared === null) return
        // Durable before it is the one that counts.
        await writeNewFile(path, `${recoveryKey}\n`)
        await vault.ask('seal.confirm', { prepared })
      })
      tools.show(
        { recoveryKey: recoveryOut },
        () =>
          `the new recovery key is in ${recoveryOut}: print it, lock it away, delete it here; the old one opens nothing any more`,
      )
    })
  addRotationCommands(keys, tools)
}

async function addedProvider(tools: Tools, options: AddOptions): Promise<VerbInput<'seal.add'>['provider']> {
  const { module, tokenLabel: token, slot, keyLabel: key, pinFile, plugIn } = options
  const ways = [module, plugIn, options.keyFile].filter((way) => way !== undefined)
  if (ways.length > 1) throw misuse('give one way to unseal, not several')
  if (plugIn !== undefined) return { kind: 'plug-in', name: plugIn }
  if (module === undefined) return await providerOf(tools, options)
  if (key === undefined || (token === undefined) === (slot === undefined))
    throw misuse('a token needs --key-label, and either --token-label or --slot')
  if (slot !== undefined && !/^\d{1,15}$/.test(slot)) throw misuse('--slot takes a number')
  const place = {
    kind: 'pkcs11',
    module,
    key,
    ...(token === undefined ? {} : { token }),
    ...(slot === undefined ? {} : { slot: Number(slot) }),
  } as const
  if (pinFile !== undefined) return { ...place, pinFile: resolve(tools.io.cwd, pinFile) }
  using pin = await readSecret(tools.io, {
    what: 'PIN of the token',
    fromStdin: options.pinStdin === true,
    option: '--pin-stdin',
    confirm: false,
  })
  return { ...place, pin: pin.expose((bytes) => new TextDecoder().decode(bytes)) }
}

/** A way to unseal in words. */
export function sealText(seal: SealView): string {
  const { custodians } = seal
  if (custodians !== null)
    return `custodians ${custodians.set} (any ${custodians.threshold} of ${custodians.names.join(', ')})`
  if (seal.outside !== null) return `${seal.kind === 'pkcs11' ? 'token' : 'plug-in'} ${seal.outside}`
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
