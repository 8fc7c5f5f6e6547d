import { CronExpressionParser } from 'cron-parser'
import { DateTime } from 'luxon'
import type { Row } from '../rows.ts'

const day = 86_400_000

/** Why a schedule of five fields in a zone is none, or undefined. */
export function scheduleFault(cron: string, zone: string): string | undefined {
  if (!DateTime.local().setZone(zone).isValid)
    return `zone: there is none of the name ${JSON.stringify(zone)}`
  if (!/^\S+(?: \S+){4}$/.test(cron))
    return 'schedule: five fields with a space between: minute, hour, day of the month, month, day of the week'
  try {
    // What comes twice within a day is no schedule of passwords.
    const times = CronExpressionParser.parse(cron, { tz: zone, currentDate: new Date(0) })
    const [first, second] = [times.next().getTime(), times.next().getTime()]
    return second - first < day / 2 ? 'schedule: twice within half a day is too often' : undefined
  } catch {
    return `schedule: ${JSON.stringify(cron.slice(0, 60))} is no time that ever comes`
  }
}

/**
 * The first moment of a schedule after another. Times are of the wall clock of its zone: what does not come on a day with a
 * change of the clock comes an hour later, and what comes twice comes once.
 */
export function nextOfSchedule(cron: string, zone: string, after: Date): Date | null {
  try {
    return CronExpressionParser.parse(cron, { tz: zone, currentDate: after }).next().toDate()
  } catch {
    return null
  }
}

type Rule = Pick<Row<'account_rotation'>, 'max_age_days' | 'schedule' | 'schedule_zone'>

/** When a credential that is current since then is due to be another one, by its age or its schedule; null: at no set time. */
export function dueOf(rule: Rule | undefined, since: Date | null | undefined): Date | null {
  if (rule === undefined || since === null || since === undefined) return null
  const byAge = rule.max_age_days === null ? null : new Date(since.getTime() + rule.max_age_days * day)
  const bySchedule =
    rule.schedule === null || rule.schedule_zone === null
      ? null
      : nextOfSchedule(rule.schedule, rule.schedule_zone, since)
  if (byAge === null || bySchedule === null) return byAge ?? bySchedule
  return byAge < bySchedule ? byAge : bySchedule
}
