import { Fault, type Refusal } from '../../vault/index.ts'

/** What a `tagout` command ends with. */
export const exit = { done: 0, refused: 1, usage: 2, away: 3, incomplete: 4 } as const
export type ExitCode = (typeof exit)[keyof typeof exit]

/** Why a command stops: one sentence, what to do next, and the exit code. Neither text holds a secret. */
export class Complaint extends Error {
  readonly next: string | undefined
  readonly code: ExitCode

  constructor(message: string, next?: string, code: ExitCode = exit.refused) {
    super(message)
    this.name = 'Complaint'
    this.next = next
    this.code = code
  }
}

/** Stops a command because of what was typed. */
export function misuse(message: string, next?: string): Complaint {
  return new Complaint(message, next, exit.usage)
}

/** The complaint for what the vault or a recorder refused. */
export function refused(refusal: Refusal): Complaint {
  switch (refusal.code) {
    case 'invalid':
      return new Complaint(refusal.message, refusal.next, exit.usage)
    case 'sealed':
      // Whoever reads this is the machine's administrator, whom the vault would send others to.
      return new Complaint(refusal.message, 'unseal it with: tagout unseal', exit.away)
    case 'not_initialised':
      return new Complaint(refusal.message, 'set it up with: tagout init', exit.away)
    default:
      return new Complaint(refusal.message, refusal.next)
  }
}

/** The complaint for anything thrown. A fault names what is broken; anything else is ours to mend. */
export function complaintOf(error: unknown): Complaint {
  if (error instanceof Complaint) return error
  if (error instanceof Fault) {
    if (error.code === 'closed' || error.code === 'timeout')
      return new Complaint(error.message, 'see whether it runs with: tagout doctor', exit.away)
    return new Complaint(error.message, 'look into it with: tagout doctor')
  }
  if (error instanceof Error && 'code' in error && 'path' in error)
    return new Complaint(fileComplaint(String(error.code), String(error.path)))
  const text = error instanceof Error ? error.message : String(error)
  return new Complaint(text.split('\n')[0] ?? 'something broke', 'look into it with: tagout doctor')
}

function fileComplaint(code: string, path: string): string {
  switch (code) {
    case 'ENOENT':
      return `there is no ${path}`
    case 'EACCES':
    case 'EPERM':
      return `you may not use ${path}`
    case 'EEXIST':
      return `${path} exists already`
    case 'EISDIR':
      return `${path} is a folder`
    case 'ENOSPC':
      return `the disk is full at ${path}`
    default:
      return `cannot use ${path} (${code})`
  }
}
