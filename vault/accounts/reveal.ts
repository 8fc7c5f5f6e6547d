import { holdToLimits } from '../access/limits.ts'
import { ruledFinder } from '../access/ruled.ts'
import { readSubject } from '../access/subject.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { decideLimits } from '../policy/session.ts'
import { permissionsIn } from '../relations.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'
import { currentCredential, findAccount } from './account.ts'
import { noteExposure } from './exposure.ts'
import { takeField } from './credential.ts'

/**
 * Shows a secret to a person: sealed to the one-time key of the client that asks, with a code that was not used
 * before, and written in the exposure ledger first. For an SSH key it is the text of the private key file.
 */
export const accountReveal: Handler<'account.reveal'> = async (call, input) => {
  const { world } = call
  const asking = userOf(call)
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')

  const outcome = await transact(world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    const may = await permissionsIn(tx, call)
    // The code was taken just now.
    const now = tx.now.getTime()
    if (account === undefined)
      return refuse('forbidden', 'there is no such account, or you may not see its secret')
    if (!may(account.safe_id, 'reveal')) {
      const subject = await readSubject(tx.db, tx.guard, asking)
      const rulesFor = await ruledFinder(tx.db, tx.guard, subject, 'reveal')
      const rules = rulesFor(
        { account, target: account.target },
        { now, source: call.source ?? '', factorAt: now },
      )
      const [closed] = rules
      if (!rules.some(({ unmet }) => unmet === null)) {
        const denial = closed === undefined ? undefined : decideLimits([closed])
        return denial === undefined
          ? refuse('forbidden', 'there is no such account, or you may not see its secret')
          : refuse(denial.code, denial.why, denial.next)
      }
    }
    const use = { user: asking.id, account: account.id, does: ['reveal'] } as const
    const held = await holdToLimits(tx, use, { now, source: call.source ?? '', factorAt: now })
    if (!held.ok) return held
    const credential = await currentCredential(tx.db, tx.guard, account.id)
    if (credential === undefined)
      return refuse('conflict', 'this account has no credential', 'set one: tagout account secret')
    await noteExposure(tx, asking.id, account.id, credential.version, input.reason)
    await tx.audit({
      kind: 'account.revealed',
      version: credential.version,
      reason: input.reason,
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    return done({ account, credential })
  })
  if (!outcome.ok) return outcome
  const { account, credential } = outcome.value
  const field = credential.kind === 'password' ? 'password' : 'private-key'
  using secret = await takeField(world, account, credential, field)
  return done({
    sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64'),
    version: credential.version,
  })
}
