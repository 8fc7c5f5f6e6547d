import type { Kysely } from 'kysely'
import { type RiskSettings, riskVerbs } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import { ownZone } from '../kernel/plant-time.ts'
import { type Checker, checkedWhole } from '../rows.ts'

const id = 'risk'

/** By what is marked where nobody has said otherwise: vendors outside of a working day, by the clock of this machine. */
export function usualSettings(): RiskSettings {
  return {
    off: [],
    zone: ownZone(),
    days: ['mon', 'tue', 'wed', 'thu', 'fri'],
    from: '06:00',
    until: '20:00',
    hoursOf: 'vendors',
    dormantDays: 60,
    spikeTimes: 10,
    spikeBytes: 5_000_000,
  }
}

/**
 * Reads by what is marked. Throws `Fault` where somebody wrote into the table, or took out what an administrator set.
 */
export async function readSettings(db: Kysely<Database>, checker: Checker): Promise<RiskSettings> {
  const rows = checkedWhole(
    checker,
    'risk_settings',
    await db.selectFrom('risk_settings').selectAll().execute(),
  )
  const row = rows.find((one) => one.id === id)
  return row === undefined ? usualSettings() : parse(row.settings)
}

function parse(text: string): RiskSettings {
  // The same shape as is asked, with the reason that is kept in the log alone.
  const read = riskVerbs['risk.set'].input.required().safeParse({ ...JSON.parse(text), reason: 'as kept' })
  if (!read.success) throw new Fault('database', 'the settings of risk cannot be read')
  const { reason: _, ...settings } = read.data
  return settings
}

export const settingsId = id
