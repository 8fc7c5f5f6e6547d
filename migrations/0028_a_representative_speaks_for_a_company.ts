import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table company (
      id text not null,
      name text not null,
      contract_ends_at timestamptz not null,
      sponsor_id text not null,
      mail_domains text[] not null,
      terms text,
      created_at timestamptz not null,
      off_at timestamptz,
      epoch bigint not null,
      mac bytea not null,
      constraint "a company has an id" primary key (id),
      constraint "a company has a sponsor" foreign key (sponsor_id) references app_user (id)
    )`.execute(db)
  await sql`comment on column company.terms is 'Null: its representatives accept none.'`.execute(db)
  await sql`create unique index "a company has a name of its own" on company (lower(name))`.execute(db)
  await sql`
    create table representative (
      user_id text not null,
      company_id text not null,
      mail text not null,
      invited_by text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a representative speaks for one company" primary key (user_id),
      constraint "a representative is a user" foreign key (user_id) references app_user (id),
      constraint "a representative is a company's" foreign key (company_id) references company (id)
    )`.execute(db)
  await sql`create unique index "a mail address is one person's" on representative (lower(mail))`.execute(db)
  await sql`create index "representatives of a company" on representative (company_id)`.execute(db)
  await sql`
    create table terms_acceptance (
      id text not null,
      user_id text not null,
      company_id text not null,
      digest text not null,
      source text not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an acceptance has an id" primary key (id),
      constraint "a person accepts terms once" unique (user_id, company_id, digest),
      constraint "terms are accepted by a user" foreign key (user_id) references app_user (id),
      constraint "terms are a company's" foreign key (company_id) references company (id)
    )`.execute(db)
  await sql`comment on column terms_acceptance.digest is 'SHA-256 of the terms that were shown, in hex.'`.execute(
    db,
  )
  await sql`
    create table offboarding (
      id text not null,
      company_id text,
      user_id text,
      reason text not null,
      by_name text not null,
      created_at timestamptz not null,
      users text[] not null,
      sessions text[] not null,
      grants text[] not null,
      requests text[] not null,
      leases text[] not null,
      secrets text[] not null,
      logins integer not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "an offboarding has an id" primary key (id),
      constraint "an offboarding is of a company or a user" check ((company_id is null) <> (user_id is null)),
      constraint "a company is taken off" foreign key (company_id) references company (id),
      constraint "a user is taken off" foreign key (user_id) references app_user (id)
    )`.execute(db)
  await sql`
    create table rotation_due (
      id text not null,
      account_id text not null,
      version integer not null,
      user_id text not null,
      offboarding_id text not null,
      due_at timestamptz not null,
      created_at timestamptz not null,
      epoch bigint not null,
      mac bytea not null,
      constraint "a rotation that is due has an id" primary key (id),
      constraint "a secret is due" foreign key (account_id) references account (id),
      constraint "it was exposed to a user" foreign key (user_id) references app_user (id),
      constraint "it is due since an offboarding" foreign key (offboarding_id) references offboarding (id)
    )`.execute(db)
  await sql`create index "rotations due of an account" on rotation_due (account_id)`.execute(db)
  await sql`grant select, insert, update on company to tagout_vault`.execute(db)
  await sql`grant select, insert on representative, terms_acceptance, offboarding, rotation_due to tagout_vault`.execute(
    db,
  )
}
