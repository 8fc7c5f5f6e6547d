import type { Kysely } from 'kysely'
import type { CompanyView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { findUser } from '../identity/user.ts'
import { type CompanyId, isId, newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler } from '../world.ts'
import { canonicalDomain } from './mail.ts'
import { shortenTo } from './shorten.ts'
import { termsOf } from './standing.ts'
import { keepTerms } from './terms.ts'

type Db = Kysely<Database>

/** Milliseconds for which a contract runs at most. */
const longestContract = 10 * 366 * 24 * 3600_000

/** The company of an id or a name, in any case of letters. */
export async function findCompany(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'update' = 'read',
): Promise<Row<'company'> | undefined> {
  const base = db.selectFrom('company').selectAll()
  const query = isId('cmp', reference)
    ? base.where('id', '=', reference as CompanyId)
    : base.where((eb) => eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()))
  return checkedOne(
    checker,
    'company',
    await (lock === 'update' ? query.forNoKeyUpdate() : query).executeTakeFirst(),
  )
}

/** Companies as people see them at a moment. */
export async function viewCompanies(
  db: Db,
  checker: Checker,
  rows: readonly Row<'company'>[],
  now: Date,
): Promise<readonly CompanyView[]> {
  if (rows.length === 0) return []
  const sponsors = checked(
    checker,
    'app_user',
    await db
      .selectFrom('app_user')
      .selectAll()
      .where(
        'id',
        'in',
        rows.map((row) => row.sponsor_id),
      )
      .execute(),
  )
  const counted = await db
    .selectFrom('representative')
    .select(['company_id', (eb) => eb.fn.countAll<number>().as('count')])
    .groupBy('company_id')
    .execute()
  const counts = new Map(counted.map((row) => [row.company_id, row.count]))
  return rows.map((row) => {
    const sponsor = sponsors.find(({ id }) => id === row.sponsor_id)
    return {
      id: row.id,
      name: row.name,
      state: row.off_at !== null ? 'off' : row.contract_ends_at <= now ? 'ended' : 'active',
      contractEndsAt: row.contract_ends_at.toISOString(),
      sponsor: sponsor?.name ?? '',
      isSponsorActive: sponsor?.state === 'active',
      mailDomains: row.mail_domains,
      hasTerms: row.terms !== null,
      representatives: counts.get(row.id) ?? 0,
      offAt: row.off_at?.toISOString() ?? null,
      createdAt: row.created_at.toISOString(),
    }
  })
}

/** One company as people see it. */
export async function viewCompany(tx: Tx, row: Row<'company'>): Promise<CompanyView> {
  const [view] = await viewCompanies(tx.db, tx.guard, [row], tx.now)
  if (view === undefined) throw new TypeError('a company that was read is shown')
  return view
}

function parseDomains(given: readonly string[]): Outcome<readonly string[]> {
  const domains = new Set<string>()
  for (const text of given) {
    const domain = canonicalDomain(text)
    if (!domain.ok) return domain
    domains.add(domain.value)
  }
  return done([...domains])
}

function parseEnd(text: string, now: Date): Outcome<Date> {
  const end = new Date(text)
  if (end <= now)
    return refuse('invalid', 'contractEndsAt: this moment has passed', 'to end it now: tagout vendor off')
  if (end.getTime() - now.getTime() > longestContract)
    return refuse('invalid', 'contractEndsAt: a contract ends in ten years at the latest')
  return done(end)
}

/** Who may answer for a company: somebody of the plant who can sign in. */
async function findSponsor(tx: Tx, reference: string): Promise<Outcome<Row<'app_user'>>> {
  const user = await findUser(tx.db, tx.guard, reference)
  if (user === undefined) return notFound('user', reference)
  if (user.roles.includes('vendor'))
    return refuse('conflict', `the user ${user.name} is a vendor`, 'name somebody of the plant')
  if (user.state === 'disabled')
    return refuse('conflict', `the user ${user.name} is disabled`, 'name somebody else')
  return done(user)
}

/** How the audit log shows what a company is now. */
async function entryOf(row: Row<'company'>, sponsor: string) {
  const terms = await termsOf(row)
  return {
    company: row.id,
    companyName: row.name,
    contractEndsAt: row.contract_ends_at.toISOString(),
    sponsorName: sponsor,
    mailDomains: row.mail_domains,
    ...(terms === null ? {} : { termsDigest: terms.digest }),
  }
}

