import { type Kysely, sql } from 'kysely'
import { makeAppendOnly } from './append-only.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table audit_entry (
      id bytea not null,
      ordinal bigint not null generated always as identity,
      body bytea not null,
      mac bytea,
      constraint "an entry has an id" primary key (id),
      constraint "an entry has a place in the order of arrival" unique (ordinal),
      constraint "an id has 16 bytes" check (length(id) = 16),
      constraint "a mac has 32 bytes" check (length(mac) = 32),
      constraint "a body is bounded" check (length(body) between 2 and 65536)
    )`.execute(db)
  await sql`comment on table audit_entry is
    'What happened, in canonical bytes, written in the transaction that did it (docs/audit-format.md).'`.execute(
    db,
  )
  await sql`
    create table audit_leaf (
      seq bigint not null,
      entry bytea not null,
      unproven boolean not null,
      hash bytea not null,
      constraint "a place in the log is taken once" primary key (seq),
      constraint "an entry is in the log once" unique (entry),
      constraint "a leaf is an entry" foreign key (entry) references audit_entry (id),
      constraint "a leaf hash has 32 bytes" check (length(hash) = 32),
      constraint "the log begins at zero" check (seq >= 0)
    )`.execute(db)
  await sql`comment on table audit_leaf is
    'The order of the log: which entry is leaf number seq, and its leaf hash (RFC 6962).'`.execute(db)
  await sql`
    create table audit_node (
      level integer not null,
      position bigint not null,
      hash bytea not null,
      constraint "a node of the tree is written once" primary key (level, position),
      constraint "nodes are kept at every eighth level" check (level > 0 and level % 8 = 0)
    )`.execute(db)
  await sql`comment on table audit_node is
    'Hashes of full subtrees of 256, 65536, … leaves, so that roots and proofs need not read the whole log.'`.execute(
    db,
  )
  await sql`
    create table audit_checkpoint (
      size bigint not null,
      body text not null,
      settled bigint not null,
      constraint "a size is signed once" primary key (size)
    )`.execute(db)
  await sql`comment on table audit_checkpoint is
    'Signed roots of the log, as witnesses get them too.'`.execute(db)
  for (const table of ['audit_entry', 'audit_leaf', 'audit_node', 'audit_checkpoint'])
    await makeAppendOnly(db, table)
  // The sequencer asks how far ordinals have been given out.
  await sql`grant select on sequence audit_entry_ordinal_seq to tagout_vault`.execute(db)
}
