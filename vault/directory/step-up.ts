import { auditRefusedLogin } from '../identity/login.ts'
import { findUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'
import { comeBack, depart, entryOfSubject, meet } from './oidc-sign-in.ts'
import { directoryOf } from './row.ts'
import { settingsOf } from './settings.ts'

const ofNone = refuse(
  'conflict',
  'no provider knows you that could ask you anew',
  'give a fresh code of your authenticator',
)

/** Sends whoever asks to their provider, which is to ask them whatever it knows of them. */
export const loginStepUp: Handler<'login.stepUp'> = async (call, { origin }) => {
  const { world } = call
  const asking = userOf(call)
  const of = await directoryOf(world.vault.database, world.vault.guard, asking.id)
  const settings = of === undefined ? undefined : settingsOf(of.directory)
  if (of === undefined || settings?.kind !== 'oidc') return ofNone
  const wanted = settings.stepUp?.acrValues ?? []
  const acrValues = wanted.length > 0 ? wanted : settings.acrValues
  return depart(world, of.directory, settings, origin, { acrValues, maxAge: 0, anew: true }, asking.login.id)
}

/**
 * Takes back whoever was sent to be asked anew: from then on their login is as fresh as that.
 *
 * SECURITY: it is good for the login that asked, in the browser that left, once, and for its own person: another one's
 * answer is refused, makes nobody, and is in the log.
 */
export const loginStepUpReturn: Handler<'login.stepUpReturn'> = async (call, input) => {
  const { world } = call
  const asking = userOf(call)
  const { back, row } = await comeBack(world, input, asking.login.id)
  const refused = async (outcome: Outcome<never>): Promise<Outcome<never>> => {
    if (!outcome.ok)
      await auditRefusedLogin(
        world,
        { name: asking.name, source: call.source ?? '' },
        `directory ${row?.name ?? ''}`.trim(),
        `asked anew: ${outcome.refusal.message}`,
      )
    // Their login goes on: what failed is to be tried again.
    if (outcome.ok || outcome.refusal.code !== 'unauthenticated') return outcome
    return { ok: false, refusal: { ...outcome.refusal, code: 'conflict' } }
  }
  if (!back.ok) return refused(back)
  const { subject, proven } = back.value
  if (row === undefined || proven === undefined)
    throw new TypeError('who came back was asked, by a directory')
  const outcome = await transact(world, async (tx): Promise<Outcome<Outcome<null>>> => {
    const of = await directoryOf(tx.db, tx.guard, asking.id)
    if (of?.directory.id !== row.id || of.entry.subject !== subject) {
      const other = await entryOfSubject(tx.db, tx.guard, row.id, subject)
      const who = other === undefined ? undefined : await findUser(tx.db, tx.guard, other.user_id)
      return refuse(
        'unauthenticated',
        `the provider ${row.name} says that you are somebody else than ${asking.name}${who === undefined ? '' : `: ${who.name}`}`,
        `sign out there, then sign in as ${asking.name}`,
      )
    }
    const met = await meet(tx, world, row, back.value)
    if (!met.ok) return met
    // Whose groups are gone is turned off by that, which stays.
    if (met.value.kind === 'refused') return done(met.value.outcome)
    const { id: login } = asking.login
    tx.afterCommit(() => world.oidc.proven.put(login, proven))
    await tx.audit({
      kind: 'login.stepped-up',
      user: asking.id,
      name: asking.name,
      login,
      directory: row.id,
      directoryName: row.name,
      acr: proven.acr,
      ...by(call),
    })
    return done(done(null))
  })
  const came = outcome.ok ? outcome.value : outcome
  return came.ok ? done({ directory: row.name }) : refused(came)
}
