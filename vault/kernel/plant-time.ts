/** The zone of the machine that this runs on: `Europe/Berlin`. */
export function ownZone(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone
}

const formats = new Map<string, Intl.DateTimeFormat>()

/**
 * A moment by the clocks of a zone, with what these are ahead of UTC: `2026-12-01 06:00:00 +01:00`. Runs in browsers
 * too.
 */
export function zonedTime(iso: string, zone: string): string {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      timeZoneName: 'longOffset',
    })
    formats.set(zone, format)
  }
  const parts = format.formatToParts(new Date(iso))
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? ''
  const offset = part('timeZoneName').replace('GMT', '')
  const day = `${part('year')}-${part('month')}-${part('day')}`
  return `${day} ${part('hour')}:${part('minute')}:${part('second')} ${offset === '' ? '+00:00' : offset}`
}

/** A moment for sentences, to the minute: `2026-12-01 05:00 UTC`. */
export function utcMinute(at: Date | number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
