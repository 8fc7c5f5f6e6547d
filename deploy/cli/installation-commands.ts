import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VaultStatus, VerbInput } from '../../vault/contract.ts'
import { Complaint, exit, misuse } from './complaint.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { readSecret, readSecretFile } from './secret-input.ts'
import { examples, facts, type Tools } from './tools.ts'
import { enrolmentLink } from './user.ts'
import { intakeFingerprint, pinVault } from './vault-pin.ts'

type UnsealOptions = {
  readonly passphraseStdin?: boolean
  readonly keyFile?: string
  readonly recoveryKeyStdin?: boolean
  readonly recoveryKeyFile?: string
  readonly acceptRollback?: boolean
}

/** `tagout init`, `status`, `seal`, `unseal`, `doctor`, `pin-vault`: the installation itself. */
export function addInstallationCommands(root: Command, tools: Tools): void {
  root
    .command('init')
    .description('initialise the vault; npm start does it on its first run')
    .option('--passphrase-stdin', 'unseal by a passphrase, read from standard input')
    .option('--key-file <file>', 'unseal by a key file, made where it is missing')
    .requiredOption('--recovery-out <file>', 'where to write the vault’s recovery key, mode 0600')
    .addHelpText(
      'after',
      examples(
        'tagout init --recovery-out vault-recovery.key',
        'tagout init --key-file /media/stick/seal.key --recovery-out vault-recovery.key',
      ),
    )
    .action(async (options: { passphraseStdin?: boolean; keyFile?: string; recoveryOut: string }) => {
      if (options.keyFile !== undefined && options.passphraseStdin === true)
        throw misuse('give either a passphrase or a key file, not both')
      await initialise(tools, options)
    })

  root
    .command('status')
    .description('say whether the vault is sealed; exits with 3 where it is')
    .addHelpText('after', examples('tagout status', 'tagout status --json'))
    .action(async () => {
      const status = await tools.withVault((vault) => vault.ask('status', {}))
      tools.show(status, () => describe(status))
      if (!status.initialised)
        throw new Complaint('the vault is not initialised', 'set it up with: tagout init', exit.away)
      if (status.sealed)
        throw new Complaint('the vault is sealed', 'unseal it with: tagout unseal', exit.away)
    })

  root
    .command('seal')
    .description('seal the vault: from then on it opens nothing')
    .option('--sessions <what>', 'what happens to running sessions: end or keep', 'keep')
    .addHelpText('after', examples('tagout seal', 'tagout seal --sessions end'))
    .action(async (options: { sessions: string }) => {
      const { sessions } = options
      if (sessions !== 'end' && sessions !== 'keep')
        throw misuse(`--sessions is end or keep, not ${JSON.stringify(sessions)}`)
      await tools.withVault((vault) => vault.ask('vault.seal', { sessions }))
      tools.show({ sealed: true, sessions }, () => 'the vault is sealed')
    })

  root
    .command('unseal')
    .description('unseal the vault: by its own key file where it has one, else by its passphrase')
    .option('--passphrase-stdin', 'read the passphrase from standard input')
    .option('--key-file <file>', 'a key file')
    .option('--recovery-key-stdin', 'read the vault’s recovery key from standard input')
    .option('--recovery-key-file <file>', 'the file that holds the vault’s recovery key')
    .option(
      '--accept-rollback',
      'take a database older than the vault remembers, which you put back; audited',
    )
    .addHelpText(
      'after',
      examples(
        'tagout unseal',
        "printf %s 'passphrase' | tagout unseal --passphrase-stdin",
        'tagout unseal --recovery-key-file vault-recovery.key',
      ),
    )
    .action(async ({ acceptRollback, ...options }: UnsealOptions) => {
      const given = Object.values(options).filter((value) => value !== undefined && value !== false)
      if (given.length > 1) throw misuse('give one way to unseal, not several')
      const by = await tools.withVault(async (vault) => {
        const status = await vault.ask('status', {})
        if (status.initialised && !status.sealed) return ''
        const how = await unsealing(tools, options, status)
        await vault.ask(
          'vault.unseal',
          acceptRollback === true ? { ...how, acceptRollback } : how,
          undefined,
          120_000,
        )
        const stored = status.sealProviders.find((provider) => provider.kind === 'key-file')
        return how.kind === 'stored-key-file' ? ` by the key file ${stored?.path ?? ''}` : ''
      })
      tools.show({ sealed: false }, () => `the vault is unsealed${by}`)
    })

  root
    .command('pin-vault <fingerprint>')
    .description('trust the vault’s present intake key, to which secrets are sealed before they leave here')
    .addHelpText('after', examples('tagout pin-vault SHA256:q3F…'))
    .action(async (expected: string) => {
      const fingerprint = await tools.withVault((vault) => pinVault(tools, vault, expected))
      tools.show({ pinned: fingerprint }, () => `pinned this vault's intake key ${fingerprint}`)
    })

  root
    .command('doctor')
    .description('examine the installation and say what to do')
    .addHelpText('after', examples('tagout doctor', 'tagout doctor --json'))
    .action(async () => {
      const { examine } = await import('../doctor/examine.ts')
      const findings = await examine(tools.dataDir())
      tools.show(findings, () =>
        findings
          .map(
            (found) =>
              `${marks[found.level]}  ${found.text}\n${found.next === undefined ? '' : `      ${found.next}\n`}`,
          )
          .join(''),
      )
      const wrong = findings.filter((found) => found.level === 'wrong').length
      if (wrong > 0) throw new Complaint(`${wrong} thing${wrong === 1 ? ' is' : 's are'} wrong`)
    })
}

