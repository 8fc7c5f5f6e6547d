import { z } from 'zod'

/** What a password can be made of. A profile may want one of several of them in it. */
export const characterClasses = ['lower', 'upper', 'digit', 'special'] as const
export type CharacterClass = (typeof characterClasses)[number]

const printable = /^[\x20-\x7e]+$/

/**
 * What a kind of machine takes as a password. Data, never code: a new kind is an entry of `profiles`, and what a device
 * tells of its own rules is another value of this type (`narrowed`).
 */
export const passwordProfile = z.strictObject({
  /** As it is named in settings. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/),
  title: z.string().min(1).max(100),
  /** Characters. */
  least: z.int().min(1).max(128),
  most: z.int().min(1).max(128),
  /** Characters that may be in it, each once. ASCII: so many characters are so many bytes, on every machine. */
  alphabet: z
    .string()
    .min(10)
    .max(95)
    .regex(printable)
    .refine((text) => new Set(text).size === text.length, 'a character is named once'),
  /** Classes of which one character at least must be in it. */
  wants: z.array(z.enum(characterClasses)).max(4).default([]),
  /** So many of a class at least, where one is not enough. */
  counts: z.partialRecord(z.enum(characterClasses), z.int().min(2).max(6)).optional(),
  /** Classes that its first character may be of; missing: any. */
  first: z.array(z.enum(characterClasses)).min(1).max(4).optional(),
  /** So many characters count: the machine takes a longer one and forgets the rest. */
  effective: z.int().min(1).max(128).optional(),
  /** It makes no difference between capital and small letters. */
  folds: z.boolean().default(false),
  /** The same character follows itself so often at most; missing: as often as it comes. */
  repeats: z.int().min(1).max(128).optional(),
  /** So many earlier ones are not taken again; what is made anew each time is none of them. */
  history: z.int().min(0).max(1000).default(0),
  /** Seconds for which a password is kept before it may be changed again. */
  leastAgeSeconds: z.int().min(0).max(31_536_000).default(0),
  /** After so many refused logins within so many seconds it locks its user out; missing: it is not known to. */
  lockOut: z
    .strictObject({ refused: z.int().min(1).max(100), seconds: z.int().min(1).max(86_400) })
    .optional(),
})
export type PasswordProfile = z.output<typeof passwordProfile>

/** What of a profile a device can tell. */
export const toldRules = passwordProfile
  .pick({ least: true, most: true, alphabet: true, wants: true, first: true, counts: true })
  .partial()
export type ToldRules = z.output<typeof toldRules>
