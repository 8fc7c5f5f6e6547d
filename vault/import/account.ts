import { findAccount } from '../accounts/account.ts'
import { openArrived } from '../accounts/credential.ts'
import { addAccount } from '../accounts/verbs.ts'
import type { ImportedRow } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { formatAddress, parseAddress } from '../targets/address.ts'
import { desktopOfInput, findTarget, pinsOf } from '../targets/target.ts'
import { addTarget } from '../targets/verbs.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Input } from '../world.ts'
import type { WantedAccount } from './rows.ts'

/** Adds an account, and its target where that is not there, within the transaction of an import. */
export async function importAccount(
  tx: Tx,
  call: Call,
  wanted: WantedAccount,
): Promise<Outcome<Pick<ImportedRow, 'addsTarget'> & { readonly does: 'create' | 'unchanged' }>> {
  const { login, credential } = wanted
  const there = await findTarget(tx.db, tx.guard, wanted.target, 'update')
  if (there !== undefined && there.name.toLowerCase() !== wanted.target.toLowerCase())
    return refuse('invalid', 'target: this is the id of a target', `write its name: ${there.name}`)
  if (there !== undefined && !(await isAsWanted(tx, there, wanted)))
    return refuse(
      'conflict',
      `the target ${there.name} is there already, with another safe, address or pin`,
      'leave these cells empty, or change the target first',
    )
  if (there !== undefined && (await findAccount(tx.db, tx.guard, `${there.name}/${login}`)) !== undefined)
    return done({ does: 'unchanged' })
  // The target first, even for an account that is refused: further lines are told what is wrong with themselves.
  const target = there === undefined ? await addMissing(tx, call, wanted) : done(there)
  if (!target.ok) return target
  if (credential === undefined)
    return refuse('invalid', 'this account has no secret', 'give either a password or a key_file')
  // SECURITY: opened for the account as this row names it: one that was sealed for another row does not open here.
  const opened = openArrived(call.world, `${wanted.target}/${login}`, credential)
  if (!opened.ok) return opened
  using arrived = opened.value
  const added = await addAccount(tx, call, target.value, login, arrived)
  if (!added.ok) return added
  if (there !== undefined) return done({ does: 'create' })
  return done({ does: 'create', addsTarget: wanted.pin === undefined ? 'not pinned' : 'pinned' })
}

async function addMissing(tx: Tx, call: Call, wanted: WantedAccount): Promise<Outcome<Row<'target'>>> {
  const { target: name, safe, address, pin } = wanted
  if (safe === undefined || address === undefined)
    return refuse(
      'invalid',
      `there is no target ${name}`,
      'give its safe and address in the same line, or add it first',
    )
  const added = await addTarget(tx, call, { name, safe, address, pin })
  if (!added.ok) return added
  const target = await findTarget(tx.db, tx.guard, added.value.id, 'update')
  if (target === undefined) throw new TypeError('a target that was added is found')
  return done(target)
}

/** Is a target as a row says? What the row leaves open fits. */
export async function isAsWanted(
  tx: Tx,
  target: Row<'target'>,
  wanted: Pick<WantedAccount, 'safe' | 'address' | 'pin'> & {
    readonly tags?: readonly string[] | undefined
    readonly zone?: string | undefined
    readonly desktop?: Input<'target.add'>['desktop']
  },
): Promise<boolean> {
  if (wanted.tags !== undefined && wanted.tags.join() !== (target.tags ?? []).join()) return false
  if (wanted.zone !== undefined && wanted.zone !== target.zone) return false
  if (wanted.desktop !== undefined) {
    const desktop = desktopOfInput(target.protocol, wanted.desktop)
    if (!desktop.ok || desktop.value !== target.desktop) return false
  }
  // A pin that was not approved is no small difference: it is refused as a conflict, never passed over.
  const { pin } = wanted
  if (pin !== undefined && !pinsOf(target).some((each) => each.fingerprint === pin)) return false
  if (wanted.address !== undefined) {
    const address = parseAddress(wanted.address)
    if (!address.ok || formatAddress(target) !== formatAddress(address.value)) return false
  }
  return wanted.safe === undefined || (await findSafe(tx.db, tx.guard, wanted.safe))?.id === target.safe_id
}