const marks = { fine: 'ok  ', note: 'note', wrong: 'BAD ' } as const

async function initialise(
  tools: Tools,
  options: { passphraseStdin?: boolean; keyFile?: string; recoveryOut: string },
): Promise<void> {
  const provider = await providerOf(tools, options)
  const made = await tools.withVault(async (vault) => {
    // An unwritable place is found out before there is a key that could be lost.
    const path = resolve(tools.io.cwd, options.recoveryOut)
    await writeNewFile(path, '')
    return { path, answer: await vault.ask('vault.initialise', { provider }, undefined, 120_000) }
  })
  await writeNewFile(made.path, `${made.answer.recoveryKey}\n`, { replace: true })
  const link = await enrolmentLink(tools, made.answer.firstAdmin)
  tools.show(
    {
      fingerprint: made.answer.fingerprint,
      recoveryKey: options.recoveryOut,
      firstAdmin: { link, expiresAt: made.answer.firstAdmin.expiresAt },
    },
    () =>
      [
        'the vault is initialised',
        `its intake key is ${made.answer.fingerprint}`,
        `its recovery key is in ${options.recoveryOut}: print it, lock it away, delete it here`,
        `the first admin, until ${when(made.answer.firstAdmin.expiresAt)}: ${link}`,
      ]
        .map((line) => `${line}\n`)
        .join(''),
  )
}

async function providerOf(
  tools: Tools,
  options: { passphraseStdin?: boolean; keyFile?: string },
): Promise<VerbInput<'vault.initialise'>['provider']> {
  if (options.keyFile !== undefined) return { kind: 'key-file', path: resolve(tools.io.cwd, options.keyFile) }
  using passphrase = await readSecret(tools.io, {
    what: 'passphrase for the vault',
    fromStdin: options.passphraseStdin === true,
    option: '--passphrase-stdin (or give --key-file FILE)',
    confirm: true,
  })
  return { kind: 'passphrase', passphrase: passphrase.expose((bytes) => new TextDecoder().decode(bytes)) }
}

async function unsealing(
  tools: Tools,
  options: UnsealOptions,
  status: VaultStatus,
): Promise<VerbInput<'vault.unseal'>> {
  if (options.keyFile !== undefined) return { kind: 'key-file', path: resolve(tools.io.cwd, options.keyFile) }
  if (options.recoveryKeyFile !== undefined) {
    using file = await readSecretFile(tools.io, options.recoveryKeyFile)
    return { kind: 'recovery', recoveryKey: file.expose((bytes) => new TextDecoder().decode(bytes).trim()) }
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
  const hasKeyFile = status.sealProviders.some((provider) => provider.kind === 'key-file')
  if (hasKeyFile && options.passphraseStdin !== true) return { kind: 'stored-key-file' }
  using passphrase = await readSecret(tools.io, {
    what: 'passphrase of the vault',
    fromStdin: options.passphraseStdin === true,
    option: '--passphrase-stdin',
    confirm: false,
  })
  return { kind: 'passphrase', passphrase: passphrase.expose((bytes) => new TextDecoder().decode(bytes)) }
}

function describe(status: VaultStatus): string {
  const state = !status.initialised ? 'not initialised' : status.sealed ? 'sealed' : 'unsealed'
  return facts([
    ['vault', state],
    ['intake key', status.intakeKey === null ? '-' : intakeFingerprint(status.intakeKey)],
    ['unsealed by', status.sealProviders.map((one) => one.kind.replace('-', ' ')).join(', ') || '-'],
    [
      'auditors',
      status.auditors === null
        ? 'none: there can be no sessions; tagout auditor add'
        : `${status.auditors.count}, list ${status.auditors.version}`,
    ],
    ['users', String(status.users)],
    ['version', status.version],
  ])
}
