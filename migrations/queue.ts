import { runMigrations } from 'bullmq'
import { ensureRoleNames, roles, withClient } from './roles.ts'

/** Where the queue's tables lie. */
export const queueSchema = 'bullmq'

/**
 * Brings the tables of the queue to the version of the library. Safe to repeat. They are the library's own: nothing of
 * ours is in them but the names of runs, and losing them loses nothing.
 *
 * SECURITY: the worker's role has rights in this schema and in no other, and no other plane's role has any here.
 */
export async function migrateQueue(ownerUrl: string): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock(8246158)')
    await ensureRoleNames(client)
    await runMigrations(client as never, queueSchema)
    const role = roles.rotation
    const { rows } = await client.query<{ name: string }>('select current_database() as name')
    const database = client.escapeIdentifier(rows[0]?.name ?? '')
    for (const statement of [
      // Its functions put what they are given into tables that last for a statement.
      `grant temporary on database ${database} to ${role}`,
      // It makes a sequence for each queue, when that is first used.
      `grant usage, create on schema ${queueSchema} to ${role}`,
      `grant select, insert, update, delete on all tables in schema ${queueSchema} to ${role}`,
      `grant usage, select on all sequences in schema ${queueSchema} to ${role}`,
      `grant execute on all functions in schema ${queueSchema} to ${role}`,
    ])
      await client.query(statement)
  })
}
