import type { AuditTables } from './audit-tables.ts'
import type { DomainTables } from './domain-tables.ts'
import type { KeyTables } from './key-tables.ts'

/** All tables, as Kysely sees them. Whole numbers arrive as `number`, moments as `Date`, bytes as `Buffer`. */
export type Database = KeyTables & AuditTables & DomainTables
