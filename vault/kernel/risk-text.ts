import { count } from './count.ts'

/** By what sessions and secrets are marked, as the contract has it. Runs in browsers too. */
type Settings = {
  readonly off: readonly string[]
  readonly zone: string
  readonly days: readonly string[]
  readonly from: string
  readonly until: string
  readonly hoursOf: 'vendors' | 'everybody'
  readonly dormantDays: number
  readonly spikeTimes: number
  readonly spikeBytes: number
}

/** Ordinary hours: `mon, tue 06:00 to 20:00 (Europe/Berlin)`. */
export function hoursText({
  zone,
  days,
  from,
  until,
}: Pick<Settings, 'zone' | 'days' | 'from' | 'until'>): string {
  return `${days.join(', ')} ${from} to ${until} (${zone})`
}

/** By what is marked, in one line. */
export function riskText(settings: Settings): string {
  return [
    `ordinary hours ${hoursText(settings)} for ${settings.hoursOf}`,
    `vendors dormant after ${count(settings.dormantDays, 'day')}`,
    `a spike from ${settings.spikeTimes} times the usual and ${settings.spikeBytes} bytes on`,
    settings.off.length === 0 ? 'all rules on' : `off: ${settings.off.join(', ')}`,
  ].join('; ')
}
