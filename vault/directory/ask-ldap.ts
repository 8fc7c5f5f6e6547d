import { z } from 'zod'
import { type LdapSettings, nameText } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Row } from '../rows.ts'
import type { World } from '../world.ts'
import { openSecretOf } from './secret.ts'

/** Seconds that a directory has to say who is in its groups, and whether a password is right. */
const readSeconds = 60
const signInSeconds = 20

const whys = ['away', 'tls', 'bind', 'group', 'base', 'filter', 'failed'] as const
const failed = z.object({
  ok: z.literal(false),
  why: z.enum(whys).catch('failed'),
  detail: z.string().max(2000).catch(''),
})
const person = z.object({
  subject: z.string().min(1).max(128),
  login: z.string().min(1).max(256),
  disabled: z.string().min(1).max(200).nullable(),
  groups: z.array(z.int().min(0)).max(1000),
})
const readAnswer = z.union([
  z.object({
    ok: z.literal(true),
    people: z.array(person).max(50_000),
    members: z.array(z.int().min(0)).max(1000),
    all: z.int().min(0),
    certificateUntil: z.string().max(60).nullable(),
  }),
  failed,
])
export type LdapReading = Extract<z.output<typeof readAnswer>, { ok: true }>
const verdict = z.enum(['right', 'wrong', 'gone', 'disabled', 'locked', 'must-change'])
export type LdapVerdict = z.output<typeof verdict>
const verdictAnswer = z.union([z.object({ ok: z.literal(true), verdict }), failed])

type Directory = Row<'directory'>

/** Who is in which of these groups, as the directory says now. */
export async function readLdap(
  world: World,
  row: Directory,
  settings: LdapSettings,
  groups: readonly string[],
): Promise<Outcome<LdapReading>> {
  const question = { speak: 'ldap', do: 'read', settings, secret: openSecretOf(world, row), groups }
  return parse(readAnswer, await world.directories.ask(row.id, question, readSeconds), row.name)
}

/** Is this the password of the person of this subject, as the directory says now? */
export async function askPassword(
  world: World,
  row: Directory,
  settings: LdapSettings,
  subject: string,
  password: string,
): Promise<Outcome<LdapVerdict>> {
  const secret = openSecretOf(world, row)
  const question = { speak: 'ldap', do: 'authenticate', settings, secret, subject, password }
  const answer = parse(verdictAnswer, await world.directories.ask(row.id, question, signInSeconds), row.name)
  return answer.ok ? done(answer.value.verdict) : answer
}

/** SECURITY: what came is a stranger's: it has this shape, or is a refusal. */
function parse<T extends { readonly ok: boolean }>(
  shape: z.ZodType<T>,
  answer: Outcome<unknown>,
  directory: string,
): Outcome<Extract<T, { ok: true }>> {
  if (!answer.ok) return answer
  const parsed = shape.safeParse(answer.value)
  if (!parsed.success)
    return refuse(
      'unavailable',
      `the directory ${directory} answered something that is no answer`,
      test(directory),
    )
  const said = parsed.data as T | z.output<typeof failed>
  return 'why' in said ? whyText(directory, said) : done(said as Extract<T, { ok: true }>)
}

const test = (name: string) => `see: tagout directory test ${name}`

function whyText(directory: string, { why, detail }: z.output<typeof failed>): Outcome<never> {
  const code = /^[A-Z_ 0-9a-z]{1,60}$/.test(detail) ? ` (${detail})` : ''
  switch (why) {
    case 'away':
      return refuse(
        'unavailable',
        `the directory ${directory} cannot be reached${code}`,
        'see whether it runs, and whether a firewall lets this machine through',
      )
    case 'tls':
      return refuse(
        'unavailable',
        `the directory ${directory} shows a certificate that the one kept of it does not vouch for${code}`,
        `find out why; if it was renewed on purpose: tagout directory change ${directory} --ca FILE`,
      )
    case 'bind':
      return refuse(
        'unavailable',
        `the directory ${directory} does not let Tagout in: the name or password that it reads it with is wrong, expired or locked`,
        `set it anew: tagout directory change ${directory} --ask`,
      )
    case 'group':
      return refuse(
        'unavailable',
        `the directory ${directory} has no group ${quoted(detail)}, or does not show it`,
        `write it as the directory does, or take it away: tagout directory map ${directory} GROUP --nothing`,
      )
    case 'base':
      return refuse(
        'unavailable',
        `the directory ${directory} has no entry at its base, or does not show it`,
        `correct the base: tagout directory change ${directory} --base DN`,
      )
    case 'filter':
      return refuse(
        'unavailable',
        `the filter of the directory ${directory} is no filter of LDAP`,
        `correct it: tagout directory change ${directory} --user-filter FILTER`,
      )
    case 'failed':
      return refuse(
        'unavailable',
        `the directory ${directory} does not answer as one should${code}`,
        test(directory),
      )
  }
}

/** What a directory calls something goes to people's screens: letters and signs only, and few. */
export function quoted(text: string): string {
  const plain = text.replaceAll(/[^\p{L}\p{N}\p{P}\p{Zs}=+]/gu, '?').slice(0, 200)
  return nameText.safeParse(plain).success ? plain : JSON.stringify(plain)
}
