import type { RefusalCode } from '../../../vault/kernel/outcome.ts'

/**
 * What everybody is told before a login while none can be verified, or undefined where a refusal is the person's own.
 *
 * SECURITY: it speaks of the gateway alone. No code is listed here that the vault gives because of who asks.
 */
export function bannerOf(code: RefusalCode): string | undefined {
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
