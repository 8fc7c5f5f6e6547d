import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table safe add column exposure_days integer`.execute(db)
  await sql`comment on column safe.exposure_days is
    'Days within which a secret that somebody has seen is rotated. Null: 30.'`.execute(db)
  await sql`grant update (exposure_days) on safe to tagout_vault`.execute(db)
  await sql`
    create table exposure_due (
      exposure_id text not null,
      due_at timestamptz not null,
      reason text not null,
      set_by text not null,
      set_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an exposure is due at one moment" primary key (exposure_id),
      constraint "what is due is an exposure" foreign key (exposure_id) references exposure (id)
    )`.execute(db)
  await sql`comment on table exposure_due is 'When a person has said otherwise than the safe.'`.execute(db)
  await sql`
    create table contract_notice (
      id text not null,
      company_id text not null,
      contract_ends_at timestamptz not null,
      days integer not null,
      told_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a notice has an id" primary key (id),
      constraint "a notice is of a company" foreign key (company_id) references company (id),
      constraint "people are told once" unique (company_id, contract_ends_at, days)
    )`.execute(db)
  await sql`comment on column contract_notice.days is
    'How many days before the end people were told of it at the latest; 0: that it has ended.'`.execute(db)
  await sql`
    create table terms_text (
      id text not null,
      company_id text not null,
      digest text not null,
      body text not null,
      since timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a text of terms has an id" primary key (id),
      constraint "terms are a company's" foreign key (company_id) references company (id),
      constraint "a company's text is kept once" unique (company_id, digest)
    )`.execute(db)
  await sql`grant select, insert, update on exposure_due to tagout_vault`.execute(db)
  await sql`grant select, insert on contract_notice, terms_text to tagout_vault`.execute(db)
}
