import type { Migration } from 'kysely/migration'

/** All migrations, in order. A new one is a file, a line here, and never a change of an old one. */
export const migrations: Readonly<Record<string, Migration>> = {}
