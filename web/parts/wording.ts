/** Moments, durations and sizes as people read them. */

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

/** A moment in the reader's own time zone. */
export function moment(iso: string): string {
  return dateTime.format(new Date(iso))
}

const withZone = {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
} as const
const dateTimeZone = new Intl.DateTimeFormat(undefined, withZone)
const dateTimeUtc = new Intl.DateTimeFormat(undefined, { ...withZone, timeZone: 'UTC' })

/** A moment with the zone that it is told in, for what is handed on to somebody who may be in another. */
export function zonedMoment(iso: string): string {
  return dateTimeZone.format(new Date(iso))
}

/** A moment that nobody mistakes: in the reader's zone, and in UTC where that is another. */
export function exactMoment(iso: string): string {
  const [here, utc] = [zonedMoment(iso), dateTimeUtc.format(new Date(iso))]
  return here === utc ? here : `${here} (${utc})`
}

/** The zone that moments are shown in: `Europe/Berlin`. */
export function zone(): string {
  return dateTime.resolvedOptions().timeZone.replaceAll('_', ' ')
}

const timeAlone = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** The time of day of a moment, in the reader's own time zone: where the day is plain. */
export function timeOfDay(iso: string): string {
  return timeAlone.format(new Date(iso))
}

const dayOfWeek = new Intl.DateTimeFormat(undefined, { weekday: 'long', timeZone: 'UTC' })

/** The day of the week of a moment, by the clocks of UTC. */
export function weekday(iso: string): string {
  const at = new Date(iso)
  return Number.isNaN(at.getTime()) ? '' : dayOfWeek.format(at)
}

const dateAlone = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })

/** The day of a moment, in the reader's own time zone. */
export function date(iso: string): string {
  return dateAlone.format(new Date(iso))
}

/** How far a moment is away: "5 minutes ago", "in 2 hours". */
export function away(iso: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(iso) - now) / 1000)
  const size = Math.abs(seconds)
  if (size < 60) return relative.format(seconds, 'second')
  if (size < 3600) return relative.format(Math.round(seconds / 60), 'minute')
  if (size < 86_400) return relative.format(Math.round(seconds / 3600), 'hour')
  return relative.format(Math.round(seconds / 86_400), 'day')
}

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** Whole seconds as "4 h" or "1 h 30 min". */
export function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor((seconds % 86_400) / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return [days > 0 ? `${days} d` : '', hours > 0 ? `${hours} h` : '', minutes > 0 ? `${minutes} min` : '']
    .filter((part) => part !== '')
    .join(' ')
}

/** Whole seconds to the second, as what was measured is told: "1 min 31 s". */
export function exactSpan(seconds: number): string {
  const rest = seconds % 60
  return seconds < 60 || rest === 0 ? span(seconds) : `${span(seconds - rest)} ${rest} s`
}

export function between(from: string, to: string | null): string {
  return span(
    Math.max(0, Math.round(((to === null ? Date.now() : Date.parse(to)) - Date.parse(from)) / 1000)),
  )
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  const units = ['KB', 'MB', 'GB', 'TB']
  let value = size / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** Where a machine is: `ssh://press-3:22`, an IPv6 address in brackets. */
export function addressOf(at: {
  readonly protocol: string
  readonly host: string
  readonly port: number
}): string {
  const host = visible(at.host)
  return `${at.protocol}://${host.includes(':') ? `[${host}]` : host}:${at.port}`
}

/**
 * The first letter large: the product's sentences begin small so that they can be composed. What is a name or a path by
 * its form (`press-3`, `line-3/plc`, `tagout`), or by what follows it (`sam has taken …`, `panel shows …`), keeps its
 * letters: things have an article in these sentences, and names have none.
 */
export function sentence(text: string): string {
  if (text === '') return ''
  const isName =
    /^(?:tagout\b|\S*[-\d:@/._]\S*\w)/.test(text) || (subjectAlone.test(text) && !wordsAlone.test(text))
  const begun = isName ? text : `${text[0]?.toUpperCase()}${text.slice(1)}`
  return `${begun}${/[.!?]$/.test(text) ? '' : '.'}`
}

/** One word, and what somebody or something does, or did: the word is a name. */
const subjectAlone =
  /^\S+ (?:is|has|was|does|may|can|cannot|will|holds|shows|answers|takes|types|watches|wants|waits|lets|opens|offers|speaks|needs|refuses|refused|closed|did|stopped|never) /
/** What stands alone and is no name: words of the language, and of the product. */
const wordsAlone =
  /^(?:it|this|that|there|what|who|which|one|none|another|each|nobody|somebody|everybody|nothing|something|everything|others|more|you|they|he|she|guacd|vault|target|elevation|effect|text|input) /

/** Control and direction characters made visible: names and lines come from people and machines that may be hostile. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0
    if (code < 0x20) return String.fromCodePoint(0x2400 + code)
    return code === 0x7f ? '\u2421' : `<${code.toString(16).toUpperCase().padStart(4, '0')}>`
  })
}
