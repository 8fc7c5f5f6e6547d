import { z } from 'zod'
import { forwards, line } from '../contract/shapes.ts'
import {
  allowedActions,
  clipboardActions,
  protocols,
  type RuleAction,
  ruleActions,
} from '../contract/words.ts'
import { durationSeconds } from '../kernel/duration.ts'

/**
 * The policy as people write it: who may use what, and under which conditions anybody may. One document, applied
 * whole. Names are those of users, safes, targets (`press-3`) and accounts (`press-3/engineer`).
 */

/** A part of it: a member that is none is named, since it would be a condition that nobody notices is missing. */
function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: ({ code, ...issue }) =>
      code === 'unrecognized_keys' && Array.isArray(issue['keys'])
        ? `there is no ${issue['keys'].slice(0, 3).map(quoted).join(', ')} here; it knows ${Object.keys(shape).join(', ')}`
        : undefined,
  })
}

/** SECURITY: what somebody wrote in a file, as one line that no terminal is driven by. */
const quoted = (key: unknown) => JSON.stringify(String(key).slice(0, 80))

const name = z
  .string()
  .regex(/^[a-z0-9_][a-z0-9._-]{0,62}$/i, 'use 1 to 63 letters, digits, dots, dashes or underscores')
const reference = z.string().min(1).max(160)
const names = z.array(name).min(1, 'name one at least, or leave it out').max(1000)
const references = z.array(reference).min(1, 'name one at least, or leave it out').max(1000)
const duration = z
  .string()
  .refine((text) => durationSeconds(text) !== undefined, 'write a duration like 4h, 30m or 1h30m')
export const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'write a time of the day like 06:00')
const closing = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'write a time of the day like 22:00')
/** A moment by the wall clock of the calendar's zone. */
const wallMoment = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?$/,
    'write a moment like 2026-12-24T06:00, or a day like 2026-12-24',
  )
  .refine(isMoment, 'there is no such day or time')
const zone = z.string().refine(isZone, 'write a time zone like Europe/Berlin or UTC')

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

const span = strict({ from: wallMoment, to: wallMoment }).refine(
  ({ from, to }) => from < to,
  'to: it ends after it begins',
)
const calendar = strict({
  zone,
  /** Open each week. `to` is not after `from`: until then on the next day. No days: every day. */
  weekly: z
    .array(
      strict({
        days: z.array(z.enum(weekdays)).min(1).max(7).optional(),
        from: clock,
        to: closing,
      }),
    )
    .max(50)
    .optional(),
  /** Open then too: the next planned stop. */
  dates: z.array(span).max(200).optional(),
  /** Closed then, whatever else it says: a production freeze. */
  except: z.array(span).max(200).optional(),
}).refine(
  ({ weekly, dates }) => weekly !== undefined || dates !== undefined,
  'a calendar says when it is open: weekly, or by dates',
)
export type CalendarDocument = z.infer<typeof calendar>

/** What somebody may call a desktop's files, which have the words of SSH. */
const otherWords: readonly unknown[] = ['file-in', 'file-out']

/** Some of these words; whoever writes another word for files is told theirs. */
function actionsOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z
    .array(
      z.enum(words, {
        error: ({ input }) =>
          otherWords.includes(input)
            ? `${String(input)} is no action: files are sftp-write onto a machine and sftp-read off it, beside a desktop too`
            : `this is none of ${words.join(', ')}`,
      }),
    )
    .min(1)
    .max(words.length)
}

const ofClipboard: readonly RuleAction[] = clipboardActions

function onceEach<T>(list: z.ZodType<T[]>) {
  return list.refine((all) => new Set(all).size === all.length, 'name each once')
}

const who = strict({
  everyone: z.literal(true).optional(),
  users: names.optional(),
  groups: names.optional(),
  /** Their representatives, whoever these are. */
  companies: names.optional(),
  roles: z
    .array(z.enum(['admin', 'approver', 'supervisor', 'observer', 'operator', 'vendor']))
    .min(1)
    .max(6)
    .optional(),
})
const what = strict({
  everything: z.literal(true).optional(),
  safes: names.optional(),
  targets: names.optional(),
  accounts: references.optional(),
  /** Targets that carry one of these tags, or lie in one of these zones. */
  tags: names.optional(),
  zones: names.optional(),
  protocols: z.array(z.enum(protocols)).min(1).max(8).optional(),
})
/** `#` a digit, `?` any character, `*` any characters (once). */
const pattern = line(100).refine((text) => text.split('*').length <= 2, 'a pattern has one * at most')

