import type { FreshCode } from '../contract.ts'
import { refuseStale } from '../directory/provider-proof.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Tx } from '../transaction.ts'
import type { Row } from '../rows.ts'
import { type Call, userOf, type World } from '../world.ts'
import { takePasskey } from './passkey.ts'
import { useStep } from './login.ts'
import { matchUserTotp } from './totp-secret.ts'
import { findUser } from './user.ts'

/**
 * Takes a code of the person who asks, which was not used before, or a proof by a passkey of theirs for this very act. Call it before other rows are locked.
 *
 * SECURITY: whoever carries a login (the api) can do what it may do. What outlives the login, or shows a secret, takes
 * something that only the person has. The row's lock makes guesses wait in line, so that each one counts.
 */
export async function takeFreshCode(tx: Tx, call: Call, code: FreshCode): Promise<Outcome<null>> {
  const { world } = call
  const asking = userOf(call)
  const source = call.source ?? 'unknown'
  if (code === undefined)
    return refuse(
      'invalid',
      'totpCode: this needs a code of your authenticator',
      'give a fresh one: not the one that you signed in with',
    )
  const user = await findUser(tx.db, tx.guard, asking.id, 'update')
  if (user === undefined || user.state !== 'active') return refuse('unauthenticated', 'sign in again')
  const taken = await takeOne(tx, call, code, user, source)
  // Whatever it was given for: who they are has been shown now.
  if (taken.ok) tx.afterCommit(() => world.factors.put(asking.login.id, tx.now.getTime()))
  return taken
}

async function takeOne(
  tx: Tx,
  call: Call,
  code: NonNullable<FreshCode>,
  user: Row<'app_user'>,
  source: string,
): Promise<Outcome<null>> {
  // Before the code is looked at: it stays good for when they are back.
  const stale = await refuseStale(tx, call)
  if (stale !== undefined) return stale
  // A passkey cannot be guessed: it is neither counted nor kept waiting.
  if (typeof code !== 'string') return takePasskey(tx, call, code)
  // Whoever carries a login has signed in from there: those who guess elsewhere keep nobody from approving.
  if (!call.world.backOff.isKnown(source, user.name)) call.world.backOff.learn(source, user.name)
  return takeCode(tx, call.world, user, source, code)
}

/** Takes a code of somebody who has proven otherwise who they are. Their row is locked, so that each guess counts. */
export async function takeCode(
  tx: Tx,
  world: World,
  user: Row<'app_user'>,
  source: string,
  code: string,
): Promise<Outcome<null>> {
  const wait = world.backOff.wait(source, user.name)
  if (wait > 0) return refuse('rate_limited', 'too many wrong codes', `wait ${wait} s, then try again`)
  const step = matchUserTotp(world, user, code)
  if (step === null) {
    world.backOff.failed(source, user.name)
    return refuse('invalid', 'totpCode: the code is wrong or was used', 'wait for the next code')
  }
  tx.afterCommit(() => world.totpSteps.put(user.id, step))
  await useStep(tx, user.id, step)
  return done(null)
}

/** The same, for what `local` does without a code: the machine's administrator has none. */
export async function takeCodeOfPerson(tx: Tx, call: Call, code: FreshCode): Promise<Outcome<null>> {
  return call.principal.kind === 'user' ? takeFreshCode(tx, call, code) : done(null)
}
