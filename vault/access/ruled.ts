import type { Kysely } from 'kysely'
import type { Account } from '../accounts/account.ts'
import type { Database } from '../db/tables.ts'
import {
  allowingRules,
  type Circumstances,
  type RuleFacts,
  ruleAt,
  type Subject,
} from '../policy/access-rule.ts'
import type { Checker, Row } from '../rows.ts'
import { resourceOf } from './machine.ts'
import { readPolicy } from './policy.ts'

type Place = {
  readonly account: Pick<Account, 'id' | 'safe_id' | 'target'>
  readonly target: Row<'target'>
}

/** The rules of the policy that let somebody see a secret, or watch others: those that hold, and those that do not now. */
export async function ruledFinder(
  db: Kysely<Database>,
  checker: Checker,
  subject: Subject,
  action: 'reveal' | 'watch',
): Promise<(place: Place, circumstances: Circumstances) => readonly RuleFacts[]> {
  const policy = await readPolicy(db, checker)
  return ({ account, target }, circumstances) =>
    allowingRules(policy, subject, resourceOf(account, target))
      .filter(({ document }) => document.effect === 'allow' && document.actions.includes(action))
      .map((rule) => ruleAt(policy, rule, circumstances))
}
