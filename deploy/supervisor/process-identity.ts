import { readFileSync } from 'node:fs'

/** A process, told apart from a later one that got the same number. */
export type ProcessIdentity = { readonly pid: number; readonly startedAt: string }

/** The process `pid` as it runs now, or undefined. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name may hold spaces and brackets; the fields after it do not (proc(5): the 22nd is the start time).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : { pid, startedAt: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startedAt === identity.startedAt
}
