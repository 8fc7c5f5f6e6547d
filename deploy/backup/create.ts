import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { productVersion } from '../version.ts'
import { ArchiveWriter, type Member } from './archive.ts'
import { type KeptFile, keptFiles } from './folder.ts'
import { type BackupHeader, filePrefix, headerName, recordingsName, tablePrefix } from './form.ts'
import { Snapshot } from './tables.ts'

export type BackupOptions = {
  readonly ownerUrl: string
  readonly dataDir: string
  /** Where to write; must not exist. */
  readonly out: string
  readonly recordings: BackupHeader['recordings']
  readonly reason: BackupHeader['reason']
  readonly now?: Date
}

/**
 * Writes a backup: the whole database as it is at one moment, and the files of the data folder that a restore needs.
 * It works while the installation runs and while the vault is sealed: what is secret in it stays sealed.
 *
 * INVARIANT: the vault's state is read before the database, so that a restore never has a state that is ahead of the rows.
 */
export async function createBackup(options: BackupOptions): Promise<readonly Member[]> {
  const kept = await keptFiles(options.dataDir)
  await using archive = await ArchiveWriter.create(options.out)
  const files: { readonly name: string; readonly bytes: Buffer }[] = []
  for (const file of kept.files)
    files.push({ name: `${filePrefix}${file.path}`, bytes: await readWhole(file.full) })

  await using snapshot = await Snapshot.open(options.ownerUrl)
  const tables = await snapshot.tables()
  const header: BackupHeader = {
    format: 'tagout-backup',
    version: 1,
    createdAt: (options.now ?? new Date()).toISOString(),
    product: productVersion(),
    reason: options.reason,
    migrations: [...(await snapshot.migrations())],
    tables: [...tables],
    sequences: [...(await snapshot.sequences())],
    recordings: options.recordings,
  }
  await archive.add(headerName, `${JSON.stringify(header, null, 1)}\n`)
  for (const table of tables) {
    let page = 0
    for await (const lines of snapshot.pages(table)) {
      await archive.add(`${tablePrefix}${table}/${String(page).padStart(6, '0')}.jsonl`, lines)
      page += 1
    }
  }
  for (const file of files) await archive.add(file.name, file.bytes)
  await addRecordings(archive, kept.recordings, options.recordings)
  await archive.finish()
  return archive.members
}

async function addRecordings(
  archive: ArchiveWriter,
  recordings: readonly KeptFile[],
  how: BackupHeader['recordings'],
): Promise<void> {
  let listing = ''
  for (const recording of recordings) {
    if (how === 'included') {
      await archive.addFile(`${filePrefix}${recording.path}`, recording.full)
      const member = archive.members.at(-1)
      if (member !== undefined) listing += line(recording.path, member.size, member.sha256)
    } else listing += line(recording.path, recording.size, await hashOf(recording))
  }
  await archive.add(recordingsName, listing)
}

function line(path: string, size: number, sha256: string): string {
  return `${JSON.stringify({ path, size, sha256 })}\n`
}

/** The SHA-256 of as much as there was when the file was found: a live recording grows. */
async function hashOf(file: KeptFile): Promise<string> {
  const hash = createHash('sha256')
  if (file.size > 0)
    for await (const piece of createReadStream(file.full, { end: file.size - 1 })) hash.update(piece)
  return hash.digest('hex')
}

async function readWhole(path: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of createReadStream(path)) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
