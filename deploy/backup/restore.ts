import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Migration } from 'kysely/migration'
import { migrations as known } from '../../migrations/index.ts'
import { migrate } from '../../migrations/migrate.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import { readArchive } from './archive.ts'
import { isKeptPath, modeOf } from './folder.ts'
import { type BackupHeader, filePrefix, tablePrefix } from './form.ts'
import { type BackupContent, showBackup } from './show.ts'
import { Loader } from './tables.ts'

export type RestorePorts = {
  /** Lays out the folder of a new installation and opens an empty database for it. */
  readonly open: (dataDir: string) => Promise<{
    readonly dataDir: string
    readonly ownerUrl: string
    /** Gives what was written at this path of the folder to whom it belongs. */
    readonly own: (path: string) => Promise<void>
    readonly close: () => Promise<void>
  }>
}

/**
 * Restores a verified backup into an empty folder: the schema as it was, all rows, the files. Newer migrations are
 * applied by the next start. When anything fails, the folder is empty again.
 */
export async function restoreBackup(
  ports: RestorePorts,
  path: string,
  folder: string,
): Promise<Outcome<BackupContent>> {
  const content = await showBackup(path)
  if (!content.ok) return content
  const schema = migrationsOf(content.value.header)
  if (!schema.ok) return schema
  if ((await namesIn(folder)).length > 0)
    return refuse('conflict', `${folder} is not empty`, 'restore into a new folder')
  let restored: Outcome<BackupContent> | undefined
  try {
    const place = await ports.open(folder)
    try {
      await migrate(place.ownerUrl, schema.value)
      restored = await loadAll(path, place, content.value)
    } finally {
      await place.close()
    }
    return restored
  } finally {
    if (restored?.ok !== true)
      for (const name of await namesIn(folder)) await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** The migrations that the backup's schema has. A backup by a newer version is refused: its rows would not fit. */
function migrationsOf(header: BackupHeader): Outcome<Readonly<Record<string, Migration>>> {
  const schema: Record<string, Migration> = {}
  for (const { name } of header.migrations) {
    const migration = known[name]
    if (migration === undefined)
      return refuse(
        'invalid',
        `the backup is of a newer version of Tagout (${header.product})`,
        'install that version, then restore',
      )
    schema[name] = migration
  }
  return done(schema)
}

async function loadAll(
  path: string,
  place: Awaited<ReturnType<RestorePorts['open']>>,
  content: BackupContent,
): Promise<Outcome<BackupContent>> {
  await using loader = await Loader.open(place.ownerUrl)
  const missing = content.header.tables.find((table) => !loader.order.includes(table))
  if (missing !== undefined)
    return refuse('invalid', `the backup has a table ${missing} that its schema has not`)
  // One pass for each table: members lie in the order of the schema that made them, not of this one.
  for (const table of loader.order) {
    let rows = 0
    for await (const member of readArchive(path))
      if (member.name.startsWith(`${tablePrefix}${table}/`))
        rows += await loader.load(table, (await member.bytes(64 * 1024 * 1024)).toString('utf8'))
    if (rows !== (content.rows[table] ?? 0))
      return refuse('invalid', `only ${rows} of ${content.rows[table]} rows of ${table} could be restored`)
  }
  for await (const member of readArchive(path)) {
    if (!member.name.startsWith(filePrefix)) continue
    const below = member.name.slice(filePrefix.length)
    if (!isKeptPath(below))
      return refuse('invalid', `the backup holds ${below}, which is no file of a backup`)
    await writeFile(place, below, member.content())
  }
  await loader.finish(content.header.sequences)
  return done(content)
}

async function writeFile(
  place: Awaited<ReturnType<RestorePorts['open']>>,
  below: string,
  content: AsyncGenerator<Uint8Array>,
): Promise<void> {
  // Each folder on the way belongs to the plane, or it could not add to it later.
  const folders = below.split('/').slice(0, -1)
  for (const [index] of folders.entries()) {
    const folder = folders.slice(0, index + 1).join('/')
    if ((await mkdir(join(place.dataDir, folder), { recursive: true, mode: 0o700 })) !== undefined)
      await place.own(folder)
  }
  const path = join(place.dataDir, below)
  await using file = await open(path, 'wx', 0o600)
  for await (const piece of content) await file.write(piece)
  await file.chmod(modeOf(below))
  await file.sync()
  await place.own(below)
}
