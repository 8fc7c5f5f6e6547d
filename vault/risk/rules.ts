import type { RiskFact, RiskRule, RiskSettings } from '../contract.ts'
import type { EndReason, RecordingState } from '../contract/words.ts'
import { count } from '../kernel/count.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { hoursText } from '../kernel/risk-text.ts'
import { calendarAt, momentIn } from '../policy/calendar.ts'

/**
 * What marks a session or a secret as out of the ordinary. Each rule is a pure function over facts: it answers a sentence and
 * the facts that it looked at, or nothing. Nothing is added up to a score, and nothing is guessed where facts are missing.
 */

/** What is known of a session when it has begun. */
export type BegunFacts = {
  readonly user: string
  readonly account: string
  readonly target: string
  /** Whose representative the user is; null: nobody's. */
  readonly company: string | null
  readonly startedAt: number
  /** A credential left for it: before that, nothing has reached the machine. */
  readonly reached: boolean
  /** Sessions of the same user at the same machine before it, and at any machine. */
  readonly earlierThere: number
  readonly lastAnywhere: number | null
}

/** What is known when it has ended. */
export type EndedFacts = BegunFacts & {
  readonly endReason: EndReason | null
  readonly recording: RecordingState
  readonly bytes: number
  /** Bytes of the latest whole recordings of the account before it. */
  readonly earlierBytes: readonly number[]
  /** What the gateway refused during it, in the words of the audit log. */
  readonly refused: readonly string[]
}

/** A secret that somebody saw, and that should be another one by now. */
export type SeenFacts = {
  readonly user: string
  readonly account: string
  readonly seenAt: string
  readonly why: string
  readonly dueAt: string
  readonly version: number
  readonly now: number
}

export type Found = { readonly rule: RiskRule; readonly why: string; readonly facts: readonly RiskFact[] }

type Answer = Omit<Found, 'rule'> | undefined

const day = 24 * 3600_000
/** Recordings of an account below which nobody can say what is usual. */
const fewest = 5
/** What an end says of the recording that nobody may overlook. */
const gapEnds: readonly EndReason[] = ['recorder crashed', 'recording failed', 'vault away too long']

/** What marks a session as soon as it has begun. */
export function judgeBegun(settings: RiskSettings, facts: BegunFacts): readonly Found[] {
  return answers(settings, {
    'first-time': firstTime(facts),
    'off-hours': offHours(settings, facts),
    'dormant-vendor': dormantVendor(settings, facts),
  })
}

/** What marks a session that has ended. */
export function judgeEnded(settings: RiskSettings, facts: EndedFacts): readonly Found[] {
  return answers(settings, {
    'volume-spike': volumeSpike(settings, facts),
    'refused-act': refusedAct(facts),
    'recording-gap': recordingGap(facts),
  })
}

/** What marks a secret that was seen. */
export function judgeSeen(settings: RiskSettings, facts: SeenFacts): readonly Found[] {
  return answers(settings, { 'reveal-unrotated': revealUnrotated(facts) })
}

function answers(settings: RiskSettings, given: Partial<Record<RiskRule, Answer>>): readonly Found[] {
  return (Object.entries(given) as [RiskRule, Answer][]).flatMap(([rule, found]) =>
    found === undefined || settings.off.includes(rule) ? [] : [{ rule, ...found }],
  )
}

function firstTime({ user, target, earlierThere, reached }: BegunFacts): Answer {
  if (!reached || earlierThere > 0) return undefined
  return {
    why: `${user} was never on ${target} before`,
    facts: [
      { name: 'earlier sessions of this user on this machine', value: '0' },
      { name: 'machine', value: target },
    ],
  }
}

function offHours(
  settings: RiskSettings,
  { user, company, account, startedAt, reached }: BegunFacts,
): Answer {
  if (!reached || (settings.hoursOf === 'vendors' && company === null)) return undefined
  const { zone, days, from, until } = settings
  if (calendarAt({ zone, weekly: [{ days, from, to: until }] }, startedAt).open) return undefined
  return {
    why: `${user} began to work on ${account} outside of ordinary hours`,
    facts: [
      { name: 'began', value: momentIn(zone, startedAt) },
      { name: 'ordinary hours', value: hoursText(settings) },
    ],
  }
}

function dormantVendor(
  { dormantDays }: RiskSettings,
  { user, company, startedAt, lastAnywhere, reached }: BegunFacts,
): Answer {
  if (!reached || company === null || lastAnywhere === null) return undefined
  const days = Math.floor((startedAt - lastAnywhere) / day)
  if (days < dormantDays) return undefined
  return {
    why: `${user} of ${company} had not been here for ${count(days, 'day')}`,
    facts: [
      { name: 'session before this one', value: utcMinute(lastAnywhere) },
      { name: 'a vendor is dormant after', value: count(dormantDays, 'day') },
    ],
  }
}

function volumeSpike(settings: RiskSettings, { account, bytes, earlierBytes }: EndedFacts): Answer {
  if (earlierBytes.length < fewest || bytes < settings.spikeBytes) return undefined
  const usual = middle(earlierBytes)
  if (bytes < usual * settings.spikeTimes) return undefined
  return {
    why: `much more than usual passed in this session on ${account}`,
    facts: [
      { name: 'bytes of its recording', value: String(bytes) },
      { name: `middle of ${earlierBytes.length} earlier recordings of this account`, value: String(usual) },
      {
        name: 'a spike is',
        value: `${settings.spikeTimes} times that, and ${settings.spikeBytes} bytes at least`,
      },
    ],
  }
}

function middle(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = Math.floor(sorted.length / 2)
  const upper = sorted[at] ?? 0
  return sorted.length % 2 === 1 ? upper : Math.round(((sorted[at - 1] ?? 0) + upper) / 2)
}

function refusedAct({ user, account, refused }: EndedFacts): Answer {
  if (refused.length === 0) return undefined
  return {
    why: `${user} tried on ${account} what they may not do, ${refused.length === 1 ? 'once' : `${refused.length} times`}`,
    facts: refused.slice(0, 10).map((value) => ({ name: 'refused', value: value.slice(0, 300) })),
  }
}

function recordingGap({ user, account, recording, endReason }: EndedFacts): Answer {
  const isWhole = recording === 'complete' || recording === 'recording'
  if (isWhole && (endReason === null || !gapEnds.includes(endReason))) return undefined
  return {
    why:
      recording === 'tampered'
        ? `the recording of ${user} on ${account} is not what was recorded`
        : `part of what ${user} did on ${account} may not be recorded`,
    facts: [
      { name: 'state of the recording', value: recording },
      { name: 'the session ended', value: endReason ?? 'it is not known how' },
    ],
  }
}

function revealUnrotated({ user, account, seenAt, why, dueAt, version, now }: SeenFacts): Answer {
  if (Date.parse(dueAt) > now) return undefined
  return {
    why: `${user} has seen the secret of ${account}, and it is the same still, past the day on which it was to be another`,
    facts: [
      { name: 'seen', value: utcMinute(Date.parse(seenAt)) },
      { name: 'because', value: why === '' ? 'no reason was given' : why.slice(0, 300) },
      { name: 'to be rotated by', value: utcMinute(Date.parse(dueAt)) },
      { name: 'version that is current', value: String(version) },
    ],
  }
}
