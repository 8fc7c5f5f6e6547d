import { opensSessions, type Protocol } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/** Refuses what is of sessions at a target that opens none: a directory, a database, the web API of a device. */
export function needSessions(target: { readonly name: string; readonly protocol: Protocol }): Outcome<null> {
  return opensSessions(target.protocol)
    ? done(null)
    : refuse(
        'invalid',
        `${target.name} opens no session: accounts of ${target.protocol} are kept and rotated, and nobody is let in by them`,
        'see its secret where the policy allows that: tagout account reveal',
      )
}
