import { randomInt } from 'node:crypto'
import type { z } from 'zod'
import { Fault } from '../kernel/fault.ts'
import { Secret } from '../kernel/secret.ts'
import {
  type CharacterClass,
  characterClasses,
  passwordProfile,
  type PasswordProfile,
  type ToldRules,
} from './profile-shape.ts'

const lower = 'abcdefghijklmnopqrstuvwxyz'
const upper = lower.toUpperCase()
const digits = '0123456789'
/** Specials that no shell, no CLI's help key, no quoting and no XML takes for something else. */
const plainSpecials = '.,_+-=:@'
/** Keys that lie in the same place on American, German and French keyboards, with and without Shift. */
const samePlace = 'bcdefghijklnoprstuvx'

const made = (given: z.input<typeof passwordProfile>): PasswordProfile => passwordProfile.parse(given)

/** The profiles that there are, by name. */
export const profiles: Readonly<Record<string, PasswordProfile>> = Object.fromEntries(
  [
    made({
      name: 'linux',
      title: 'Linux and other Unix systems',
      least: 24,
      most: 32,
      alphabet: lower + upper + digits + plainSpecials,
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper', 'digit'],
      repeats: 2,
      lockOut: { refused: 5, seconds: 900 },
    }),
    made({
      name: 'windows',
      title: 'Windows and Active Directory',
      least: 24,
      most: 32,
      alphabet: lower + upper + digits + plainSpecials,
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper'],
      history: 24,
      leastAgeSeconds: 86_400,
      lockOut: { refused: 5, seconds: 1_800 },
    }),
    made({
      name: 'directory',
      title: 'OpenLDAP and other directories: whoever reads it elsewhere takes every character of it',
      least: 24,
      most: 32,
      alphabet: lower + upper + digits + plainSpecials,
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper'],
      lockOut: { refused: 5, seconds: 1_800 },
    }),
    made({
      name: 'switch',
      title: 'Command lines of switches and routers: no ? and no space, no quotes',
      least: 16,
      most: 24,
      alphabet: lower + upper + digits + '._+-=',
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper'],
      lockOut: { refused: 3, seconds: 600 },
    }),
    made({
      name: 'switch-16',
      title: 'Switches that take sixteen characters at most: no ? and no space, no quotes',
      least: 16,
      most: 16,
      alphabet: lower + upper + digits + '._+-=',
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper'],
      lockOut: { refused: 3, seconds: 600 },
    }),
    made({
      name: 'switch-8',
      title: 'Old switches that take eight letters and digits, and capital letters for small ones',
      least: 8,
      most: 8,
      alphabet: lower + digits,
      wants: ['lower', 'digit'],
      first: ['lower'],
      folds: true,
      lockOut: { refused: 3, seconds: 600 },
    }),
    made({
      name: 'database',
      title: 'Roles of PostgreSQL, MySQL and MariaDB',
      least: 28,
      most: 32,
      alphabet: lower + upper + digits + '._-',
      wants: ['lower', 'upper', 'digit'],
      first: ['lower', 'upper'],
    }),
    made({
      name: 'web',
      title: 'Web pages and APIs of devices: letters, digits and signs that no form takes for something else',
      least: 16,
      most: 20,
      alphabet: lower + upper + digits + '._-',
      wants: ['lower', 'upper', 'digit', 'special'],
      first: ['lower', 'upper'],
      lockOut: { refused: 5, seconds: 900 },
    }),
    made({
      name: 's7-1500',
      title: 'Users of a Siemens S7-1500, where it tells nothing else',
      least: 16,
      most: 20,
      alphabet: lower + upper + digits + '._+-=',
      wants: ['lower', 'upper', 'digit', 'special'],
      lockOut: { refused: 5, seconds: 300 },
    }),
    made({
      name: 'keyboard',
      title: 'Typed by people on keyboards of several languages: letters that lie in one place on all',
      least: 16,
      most: 20,
      alphabet: samePlace + samePlace.toUpperCase(),
      wants: ['lower', 'upper'],
      lockOut: { refused: 5, seconds: 900 },
    }),
    made({
      name: 'vnc',
      title: 'VNC: eight characters count (RFC 6143 §7.2.2)',
      least: 8,
      most: 8,
      alphabet: lower + upper + digits,
      effective: 8,
      lockOut: { refused: 5, seconds: 60 },
    }),
    made({
      name: 'panel-7',
      title: 'Operator panels that take seven characters',
      least: 7,
      most: 7,
      alphabet: lower + upper + digits,
      wants: ['digit'],
    }),
    made({
      name: 'four',
      title: 'Devices that take exactly four characters',
      least: 4,
      most: 4,
      alphabet: lower + upper + digits,
    }),
  ].map((profile) => [profile.name, profile]),
)

/** What a device tells of its own rules: the narrower of both holds. Undefined where nothing can fulfil both. */
export function narrowed(profile: PasswordProfile, told: ToldRules): PasswordProfile | undefined {
  // What contradicts itself is fulfilled by nothing.
  if ((told.least ?? 0) > (told.most ?? 128)) return undefined
  const alphabet = told.alphabet === undefined ? profile.alphabet : common(profile.alphabet, told.alphabet)
  const parsed = passwordProfile.safeParse({
    ...profile,
    // A device's longest wins over our least: a shorter password is weaker, and none at all is no password.
    least: Math.min(Math.max(profile.least, told.least ?? 0), told.most ?? profile.most),
    most: Math.max(Math.min(profile.most, told.most ?? 128), told.least ?? 0),
    alphabet,
    wants: [...new Set([...profile.wants, ...(told.wants ?? [])])],
    ...(told.first === undefined ? {} : { first: told.first }),
    ...(told.counts === undefined ? {} : { counts: told.counts }),
  })
  return parsed.success && canBeMade(parsed.data) ? parsed.data : undefined
}

