import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { BackupContent } from '../backup/show.ts'
import type { DrillReport } from '../backup/drill.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import { size, when } from './io.ts'
import { examples, facts, type Tools } from './tools.ts'
import { type UnsealOptions, unsealing } from './unseal.ts'

/** `tagout backup`: the whole installation in one file, and back. */
export function addBackupCommands(root: Command, tools: Tools): void {
  const backup = root.command('backup').description('backups: the installation in one file, and back')

  backup
    .command('create')
    .description('write a backup, while everything runs; it opens nothing without the vault’s unseal key')
    .requiredOption('--out <file>', 'where to write it, mode 0600')
    .option('--with-recordings', 'include the recordings; without it they are listed with their SHA-256')
    .addHelpText(
      'after',
      `
The key file of an unattended start (vault/seal.key) is never in a backup: keep it, the passphrase or the vault's
recovery key elsewhere. The TLS key and the gateway's host key are in it.
${examples('tagout backup create --out tagout-2026-12-01.tar', 'tagout backup create --out all.tar --with-recordings')}`,
    )
    .action(async (options: { out: string; withRecordings?: boolean }) => {
      // The database's libraries take longer to load than most commands take to run.
      const { createBackup } = await import('../backup/create.ts')
      const { ownerDatabaseUrl } = await import('../backup/database.ts')
      const dataDir = tools.dataDir()
      const out = resolve(tools.io.cwd, options.out)
      await tellVault(tools)
      const members = await createBackup({
        ownerUrl: ownerDatabaseUrl(dataDir, tools.io.env),
        dataDir,
        out,
        recordings: options.withRecordings === true ? 'included' : 'listed',
        reason: 'asked',
      })
      const bytes = members.reduce((sum, member) => sum + member.size, 0)
      tools.show(
        { file: options.out, members: members.length, bytes },
        () => `wrote ${options.out} (${size(bytes)})`,
      )
    })

  backup
    .command('show <file>')
    .description('verify a backup whole and say what it holds')
    .addHelpText('after', examples('tagout backup show tagout-2026-12-01.tar'))
    .action(async (file: string) => {
      const { showBackup } = await import('../backup/show.ts')
      const content = await showBackup(resolve(tools.io.cwd, file))
      if (!content.ok) throw refused(content.refusal)
      tools.show(content.value, () => describe(content.value))
    })

  addDrillCommand(backup, tools)

  backup
    .command('restore <file>')
    .description('restore a backup into a new data folder, given by --data')
    .addHelpText(
      'after',
      `
Afterwards: npm start -- --data DIR, then tagout unseal with the passphrase, key file or recovery key.
${examples('tagout backup restore tagout-2026-12-01.tar --data ./restored')}`,
    )
    .action(async (file: string) => {
      if (root.opts()['data'] === undefined)
        throw misuse('say into which new folder: --data DIR', 'a running installation is never overwritten')
      const { openRestoreDatabase } = await import('../backup/database.ts')
      const { restoreBackup } = await import('../backup/restore.ts')
      const dataDir = tools.dataDir()
      const restored = await restoreBackup(
        { open: openRestoreDatabase },
        resolve(tools.io.cwd, file),
        dataDir,
      )
      if (!restored.ok) throw refused(restored.refusal)
      tools.show(
        { data: dataDir, ...restored.value },
        () =>
          `restored into ${dataDir}\n  next: npm start -- --data ${dataDir}\n` +
          '  then: tagout unseal, with the passphrase, key file or recovery key\n' +
          (restored.value.header.recordings === 'listed'
            ? '  and: put the recordings back under recorder/recordings; they are not in this backup\n'
            : ''),
      )
    })
}

type DrillOptions = Pick<
  UnsealOptions,
  'ask' | 'passphraseStdin' | 'keyFile' | 'recoveryKeyStdin' | 'recoveryKeyFile'
>

