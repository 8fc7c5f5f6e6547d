import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { BackupContent } from '../backup/show.ts'
import { misuse, refused } from './complaint.ts'
import { size, when } from './io.ts'
import { examples, facts, type Tools } from './tools.ts'

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