function common(a: string, b: string): string {
  return [...a].filter((char) => b.includes(char)).join('')
}

/** Which class a character is of. */
export function classOf(char: string): CharacterClass {
  if (lower.includes(char)) return 'lower'
  if (upper.includes(char)) return 'upper'
  return digits.includes(char) ? 'digit' : 'special'
}

/** Why a password is none that this profile takes, or undefined. Says nothing of the password itself. */
export function misfit(profile: PasswordProfile, password: string): string | undefined {
  const chars = [...password]
  const { least, most, alphabet, wants, counts, first, repeats } = profile
  if (chars.length < least) return `it has fewer than ${least} characters`
  if (chars.length > most) return `it has more than ${most} characters`
  if (chars.some((char) => !alphabet.includes(char))) return 'it has a character that is not taken there'
  const missing = wants.find((one) => !chars.some((char) => classOf(char) === one))
  if (missing !== undefined) return `it has no character of the kind ${missing}`
  const few = characterClasses.find(
    (one) => chars.filter((char) => classOf(char) === one).length < (counts?.[one] ?? 0),
  )
  if (few !== undefined) return `it has too few characters of the kind ${few}`
  if (first !== undefined && !first.includes(classOf(chars[0] ?? '')))
    return 'it begins with a character that is not taken first'
  return repeats !== undefined && longestRun(chars) > repeats
    ? `a character follows itself more than ${repeats} times`
    : undefined
}

function longestRun(chars: readonly string[]): number {
  let longest = 0
  let run = 0
  for (const [at, char] of chars.entries()) {
    run = char === chars[at - 1] ? run + 1 : 1
    longest = Math.max(longest, run)
  }
  return longest
}

/** Draws before a profile is given up: the poorest of those that pass `canBeMade` needs some hundred. */
const mostDraws = 100_000

/**
 * Makes a password that the profile takes: each of them is as likely as any other of its length. The caller owns it.
 *
 * SECURITY: drawn whole and thrown away whole where it does not fit: mending one character would favour some.
 */
export function makePassword(
  profile: PasswordProfile,
  below: (limit: number) => number = (limit) => randomInt(limit),
): Secret {
  const { alphabet, most } = profile
  for (let left = mostDraws; left > 0; left -= 1) {
    const bytes = Uint8Array.from({ length: most }, () => alphabet.charCodeAt(below(alphabet.length)))
    if (misfit(profile, Buffer.from(bytes).toString('latin1')) === undefined) return new Secret(bytes)
    bytes.fill(0)
  }
  throw new Fault('configuration', `no password fits the profile ${profile.name}: correct it`)
}

/** Is there any password that it takes? */
function canBeMade(profile: PasswordProfile): boolean {
  const { least, most, alphabet, wants, counts, first, repeats } = profile
  const has = (one: CharacterClass) => [...alphabet].some((char) => classOf(char) === one)
  return (
    least <= most &&
    wants.length <= most &&
    wants.every(has) &&
    // Far from what cannot be drawn in time.
    characterClasses.every((one) => (counts?.[one] ?? 0) === 0 || has(one)) &&
    2 * characterClasses.reduce((sum, one) => sum + (counts?.[one] ?? 0), 0) <= most &&
    (first === undefined ||
      (first.some(has) &&
        (most > wants.length || first.some((one) => wants.includes(one)) || wants.length === 0))) &&
    (repeats === undefined || new Set(alphabet).size > 1)
  )
}

/** How strong what `makePassword` makes is, as people should read it. */
export type Strength = {
  /** Characters of it that count. */
  readonly characters: number
  /** Bits that somebody has to guess, rounded down. */
  readonly bits: number
  /** `weak`: somebody who can try as often as they like finds it in hours. */
  readonly verdict: 'weak' | 'fair' | 'strong'
}

/**
 * The effective strength of a profile: what its longest passwords have, less what the machine forgets or takes for
 * the same. Classes that are wanted make some impossible: they are counted off (inclusion and exclusion).
 */
export function strengthOf(profile: PasswordProfile): Strength {
  const { alphabet, most, effective, folds, wants, first } = profile
  const fold = (text: string) => new Set(folds ? text.toLowerCase() : text).size
  const characters = Math.min(most, effective ?? most)
  // Of what is cut off, a wanted class may lie there: nothing is known of the rest.
  const counted = characters < most || folds ? [] : wants
  const without = (left: readonly CharacterClass[]) =>
    [...alphabet].filter((char) => !left.includes(classOf(char))).join('')
  let ways = 0
  for (let set = 0; set < 2 ** counted.length; set += 1) {
    const left = counted.filter((_, at) => (set & (1 << at)) !== 0)
    const rest = without(left)
    const begins =
      first === undefined ? rest : [...rest].filter((char) => first.includes(classOf(char))).join('')
    ways += (left.length % 2 === 0 ? 1 : -1) * fold(begins) * fold(rest) ** (characters - 1)
  }
  const bits = Math.floor(Math.log2(Math.max(1, ways)))
  return { characters, bits, verdict: bits < 50 ? 'weak' : bits < 80 ? 'fair' : 'strong' }
}
