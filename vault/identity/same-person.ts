import { domainToASCII } from 'node:url'
import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { settingsOf } from '../directory/settings.ts'
import type { UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checked, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler } from '../world.ts'
import { takeCodeOfPerson } from './fresh-code.ts'
import { findUser, showUser } from './user.ts'

/** What tells that two users are one person. */
export type PersonFacts = {
  readonly id: UserId
  readonly name: string
  /** Where they are written to, and where they were invited. */
  readonly mails: readonly string[]
  /** Entries of directories: whose, and which. */
  readonly entries: readonly string[]
  /** The user whom an administrator has said that they are. */
  readonly sameAs: UserId | null
}

/**
 * Why two users are one person, as words that follow “is you”; undefined: they are not known to be. Pure.
 *
 * SECURITY: what needs two people needs two persons: somebody with two accounts is one.
 */
export function samePerson(one: PersonFacts, other: PersonFacts): string | undefined {
  if (one.id === other.id) return 'the same user'
  if ((one.sameAs ?? one.id) === (other.sameAs ?? other.id)) return 'an administrator has said so'
  const entry = one.entries.find((known) => other.entries.includes(known))
  if (entry !== undefined) return 'the same entry of a directory'
  const mails = new Set(one.mails.map(mailbox))
  return other.mails.some((address) => mails.has(mailbox(address))) ? 'the same mail address' : undefined
}

/**
 * The mailbox that an address is delivered to, for comparing alone: without the case of letters, forms of one letter,
 * characters that nobody sees, and what follows a plus.
 */
export function mailbox(address: string): string {
  const plain = address
    .normalize('NFKC')
    .replaceAll(/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/gu, '')
    .toLowerCase()
    .normalize('NFKC')
  const at = plain.lastIndexOf('@')
  const name = plain.slice(0, Math.max(0, at)).replace(/(?<=.)\+.*$/, '')
  const domain = plain.slice(at + 1).replace(/\.+$/, '')
  return `${name}@${domainToASCII(domain) || domain}`
}

/** Of some people those who come first: who is one person with somebody before them is left out. */
export function distinctPeople(people: readonly PersonFacts[]): readonly PersonFacts[] {
  const found: PersonFacts[] = []
  for (const one of people) if (!found.some((other) => samePerson(one, other) !== undefined)) found.push(one)
  return found
}

/**
 * What is known of some users as people.
 *
 * SECURITY: a row that is gone although the vault wrote it is a fault: without it somebody would be two.
 */
export async function readPeople(
  db: Kysely<Database>,
  checker: Checker,
  ids: readonly UserId[],
): Promise<ReadonlyMap<UserId, PersonFacts>> {
  const asked = [...new Set(ids)]
  if (asked.length === 0) return new Map()
  const named = checked(
    checker,
    'app_user',
    await db.selectFrom('app_user').selectAll().where('id', 'in', asked).execute(),
  )
  if (named.length === 0) return new Map()
  // SECURITY: whom an administrator has said to be one person has the addresses and entries of all of them: nobody is
  // two by way of a third user.
  const persons = [...new Set(named.map(personOf))]
  const users = checked(
    checker,
    'app_user',
    await db
      .selectFrom('app_user')
      .selectAll()
      .where((eb) => eb.or([eb('id', 'in', persons), eb('same_as', 'in', persons)]))
      .execute(),
  )
  const all = users.map(({ id }) => id)
  const mails = checked(
    checker,
    'user_mail',
    await db.selectFrom('user_mail').selectAll().where('user_id', 'in', all).execute(),
  )
  const invited = checked(
    checker,
    'representative',
    await db.selectFrom('representative').selectAll().where('user_id', 'in', all).execute(),
  )
  const entries = checked(
    checker,
    'directory_user',
    await db.selectFrom('directory_user').selectAll().where('user_id', 'in', all).execute(),
  )
  const of = <One extends { readonly user_id: UserId }>(
    table: 'user_mail' | 'representative' | 'directory_user',
    rows: readonly One[],
    id: UserId,
  ) => {
    const theirs = rows.filter((row) => row.user_id === id)
    if (theirs.length === 0) checker.checkAbsent(table, { user_id: id })
    return theirs
  }
  const from = await entryNames(db, checker, entries)
  const own = users.map((user) => ({
    user,
    mails: [
      ...of('user_mail', mails, user.id).map(({ address }) => address),
      ...of('representative', invited, user.id).map(({ mail }) => mail),
    ],
    entries: of('directory_user', entries, user.id).map(from),
  }))
  return new Map(
    own.map(({ user }) => {
      const theirs = own.filter((one) => personOf(one.user) === personOf(user))
      return [
        user.id,
        {
          id: user.id,
          name: user.name,
          mails: theirs.flatMap((one) => one.mails),
          entries: theirs.flatMap((one) => one.entries),
          sameAs: user.same_as,
        },
      ]
    }),
  )
}

