import { randomBytes } from 'node:crypto'
import { done, refuse } from '../kernel/outcome.ts'
import { faultOfSet, makeSet, proveSet } from '../keys/custodians.ts'
import { newRecoveryKey, recoveryKeyText } from '../keys/recovery-key.ts'
import type { SealProvider } from '../keys/seal-provider.ts'
import { shareText } from '../keys/share.ts'
import { by, type Handler } from '../world.ts'
import { sealView, setText } from './view.ts'

/** Milliseconds within which what was handed out must be confirmed. */
export const preparedLife = 30 * 60_000

/** A way to unseal whose keys have been handed out, and which opens nothing until somebody confirms that they were. */
export type Prepared = { readonly provider: SealProvider; readonly replaces: boolean }

/**
 * Makes the shares of a new set of custodians. They open nothing before `seal.confirm`: a ceremony that is cut short
 * leaves no share that matters, and no vault whose shares nobody has.
 */
export const custodyPrepare: Handler<'custody.prepare'> = async (call, input) => {
  const { world } = call
  const { custodians, threshold, change } = input
  const rehearsal = input.rehearse === true
  const fault = faultOfSet(custodians, threshold)
  if (fault !== undefined) return fault
  const present = (await world.vault.seals.list()).filter(({ kind }) => kind === 'custodians')
  if (present.length > 0 && !change)
    return refuse(
      'conflict',
      'this vault has custodians already',
      'exchange them with: tagout custody change',
    )
  if (present.length === 0 && change)
    return refuse('conflict', 'this vault has no custodians', 'make them with: tagout custody init')

  const made = await makeSet(custodians, threshold)
  try {
    await proveSet(made)
    await world.vault.inTransaction((tx) =>
      tx.audit({
        kind: 'custody.prepared',
        set: setText(made.shares[0]?.set ?? ''),
        threshold,
        names: custodians,
        rehearsal,
        ...by(call),
      }),
    )
    const id = randomBytes(16).toString('hex')
    if (rehearsal) made.secret[Symbol.dispose]()
    else
      world.custody.prepared.put(id, {
        provider: { kind: 'custodians', parameters: made.parameters, secret: made.secret },
        replaces: change,
      })
    return done({
      prepared: rehearsal ? null : id,
      set: setText(made.shares[0]?.set ?? ''),
      threshold,
      shares: made.shares.map((share) => ({
        index: share.index,
        name: share.name,
        text: rehearsal ? '' : shareText(share),
      })),
    })
  } finally {
    for (const share of made.shares) share.value[Symbol.dispose]()
  }
}

/** Makes a new recovery key; it opens nothing, and the present one everything, until `seal.confirm`. */
export const sealRenewRecovery: Handler<'seal.renewRecovery'> = async (call, { rehearse }) => {
  const secret = newRecoveryKey()
  if (rehearse === true) {
    using tried = secret
    const could = await call.world.vault.seals.rehearseExchange(
      { kind: 'recovery', secret: tried },
      call.actor,
    )
    return could.ok ? done({ prepared: null, recoveryKey: '' }) : could
  }
  const id = randomBytes(16).toString('hex')
  call.world.custody.prepared.put(id, { provider: { kind: 'recovery', secret }, replaces: true })
  return done({ prepared: id, recoveryKey: recoveryKeyText(secret) })
}

/** What was handed out opens the vault from now on. */
export const sealConfirm: Handler<'seal.confirm'> = async (call, { prepared: id }) => {
  const { custody, vault } = call.world
  const prepared = custody.prepared.take(id)
  if (prepared === undefined)
    return refuse(
      'expired',
      'nothing was prepared under this name, or it was half an hour ago',
      'begin again; destroy what was handed out',
    )
  try {
    const added = await vault.seals.add(prepared.provider, call.actor, prepared.replaces)
    return added.ok ? done(sealView(added.value)) : added
  } finally {
    if ('secret' in prepared.provider) prepared.provider.secret[Symbol.dispose]()
  }
}
