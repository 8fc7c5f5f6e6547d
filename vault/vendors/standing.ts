import type { Kysely } from 'kysely'
import type { TermsView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { sha256 } from '../kernel/digest.ts'
import { toHex } from '../kernel/encoding.ts'
import type { UserId } from '../kernel/id.ts'
import { type CompanyFacts, decideCompany } from '../policy/session.ts'
import { type Outcome, refuse } from '../kernel/outcome.ts'
import { type Checker, checkedOne, type Row } from '../rows.ts'

type Db = Kysely<Database>

/** A person and the company that they speak for. */
export type Representation = {
  readonly representative: Row<'representative'>
  readonly company: Row<'company'>
  /** The company's terms as they are now; null where there are none. */
  readonly terms: TermsView | null
  /** When they accepted these terms; null: not yet. */
  readonly acceptedAt: Date | null
}

/** The terms of a company, with what identifies them. */
export async function termsOf(company: Row<'company'>): Promise<TermsView | null> {
  if (company.terms === null) return null
  return {
    company: company.name,
    text: company.terms,
    digest: toHex(await sha256(new TextEncoder().encode(company.terms))),
  }
}

/**
 * Whom a user represents, or undefined. Only who holds the role vendor does.
 *
 * SECURITY: a row that is missing although the vault wrote it is a fault: without it there would be no contract that
 * ends. `lock` waits for whoever changes the company.
 */
export async function representationOf(
  db: Db,
  checker: Checker,
  user: { readonly id: UserId; readonly roles: Row<'app_user'>['roles'] },
  lock: 'read' | 'share' = 'read',
): Promise<Representation | undefined> {
  if (!user.roles.includes('vendor')) return undefined
  const representative = checkedOne(
    checker,
    'representative',
    await db.selectFrom('representative').selectAll().where('user_id', '=', user.id).executeTakeFirst(),
  )
  if (representative === undefined) {
    checker.checkAbsent('representative', { user_id: user.id })
    return undefined
  }
  const query = db.selectFrom('company').selectAll().where('id', '=', representative.company_id)
  const company = checkedOne(
    checker,
    'company',
    await (lock === 'share' ? query.forShare() : query).executeTakeFirst(),
  )
  if (company === undefined) throw new TypeError('a representative is of a company')
  const terms = await termsOf(company)
  const accepted =
    terms === null
      ? undefined
      : checkedOne(
          checker,
          'terms_acceptance',
          await db
            .selectFrom('terms_acceptance')
            .selectAll()
            .where('user_id', '=', user.id)
            .where('company_id', '=', company.id)
            .where('digest', '=', terms.digest)
            .executeTakeFirst(),
        )
  return { representative, company, terms, acceptedAt: accepted?.created_at ?? null }
}

/** What decides, of a representation. */
export function companyFacts(one: Representation): CompanyFacts {
  return {
    name: one.company.name,
    contractEndsAt: one.company.contract_ends_at.getTime(),
    isOff: one.company.off_at !== null,
    owesTerms: one.terms !== null && one.acceptedAt === null,
  }
}

/** Why a representative can do nothing now, terms aside; or undefined. */
export function refuseCompany(one: Representation | undefined, now: Date): Outcome<never> | undefined {
  if (one === undefined) return undefined
  const decision = decideCompany({ ...companyFacts(one), owesTerms: false }, now.getTime())
  return decision === undefined ? undefined : refuse(decision.code, decision.why, decision.next)
}

/** Why somebody cannot be let in again, or given a new link: their company is off, or its contract over. */
export function refuseLettingIn(one: Representation | undefined, now: Date): Outcome<never> | undefined {
  if (one === undefined || refuseCompany(one, now) === undefined) return undefined
  const { name, off_at } = one.company
  return off_at === null
    ? refuse(
        'conflict',
        `the contract of ${name} has ended`,
        `renew it first: tagout vendor change ${name} --until DATE`,
      )
    : refuse('conflict', `the company ${name} is off`, `switch it on first: tagout vendor on ${name}`)
}
