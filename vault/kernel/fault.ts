/** The faults of all planes. A fault is nobody's answer: something is broken, and an operator must look. */
export const faultCodes = [
  'database',
  'forged_row', // a stored row does not carry the MAC that the vault gave it
  'rolled_back_row', // a stored row is genuine but older than what the vault last wrote
  'envelope', // a sealed secret does not open
  'audit',
  'recording',
  'protocol', // a plane spoke out of turn
  'timeout',
  'closed', // the peer went away
  'configuration',
  'internal',
] as const

export type FaultCode = (typeof faultCodes)[number]

/** A fault with a code and a message that is safe to log: no secret and no user text. */
export class Fault extends Error {
  readonly code: FaultCode

  constructor(code: FaultCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'Fault'
    this.code = code
  }
}

/** Is it that somebody else than the vault wrote a row, or put it back? */
export function isForged(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === 'forged_row' || error.code === 'rolled_back_row')
}
