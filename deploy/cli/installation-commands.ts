import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VaultStatus } from '../../vault/contract.ts'
import { Complaint, exit, misuse } from './complaint.ts'
import { when } from './io.ts'
import { providerOf } from './keys.ts'
import { writeNewFile } from './new-file.ts'
import { examples, facts, type Tools } from './tools.ts'
import { addUnsealCommand, sharesText } from './unseal.ts'
import { enrolmentLink } from './user.ts'
import { intakeFingerprint, pinVault } from './vault-pin.ts'

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

  addUnsealCommand(root, tools)

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

function describe(status: VaultStatus): string {
  const state = !status.initialised ? 'not initialised' : status.sealed ? 'sealed' : 'unsealed'
  return facts([
    ['vault', state],
    ['intake key', status.intakeKey === null ? '-' : intakeFingerprint(status.intakeKey)],
    // Sealed too: which ways there are.
    [
      status.sealed ? 'can be unsealed by' : 'unsealed by',
      status.sealProviders.map((one) => one.kind.replace('-', ' ')).join(', ') || '-',
    ],
    ...(status.shares === null ? [] : [['custodians', sharesText(status.shares)] as const]),
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
