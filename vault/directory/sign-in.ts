import type { SignInCode } from '../contract.ts'
import { countWrongCode, refuseGuess, type Shown, useStep, wrongPassword } from '../identity/login.ts'
import { type SignInAct, takeSignInPasskey } from '../identity/passkey.ts'
import { findRecoveryCode, takeRecoveryCode } from '../identity/recovery-code.ts'
import { matchUserTotp } from '../identity/totp-secret.ts'
import { findUser } from '../identity/user.ts'
import type { UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse, told } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { askPassword } from './ask-ldap.ts'
import { directoryOf, type OfDirectory } from './row.ts'
import { settingsOf } from './settings.ts'

/** What somebody can do where what knows them is away. */
export const comeBackLater =
  'try again in a few minutes, and tell an administrator if it stays so; local users sign in as ever'

/** For so long a wrong password counts, in milliseconds: as long as directories commonly do. */
const wrongWithin = 30 * 60_000

/**
 * Asks a directory whether this is the password of its person.
 *
 * SECURITY: a place among the wrong ones is taken before the directory is asked, and given back where it was right: of
 * many at once no more get through than it takes to stay below what locks the person out of everything else.
 */
export async function askDirectory(
  world: World,
  { entry, directory }: OfDirectory,
  password: string,
): Promise<Outcome<null>> {
  const settings = settingsOf(directory)
  const { name } = directory
  if (directory.removed_at !== null)
    return refuse('unauthenticated', `the directory ${name} is no longer used here`, 'ask an administrator')
  if (settings.kind !== 'ldap')
    return refuse(
      'unauthenticated',
      `who is of ${name} signs in there, and has no password here`,
      `sign in by ${name} in the console; over SSH give your key then, or a ticket of the console`,
    )
  const now = world.vault.clock().getTime()
  const { wrong } = world.directories
  const recent = (wrong.get(entry.user_id) ?? []).filter((at) => now - at < wrongWithin)
  if (recent.length >= settings.wrongPasswords) {
    const minutes = Math.ceil(((recent[0] ?? now) + wrongWithin - now) / 60_000)
    return refuse(
      'rate_limited',
      `too many wrong passwords: one more could lock your user in ${name}`,
      `wait ${minutes} min, then try again with the password of ${name}`,
    )
  }
  wrong.delete(entry.user_id)
  wrong.set(entry.user_id, [...recent, now])
  for (const user of wrong.keys()) {
    if (wrong.size <= 10_000) break
    wrong.delete(user)
  }
  const verdict = await askPassword(world, directory, settings, entry.subject, password)
  if (!verdict.ok) {
    // Why is for who looks after it; whoever signs in can do nothing about it.
    world.onFault(`directory ${name}`, new Error(verdict.refusal.message))
    return refuse(
      'unavailable',
      `the directory ${name}, which knows your password, does not answer now`,
      comeBackLater,
    )
  }
  switch (verdict.value) {
    case 'right':
      wrong.delete(entry.user_id)
      return done(null)
    case 'must-change':
      return refuse(
        'unauthenticated',
        `your password has to be changed in ${name} first`,
        'change it there, then sign in here',
      )
    case 'locked':
      return refuse('unauthenticated', `your user is locked in ${name}`, 'ask those who run it')
    case 'disabled':
    case 'gone':
    case 'wrong':
      return wrongPassword
  }
}

/** What a person of a directory proved besides their password: a second factor of ours. */
type Code = { readonly shown: Shown }

/**
 * Proves a user of a directory by their password there and a code of ours, and gives what was proven to `then`.
 *
 * SECURITY: the code is looked at first. Whoever has none of ours, with a stolen password or guessing at one, asks the
 * directory nothing, locks nobody out there, and learns nothing of the password. A code that was right is used up by it.
 */
export async function proveByDirectory<T>(
  world: World,
  known: Row<'app_user'>,
  input: {
    readonly name: string
    readonly password: string
    readonly totpCode: SignInCode
    readonly act: SignInAct
    readonly source: string
  },
  via: string,
  then: (tx: Tx, user: Row<'app_user'>, shown: Shown) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const looked = await transact(world, async (tx): Promise<Outcome<OfDirectory & Code>> => {
    const user = await findUser(tx.db, tx.guard, known.id, 'update')
    if (user === undefined || user.state !== 'active') return wrongPassword
    const of = await directoryOf(tx.db, tx.guard, user.id)
    if (of === undefined || of.entry.state !== 'present') return wrongPassword
    const piled = refuseGuess(world, input)
    if (piled !== undefined) return piled
    const { totpCode, act } = input
    if (typeof totpCode !== 'string')
      return (await takeSignInPasskey(tx, world, user, totpCode, act))
        ? done({ ...of, shown: 'passkey' })
        : countWrongCode(world, input)
    const step = matchUserTotp(world, user, totpCode)
    if (step !== null) {
      tx.afterCommit(() => world.totpSteps.put(user.id, step))
      await useStep(tx, user.id, step)
      return done({ ...of, shown: 'code' })
    }
    // It is used up below, by a sign-in that came about: nobody guesses one.
    const isRecovery = await findRecoveryCode(tx, world, user.id, totpCode)
    return isRecovery ? done({ ...of, shown: 'recovery code' }) : countWrongCode(world, input)
  })
  if (!looked.ok) return looked
  const asked = await askDirectory(world, looked.value, input.password)
  // They have the second factor: what else stands in their way is theirs to know, at SSH too.
  if (!asked.ok) return asked === wrongPassword ? asked : told(asked)
  return transact(world, async (tx): Promise<Outcome<T>> => {
    const user = await stillThere(tx, known.id)
    if (user === undefined) return wrongPassword
    const { shown } = looked.value
    if (shown === 'recovery code' && typeof input.totpCode === 'string') {
      const left = await takeRecoveryCode(tx, world, user, input.totpCode, via, input.source)
      if (left === undefined) return wrongPassword
    }
    return then(tx, user, shown)
  })
}

/** The user, locked, unless they were turned off while the directory was asked. */
async function stillThere(tx: Tx, id: UserId): Promise<Row<'app_user'> | undefined> {
  const user = await findUser(tx.db, tx.guard, id, 'update')
  if (user === undefined || user.state !== 'active') return undefined
  const of = await directoryOf(tx.db, tx.guard, id)
  return of?.entry.state === 'present' ? user : undefined
}
