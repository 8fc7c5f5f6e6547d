import { createBackup } from './create.ts'

/** Writes a backup to `path` before migrations change the database. Recordings are listed, not copied. */
export async function backUpBeforeMigrations(input: {
  readonly ownerDatabaseUrl: string
  readonly dataDir: string
  readonly path: string
}): Promise<void> {
  await createBackup({
    ownerUrl: input.ownerDatabaseUrl,
    dataDir: input.dataDir,
    out: input.path,
    recordings: 'listed',
    reason: 'before migrations',
  })
}
