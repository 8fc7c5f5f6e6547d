import { z } from 'zod'

export const headerName = 'backup.json'
export const recordingsName = 'recordings.jsonl'
export const tablePrefix = 'tables/'
export const filePrefix = 'files/'

/** The first member: what this backup is of. */
export const headerForm = z.strictObject({
  format: z.literal('tagout-backup'),
  version: z.literal(1),
  createdAt: z.iso.datetime(),
  product: z.string(),
  /** Why it was made: somebody asked, or migrations were about to be applied. */
  reason: z.enum(['asked', 'before migrations']),
  migrations: z.array(z.strictObject({ name: z.string(), sha256: z.string() })),
  tables: z.array(z.string()),
  /** Counters of the database, and where they stood; null: never used. */
  sequences: z.array(z.strictObject({ name: z.string(), last: z.int().nullable() })),
  recordings: z.enum(['included', 'listed']),
})
export type BackupHeader = z.infer<typeof headerForm>

/** A line of `recordings.jsonl`: recordings that lie elsewhere are at least named, with size and SHA-256. */
export const recordingLine = z.strictObject({
  path: z.string(),
  size: z.int(),
  sha256: z.string(),
})