const conditions = {
  /** Open when one of these calendars is. */
  during: names.max(20).optional(),
  /** Networks that one connects from: 10.20.0.0/16, fd00::/8. */
  networks: z
    .array(z.string().max(50).refine(isNetwork, 'write a network like 10.20.0.0/16'))
    .min(1)
    .max(100)
    .optional(),
  /** How long ago the second factor may have been shown. */
  factorWithin: duration.optional(),
  /** A session ends after this time at the latest. */
  longest: duration.optional(),
  exclusive: z.literal(true).optional(),
  /** Whom to call; said to people whom the rule does not let in. */
  contact: line(200).optional(),
}
const allowRule = strict({
  name,
  effect: z.literal('allow'),
  who,
  what,
  actions: onceEach(actionsOf(allowedActions)).refine(
    (list) =>
      !list.some((action) => ofClipboard.includes(action)) ||
      (list.includes('observe') && list.includes('interact')),
    'clipboard-in and clipboard-out go with observe and interact',
  ),
  /** Where the action `forward` may go. */
  forwards: forwards.optional(),
  ...conditions,
})
const limitRule = strict({
  name,
  effect: z.literal('limit'),
  who,
  what,
  /** What it limits; everything, where it names nothing. */
  actions: onceEach(actionsOf(ruleActions)).optional(),
  ...conditions,
  /** Only an approved request lets in, with this many approvals of members of each group. */
  approvals: z
    .array(strict({ group: name, count: z.int().min(1).max(5) }))
    .min(1)
    .max(5)
    .optional(),
  /** What a request must name. */
  workOrder: pattern.optional(),
  /** Somebody of this group must watch: until then, and when they leave, nothing of the user's reaches the target. */
  supervisors: name.optional(),
})

export const policyDocument = strict({
  version: z.literal(1, 'this program knows version 1'),
  /** Another policy takes two people: one asks, another administrator approves. */
  applyBy: z.literal('two').optional(),
  /** Whom to call where a rule names nobody of its own. */
  contact: line(200).optional(),
  groups: z.record(name, z.array(name).max(1000)).optional(),
  calendars: z.record(name, calendar).optional(),
  rules: z
    .array(z.discriminatedUnion('effect', [allowRule, limitRule], { error: 'effect is allow or limit' }))
    .max(500, 'a policy has 500 rules at most'),
})
export type PolicyDocument = z.infer<typeof policyDocument>
export type RuleDocument = PolicyDocument['rules'][number]

/** What holds before anybody has applied a policy: grants alone let in. */
export const emptyPolicy: PolicyDocument = { version: 1, rules: [] }

/** How the names of accounts are compared: those of targets in any case of letters, login names as they are. */
export function accountKey(name: string): string {
  const slash = Math.max(0, name.indexOf('/'))
  return name.slice(0, slash).toLowerCase() + name.slice(slash)
}

/** Whether this is a time zone that the machine knows. */
export function isZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

function isMoment(text: string): boolean {
  const full = text.length === 10 ? `${text}T00:00` : text
  const at = Date.parse(`${full}:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(full)
}

function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined
}

export type Network = { readonly address: string; readonly prefix: number; readonly family: 'ipv4' | 'ipv6' }

/** The parts of `10.20.0.0/16`; undefined for what is none. An address alone is a network of one. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...more] = text.split('/')
  if (more.length > 0) return undefined
  const family = z.ipv4().safeParse(address).success
    ? 'ipv4'
    : z.ipv6().safeParse(address).success
      ? 'ipv6'
      : undefined
  if (family === undefined) return undefined
  const most = family === 'ipv4' ? 32 : 128
  if (length === undefined) return { address, prefix: most, family }
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
  return prefix <= most ? { address, prefix, family } : undefined
}

/** Does a work order fit a pattern of `policyDocument`? Linear in both. */
export function fitsPattern(pattern: string, text: string): boolean {
  const [head = '', tail] = pattern.split('*')
  if (tail === undefined) return text.length === head.length && fitsPart(head, text)
  return (
    text.length >= head.length + tail.length &&
    fitsPart(head, text.slice(0, head.length)) &&
    fitsPart(tail, text.slice(text.length - tail.length))
  )
}

function fitsPart(part: string, text: string): boolean {
  return part
    .split('')
    .every(
      (char, at) =>
        char === '?' || (char === '#' ? /^[0-9]$/.test(text.charAt(at)) : char === text.charAt(at)),
    )
}
