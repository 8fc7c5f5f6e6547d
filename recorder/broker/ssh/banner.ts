import type { Refusal, RefusalCode } from '../../../vault/kernel/outcome.ts'
import { readableLines } from '../../../vault/ssh/readable.ts'

/**
 * What somebody is told before a login that does not come about, or undefined where it reads like every other.
 *
 * SECURITY: of a person it speaks to whoever has proven a factor of theirs alone: the vault says so (`told`).
 */
export function refusalBanner({ code, message, next, told }: Refusal): string | undefined {
  if (told !== true) return bannerOf(code)
  const [line = ''] = readableLines(next === undefined ? message : `${message}: ${next}`, 1, 400)
  return `Tagout: ${line}`
}

/** What somebody reads who is proven, and of whom a rule of the policy wants a code beside. */
export const factorBanner = 'Tagout: a rule of this machine wants a fresh code of your second factor'

/** What they read of a code that was not taken: they have proven themselves, and it was theirs. */
export function codeBanner({ message, next }: Refusal): string {
  const said = message.replace(/^totpCode: /, '')
  const [line = ''] = readableLines(next === undefined ? said : `${said}: ${next}`, 1, 400)
  return `Tagout: ${line}`
}

/**
 * What everybody is told before a login while none can be verified, or undefined where a refusal is the person's own.
 *
 * SECURITY: it speaks of the gateway alone. No code is listed here that the vault gives because of who asks.
 */
function bannerOf(code: RefusalCode): string | undefined {
  switch (code) {
    case 'sealed':
      return 'Tagout: the vault is sealed, nobody can log in: ask the administrator to unseal it'
    case 'not_initialised':
      return 'Tagout: the vault is not set up yet, nobody can log in: ask the administrator to run tagout init'
    case 'unavailable':
      return 'Tagout: the vault does not answer, nobody can log in: try again in a minute'
    default:
      return undefined
  }
}
