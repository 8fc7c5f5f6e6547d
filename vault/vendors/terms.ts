import { showUser } from '../identity/user.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { type Handler, userOf } from '../world.ts'
import { findCompany } from './company.ts'
import { lockPerson } from './people.ts'
import { type Representation, representationOf, termsOf } from './standing.ts'

/** Writes down that a person accepts the terms of this digest, which must be those of now. */
export async function acceptTerms(
  tx: Tx,
  user: { readonly id: Representation['representative']['user_id']; readonly name: string },
  one: Representation,
  digest: string | undefined,
  source: string,
): Promise<Outcome<null>> {
  const { terms, company } = one
  if (terms === null || one.acceptedAt !== null) return done(null)
  if (digest === undefined)
    return refuse(
      'invalid',
      `termsDigest: the terms of ${company.name} have to be accepted`,
      'read them and accept them',
    )
  if (digest !== terms.digest)
    return refuse(
      'conflict',
      `the terms of ${company.name} were changed meanwhile`,
      'read them as they are now, then accept them',
    )
  await insertGuarded(tx, 'terms_acceptance', {
    id: newId('trm', tx.now.getTime()),
    user_id: user.id,
    company_id: company.id,
    digest,
    source,
    created_at: tx.now,
  })
  await tx.audit({
    kind: 'terms.accepted',
    company: company.id,
    companyName: company.name,
    user: user.id,
    name: user.name,
    digest,
    actor: { kind: 'user', id: user.id, name: user.name },
    source,
  })
  return done(null)
}

/** The terms that the asking person has to accept, or has accepted; null where there are none. */
export const termsShow: Handler<'terms.show'> = async (call) => {
  const { database, guard } = call.world.vault
  const one = await representationOf(database, guard, userOf(call))
  return done(one?.terms ?? null)
}

/** Accepts the terms as they were shown. */
export const termsAccept: Handler<'terms.accept'> = async (call, { digest }) =>
  transact(call.world, async (tx) => {
    const user = await lockPerson(tx, userOf(call).id)
    const one = user === undefined ? undefined : await representationOf(tx.db, tx.guard, user, 'share')
    if (user === undefined || one === undefined || one.terms === null)
      return refuse('conflict', 'there are no terms for you to accept')
    const accepted = await acceptTerms(tx, user, one, digest, call.source ?? '')
    return accepted.ok ? done(await showUser(tx.db, tx.guard, user)) : accepted
  })

/** The texts of a company's terms, and who accepted which. */
export const companyTerms: Handler<'company.terms'> = async (call, input) => {
  const { database, guard } = call.world.vault
  const company = await findCompany(database, guard, input.company)
  if (company === undefined) return notFound('company', input.company)
  const kept = checked(
    guard,
    'terms_text',
    await database
      .selectFrom('terms_text')
      .selectAll()
      .where('company_id', '=', company.id)
      .orderBy('id', 'desc')
      .execute(),
  )
  const accepted = await database
    .selectFrom('terms_acceptance')
    .innerJoin('app_user', 'app_user.id', 'terms_acceptance.user_id')
    .selectAll('terms_acceptance')
    .select('app_user.name as user_name')
    .where('company_id', '=', company.id)
    .orderBy('terms_acceptance.id')
    .execute()
  checked(guard, 'terms_acceptance', accepted)
  const present = await termsOf(company)
  const digests = new Set([
    ...(present === null ? [] : [present.digest]),
    ...kept.map(({ digest }) => digest),
    ...accepted.map(({ digest }) => digest),
  ])
  return done(
    [...digests].map((digest) => {
      const row = kept.find((one) => one.digest === digest)
      return {
        digest,
        text: row?.body ?? (present?.digest === digest ? present.text : null),
        since: row?.since.toISOString() ?? null,
        isPresent: present?.digest === digest,
        acceptances: accepted
          .filter((one) => one.digest === digest)
          .map((one) => ({ user: one.user_name, at: one.created_at.toISOString(), source: one.source })),
      }
    }),
  )
}

/** Keeps the text of a company's terms, so that it can be shown when they are others. */
export async function keepTerms(tx: Tx, company: Row<'company'>): Promise<void> {
  const terms = await termsOf(company)
  if (terms === null) return
  const known = await tx.db
    .selectFrom('terms_text')
    .selectAll()
    .where('company_id', '=', company.id)
    .where('digest', '=', terms.digest)
    .executeTakeFirst()
  if (checkedOne(tx.guard, 'terms_text', known) !== undefined) return
  await insertGuarded(tx, 'terms_text', {
    id: newId('tmt', tx.now.getTime()),
    company_id: company.id,
    digest: terms.digest,
    body: terms.text,
    since: tx.now,
  })
}