/** `tagout backup drill`: proves that a backup would do, before it has to. */
function addDrillCommand(backup: Command, tools: Tools): void {
  backup
    .command('drill <file>')
    .description('restore a backup for trial and prove that its secrets open and its chains verify')
    .option('--ask', 'ask for the passphrase, also where the vault has a key file of its own')
    .option('--passphrase-stdin', 'read the passphrase from standard input')
    .option('--key-file <file>', 'a key file')
    .option('--recovery-key-stdin', 'read the vault’s recovery key from standard input')
    .option('--recovery-key-file <file>', 'the file that holds the vault’s recovery key')
    .addHelpText(
      'after',
      `
It is restored into a folder of its own, which is deleted again, with a database of its own. Nothing of it runs: no
session, no rotation, no mail. Without an option the key file that the vault knows opens it, if this machine has it.
Do it on another machine once a year, with the key that you would have then.
${examples('tagout backup drill tagout-2026-12-01.tar', 'tagout backup drill /mnt/backup/tagout.tar --recovery-key-file vault-recovery.key')}`,
    )
    .action(async (file: string, options: DrillOptions) => {
      if (Object.values(options).filter((value) => value !== undefined && value !== false).length > 1)
        throw misuse('give one way to unseal, not several')
      const { drillBackup } = await import('../backup/drill.ts')
      const how = await unsealing(tools, options, { sealProviders: [{ kind: 'key-file' }] })
      const drilled = await drillBackup(resolve(tools.io.cwd, file), how, (what) => tools.note(what))
      if (!drilled.ok) throw refused(drilled.refusal)
      const report = drilled.value
      await tellDrill(tools, report)
      tools.show(report, () => describeDrill(report))
      if (!report.ok)
        throw new Complaint('this backup is not whole', 'make another, and keep this one for who looks')
    })
}

function describeDrill(report: DrillReport): string {
  return facts([
    ['backup of', when(report.createdAt)],
    [
      'secrets',
      report.broken.length === 0
        ? `${report.secrets} opened, each of them`
        : `${report.secrets} opened, and not: ${report.broken.join('; ')}`,
    ],
    ['audit log', report.log.sentence],
    [
      'recordings',
      report.listed > 0
        ? `${report.listed}, which are not in this backup`
        : [`${report.recordings} verified`, ...report.damaged].join('; '),
    ],
    ['took', `${report.seconds} s, from the file to an open vault`],
  ])
}

/** Has the vault write the drill down, where there is one: a drill on another machine has none to tell. */
async function tellDrill(tools: Tools, report: DrillReport): Promise<void> {
  const { createdAt, ok, secrets, entries, recordings, seconds } = report
  try {
    await tools.withVault((vault) =>
      vault.ask('backup.drilled', { createdAt, ok, secrets, entries, recordings, seconds }),
    )
  } catch {
    tools.note('the vault is away, sealed or not on this machine: this drill is not in its audit log')
  }
}

/** Has the vault write down that a backup is taken; one that is away or sealed cannot, and the backup goes on. */
async function tellVault(tools: Tools): Promise<void> {
  try {
    await tools.withVault(async (vault) => {
      await vault.ask('backup.tables', {})
      await vault.ask('backup.page', { table: 'installation', limit: 1 })
    })
  } catch {
    tools.note('the vault is away or sealed: this backup is not in the audit log')
  }
}

function describe(content: BackupContent): string {
  const { header } = content
  return facts([
    ['backup of', when(header.createdAt)],
    ['made because', header.reason === 'asked' ? 'somebody asked' : 'migrations were about to be applied'],
    ['by version', header.product],
    [
      'tables',
      `${header.tables.length}, ${Object.values(content.rows).reduce((sum, rows) => sum + rows, 0)} rows`,
    ],
    ['recordings', `${content.recordings}, ${header.recordings}`],
    ['files', content.files.filter((file) => !file.startsWith('recorder/recordings/')).join(' ')],
    ['size', size(content.bytes)],
    ['integrity', 'every member has the SHA-256 of the manifest'],
  ])
}
