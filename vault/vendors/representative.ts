import type { CompanyDetail, RepresentativeView } from '../contract.ts'
import { viewGrant } from '../checkout/grant.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { addNewUser } from '../identity/user.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, insertGuarded, type Row } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { findCompany, viewCompanies } from './company.ts'
import { canonicalMail } from './mail.ts'
import { accountNames } from './names.ts'
import { termsOf } from './standing.ts'

/**
 * Invites a person of a company: a user with the role vendor, and their link. A person gives a fresh code.
 *
 * INVARIANT: the company's row is locked first, as by whoever takes the company off: a person is invited before that,
 * and goes with it, or is not invited.
 */
export const companyInvite: Handler<'company.invite'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const company = await findCompany(tx.db, tx.guard, input.company, 'update')
    if (company === undefined) return notFound('company', input.company)
    if (company.off_at !== null)
      return refuse(
        'conflict',
        `the company ${company.name} is off`,
        `switch it on first: tagout vendor on ${company.name}`,
      )
    if (company.contract_ends_at <= tx.now)
      return refuse(
        'conflict',
        `the contract of ${company.name} has ended`,
        `renew it first: tagout vendor change ${company.name} --until DATE`,
      )
    const mail = canonicalMail(input.mail, company.mail_domains)
    if (!mail.ok) return mail
    const taken = await tx.db
      .selectFrom('representative')
      .innerJoin('app_user', 'app_user.id', 'representative.user_id')
      .select('app_user.name')
      .where((eb) => eb(eb.fn<string>('lower', ['representative.mail']), '=', mail.value.toLowerCase()))
      .executeTakeFirst()
    if (taken !== undefined)
      return refuse(
        'conflict',
        `the user ${taken.name} has this mail address`,
        `if it is the same person, let them in again: tagout user enable ${taken.name}`,
      )
    const added = await addNewUser(tx, call, input.name, ['vendor'])
    if (!added.ok) return added
    const { user, enrolment } = added.value
    await insertGuarded(tx, 'representative', {
      user_id: user.id,
      company_id: company.id,
      mail: mail.value,
      invited_by: nameOf(call),
      created_at: tx.now,
    })
    await insertGuarded(tx, 'user_mail', {
      user_id: user.id,
      address: mail.value,
      notices: 'all',
      set_by: nameOf(call),
      set_at: tx.now,
    })
    await tx.audit({
      kind: 'company.invited',
      company: company.id,
      companyName: company.name,
      user: user.id,
      name: user.name,
      mail: mail.value,
      ...by(call),
    })
    const representative: RepresentativeView = {
      user: user.name,
      mail: mail.value,
      state: user.state,
      invitedBy: nameOf(call),
      createdAt: user.createdAt,
      lastLoginAt: null,
      termsAcceptedAt: null,
    }
    return done({ representative, enrolment })
  })

/** A company with its people, what they may use, and who was taken off when. */
export const companyShow: Handler<'company.show'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const company = await findCompany(database, guard, input.company)
  if (company === undefined) return notFound('company', input.company)
  const [view] = await viewCompanies(database, guard, [company], clock())
  if (view === undefined) return notFound('company', input.company)
  const terms = await termsOf(company)
  const detail: CompanyDetail = {
    ...view,
    terms: terms === null ? null : { text: terms.text, digest: terms.digest },
    ...(await peopleOf(call, company, terms?.digest)),
    offboardings: await offboardingsOf(call, company),
  }
  return done(detail)
}

async function peopleOf(
  call: Call,
  company: Row<'company'>,
  digest: string | undefined,
): Promise<Pick<CompanyDetail, 'people' | 'grants'>> {
  const { database, guard, clock } = call.world.vault
  const members = checked(
    guard,
    'representative',
    await database.selectFrom('representative').selectAll().where('company_id', '=', company.id).execute(),
  )
  if (members.length === 0) return { people: [], grants: [] }
  const ids = members.map(({ user_id }) => user_id)
  const users = checked(
    guard,
    'app_user',
    await database.selectFrom('app_user').selectAll().where('id', 'in', ids).orderBy('name').execute(),
  )
  const accepted = checked(
    guard,
    'terms_acceptance',
    await database.selectFrom('terms_acceptance').selectAll().where('company_id', '=', company.id).execute(),
  )
  const grants = checked(
    guard,
    'access_grant',
    await database
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', 'in', ids)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', clock())
      .orderBy('id', 'desc')
      .execute(),
  )
  const accounts = await accountNames(
    database,
    grants.map((grant) => grant.account_id),
  )
  const nameOfUser = new Map(users.map(({ id, name }) => [id, name]))
  return {
    people: users.map((user) => {
      const member = members.find(({ user_id }) => user_id === user.id)
      const said = accepted.find((one) => one.user_id === user.id && one.digest === digest)
      return {
        user: user.name,
        mail: member?.mail ?? '',
        state: user.state,
        invitedBy: member?.invited_by ?? '',
        createdAt: user.created_at.toISOString(),
        lastLoginAt: user.last_login_at?.toISOString() ?? null,
        termsAcceptedAt: said?.created_at.toISOString() ?? null,
      }
    }),
    grants: grants.map((grant) =>
      viewGrant(grant, nameOfUser.get(grant.user_id) ?? '', accounts.get(grant.account_id) ?? '', clock()),
    ),
  }
}

async function offboardingsOf(call: Call, company: Row<'company'>): Promise<CompanyDetail['offboardings']> {
  const { database, guard } = call.world.vault
  const rows = checked(
    guard,
    'offboarding',
    await database
      .selectFrom('offboarding')
      .selectAll()
      .where('company_id', '=', company.id)
      .orderBy('id', 'desc')
      .execute(),
  )
  return rows.map((row) => ({ id: row.id, at: row.created_at.toISOString() }))
}
