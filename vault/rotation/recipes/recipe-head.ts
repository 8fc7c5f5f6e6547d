import { z } from 'zod'
import { profiles } from '../profile.ts'

/** What recipes of every format begin with. */
export const recipeHead = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'small letters, digits and -, 40 at most'),
  /** One that follows has a higher one: accounts stay with the one that was chosen for them. */
  version: z.int().min(1).max(9_999),
  title: z.string().trim().min(1).max(100),
  /** What it was tried on, honestly. */
  tried: z.enum(['nothing', 'simulator', 'machine']),
  /** What whoever chooses it should know: which machines and versions, what was left out. */
  notes: z.string().trim().max(500).default(''),
  /** The profile of passwords where an account names none. */
  profile: z.string().refine((name) => Object.hasOwn(profiles, name), 'there is no such profile'),
} as const

export function headFindings({
  tried,
}: {
  readonly tried: 'nothing' | 'simulator' | 'machine'
}): readonly string[] {
  return tried === 'machine'
    ? []
    : [
        `it was tried on ${tried === 'simulator' ? 'a simulator alone' : 'nothing'}: try it on a machine of yours first`,
      ]
}
