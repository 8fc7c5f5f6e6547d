import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { DirectoryId, UserId } from '../kernel/id.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'

type Db = Kysely<Database>

/** The directory of an id or a name, in any case of letters. */
export async function findDirectory(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'update' = 'read',
): Promise<Row<'directory'> | undefined> {
  const query = db
    .selectFrom('directory')
    .selectAll()
    .where('removed_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('id', '=', reference as DirectoryId),
        eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()),
      ]),
    )
  return checkedOne(
    checker,
    'directory',
    await (lock === 'update' ? query.forUpdate() : query).executeTakeFirst(),
  )
}

export async function allDirectories(db: Db, checker: Checker): Promise<readonly Row<'directory'>[]> {
  return checked(
    checker,
    'directory',
    await db.selectFrom('directory').selectAll().where('removed_at', 'is', null).orderBy('name').execute(),
  )
}

/** A user as their directory knows them. */
export type OfDirectory = {
  readonly entry: Row<'directory_user'>
  readonly directory: Row<'directory'>
}

/**
 * What a directory knows of a user; undefined for everybody who is ours alone.
 *
 * SECURITY: a row that is missing although the vault wrote it is a fault: without it they would be nobody's.
 */
export async function directoryOf(db: Db, checker: Checker, user: UserId): Promise<OfDirectory | undefined> {
  const entry = checkedOne(
    checker,
    'directory_user',
    await db.selectFrom('directory_user').selectAll().where('user_id', '=', user).executeTakeFirst(),
  )
  if (entry === undefined) {
    checker.checkAbsent('directory_user', { user_id: user })
    return undefined
  }
  const directory = checkedOne(
    checker,
    'directory',
    await db.selectFrom('directory').selectAll().where('id', '=', entry.directory_id).executeTakeFirst(),
  )
  if (directory === undefined) throw new TypeError('a user is of a directory')
  return { entry, directory }
}

/** All users of a directory, turned off or not. */
export async function usersOf(
  db: Db,
  checker: Checker,
  directory: DirectoryId,
): Promise<readonly { readonly entry: Row<'directory_user'>; readonly user: Row<'app_user'> }[]> {
  const entries = checked(
    checker,
    'directory_user',
    await db.selectFrom('directory_user').selectAll().where('directory_id', '=', directory).execute(),
  )
  if (entries.length === 0) return []
  const users = checked(
    checker,
    'app_user',
    await db
      .selectFrom('app_user')
      .selectAll()
      .where(
        'id',
        'in',
        entries.map((one) => one.user_id),
      )
      .execute(),
  )
  const byId = new Map(users.map((user) => [user.id, user]))
  return entries
    .flatMap((entry) => {
      const user = byId.get(entry.user_id)
      return user === undefined ? [] : [{ entry, user }]
    })
    .sort((a, b) => (a.user.name < b.user.name ? -1 : 1))
}
