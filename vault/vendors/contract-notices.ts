import { adminsOf, notify } from '../notifications/notify.ts'
import { Fault } from '../kernel/fault.ts'
import { type CompanyId, newId } from '../kernel/id.ts'
import { checked, checkedOne, insertGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'

/** Days before the end of a contract at which people are told of it; 0: that it has ended. */
const noticeDays = [30, 7, 1, 0] as const
const day = 24 * 3600_000
/** Milliseconds between two looks at all contracts. */
const lookEvery = 60_000
/** Of contracts that ended longer ago, nobody is told any more. */
const tellsFor = 30 * day

const lookedAt = new WeakMap<World, number>()

/** Tells sponsors and administrators of contracts that end soon, and of those that have ended: once for each. */
export async function tellOfContracts(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  const now = clock().getTime()
  if (isSealed || now - (lookedAt.get(world) ?? Number.NEGATIVE_INFINITY) < lookEvery) return
  lookedAt.set(world, now)
  const ending = await database
    .selectFrom('company')
    .select('id')
    .where('off_at', 'is', null)
    .where('contract_ends_at', '<=', new Date(now + noticeDays[0] * day))
    .where('contract_ends_at', '>', new Date(now - tellsFor))
    .execute()
  for (const { id } of ending)
    try {
      await world.vault.inTransaction((tx) => tellOf(tx, id))
    } catch (error) {
      // A forged company keeps nobody from being told of the others.
      if (!(error instanceof Fault) || !['forged_row', 'rolled_back_row'].includes(error.code)) throw error
      world.onFault('contract', error)
    }
}

async function tellOf(tx: Tx, id: CompanyId): Promise<void> {
  const company = checkedOne(
    tx.guard,
    'company',
    await tx.db.selectFrom('company').selectAll().where('id', '=', id).forNoKeyUpdate().executeTakeFirst(),
  )
  if (company === undefined || company.off_at !== null) return
  const left = company.contract_ends_at.getTime() - tx.now.getTime()
  // The nearest alone: who was away for the earlier ones is told once.
  const days = noticeDays.findLast((one) => left <= one * day)
  if (days === undefined) return
  const told = checked(
    tx.guard,
    'contract_notice',
    await tx.db
      .selectFrom('contract_notice')
      .selectAll()
      .where('company_id', '=', id)
      .where('contract_ends_at', '=', company.contract_ends_at)
      .execute(),
  )
  if (told.some((one) => one.days <= days)) return
  const contractEndsAt = company.contract_ends_at.toISOString()
  await insertGuarded(tx, 'contract_notice', {
    id: newId('cnt', tx.now.getTime()),
    company_id: id,
    contract_ends_at: company.contract_ends_at,
    days,
    told_at: tx.now,
  })
  await tx.audit({
    kind: 'company.contract-notice',
    days,
    contractEndsAt,
    company: id,
    companyName: company.name,
    actor: { kind: 'vault' },
  })
  await notify(
    tx,
    { kind: 'company.contract-ends', company: company.name, contractEndsAt, days },
    async () => [company.sponsor_id, ...(await adminsOf(tx))],
  )
}
