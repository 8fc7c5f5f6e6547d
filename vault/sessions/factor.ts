import { readPolicy } from '../access/policy.ts'
import { readSubject } from '../access/subject.ts'
import { takeCode } from '../identity/fresh-code.ts'
import { waitOf } from '../identity/login.ts'
import { type Proof, proofShowing, readProof } from '../identity/proof.ts'
import { findUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { actions, type Action, fitsProtocol, releasingActions } from '../contract.ts'
import { decideAccess } from '../policy/session.ts'
import { findTarget } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Handler, Input } from '../world.ts'
import { accessAt, chooseAccount } from './way-in.ts'

const notProven = refuse(
  'unauthenticated',
  'the proof is unknown, too old or another connection’s',
  'log in again',
)

/**
 * Says whether a code would let somebody in who has proven themselves over SSH and is kept out without, and takes it.
 *
 * SECURITY: a code makes the proof of this one connection younger, and nothing else of its user's. A key alone makes no
 * place one from where they sign in: who stole it, and guesses from many, is counted by the name.
 */
export const sshFactor: Handler<'ssh.factor'> = async (call, input) => {
  const { world } = call
  const proof = readProof(world, input.proof, call.peer)
  if (proof === undefined || proof.connection === null) return notProven
  const { totpCode } = input
  if (totpCode === undefined)
    return transact(world, async (tx) => done({ isWanted: await isWanted(tx, call, input, proof) }))
  // From where they sign in, nobody else's guesses keep them waiting.
  const wait = await waitOf(world, proof.source, proof.name)
  if (wait > 0) return refuse('rate_limited', 'too many wrong codes', `wait ${wait} s, then try again`)
  return transact(world, async (tx): Promise<Outcome<{ readonly isWanted: boolean }>> => {
    const user = await findUser(tx.db, tx.guard, proof.user, 'update')
    if (user === undefined || user.state !== 'active') return notProven
    const taken = await takeCode(tx, world, user, proof.source, totpCode)
    if (!taken.ok) return taken
    const actor = { kind: 'user', id: user.id, name: user.name } as const
    await tx.audit({ kind: 'factor.shown', user: user.id, name: user.name, actor, source: proof.source })
    tx.afterCommit(() => {
      world.backOff.succeeded(proof.source, user.name)
      proofShowing(world, input.proof, proof, tx.now.getTime())
    })
    return done({ isWanted: false })
  })
}

/** The acts for which somebody connects by SSH. */
const ofSsh: readonly Action[] = actions.filter(
  (action) => fitsProtocol(action, 'ssh') && !releasingActions.includes(action),
)

/** Is nothing open to them there, and would something be by a code of theirs? Who has no authenticator is not asked. */
async function isWanted(tx: Tx, call: Call, input: Input<'ssh.factor'>, proof: Proof): Promise<boolean> {
  const policy = await readPolicy(tx.db, tx.guard)
  // Most policies want no such thing, and every login asks.
  if (policy.rules.every(({ document }) => document.factorWithin === undefined)) return false
  const user = await findUser(tx.db, tx.guard, proof.user)
  const target = await findTarget(tx.db, tx.guard, input.target)
  if (user === undefined || user.totp === null || target === undefined) return false
  const subject = await readSubject(tx.db, tx.guard, user)
  const chosen = await chooseAccount(tx, user, subject, target, input.account)
  if (!chosen.ok) return false
  const { source, factorAt } = proof
  const facts = await accessAt(tx, call, { user, target, subject, source, factorAt, ...chosen.value })
  const decisions = ofSsh.map((wants) => decideAccess({ ...facts, wants }))
  return (
    decisions.every(({ kind }) => kind === 'deny') &&
    decisions.some((decision) => decision.kind === 'deny' && decision.code === 'stale_factor')
  )
}