/** Adds a company. A person gives a fresh code: people of it are let in. */
export const companyAdd: Handler<'company.add'> = async (call, input) => {
  const domains = parseDomains(input.mailDomains)
  if (!domains.ok) return domains
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const end = parseEnd(input.contractEndsAt, tx.now)
    if (!end.ok) return end
    if ((await findCompany(tx.db, tx.guard, input.name)) !== undefined)
      return refuse('conflict', `there is a company ${input.name} already`, 'choose another name')
    const sponsor = await findSponsor(tx, input.sponsor)
    if (!sponsor.ok) return sponsor
    const row = await insertGuarded(tx, 'company', {
      id: newId('cmp', tx.now.getTime()),
      name: input.name,
      contract_ends_at: end.value,
      sponsor_id: sponsor.value.id,
      mail_domains: domains.value,
      terms: input.terms ?? null,
      created_at: tx.now,
      off_at: null,
    })
    await keepTerms(tx, row)
    await tx.audit({ kind: 'company.added', ...(await entryOf(row, sponsor.value.name)), ...by(call) })
    return done(await viewCompany(tx, row))
  })
}

/** Companies: all of them for administrators and auditors, else those that one is the sponsor of. */
export const companyList: Handler<'company.list'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database.selectFrom('company').selectAll().orderBy('name').limit(10_000)
  if (!sight.all) query = query.where('sponsor_id', '=', sight.user)
  return done(await viewCompanies(database, guard, checked(guard, 'company', await query.execute()), clock()))
}

/**
 * Changes a company. A person gives a fresh code: it lets people in, for longer or from elsewhere. Grants and sessions of
 * its representatives end with a contract that is made shorter.
 */
export const companyChange: Handler<'company.change'> = async (call, input) => {
  const domains = input.mailDomains === undefined ? undefined : parseDomains(input.mailDomains)
  if (domains?.ok === false) return domains
  const { contractEndsAt, sponsor, terms } = input
  if ([contractEndsAt, sponsor, domains, terms].every((one) => one === undefined))
    return refuse('invalid', 'say what changes: contractEndsAt, sponsor, mailDomains or terms')
  return transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findCompany(tx.db, tx.guard, input.company, 'update')
    if (row === undefined) return notFound('company', input.company)
    const end = contractEndsAt === undefined ? done(row.contract_ends_at) : parseEnd(contractEndsAt, tx.now)
    if (!end.ok) return end
    const found = await (sponsor === undefined ? sponsorOf(tx, row) : findSponsor(tx, sponsor))
    if (!found.ok) return found
    const after = await updateGuarded(tx, 'company', row, {
      contract_ends_at: end.value,
      sponsor_id: found.value.id,
      ...(domains === undefined ? {} : { mail_domains: domains.value }),
      ...(terms === undefined ? {} : { terms }),
    })
    // What was accepted until now stays readable, also where it was written before texts were kept.
    await keepTerms(tx, row)
    await keepTerms(tx, after)
    await tx.audit({ kind: 'company.changed', ...(await entryOf(after, found.value.name)), ...by(call) })
    if (end.value < row.contract_ends_at) await shortenTo(tx, call, after)
    return done(await viewCompany(tx, after))
  })
}

async function sponsorOf(tx: Tx, row: Row<'company'>): Promise<Outcome<Row<'app_user'>>> {
  const user = await findUser(tx.db, tx.guard, row.sponsor_id)
  return user === undefined ? notFound('user', row.sponsor_id) : done(user)
}

/** Lets a company be worked with again. A person gives a fresh code. */
export const companyOn: Handler<'company.on'> = async (call: Call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findCompany(tx.db, tx.guard, input.company, 'update')
    if (row === undefined) return notFound('company', input.company)
    if (row.off_at === null) return refuse('conflict', `the company ${row.name} is not off`)
    const after = await updateGuarded(tx, 'company', row, { off_at: null })
    await tx.audit({ kind: 'company.on', company: row.id, companyName: row.name, ...by(call) })
    return done(await viewCompany(tx, after))
  })
