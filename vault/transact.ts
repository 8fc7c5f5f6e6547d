import { type Outcome, refuse } from './kernel/outcome.ts'
import type { Tx } from './transaction.ts'
import type { World } from './world.ts'

/** Carries a refusal out of a transaction, which is rolled back by it. */
class Refused extends Error {
  readonly outcome: Outcome<never>

  constructor(outcome: Outcome<never>) {
    super('refused')
    this.outcome = outcome
  }
}

/**
 * Runs `act` in one transaction, and rolls it back when it refuses: nothing half done is left. A name that is taken
 * and a row that somebody else changed meanwhile are refused as `conflict`.
 */
export async function transact<T>(world: World, act: (tx: Tx) => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await world.vault.inTransaction(async (tx) => {
      const outcome = await act(tx)
      if (!outcome.ok) throw new Refused(outcome)
      return outcome
    })
  } catch (error) {
    if (error instanceof Refused) return error.outcome
    if (sqlState(error) === '23505')
      return refuse(
        'conflict',
        'something of this name exists already',
        'choose another name, or use that one',
      )
    throw error
  }
}

/** The SQLSTATE of an error, of itself or of what caused it. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)) return error.code
  return 'cause' in error ? sqlState(error.cause) : undefined
}

const networkCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND'])

/** Had the database no room for what it was to keep? Nothing of it was kept then. */
export function isDatabaseFull(error: unknown): boolean {
  return sqlState(error) === '53100'
}

/** Is the database away, rather than something wrong with what it was asked? */
export function isDatabaseAway(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const state = sqlState(error)
  if (state !== undefined && (/^(08|57P)/.test(state) || state === '53300' || state === '25P03')) return true
  if ('code' in error && typeof error.code === 'string' && networkCodes.has(error.code)) return true
  if (
    'message' in error &&
    /Connection terminated|timeout exceeded when trying to connect/.test(String(error.message))
  )
    return true
  return 'cause' in error && isDatabaseAway(error.cause)
}