function personOf({ id, same_as }: Pick<Row<'app_user'>, 'id' | 'same_as'>): UserId {
  return same_as ?? id
}

/** Names an entry as every record of its directory does: by what the provider calls itself, or an id that is nobody else's. */
async function entryNames(
  db: Kysely<Database>,
  checker: Checker,
  entries: readonly Row<'directory_user'>[],
): Promise<(entry: Row<'directory_user'>) => string> {
  const ids = [...new Set(entries.map((one) => one.directory_id))]
  const query = db.selectFrom('directory').selectAll()
  const rows = ids.length === 0 ? [] : await query.where('id', 'in', ids).execute()
  const issuers = new Map(
    checked(checker, 'directory', rows).map((row) => {
      const settings = settingsOf(row)
      return [row.id, settings.kind === 'oidc' ? settings.issuer : 'ldap']
    }),
  )
  return ({ directory_id, subject }) => `${issuers.get(directory_id) ?? directory_id} ${subject}`
}

/** Those people in the order of these ids. */
export function inOrder(
  people: ReadonlyMap<UserId, PersonFacts>,
  ids: readonly UserId[],
): readonly PersonFacts[] {
  return ids.flatMap((id) => people.get(id) ?? [])
}

/** Why two users are one person, or undefined. Whom the vault does not know is nobody's second account. */
export async function whySame(
  db: Kysely<Database>,
  checker: Checker,
  one: UserId,
  other: UserId,
): Promise<string | undefined> {
  const people = await readPeople(db, checker, [one, other])
  const [first, second] = [people.get(one), people.get(other)]
  return first === undefined || second === undefined ? undefined : samePerson(first, second)
}

/** Everybody who is one person with somebody, and why. */
export async function othersOf(
  db: Kysely<Database>,
  checker: Checker,
  user: Pick<Row<'app_user'>, 'id'>,
): Promise<readonly { readonly id: UserId; readonly name: string; readonly why: string }[]> {
  const rows = await db.selectFrom('app_user').select('id').where('id', '<>', user.id).execute()
  const people = await readPeople(db, checker, [user.id, ...rows.map(({ id }) => id)])
  const own = people.get(user.id)
  if (own === undefined) return []
  return [...people.values()].flatMap((one) => {
    const why = one.id === user.id ? undefined : samePerson(own, one)
    return why === undefined ? [] : [{ id: one.id, name: one.name, why }]
  })
}

/**
 * Says that a user is the same person as another, or as nobody else. A person gives a fresh code.
 *
 * SECURITY: nobody says it of a user of their own (`notOwn` in the rules): who is two could approve what they ask for.
 */
export const userSamePerson: Handler<'user.samePerson'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, input.user, 'update')
    if (user === undefined) return notFound('user', input.user)
    const other = input.as === null ? null : await findUser(tx.db, tx.guard, input.as)
    if (other === undefined) return notFound('user', input.as ?? '')
    if (other?.id === user.id) return refuse('invalid', 'as: this is the same user', 'name the other one')
    const person = other === null ? null : (other.same_as ?? other.id)
    const theirs = await linkedTo(tx, user)
    const isSame = person === null ? user.same_as === null && theirs.length === 0 : isOf(user, person)
    if (isSame)
      return refuse(
        'conflict',
        other === null
          ? `nobody has said that ${user.name} is anybody else`
          : `${user.name} and ${other.name} are one person already`,
        'see: tagout user show',
      )
    if (person === null) {
      // Who was linked to them stays one person among themselves.
      const [first, ...rest] = theirs
      if (first !== undefined) await updateGuarded(tx, 'app_user', first, { same_as: null })
      for (const one of rest) await updateGuarded(tx, 'app_user', one, { same_as: first?.id ?? null })
    } else
      for (const one of theirs)
        await updateGuarded(tx, 'app_user', one, { same_as: one.id === person ? null : person })
    const after = user.id === person ? user : await updateGuarded(tx, 'app_user', user, { same_as: person })
    await tx.audit({
      kind: 'user.same-person',
      user: user.id,
      name: user.name,
      ...(other === null ? {} : { as: other.name }),
      ...by(call),
    })
    return done(await showUser(tx.db, tx.guard, after))
  })

function isOf(user: Row<'app_user'>, person: UserId): boolean {
  return personOf(user) === person
}

/** Who was said to be this user. */
async function linkedTo(tx: Tx, user: Row<'app_user'>): Promise<readonly Row<'app_user'>[]> {
  const query = tx.db.selectFrom('app_user').selectAll().where('same_as', '=', user.id).orderBy('id')
  return checked(tx.guard, 'app_user', await query.forNoKeyUpdate().execute())
}
