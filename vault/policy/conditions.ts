import type { RuleDocument } from './document.ts'

/**
 * What a rule asks of whoever comes in under it, a line each, in the words of the console and of the command line. Pure;
 * runs in browsers too.
 */
export function ruleConditions(rule: RuleDocument): readonly string[] {
  const listed = (word: string, names: readonly string[] | undefined) =>
    names === undefined ? [] : [`${word} ${names.join(', ')}`]
  return [
    ...listed('during', rule.during),
    ...listed('from', rule.networks),
    ...(rule.factorWithin === undefined ? [] : [`second factor within ${rule.factorWithin}`]),
    ...(rule.longest === undefined ? [] : [`${rule.longest} at the longest`]),
    ...(rule.exclusive === true ? ['alone on the account'] : []),
    ...(rule.effect === 'limit'
      ? [
          ...(rule.approvals ?? []).map(({ group, count }) => `approved by ${count} of ${group}`),
          ...(rule.supervisors === undefined ? [] : [`watched by a supervisor of ${rule.supervisors}`]),
          ...(rule.workOrder === undefined ? [] : [`work order ${rule.workOrder}`]),
        ]
      : []),
  ]
}
